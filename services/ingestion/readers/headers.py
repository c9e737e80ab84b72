"""Which rows are headers: by the names in them, or by their words above the data; and headers of two rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest

from services.ingestion.readers.amounts import looks_like_amount
from services.ingestion.readers.columns import header_name, name_rank
from services.ingestion.readers.dates import looks_like_date
from services.ingestion.readers.folding import fold
from services.ingestion.readers.header_names import NAMES

_SURE = 10  # from this rank on only a part of the cell is a known name
_MONEY = ("amount", "debit", "credit")


def _date_words() -> frozenset[str]:
    """Words of which one is in every name of a date."""
    found: set[str] = set()
    for words in sorted((name.split() for field in ("date", "other_date") for name in NAMES[field]), key=len):
        if found.isdisjoint(words):
            found.add(max(words, key=len))
    return frozenset(found)


_DATE_WORDS = _date_words()
_WORDS = re.compile(r"[A-Z]+[a-z]*|[a-z]+")


def _may_name_a_date(cell: str) -> bool:
    """Whether `name_rank` may find a date's name. For rows of texts that differ it is far cheaper, and most of them have none."""
    if cell.isascii():
        return any(word.lower() in _DATE_WORDS for word in _WORDS.findall(cell))
    return any(word.rstrip("0123456789") in _DATE_WORDS for word in fold(cell).split())


def is_named_header(row: Sequence[str]) -> bool:
    """Names of a date and of an amount, and no date or amount itself."""
    filled = [cell for cell in row if cell.strip()]
    if len(filled) < 2 or not any(map(_may_name_a_date, filled)):
        return False
    if any(looks_like_date(cell) or looks_like_amount(cell) for cell in filled):
        return False
    names = [header_name(cell) for cell in filled]
    dates = [rank for name in names if (rank := name_rank(name, "date")) is not None]
    money = [rank for name in names for field in _MONEY if (rank := name_rank(name, field)) is not None]
    return bool(dates and money) and (min(dates) < _SURE or min(money) < _SURE)


def is_header_of(row: Sequence[str], date: int, money: Sequence[int]) -> bool:
    """Whether a row below a table is a header over its columns of date and money: of some table, whatever it calls its money."""
    cells = [row[at].strip() if at < len(row) else "" for at in (date, *money)]
    if not cells[0] or not any(cells[1:]):
        return False
    if is_named_header(row):
        return True
    if not _may_name_a_date(cells[0]) or not any(re.search(r"[^\W\d_]{2}", cell) for cell in cells[1:]):
        return False
    if any(looks_like_date(cell) or looks_like_amount(cell) for cell in row if cell.strip()):
        return False
    return is_named(cells[0], "date") or header_name(cells[0]).text in NAMES["other_date"]


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

    It must name two columns of money, or nothing but currencies, and stand where the upper row is blank, or has a name of money, too, or
    one that spans them. Its names win where they say more: not several times "Amount" below "Withdrawals", "Deposits" and "Balance".
    """
    pairs = [(above.strip(), below.strip()) for above, below in zip_longest(upper, lower, fillvalue="")]
    money = [_is_money(below) for _, below in pairs]
    units = [_is_currency(below) for _, below in pairs]
    if sum(money) < 2 and (not any(units) or any(below for (_, below), unit in zip(pairs, units, strict=True) if not unit)):
        return None
    for at, (above, below) in enumerate(pairs):
        if not below:
            continue
        if len(below) >= 60 or not (units[at] or re.search(r"[^\W\d_]", below)) or looks_like_date(below) or looks_like_amount(below):
            return None
        spans = at + 1 < len(pairs) and not pairs[at + 1][0] and money[at + 1]
        if above and fold(above) != fold(below) and not ((money[at] or units[at]) and (_is_money(above) or spans)):
            return None
    joined = _joined_names(pairs, units, {below for at, (_, below) in enumerate(pairs) if money[at]}, sum(money))
    return joined if joined and is_named_header(joined) else None


def _joined_names(pairs: list[tuple[str, str]], units: list[bool], names: set[str], columns: int) -> list[str] | None:
    """`names` are those of money in the lower row, for so many columns. None where the rows contradict each other."""
    lower_says_more = len(set(map(fold, names))) == columns and not _tells_sides([above for above, _ in pairs])
    joined: list[str] = []
    for (above, below), is_unit in zip(pairs, units, strict=True):
        if is_unit and above:
            said = header_name(above).currency
            if said not in (None, header_name(below).currency):
                return None
            joined.append(above if said else f"{above} ({below.strip('()[]')})")
        elif lower_says_more:
            joined.append(below or above)
        else:
            joined.append(above or ("" if below in names and [lower for _, lower in pairs].count(below) > 1 else below))
    return joined


def _is_money(cell: str) -> bool:
    return any(is_named(cell, field) for field in (*_MONEY, "balance"))


def _is_currency(cell: str) -> bool:
    name = header_name(cell)
    return name.currency is not None and not name.text


def _tells_sides(row: Sequence[str]) -> bool:
    """Whether one cell names the money out and another the money in."""
    out, into = ({at for at, cell in enumerate(row) if is_named(cell, field)} for field in ("debit", "credit"))
    return bool(out - into and into - out)


def is_named(cell: str, field: str) -> bool:
    """Whether a cell is, as a whole, a name of the field."""
    return (rank := name_rank(header_name(cell), field)) is not None and rank < _SURE


def same_names(first: Sequence[str], second: Sequence[str] | None) -> bool:
    """Whether two rows have the same words in the same order, blank cells aside."""
    if second is None:
        return False
    # From the end, where rows that are no header have the shorter texts, of which there are fewer to fold.
    ours, theirs = ([cell for cell in reversed(row) if cell.strip()] for row in (first, second))
    return len(ours) == len(theirs) and all(fold(one) == fold(other) for one, other in zip(ours, theirs, strict=True))
