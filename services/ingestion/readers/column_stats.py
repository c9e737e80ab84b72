"""What the cells of a column look like, over the first rows of a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.ingestion.readers.amounts import NOTHING, looks_like_amount, split_cell
from services.ingestion.readers.currencies import code_of
from services.ingestion.readers.dates import BARE_DIGITS, DateFormat, looks_like_date, shape_of
from services.ingestion.readers.words import NO, YES, direction_of, state_of

_IBAN = re.compile(r"^[A-Z]{2}\d{2}[A-Z0-9]{10,30}$")
_NOTHING = re.compile(NOTHING)
MOST_STATES = 6
_LETTERS = re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class ColumnStats:
    """Counts over a column's cells that are not blank; `rows` counts the blank ones too. `cells` are the cells, trimmed."""

    cells: tuple[str, ...]
    rows: int
    filled: int
    dates: int
    bare_digits: int  # could be YYMMDD or a spreadsheet's day number, were the header to say date
    amounts: int
    decimals: int  # amounts with a mark, a sign or a currency: no mere whole number
    negatives: int
    flags: int  # amounts with + or CR/DR
    signs: int  # amounts with a currency
    codes: int  # ISO currency codes
    debits: int
    credits: int
    states: int
    unsettled: int  # words for pending or declined
    texts: int
    nothings: int  # dashes and the like in the place of an amount
    distinct: int
    length: float

    def is_date(self, *, named: bool = False) -> bool:
        """Mostly dates; under a name that says date, at least one and a third of the cells."""
        if named:
            dates = self.dates or self.bare_digits
            return dates > 0 and dates * 3 >= self.filled
        return self.dates > 0 and self.dates >= 0.7 * self.filled

    def is_amount(self) -> bool:
        """Numbers, neither dates nor codes; dashes between them stand for none."""
        figures = self.filled - self.nothings
        return self.amounts > 0 and self.amounts >= 0.6 * figures and not (self.is_date() and not self.decimals) and not self.is_code()

    def nonzero(self) -> int:
        """How many of the amounts are not nothing."""
        return sum(re.search("[1-9]", cell) is not None for cell in self.cells)

    def is_code(self) -> bool:
        """Account numbers, sort codes, ids: whole numbers with leading zeros, or long ones."""
        whole = [cell for cell in self.cells if cell.isdecimal()]
        if not whole or len(whole) < self.filled:
            return False
        return any((cell[0] == "0" and len(cell) > 1) or len(cell) > 11 for cell in whole)

    def looks_like_money(self) -> bool:
        """Signs, currencies, or two decimals throughout: more than mere numbers, which may be hours or steps."""
        cents = sum(re.search(r"[.,]\d\d$", cell) is not None for cell in self.cells)
        return bool(self.negatives or self.flags or self.signs) or cents >= 0.9 * self.filled

    def is_currency(self) -> bool:
        return self.codes > 0 and self.codes >= 0.6 * self.filled

    def is_direction(self) -> bool:
        """Known words for in and out under a name that says so."""
        return self.debits + self.credits > 0 and self.debits + self.credits >= 0.6 * self.filled

    def is_sure_direction(self) -> bool:
        """Told by the cells alone: only known words and both ways, or only CR or DR, which mean nothing else."""
        if self.debits + self.credits != self.filled or not self.filled:
            return False
        letters = {cell.upper().rstrip(".") for cell in self.cells if cell}
        return (self.debits > 0 and self.credits > 0) or letters <= {"CR", "DR"}

    def is_all_direction(self) -> bool:
        """A word for in or out in every row, though all go the same way. A dash in every row says that there is nothing to say."""
        return self.filled == self.rows > 0 and self.debits + self.credits == self.filled and any(map(str.isalpha, self.cells))

    def is_status(self) -> bool:
        """Mostly words for the state."""
        return self.filled > 0 and self.states * 2 >= self.filled

    def is_partly_status(self) -> bool:
        """Few different words, of which one says pending or declined, whatever the bank calls the others."""
        return self.unsettled > 0 and self.distinct <= MOST_STATES

    def is_yes_or_no(self) -> bool:
        """Yes and no, or the like."""
        return self.filled > 0 and {cell.casefold() for cell in self.cells if cell} <= YES | NO

    def is_text(self) -> bool:
        return self.filled > 0 and self.texts * 10 >= self.filled * 3

    def is_iban(self) -> bool:
        """International account numbers, with or without blanks."""
        return self.filled > 0 and all(_IBAN.match(cell.replace(" ", "")) for cell in self.cells if cell)

    def is_unique_id(self) -> bool:
        """An id on (nearly) every row, never twice, and no mere row number, which would change from export to export."""
        if not self.filled or self.filled < 0.9 * self.rows or self.distinct < self.filled:
            return False
        present = [cell for cell in self.cells if cell]
        if not all(cell.isdecimal() and len(cell) < 100 for cell in present):
            return all(len(cell) >= 4 for cell in present) and not any(looks_like_date(cell) for cell in present)
        numbers = [int(cell) for cell in present]
        steps = {after - before for before, after in pairwise(numbers)}
        return min(numbers) > 10_000 or (len(numbers) > 2 and min(numbers) > 100 and not steps <= {1, -1})


def _is_text(cell: str) -> bool:
    return bool(_LETTERS.search(cell)) and not _IBAN.match(cell.replace(" ", ""))


def measure(cells: Sequence[str], date_format: DateFormat | None = None) -> ColumnStats:
    """Count what a column's cells look like. A format given by the caller alone says what is a date."""
    trimmed = tuple(cell.strip() for cell in cells)
    filled = [cell for cell in trimmed if cell]
    is_date = date_format.has_form if date_format else looks_like_date
    directions = [direction_of(cell) for cell in filled]
    states = [state_of(cell) for cell in filled]
    amounts = [cell for cell in filled if looks_like_amount(cell)]
    parts = [split for cell in amounts if (split := split_cell(cell))]
    dates = [cell for cell in filled if is_date(cell)]
    others = {*dates, *amounts}
    return ColumnStats(
        cells=trimmed,
        rows=len(trimmed),
        filled=len(filled),
        dates=len(dates),
        bare_digits=sum(shape_of(cell) in BARE_DIGITS for cell in filled),
        amounts=len(amounts),
        decimals=sum(not cell.isdecimal() for cell in amounts),
        negatives=sum(affix.sign < 0 for affix, _ in parts),
        flags=sum(affix.sign > 0 or affix.flag for affix, _ in parts),
        signs=sum(affix.currency is not None for affix, _ in parts),
        codes=sum(len(cell) <= 5 and bool(code_of(cell)) for cell in filled),
        debits=directions.count(-1),
        credits=directions.count(1),
        states=sum(map(bool, states)),
        unsettled=sum(state in ("pending", "void") for state in states),
        texts=sum(_is_text(cell) and cell not in others for cell in filled),
        nothings=sum(_NOTHING.match(cell) is not None for cell in filled),
        distinct=len(set(filled)),
        length=sum(map(len, filled)) / len(filled) if filled else 0.0,
    )
