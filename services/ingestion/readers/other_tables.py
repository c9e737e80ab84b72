"""Tables below the first, with other columns: their rows must not be read with the first one's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from services.ingestion.readers.amounts import looks_like_amount
from services.ingestion.readers.columns import header_name, name_rank
from services.ingestion.readers.dates import looks_like_date
from services.ingestion.readers.folding import fold
from services.ingestion.readers.headers import is_header_of, is_named, same_names
from services.ingestion.readers.layout import Table
from services.ingestion.readers.statement import RowError

# Fields that say how much moved, when, which way, whether at all, and for whom. A text may go by any name but some.
_DECIDING = ("date", "amount", "debit", "credit", "direction", "currency", "status", "account", "source_id", "fee", "balance")
_NO_TEXT = ("date", "amount", "debit", "credit", "balance")


class OtherTables:
    """Finds the headers of other tables, frame by frame in file order."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._under: int | None = None  # the line of the header of another table, while its rows last

    def behind(self, frame: pl.DataFrame, rows: Sequence[Sequence[str]]) -> pl.Series:
        """For each row the line of the other table's header that it stands under (or is), else null. `rows` are all its cells."""
        starts = [(at, self._header(rows[at], int(frame["line"][at]))) for at in self._likely(frame)]
        starts = [(at, under) for at, under in starts if under >= 0]
        if not starts:
            return pl.Series("behind", [self._under], dtype=pl.Int64).new_from_index(0, len(frame))
        marks = pl.DataFrame(
            {"row": [at for at, _ in starts], "behind": [under for _, under in starts]}, schema={"row": pl.UInt32, "behind": pl.Int64}
        )
        marked = frame.select(row=pl.int_range(pl.len(), dtype=pl.UInt32)).join(marks, on="row", how="left", maintain_order="left")
        filled = marked["behind"].fill_null(strategy="forward").fill_null(self._under or 0)
        self._under = int(filled[-1]) or None
        return pl.select(pl.when(filled > 0).then(filled).alias("behind")).to_series()

    def _likely(self, frame: pl.DataFrame) -> list[int]:
        """Rows of several cells that have no digit where dates and amounts stand: few, whatever the size of the file."""
        columns = self._table.columns
        if self._table.header_cells is None or not len(frame):
            return []
        wordy = pl.all_horizontal(~pl.col(f"c{at}").str.contains(r"\d") for at in (columns.date, *columns.money()))
        filled = pl.sum_horizontal((pl.col(f"c{at}").str.strip_chars() != "") for at in range(self._table.width))
        return frame.select((wordy & (filled > 1)).arg_true()).to_series().to_list()

    def _header(self, row: Sequence[str], line: int) -> int:
        """-1 for a row that is no header, 0 for a header whose columns are this table's, else its line."""
        columns = self._table.columns
        if same_names(row, self._table.header_cells):
            return 0
        charged = () if columns.fee is None else (columns.fee,)
        if not is_header_of(row, columns.date, (*columns.money(), *charged)):
            return -1
        names = [fold(cell) for cell in row]
        used = [(field, at) for field in _DECIDING if (at := getattr(columns, field)) is not None]
        if not all(self._is_same(field, at, names, row) for field, at in used):
            return line
        texts = [*columns.texts(), *(at for at in (columns.category, columns.payment_method) if at is not None)]
        return line if any(is_named(row[at], field) for at in texts if at < len(row) for field in _NO_TEXT) else 0

    def _is_same(self, field: str, at: int, names: list[str], row: Sequence[str]) -> bool:
        """Whether the row's name for a column means the same field in the same currency; what it is called here may not stand elsewhere."""
        ours = (self._table.header or [])[at]
        theirs = header_name(row[at] if at < len(row) else "")
        if theirs.currency is not None and theirs.currency != ours.currency:
            return False
        if theirs.text == ours.text:
            return True
        rank = name_rank(theirs, field)
        known = name_rank(ours, field) is not None and rank is not None and (field == "balance" or is_named(theirs.raw, field))
        return known and fold(ours.raw) not in names


def other_table_error(row: dict[str, Any], cells: Sequence[str]) -> RowError | None:
    """Why a row of another table is not read; None for one that is no transaction in any table."""
    every = [*cells, str(row["extra"] or "")]
    if not any(map(looks_like_date, every)) and not any(looks_like_amount(cell) for cell in every if cell):
        return None
    reason = f"belongs to another table, whose header on line {row['behind']} has other columns; send that table as a file of its own"
    return RowError(int(row["line"]), "row", reason)
