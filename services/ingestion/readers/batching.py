"""From rows read one by one to batches of bounded size, with lines that rise from row to row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl

from services.ingestion.readers.record_rows import BATCH_ROWS, batch_of
from services.ingestion.readers.statement import BATCH_SCHEMA, Batch, RowError

MAX_CHARS = 16 * 1024 * 1024  # of text in one batch


@dataclass(frozen=True, slots=True)
class Row:
    """One ledger row, its fields as in `BATCH_SCHEMA`."""

    line: int
    transaction_date: date
    amount: Decimal
    currency: str | None
    description: str
    merchant: str | None
    category: str | None
    payment_method: str | None
    account: str | None
    status: str
    source_id: str | None
    raw_data: str


_FIELDS = tuple(BATCH_SCHEMA)


class Batching:
    """Collects rows and errors. Take a batch whenever it is `full`, and once more at the end."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._errors: list[RowError] = []
        self._chars = 0
        self._line = 0
        self.lines_counted = False  # whether some record got a later line than its own, because lines must differ

    def line(self, physical: int) -> int:
        """The line of the next record: its own, or the next free one where several records share a line."""
        self.lines_counted = self.lines_counted or physical <= self._line
        self._line = max(physical, self._line + 1)
        return self._line

    def add(self, row: Row) -> None:
        """Take in a row whose line `line` gave."""
        self._rows.append(row)
        self._chars += len(row.raw_data) + len(row.description)

    def reject(self, line: int, field: str, reason: str) -> None:
        """Take in a record that gives no row; `line` as `line` gave it."""
        self._errors.append(RowError(line, field, reason))

    @property
    def full(self) -> bool:
        """Time to take a batch."""
        return len(self._rows) + len(self._errors) >= BATCH_ROWS or self._chars >= MAX_CHARS

    def take(self) -> list[Batch]:
        """What was collected since the last time: at most BATCH_ROWS rows a batch; none when there is nothing."""
        rows, errors = self._rows, self._errors
        self._rows, self._errors, self._chars = [], [], 0
        parts = [rows[at : at + BATCH_ROWS] for at in range(0, len(rows), BATCH_ROWS)]
        if errors and not parts:
            parts = [[]]
        return [Batch(batch_of(_frame(part)).rows, errors if at == 0 else []) for at, part in enumerate(parts)]


def _frame(rows: list[Row]) -> pl.DataFrame:
    series = [pl.Series(name, [getattr(row, name) for row in rows], dtype=BATCH_SCHEMA[name]) for name in _FIELDS]
    nothing = pl.lit(None, dtype=pl.String)
    return pl.DataFrame(series).with_columns(nothing.alias("field"), nothing.alias("reason"))
