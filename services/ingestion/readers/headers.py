"""Which rows are headers: by the names in them, or by their words above the data; and headers of two rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest

from services.ingestion.readers.amounts import looks_like_amount
from services.ingestion.readers.columns import header_name, name_rank
from services.ingestion.readers.dates import looks_like_date
from services.ingestion.readers.folding import fold

_SURE = 10  # from this rank on only a part of the cell is a known name
_MONEY = ("amount", "debit", "credit")


def is_named_header(row: Sequence[str]) -> bool:
    """Names of a date and of an amount, and no date or amount itself."""
    filled = [cell for cell in row if cell.strip()]
    if len(filled) < 2 or any(looks_like_date(cell) or looks_like_amount(cell) for cell in filled):
        return False
    names = [header_name(cell) for cell in filled]
    dates = [rank for name in names if (rank := name_rank(name, "date")) is not None]
    money = [rank for name in names for field in _MONEY if (rank := name_rank(name, field)) is not None]
    return bool(dates and money) and (min(dates) < _SURE or min(money) < _SURE)


def is_wordy_header(row: Sequence[str], data: Sequence[str]) -> bool:
    """Words over every column of data, no two alike, none a number or a date."""
    filled = [cell.strip() for cell in row if cell.strip()]
    return (
        len(filled) >= 2
        and len(filled) >= 0.6 * len(data)
        and len(row) <= len(data) + 2
        and len(set(filled)) >= 0.7 * len(filled)
        and all(re.search(r"[^\W\d_]", cell) and len(cell) < 60 for cell in filled)
        and not any(looks_like_date(cell) or looks_like_amount(cell) for cell in filled)
    )


def joined_header(upper: Sequence[str], lower: Sequence[str]) -> list[str] | None:
    """The names of a header of two rows, as "Amount" over "Debit" and "Credit"; None where `lower` is no second row of it.

    The lower names win. They must name two columns of money, and stand where the upper row is blank, or has a name of money, too, or one
    that spans them.
    """
    pairs = [(above.strip(), below.strip()) for above, below in zip_longest(upper, lower, fillvalue="")]
    money = [_is_money(below) for _, below in pairs]
    if sum(money) < 2:
        return None
    for at, (above, below) in enumerate(pairs):
        if not below:
            continue
        if len(below) >= 60 or not re.search(r"[^\W\d_]", below) or looks_like_date(below) or looks_like_amount(below):
            return None
        spans = at + 1 < len(pairs) and not pairs[at + 1][0] and money[at + 1]
        if above and fold(above) != fold(below) and not (money[at] and (_is_money(above) or spans)):
            return None
    joined = [below or above for above, below in pairs]
    return joined if is_named_header(joined) else None


def _is_money(cell: str) -> bool:
    name = header_name(cell)
    return any((rank := name_rank(name, field)) is not None and rank < _SURE for field in (*_MONEY, "balance"))


def same_names(first: Sequence[str], second: Sequence[str] | None) -> bool:
    """Whether two rows have the same words in the same order, blank cells aside."""
    return second is not None and [fold(cell) for cell in first if cell.strip()] == [fold(cell) for cell in second if cell.strip()]
