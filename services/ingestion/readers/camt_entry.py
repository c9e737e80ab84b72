"""One entry (Ntry) of a CAMT message to ledger rows: amounts and signs, dates, references, the other party, texts.

Elements come as flat mappings from the path below the entry to the text: {"BookgDt/Dt": "2024-05-01", "Amt": "1.00", "Amt@Ccy": "EUR"};
what repeats is a list. That is what `raw_data` keeps, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from services.ingestion.readers.amounts import LIMIT
from services.ingestion.readers.batching import Row
from services.ingestion.readers.currencies import CODES
from services.ingestion.readers.folding import fold

Fields = Mapping[str, Any]
Detail = tuple[int, Fields]  # line, fields of one TxDtls

_AMOUNT = re.compile(r"^\+?(\d{1,15})(?:\.(\d{0,4})0*)?$")
_DAY = re.compile(r"^(\d{4})-(\d\d)-(\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:?\d\d)?$")
_NO_REFERENCE = re.compile(
    r"^(?:[0\W_]*|non ?ref.*|not ?provided|not ?available|no ?ref(?:erence)?|n/?a|none|null|unknown|nicht angegeben)$", re.I
)
_DETAIL_AMOUNTS = ("Amt", "AmtDtls/TxAmt/Amt", "AmtDtls/CntrValAmt/Amt", "AmtDtls/InstdAmt/Amt")
_STATUS = {"BOOK": "posted", "PDNG": "pending", "FUTR": "pending"}
MAX_REFERENCE = 200
MAX_DETAILS_KEPT = 50  # in the raw data of an entry that is one row
MAX_DETAILS_SHOWN = 20  # in the description of such an entry
MAX_TEXTS = 100
MAX_DESCRIPTION = 4000
MAX_ENTRY_RAW = 8192  # characters of an entry that are repeated in the raw data of each of its details

# The families of ISO 20022 bank transaction codes that occur on accounts of persons.
_FAMILIES = {
    "RCDT": "Received credit transfer", "ICDT": "Issued credit transfer", "RRCT": "Received instant credit transfer",
    "IRCT": "Issued instant credit transfer", "RDDT": "Received direct debit", "IDDT": "Issued direct debit", "CCRD": "Card payment",
    "MCRD": "Merchant card payment", "CNTR": "Counter or cash machine", "RCHQ": "Received cheque", "ICHQ": "Issued cheque",
    "DRFT": "Draft", "LBOX": "Lockbox", "ICCN": "Issued cash concentration", "RCCN": "Received cash concentration",
    "MCOP": "Miscellaneous credit", "MDOP": "Miscellaneous debit", "ACOP": "Additional miscellaneous credit",
    "ADOP": "Additional miscellaneous debit",
}  # fmt: skip


class UnreadableEntry(Exception):
    """An entry that gives no row: which field, and why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field, self.reason = field, reason


@dataclass(frozen=True)
class Account:
    """The account that a statement is about, as far as the file names it, and the day to book on where entries name none."""

    identifier: str | None = None
    currency: str | None = None
    owner: str | None = None
    statement_day: date | None = None


@dataclass(frozen=True)
class Head:
    """What is decided for a whole entry. `split`: each detail is a row with an amount of its own."""

    amount: Decimal
    currency: str | None
    day: date
    status: str
    split: list[Decimal] | None
    dated_by_statement: bool
    odd_status: str | None


def first(fields: Fields, path: str) -> str | None:
    """The text at a path, the first one where it repeats; None for none."""
    found = fields.get(path)
    if isinstance(found, list):
        found = found[0]
    return found if found is None else str(found)


def read_amount(text: str | None) -> Decimal:
    """An amount without a sign, exactly. Raises UnreadableEntry."""
    match = _AMOUNT.match(text or "")
    if not match:
        raise UnreadableEntry("amount", _amount_reason(text))
    amount = Decimal(f"{match.group(1)}.{match.group(2) or '00'}")
    if amount >= LIMIT:
        raise UnreadableEntry("amount", f"{text!r} is too large")
    return amount


def _amount_reason(text: str | None) -> str:
    if not text:
        return "is missing"
    if re.fullmatch(r"\+?\d+\.\d+", text):
        return f"{text[:40]!r} has more than 4 decimals" if re.search(r"\.\d{4}\d*[1-9]", text) else f"{text[:40]!r} is too large"
    return f"{text[:40]!r} is no amount: digits, a point and decimals are expected, the sign is in CdtDbtInd"


def read_day(text: str) -> date:
    """The civil day of a date or a point in time, as written. Raises UnreadableEntry."""
    match = _DAY.match(text)
    if not match:
        raise UnreadableEntry("date", f"{text[:40]!r} is no date in the form YYYY-MM-DD")
    try:
        day = date(*map(int, match.groups()))
    except ValueError:
        raise UnreadableEntry("date", f"{text[:40]!r} is not a day of the calendar") from None
    if not 1900 <= day.year <= 2100:
        raise UnreadableEntry("date", f"{text[:40]!r} lies outside the years 1900 to 2100")
    return day


