"""Exact money: `Decimal` and an ISO code here, `google.type.Money` on the wire, NUMERIC(19,4) in SQL. Never a float."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from functools import lru_cache

from google.type import money_pb2

from services.kit.errors import FailedPrecondition, invalid

_NANOS_PER_STEP = 100_000
"""nanos in 0.0001, the ledger's smallest step."""
_MAX_UNITS = 2**63 - 1
MAX_AMOUNT = Decimal("922337203685477.5807")
"""The ledger's largest magnitude: an int64 of ten-thousandths."""

# ISO 4217 codes in use, with their number of decimals where that is not 2 (list of 2026).
_DECIMALS = dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0)
_DECIMALS |= dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3) | dict.fromkeys("CLF UYW".split(), 4)
_TWO_DECIMALS = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU "
    "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS "
    "KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB "
    "PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD "
    "TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG "
    # Withdrawn, but old statements hold them.
    "ATS BEF CSK CUC CYP DEM EEK ESP FIM FRF GRD HRK IEP ITL LTL LUF LVL MTL NLG PTE SIT SKK SLL VEF ZWL ANG BYR GHC ROL TRL"
)
_DECIMALS |= dict.fromkeys(_TWO_DECIMALS.split(), 2)
CURRENCIES = frozenset(_DECIMALS)
"""All codes that `is_currency` knows."""


def is_currency(code: str) -> bool:
    """Whether `code` is an upper-case ISO 4217 code of money that people hold."""
    return code in _DECIMALS


def decimals(currency: str) -> int:
    """How many decimals a currency has by itself; 2 for one that ISO does not list."""
    return _DECIMALS.get(currency, 2)


def to_money(amount: Decimal, currency: str) -> money_pb2.Money:
    """The wire form of an amount with at most nine decimals. Exact. Raises FailedPrecondition for a total beyond what the wire can hold."""
    units = int(amount)
    if abs(units) > _MAX_UNITS:
        raise FailedPrecondition(f"A total of {amount} {currency} is more than an answer can hold.", reason="TOTAL_TOO_LARGE")
    nanos = int((amount - units) * 1_000_000_000)
    return money_pb2.Money(currency_code=currency, units=units, nanos=nanos)


def from_money(money: money_pb2.Money) -> tuple[Decimal, str]:
    """Amount and currency. Raises InvalidArgument when units and nanos disagree in sign, when nanos is out of range or finer than 0.0001,
    or when the currency is unknown."""
    units, nanos, currency = money.units, money.nanos, money.currency_code
    if not is_currency(currency):
        raise invalid("currency_code", f"{currency!r} is not an ISO 4217 code such as EUR")
    if (units > 0 > nanos) or (units < 0 < nanos) or abs(nanos) > 999_999_999:
        raise invalid("amount", f"units {units} and nanos {nanos} do not make one amount: both must have the same sign")
    steps, rest = divmod(abs(nanos), _NANOS_PER_STEP)
    if rest:
        raise invalid("amount", "has more than four decimals")
    scaled = abs(units) * 10_000 + steps
    amount = Decimal(scaled if units >= 0 and nanos >= 0 else -scaled).scaleb(-4)
    if abs(amount) > MAX_AMOUNT:
        raise invalid("amount", f"is larger than the ledger holds ({MAX_AMOUNT})")
    return amount, currency


def parse_amount(text: str, field: str = "amount") -> Decimal:
    """A signed decimal such as "-12.34". Raises InvalidArgument for anything else, for more than four decimals and for what the ledger
    cannot hold."""
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        raise invalid(field, f"{text[:40]!r} is not a decimal number such as -12.34") from None
    # Decimal takes the digits of every script.
    if not amount.is_finite() or not text.isascii() or "e" in text.lower() or "_" in text:
        raise invalid(field, f"{text[:40]!r} is not a decimal number such as -12.34")
    if abs(amount) > MAX_AMOUNT:
        raise invalid(field, f"is larger than the ledger holds ({MAX_AMOUNT})")
    if amount != amount.quantize(Decimal("0.0001")):
        raise invalid(field, "has more than four decimals")
    return amount


@lru_cache(maxsize=64)
def _step(currency: str) -> int:
    return int(10 ** (9 - decimals(currency)))


def format_money(units: int, nanos: int, currency: str) -> str:
    """The REST form of a wire amount, such as "-12.34": the currency's own decimals, more only where they are not zero."""
    sign = "-" if units < 0 or nanos < 0 else ""
    own = _DECIMALS.get(currency, 2)
    if own == 2 and not nanos % 10_000_000:  # nearly always, and thousands of times a second
        return f"{sign}{abs(units)}.{abs(nanos) // 10_000_000:02d}"
    fraction = f"{abs(nanos):09d}"
    kept = fraction[:own] if nanos % _step(currency) == 0 else fraction.rstrip("0")
    return f"{sign}{abs(units)}.{kept}" if kept else f"{sign}{abs(units)}"


def format_amount(amount: Decimal, currency: str) -> str:
    """The REST form of a Decimal; see `format_money`."""
    units = int(amount)
    return format_money(units, int((amount - units) * 1_000_000_000), currency)
