"""Rows of formats with one record per transaction (OFX, QIF, MT940): from columns of text to batches and row errors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain
from pathlib import Path

import polars as pl

from services.ingestion.readers.amounts import AmountFormat, parse_column, shapes_of
from services.ingestion.readers.balances import Section
from services.ingestion.readers.currencies import CODES, code_of
from services.ingestion.readers.encoding import TextFile, open_text
from services.ingestion.readers.statement import BATCH_SCHEMA, MAX_ERRORS_SHOWN, Batch, ReadOptions, RowError, UnreadableStatement

BATCH_ROWS = 8192
BATCH_CHARS = 8 * 1024 * 1024  # a batch ends early once its texts come to this
MAX_BAD_ROWS = 100_000
MAX_SHAPES = 5_000
_CLEANED = ("description", "merchant", "category", "payment_method", "account", "source_id")


@dataclass
class Checks:
    """The first thing wrong with each row, as the columns `field` and `reason` of a frame."""

    frame: pl.DataFrame

    def __post_init__(self) -> None:
        nothing = pl.lit(None, dtype=pl.String)
        self.frame = self.frame.with_columns(nothing.alias("field"), nothing.alias("reason"))

    def refuse(self, wrong: pl.Expr, field: str, reason: pl.Expr | str) -> None:
        """Give the rows where `wrong` holds, and that have no reason yet, this one."""
        text = pl.lit(reason) if isinstance(reason, str) else reason
        fresh = pl.col("reason").is_null() & wrong.fill_null(False)
        self.frame = self.frame.with_columns(
            pl.when(fresh).then(pl.lit(field)).otherwise("field").alias("field"),
            pl.when(fresh).then(text).otherwise("reason").alias("reason"),
        )


def shown(column: str) -> pl.Expr:
    """A cell as an error shows it: quoted, at most 40 characters."""
    return pl.concat_str(pl.lit("'"), pl.col(column).fill_null("").str.strip_chars().str.slice(0, 40), pl.lit("'"))


def batch_of(frame: pl.DataFrame) -> Batch:
    """Part good rows from bad ones. The frame has BATCH_SCHEMA's columns and `field` and `reason`, null on good rows."""
    bad = frame["reason"].is_not_null()
    errors: list[RowError] = []
    if bad.any():
        errors = [RowError(*row) for row in frame.filter(bad).select("line", "field", "reason").iter_rows()]
        frame = frame.filter(~bad)
    rows = frame.with_columns(clean(frame[name]) for name in _CLEANED)
    rows = rows.with_columns(description=pl.coalesce("description", "merchant", "payment_method", pl.lit("")))
    return Batch(rows.select(BATCH_SCHEMA.keys()).cast(BATCH_SCHEMA), errors)  # type: ignore[arg-type]


def clean(text: pl.Series) -> pl.Series:
    """Text for people: control characters and runs of white space are single blanks; null where nothing is left."""
    text = text.cast(pl.String)
    odd = text.str.contains(r"[\p{Cc}\s]{2}|[\p{Cc}\s&&[^ ]]").fill_null(False)
    if odd.any():  # seldom: replacing costs five times what looking does
        text = text.scatter(odd.arg_true(), text.filter(odd).str.replace_all(r"[\p{Cc}\s]+", " "))
    text = text.str.strip_chars(" \u200e\u200f\ufeff")
    return text.replace("", None)


def signed_amounts(cells: pl.Series, form: AmountFormat) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Signed amounts (Decimal(19,4), null where unreadable), the currency in the cell, and why not where it is no amount.

    The cells are trimmed. As `parse_column`, with a short cut for plain numbers.
    """
    nothing = pl.Series([None] * len(cells), dtype=pl.String)
    bare = cells.str.replace(",", ".", literal=True) if form.decimal == "," else cells
    plain = cells.str.contains(rf"^[+-]?\d{{1,14}}(?:{re.escape(form.decimal)}\d{{1,4}})?$")
    if plain.all():
        return bare.cast(pl.Decimal(19, 4), strict=False), nothing, nothing
    column = parse_column(cells, form)
    signed = pl.select(pl.when(column.sign < 0).then(-column.value).otherwise(column.value)).to_series()
    return signed.cast(pl.Decimal(19, 4)), column.currency, column.reason


def mapped(cells: pl.Series, read: Callable[[str], object], dtype: pl.DataType) -> pl.Series:
    """Apply a function to each distinct cell that is not null; null where it gives None."""
    distinct = cells.drop_nulls().unique()
    table = pl.DataFrame({"cell": distinct, "value": pl.Series([read(cell) for cell in distinct], dtype=dtype)})
    return cells.alias("cell").to_frame().join(table, on="cell", how="left", maintain_order="left")["value"]


def iso_currencies(cells: pl.Series) -> tuple[pl.Series, pl.Series]:
    """ISO codes for what a file says of currency, and why not where it is none; both null where it says nothing."""
    cells = cells.str.strip_chars()
    cells = pl.select(pl.when(cells != "").then(cells)).to_series()
    codes = mapped(cells, lambda cell: code_of(cell) or None, pl.String())
    reason = "{cell!r} is not an ISO 4217 currency code; send `currency`"
    reasons = mapped(cells, lambda cell: None if code_of(cell) else reason.format(cell=cell[:20]), pl.String())
    return codes, reasons


def given_currency(options: ReadOptions) -> str | None:
    """The caller's currency. Raises UnreadableStatement when it is none."""
    if not options.currency:
        return None
    code = options.currency.strip().upper()
    if code not in CODES:
        raise UnreadableStatement(
            f"currency {options.currency!r} is not an ISO 4217 code", [RowError(0, "currency", "not an ISO 4217 code")]
        )
    return code


