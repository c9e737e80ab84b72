"""The fingerprint of a transaction: the only implementation, called by everything that writes to the ledger."""

from __future__ import annotations

import unicodedata
from datetime import date
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256

VERSION = "v1"
MAX_CACHED = 256  # characters of a description worth remembering; keeps the cache small whatever a file holds


def generate_fingerprint(
    *, account_id: str, transaction_date: date, amount: Decimal, currency: str, description: str, occurrence: int
) -> str:
    """Return "v1:" and the SHA-256, in hex, of the six canonical fields.

    `amount` is signed, at most 4 decimals; `currency` ISO 4217; `occurrence` the running number of this same five-field
    row within its file. Case, white space and Unicode form of the description do not count, nor does 5.0 against 5.00.
    Each field is preceded by its length in characters, so that no two different rows can run together into one text.
    Raises ValueError for an amount that is not finite or has more than 4 decimals, and for a negative occurrence.
    """
    if occurrence < 0:
        raise ValueError(f"occurrence is {occurrence}, it counts up from the first equal row")
    account = account_id.strip().lower()
    day = transaction_date.isoformat()[:10]  # a datetime is a date too; its time of day is not part of the row
    money = _canonical_amount(amount)
    unit = currency.strip().upper()
    text = canonical_description(description)
    number = str(occurrence)
    canonical = f"{len(account)}:{account}{len(day)}:{day}{len(money)}:{money}{len(unit)}:{unit}{len(text)}:{text}{len(number)}:{number}"
    return f"{VERSION}:{sha256(canonical.encode('utf-8', 'surrogatepass')).hexdigest()}"


def canonical_description(text: str) -> str:
    """NFKC, case folded, white space collapsed to single blanks and trimmed."""
    return _cached(text) if len(text) <= MAX_CACHED else _canonical(text)


def _canonical(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


_cached = lru_cache(maxsize=32_768)(_canonical)


@lru_cache(maxsize=32_768)
def _canonical_amount(amount: Decimal) -> str:
    """The amount with its sign and exactly 4 decimals; zero has no sign."""
    if not amount.is_finite():
        raise ValueError(f"amount {amount} is not a finite number")
    text = f"{amount:.4f}"
    if Decimal(text) != amount:
        raise ValueError(f"amount {amount} has more than 4 decimals")
    return "0.0000" if not amount else text