def signed(amount: Decimal, indicator: str | None) -> Decimal:
    """An amount with the sign that CdtDbtInd gives it. Raises UnreadableEntry."""
    if indicator not in ("CRDT", "DBIT"):
        raise UnreadableEntry("amount", f"CdtDbtInd is {indicator!r}: CRDT or DBIT must say which way the money went")
    return amount if indicator == "CRDT" else -amount


def read_head(entry: Fields, details: Sequence[Detail], account: Account) -> Head:
    """Decide the whole entry. Raises UnreadableEntry."""
    amount = signed(read_amount(first(entry, "Amt")), first(entry, "CdtDbtInd"))
    currency = (first(entry, "Amt@Ccy") or account.currency or "").upper() or None
    if currency is not None and currency not in CODES:
        raise UnreadableEntry("currency", f"{currency[:20]!r} is not an ISO 4217 currency code")
    status = (first(entry, "Sts") or first(entry, "Sts/Cd") or first(entry, "Sts/Prtry") or "BOOK").upper()
    if status == "INFO":
        raise UnreadableEntry("status", "for information only (INFO): the bank has not booked it")
    said = next((text for path in ("BookgDt/Dt", "BookgDt/DtTm", "ValDt/Dt", "ValDt/DtTm") if (text := first(entry, path))), None)
    day = read_day(said) if said else account.statement_day
    if day is None:
        raise UnreadableEntry("date", "neither the entry nor its statement has a date")
    return Head(
        amount, currency, day, _STATUS.get(status, "posted"), _split(amount, currency, entry, details),
        dated_by_statement=not said, odd_status=status if status not in _STATUS else None,
    )  # fmt: skip


def _split(amount: Decimal, currency: str | None, entry: Fields, details: Sequence[Detail]) -> list[Decimal] | None:
    """The signed amounts of several details where they add up to the entry, else None."""
    if len(details) < 2:
        return None
    for path in _DETAIL_AMOUNTS:
        parts = [_part(fields, path, currency) for _, fields in details]
        if None in parts:
            continue
        sizes = [part for part in parts if part is not None]
        own = [first(fields, "CdtDbtInd") or first(entry, "CdtDbtInd") for _, fields in details]
        found = [size if way == "CRDT" else -size for size, way in zip(sizes, own, strict=True)]
        if sum(found) == amount:
            return found
        if sum(sizes) == abs(amount):  # seen from the other side
            return sizes if amount > 0 else [-size for size in sizes]
    return None


def _part(detail: Fields, path: str, currency: str | None) -> Decimal | None:
    text = first(detail, path)
    if text is None or (first(detail, f"{path}@Ccy") or currency) != currency:
        return None
    try:
        return read_amount(text)
    except UnreadableEntry:
        return None


def rows_of(line: int, entry: Fields, details: Sequence[Detail], head: Head, account: Account) -> Iterator[Row]:
    """The rows of an entry: one where it has at most one detail; else one a detail.

    Details without amounts of their own, or whose amounts do not add up to the entry, cannot share its amount out: the first row has
    the whole, the others are zero. So each is accounted for and no amount is made up.
    """
    if head.split is not None:
        references = _references(entry, details)
        shared = entry if len(json.dumps(entry)) <= MAX_ENTRY_RAW else {}
        for (at, detail), amount, reference in zip(details, head.split, references, strict=True):
            yield _row(at, entry, [detail], head, account, amount, reference, _raw(shared, [detail]))
        return
    shown = [fields for _, fields in details]
    reference = _reference(entry, shown[0] if len(shown) == 1 else {})
    yield _row(line, entry, shown, head, account, head.amount, reference, _raw(entry, shown))
    for at, detail in details[1:]:
        yield _row(at, entry, [detail], head, account, Decimal(0), None, _raw({}, [detail]))


def _row(
    line: int, entry: Fields, details: list[Fields], head: Head, account: Account, amount: Decimal, reference: str | None, raw: str
) -> Row:
    detail = details[0] if len(details) == 1 else {}
    merchant = _other_party(entry, detail, account, money_out=head.amount < 0)
    method = _method(detail) or _method(entry)
    texts = [text for fields in details[:MAX_DETAILS_SHOWN] for text in _remittance(fields)]
    texts = texts[:MAX_TEXTS] + [text for text in (first(entry, "AddtlNtryInf"),) if text]
    return Row(
        line, head.day, amount, head.currency, _joined(texts)[:MAX_DESCRIPTION] or merchant or method or "", merchant, None, method,
        account.identifier, head.status, reference, raw,
    )  # fmt: skip


