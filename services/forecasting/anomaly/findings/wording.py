"""How findings speak: amounts, times and names for people."""

from __future__ import annotations

import hashlib
import math
from decimal import ROUND_HALF_EVEN, Decimal

from services.forecasting.anomaly.domain import AnomalyKind
from services.kit.money import decimals, format_amount

_SHOWN = 60
"""Characters of a name."""
_NAMELESS = "somebody without a name"


def key_of(kind: AnomalyKind, *about: str) -> str:
    """The name of a finding: the same for the same thing, whatever else the ledger holds."""
    digest = hashlib.blake2b("\0".join((kind, *about)).encode(), digest_size=16)
    return f"{kind}:{digest.hexdigest()}"


def figure(amount: Decimal, currency: str) -> str:
    """An amount without its sign: the currency's own decimals, more only where they are not zero."""
    return format_amount(abs(amount), currency)


def rounded(amount: Decimal, currency: str) -> Decimal:
    """To what the currency has coins for."""
    return amount.quantize(Decimal(1).scaleb(-decimals(currency)), ROUND_HALF_EVEN)


def of_log(size: float, currency: str) -> str:
    """About an amount, out of its logarithm, as `figure`."""
    return figure(rounded(Decimal(repr(math.exp(size))), currency), currency)


def short(name: str) -> str:
    """A counterparty's name on one line."""
    plain = " ".join("".join(one if one.isprintable() else " " for one in name).split()) or _NAMELESS
    return plain if len(plain) <= _SHOWN else f"{plain[: _SHOWN - 1]}…"