def count_shapes(total: Counter[str], cells: list[str]) -> None:
    """Count amounts by shape, for `decide_marks`. Memory stays bounded whatever the cells are."""
    series = pl.Series(cells, dtype=pl.String).str.strip_chars()
    for shape, count in shapes_of(series.filter((series != "") & (series.str.len_chars() < 40))).items():
        if shape in total or len(total) < MAX_SHAPES:
            total[shape] += count


def add_up(frame: pl.DataFrame, sections: dict[int, Section]) -> None:
    """Add a frame's rows (columns `section`, `amount`, `status`, `reason`) to their sections."""
    posted = pl.col("reason").is_null() & (pl.col("status") == "posted")
    sums = frame.group_by("section").agg(amount=pl.col("amount").filter(posted).sum(), unread=pl.col("reason").is_not_null().sum())
    for number, amount, unread in sums.iter_rows():
        if number in sections:
            sections[number].add(_shortest(amount))
            sections[number].unread += unread


def _shortest(amount: Decimal | None) -> Decimal:
    """Without the zeros that a column of four decimals adds."""
    cents = (amount or Decimal(0)).quantize(Decimal("0.01"))
    return cents if amount is None or cents == amount else amount


def repeats(hashes: list[pl.Series]) -> pl.Series:
    """The values that are there more than once."""
    values = pl.concat([pl.Series("hash", [], dtype=pl.UInt64), *hashes]).sort()  # takes a tenth of the memory that counting takes
    return values.filter(values == values.shift(1)).unique()


def checked(batches: Iterator[Batch], most: int = MAX_BAD_ROWS) -> Iterator[Batch]:
    """Pass batches on; give up on a file of which too many rows cannot be read. Raises UnreadableStatement."""
    bad = 0
    first: list[RowError] = []
    for batch in batches:
        bad += len(batch.errors)
        first += batch.errors[: MAX_ERRORS_SHOWN - len(first)]
        if bad > most:
            raise _unreadable(f"more than {most} rows cannot be read", first)
        yield batch


def with_a_row(batches: Iterator[Batch]) -> Iterator[Batch] | None:
    """Look ahead to the first good row, so that a file without one is refused at once; None where there is no row at all.

    Raises UnreadableStatement when rows there are, and none is good.
    """
    ahead: list[Batch] = []
    for batch in batches:
        ahead.append(batch)
        if len(batch.rows):
            return chain(ahead, batches)
    errors = [error for batch in ahead for error in batch.errors]
    if errors:
        raise _unreadable(f"none of the {len(errors)} rows can be read", errors)
    return None


def _unreadable(what: str, errors: list[RowError]) -> UnreadableStatement:
    first = errors[0]
    return UnreadableStatement(f"{what}; the first is line {first.line}: {first.field}: {first.reason}", errors)


def open_lines(path: Path, what: str) -> TextFile:
    """Open a text file as `encoding.open_text` does. `what`, as in "a QIF file", is what an error says was expected."""
    try:
        return open_text(path, lambda _sample: 0)
    except UnreadableStatement as wrong:
        raise _reworded(wrong, what) from wrong


def blocks(text: TextFile, what: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number (from 1) of a block's first line, and the lines. Raises UnreadableStatement for an endless line."""
    line = 1
    try:
        for lines in text.blocks():
            yield line, lines
            line += len(lines)
    except UnreadableStatement as wrong:
        raise _reworded(wrong, what) from wrong


def _reworded(wrong: UnreadableStatement, what: str) -> UnreadableStatement:
    """The text layer speaks of CSV, for which it was written."""
    errors = [replace(error, reason=error.reason.replace("a CSV file", what)) for error in wrong.errors]
    return UnreadableStatement(wrong.message.replace("a CSV file", what), errors, wrong.needs)


def ends_whole(text: TextFile) -> bool:
    """Whether the file's last line has a line end: without one it may be cut off."""
    with text.path.open("rb") as stream:
        stream.seek(max(0, text.size - 4))
        return stream.read().strip(b"\x00 \x1a").endswith((b"\n", b"\r"))