def _raw(entry: Fields, details: list[Fields]) -> str:
    raw = dict(entry)
    if len(details) == 1:
        raw.update({f"TxDtls/{path}": text for path, text in details[0].items()})
    elif details:
        raw["TxDtls"] = [dict(fields) for fields in details[:MAX_DETAILS_KEPT]]
    return json.dumps(raw, ensure_ascii=False)


def _joined(texts: list[str]) -> str:
    """Texts one after the other, without those that another one holds already."""
    kept: list[str] = []
    for text in texts:
        if not any(text in known for known in kept):
            kept = [known for known in kept if known not in text] + [text]
    return " ".join(kept)


def _every(fields: Fields, path: str) -> list[str]:
    found = fields.get(path)
    return found if isinstance(found, list) else [] if found is None else [found]


def _remittance(detail: Fields) -> list[str]:
    """What the payer wrote, references first named by the creditor after it."""
    texts = [" ".join(_every(detail, "RmtInf/Ustrd"))]
    texts += _every(detail, "RmtInf/Strd/CdtrRefInf/Ref") + _every(detail, "RmtInf/Strd/CdtrRefInf/CdtrRef")
    texts += _every(detail, "RmtInf/Strd/AddtlRmtInf") + _every(detail, "AddtlTxInf")
    return [text for text in texts if text]


def _other_party(entry: Fields, detail: Fields, account: Account, *, money_out: bool) -> str | None:
    """Who got or sent the money. A reversal keeps the parties of the payment that it takes back; some banks always fill the same one."""
    back = (first(entry, "RvslInd") or "").lower() in ("true", "1")
    roles = ("Cdtr", "Dbtr") if money_out != back else ("Dbtr", "Cdtr")
    names = [(role, name) for role in roles if (name := _party_name(detail, role))]
    others = [name for role, name in names if not _is_owner(detail, role, name, account)]
    return others[0] if others else names[0][1] if names and names[0][0] == roles[0] else None


def _is_owner(detail: Fields, role: str, name: str, account: Account) -> bool:
    if account.owner and fold(name) == fold(account.owner):
        return True
    numbers = (first(detail, f"RltdPties/{role}Acct/Id/{kind}") for kind in ("IBAN", "Othr/Id", "BBAN", "PrtryAcct/Id"))
    return any(canonical(number) == account.identifier for number in numbers if number)


def canonical(identifier: str) -> str:
    """An account's identifier without blanks, in upper case."""
    return "".join(identifier.split()).upper()


def _party_name(detail: Fields, role: str) -> str | None:
    for party in (f"Ultmt{role}", role):
        for within in ("Nm", "Pty/Nm", "Agt/FinInstnId/Nm"):
            if name := first(detail, f"RltdPties/{party}/{within}"):
                return name
    return first(detail, f"RltdPties/{role}Acct/Nm")


def _method(fields: Fields) -> str | None:
    """The bank transaction code in words where its family is known, else the codes."""
    family = first(fields, "BkTxCd/Domn/Fmly/Cd")
    if family in _FAMILIES:
        return _FAMILIES[family]
    codes = [first(fields, f"BkTxCd/Domn/{part}") for part in ("Cd", "Fmly/Cd", "Fmly/SubFmlyCd")]
    return " ".join(code for code in codes if code) or first(fields, "BkTxCd/Prtry/Cd")


def _usable(reference: str | None) -> str | None:
    """A reference that tells this transaction from others, or None for a placeholder."""
    return None if reference is None or _NO_REFERENCE.match(reference) or len(reference) > MAX_REFERENCE else reference


def _reference(entry: Fields, detail: Fields) -> str | None:
    """The bank's own id of an entry with at most one detail."""
    return _usable(first(entry, "AcctSvcrRef")) or _detail_reference(entry, detail)


def _detail_reference(entry: Fields, detail: Fields) -> str | None:
    """A detail's own id: the bank's, else that of the payment.

    The end-to-end id is no id of a transaction: a mandate or a standing order repeats it every month. Nor are the payment's ids on a
    reversal or a return: they are those of the payment that comes back.
    """
    if own := _usable(first(detail, "Refs/AcctSvcrRef")):
        return own
    reversal = (first(entry, "RvslInd") or "").lower() in ("true", "1") or any(path.startswith("RtrInf") for path in detail)
    return None if reversal else _usable(first(detail, "Refs/UETR")) or _usable(first(detail, "Refs/TxId"))


def _references(entry: Fields, details: Sequence[Detail]) -> list[str | None]:
    """Ids for the rows of a batch: the details' own where no two are alike, else the entry's with a number."""
    whole = _usable(first(entry, "AcctSvcrRef"))
    own = [_detail_reference(entry, fields) for _, fields in details]
    if None not in own and len(set(own)) == len(own) and whole not in own:
        return own
    return [f"{whole}/{number}" if whole else None for number in range(1, len(details) + 1)]
