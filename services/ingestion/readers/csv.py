"""The CSV reader: whatever a bank exports as delimited text, in two passes and bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from services.ingestion.readers.amounts import looks_like_amount
from services.ingestion.readers.columns import header_name
from services.ingestion.readers.currencies import CODES
from services.ingestion.readers.dates import DateFormat, from_pattern, looks_like_date
from services.ingestion.readers.encoding import TextFile, open_text
from services.ingestion.readers.header_names import NAMES
from services.ingestion.readers.layout import HEAD_RECORDS, PREAMBLE, Table, account_in, find_table
from services.ingestion.readers.other_tables import OtherTables
from services.ingestion.readers.records import DELIMITERS, MAX_CELLS, Dialect, Record, RecordBlock, head_lines, read_records, sniff_dialect
from services.ingestion.readers.rows import Skipped, read_rows
from services.ingestion.readers.sections import Sections
from services.ingestion.readers.statement import MAX_ERRORS_SHOWN, Batch, ReadOptions, RowError, Statement, UnreadableStatement
from services.ingestion.readers.survey import Reading, Survey
from services.ingestion.readers.taught import header_hash, read_as_taught

SNIFF_LINES = 300
KEEP_BYTES = 16 * 1024 * 1024  # up to this size the first pass's cells are kept for the second


@dataclass(frozen=True)
class TableSource:
    """A table of text cells, wherever it comes from. `records` gives them from the start each time; `detected` and `notes` tell
    of what it was read from; `keep` allows its cells to stay in memory; with `remarks` what stands right of the table is no error.
    """

    file_format: str
    records: Callable[[], Iterator[RecordBlock]]
    dialect: Dialect
    detected: dict[str, Any]
    notes: list[str]
    keep: bool
    remarks: bool = False


def read_csv(path: Path, options: ReadOptions) -> Statement:
    """Read a delimited text file. Raises UnreadableStatement as `read_table` does, and for what is not text."""
    text = open_text(path, _known_names)
    head = head_lines(text.blocks(), SNIFF_LINES)
    return read_as_taught(options, lambda: _likely_headers(head), lambda asked: _read_text(text, head, asked))


def _likely_headers(head: list[str]) -> Iterator[list[str]]:
    """The first rows, cut as they seem to be; then, as dates that only the user could tell may mislead, at every other separator."""
    sniffed = sniff_dialect(head, looks_like_date, looks_like_amount)
    for dialect in (sniffed, *(Dialect(delimiter) for delimiter in DELIMITERS if delimiter != sniffed.delimiter)):
        yield from (row for block in read_records([head[:PREAMBLE]], dialect) for row in block.rows)


def _read_text(text: TextFile, head: list[str], options: ReadOptions) -> Statement:
    given_format = _given_format(options)
    is_date = given_format.has_form if given_format else looks_like_date
    dialect = sniff_dialect(head, is_date, looks_like_amount)
    described = {"encoding": text.encoding, "delimiter": dialect.delimiter}
    keep = text.size <= KEEP_BYTES
    return read_table(TableSource("csv", lambda: read_records(text.blocks(), dialect), dialect, described, text.notes, keep), options)


def find_source_table(source: TableSource, options: ReadOptions) -> Table:
    """Where the transactions stand in a table. Raises UnreadableStatement when there are none or a column cannot be told."""
    return find_table(_head(source), source.dialect, dict(options.columns or {}), _given_format(options))


def read_table(source: TableSource, options: ReadOptions) -> Statement:
    """Read a table of text cells.

    The first pass, over all of it, decides the layout; the second yields batches as they are asked for. Raises
    UnreadableStatement, with what it needs, when it is no statement, cannot be told without an answer, or has no good row.
    """
    if options.currency and options.currency.strip().upper() not in CODES:
        raise UnreadableStatement(
            f"currency {options.currency!r} is not an ISO 4217 code", [RowError(0, "currency", "not an ISO 4217 code")]
        )
    table = find_source_table(source, options)
    survey = Survey(table)
    kept: list[pl.DataFrame] | None = [] if source.keep else None
    repaired = 0
    for frame, mended in _frames(source, table):
        survey.add(frame.filter(pl.col("behind").is_null()))
        repaired += mended
        if kept is not None:
            kept.append(frame)
    reading = survey.decide(options, _given_format(options))
    skipped = Skipped()
    detected = _detected(source, reading, skipped, repaired)

    def batches() -> Iterator[Batch]:
        frames = iter(kept) if kept is not None else (frame for frame, _ in _frames(source, table))
        return _closing(read_rows(frames, reading, skipped), skipped, detected)

    known_by = header_hash(table.header_cells) if table.header_cells is not None else None
    return Statement(source.file_format, detected, account_in(table.preamble), _with_a_row(batches, skipped), known_by)


def _given_format(options: ReadOptions) -> DateFormat | None:
    if not options.date_format:
        return None
    try:
        return from_pattern(options.date_format)
    except ValueError as wrong:
        choices = {"date_format": ["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d"]}
        raise UnreadableStatement(str(wrong), [RowError(0, "date_format", str(wrong))], choices) from wrong


def _known_names(text: str) -> int:
    """How many non-ASCII column names of a sample are known: tells encodings apart."""
    cells = (cell.strip(' "') for line in text.splitlines()[:20] for mark in ",;\t|" if mark in line for cell in line.split(mark))
    return sum(1 for cell in cells if not cell.isascii() and any(header_name(cell).text in names for names in NAMES.values()))


def _head(source: TableSource) -> list[Record]:
    """The first records that are not blank."""
    head: list[Record] = []
    for block in source.records():
        for line, row in zip(block.lines, block.rows, strict=True):
            if len(row) > MAX_CELLS:
                reason = f"line {line} has {len(row)} cells: this is not a statement"
                raise UnreadableStatement(reason, [RowError(line, "file", reason)])
            if any(cell.strip() for cell in row):
                head.append((line, row))
            if len(head) >= HEAD_RECORDS:
                return head
    return head


def _frames(source: TableSource, table: Table) -> Iterator[tuple[pl.DataFrame, int]]:
    """The table's records as frames of text: "line", "c0" ..., "extra" (cells beyond the table's width, else null), "behind" (the
    line of another table's header that the row belongs under, else null), "section_state" and "section_way" (see Sections)."""
    others, sections = OtherTables(table), Sections(table)
    for block in source.records():
        frame = _frame(block, table, others, sections, remarks=source.remarks)
        if len(frame):
            yield frame, block.repaired


def _frame(block: RecordBlock, table: Table, others: OtherTables, sections: Sections, *, remarks: bool) -> pl.DataFrame:
    lines, rows, width = block.lines, block.rows, table.width
    if lines and lines[0] < table.first_line:
        start = next((i for i, line in enumerate(lines) if line >= table.first_line), len(lines))
        lines, rows = lines[start:], rows[start:]
    extra: list[str | None] | None = None
    whole = rows
    if set(map(len, rows)) != {width}:
        extra = None if remarks else [" ".join(cell for cell in row[width:] if cell.strip()) or None for row in rows]
        rows = [row if len(row) == width else (row + [""] * (width - len(row)))[:width] for row in rows]
    cells = list(zip(*rows, strict=True)) if rows else [()] * width
    series = [pl.Series("line", lines, dtype=pl.Int64)]
    series += [pl.Series(f"c{at}", column, dtype=pl.String) for at, column in enumerate(cells)]
    series.append(pl.Series("extra", extra if extra is not None else [None] * len(lines), dtype=pl.String))
    frame = pl.DataFrame(series)
    return frame.with_columns(others.behind(frame, whole), *sections.above(frame))


def _with_a_row(batches: Callable[[], Iterator[Batch]], skipped: Skipped) -> Iterator[Batch]:
    """Look ahead to the first good row, so that a file without one is refused at once. Looking ahead costs no memory."""
    errors: list[RowError] = []
    count = 0
    trial = batches()
    for ahead, batch in enumerate(trial):
        count += len(batch.errors)
        errors += batch.errors[: MAX_ERRORS_SHOWN - len(errors)]
        if len(batch.rows):
            if ahead == 0:
                return chain([batch], trial)
            skipped.clear()
            return batches()
    if not errors:
        raise UnreadableStatement("the file has no row that is a transaction")
    first = errors[0]
    raise UnreadableStatement(
        f"none of the {count} rows can be read; the first is line {first.line}: {first.field}: {first.reason}", errors
    )


def _detected(source: TableSource, reading: Reading, skipped: Skipped, repaired: int) -> dict[str, Any]:
    """How the file was read, for a person to check."""
    table = reading.table
    notes = [*source.notes, *reading.notes]
    if repaired:
        notes.append(f"{repaired} lines had a quote without its partner and were read without quotes")
    if reading.fee_way:
        how = "taken off" if reading.fee_way < 0 else "added, with its sign, to"
        notes.append(f"the fee is {how} the amount, as the running balance shows")
    if reading.pending_counted:
        notes.append("rows marked pending are kept: the running balance already counts them")
    if reading.continued:
        notes.append("lines without date and amount go on with the description above them")
    if "assumed" in reading.amount_format.evidence:
        notes.append(f"numbers: {reading.amount_format.evidence}")
    return {
        **source.detected,
        "header_line": table.header_line,
        "date_format": reading.date_format.text,
        "date_evidence": reading.date_evidence,
        "decimal_mark": reading.amount_format.decimal,
        "thousands_mark": reading.amount_format.thousands,
        "sign": reading.sign.text,
        "currency": reading.currency,
        "columns": table.columns.named(table.names),
        "header": table.names,
        "notes": notes,
        "skipped_lines": skipped.shown,
        "skipped_count": 0,
    }


def _closing(batches: Iterator[Batch], skipped: Skipped, detected: dict[str, Any]) -> Iterator[Batch]:
    for batch in batches:
        detected["skipped_count"] = skipped.count
        yield batch
    detected["skipped_count"] = skipped.count
