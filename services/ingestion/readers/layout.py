"""Where the table is in the file: its header, its width, its columns; and what the lines above it tell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from services.ingestion.readers.amounts import looks_like_amount
from services.ingestion.readers.column_stats import ColumnStats, measure
from services.ingestion.readers.columns import FIELDS, Columns, HeaderName, assign, header_name, name_rank, with_field
from services.ingestion.readers.currencies import CODES, code_of
from services.ingestion.readers.dates import DateFormat, looks_like_date
from services.ingestion.readers.folding import fold
from services.ingestion.readers.header_names import NAMES
from services.ingestion.readers.headers import is_named_header, is_wordy_header, joined_header, same_names
from services.ingestion.readers.money_columns import NeedsColumns
from services.ingestion.readers.records import Dialect, Record
from services.ingestion.readers.statement import RowError, UnreadableStatement

HEAD_RECORDS = 1000
SAMPLE_CELLS = 20_000
PREAMBLE = 100


@dataclass(frozen=True)
class Table:
    """The table: unique column names, the header, the first line of data, and the columns' roles.

    `header_cells` is the header's row as it stands; `second_cells` its second row, where it has two: `names` and `header` are of both.
    """

    names: list[str]
    header: list[HeaderName] | None
    header_cells: list[str] | None
    second_cells: list[str] | None
    header_line: int | None
    first_line: int
    width: int
    columns: Columns
    stats: list[ColumnStats]
    preamble: list[list[str]]


def find_table(records: Sequence[Record], dialect: Dialect, wanted: Mapping[str, str], date_format: DateFormat | None) -> Table:
    """Find the table in the file's first records. `wanted` maps fields to columns as the caller named them.

    Raises UnreadableStatement, with what it needs, when there is no table of transactions or a column cannot be told.
    """
    try:
        return _find_table(records, dialect, wanted, date_format)
    except UnreadableStatement as refusal:
        raise _wrong_date_format(records, dialect, wanted, date_format) or refusal from refusal


def _wrong_date_format(
    records: Sequence[Record], dialect: Dialect, wanted: Mapping[str, str], date_format: DateFormat | None
) -> UnreadableStatement | None:
    """Why there is no table, when there is one but for the caller's date format."""
    if date_format is None:
        return None
    try:
        table = _find_table(records, dialect, wanted, None)
        first_line, at, name = table.first_line, table.columns.date, table.names[table.columns.date]
    except UnreadableStatement:
        # Perhaps only the caller can tell that these are dates; then their column's name must say so.
        header = next(((line, row) for line, row in records[:PREAMBLE] if is_named_header(row)), None)
        if header is None:
            return None
        ranked = [(rank, i) for i, cell in enumerate(header[1]) if (rank := name_rank(header_name(cell), "date")) is not None]
        first_line, at = header[0] + 1, min(ranked)[1]
        name = header[1][at].strip()
    days = [(line, row[at].strip()) for line, row in records if line >= first_line and at < len(row) and row[at].strip()]
    line, day = next((one for one in days if looks_like_date(one[1])), days[0] if days else (0, ""))
    if any(date_format.has_form(cell) for _, cell in days) or not day:
        return None
    return wrong_date_format(line, day, name, date_format)


def wrong_date_format(line: int, day: str, column: str, date_format: DateFormat) -> UnreadableStatement:
    """No cell of the column can be read in the caller's format; `day` is the first."""
    fault = "is not a day when it is read" if date_format.has_form(day) else "is not written"
    reason = f"{day[:60]!r}, the first date in the column {column!r}, {fault} as {date_format.text}"
    return UnreadableStatement(
        f"line {line}: {reason}; send `date_format` as the file writes it, or leave it out",
        [RowError(line, "date_format", reason)],
        {"date_format": ["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d"]},
    )


def _find_table(records: Sequence[Record], dialect: Dialect, wanted: Mapping[str, str], date_format: DateFormat | None) -> Table:
    if not records:
        raise UnreadableStatement("the file is empty")
    at = _header_position(records, wanted, date_format)
    own_cells = records[at][1] if at is not None else None
    header_cells = _joined(records, at) if at is not None else None
    second_cells = records[at + 1][1] if at is not None and header_cells else None
    header_cells = header_cells or own_cells
    start = at + 1 + (second_cells is not None) if at is not None else _first_data_row(records, date_format)
    if start is None:
        raise _no_table(records)
    rows = [
        row for _, row in _own(records[start:], own_cells, date_format) if any(map(str.strip, row)) and row not in (own_cells, second_cells)
    ]
    if at is not None and not rows:
        line = records[at][0]
        raise UnreadableStatement(f"line {line} is a header, but no row follows it", [RowError(line, "file", "a header without rows")])
    dated = [row for row in rows if any(_is_date(cell, date_format) for cell in row)] or rows
    header = [header_name(cell) for cell in header_cells] if header_cells is not None else None
    if header_cells is not None:
        width = _width_under(header_cells, dated)
        if dialect.delimiter == ",":
            _refuse_cut_numbers(records[start:], dated, width, len(header_cells))
    else:
        width = Counter(map(len, dated)).most_common(1)[0][0]
    names = _unique_names(header_cells or [], width)
    sample = dated[: max(50, SAMPLE_CELLS // width)]
    stats = [measure([row[i] if i < len(row) else "" for row in sample], date_format) for i in range(width)]
    first_line = records[start][0] if start < len(records) else records[-1][0] + 1
    preamble = [row for _, row in records[: at if at is not None else start]]
    padded = header + [HeaderName("", "", None)] * (width - len(header)) if header is not None else None
    header_line = records[at][0] if at is not None else None
    table = Table(names, padded, own_cells, second_cells, header_line, first_line, width, Columns(), stats, preamble)
    given = _given_columns(table, wanted)
    _refuse_other_tables(table, wanted)
    try:
        columns = assign(padded, stats, given, frozenset(wanted))
    except NeedsColumns as unclear:
        line = table.header_line or first_line
        reason = str(unclear)
        raise UnreadableStatement(
            f"line {line}: {reason}; send `columns`, for example {_example(names)}",
            [RowError(line, "columns", reason)],
            {"columns": names},
        ) from unclear
    return replace(table, columns=columns)


def _trimmed_width(row: Sequence[str]) -> int:
    """The number of cells without the blank ones at the end."""
    return next((at for at in range(len(row), 0, -1) if row[at - 1].strip()), 0)


def _width_under(header: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Columns of the table. More than the header names only when most rows have them: else each longer row is a mistake of its own."""
    widths = Counter(map(_trimmed_width, rows))
    longer = sum(count for width, count in widths.items() if width > len(header))
    if 2 * longer <= len(rows):
        return len(header)
    return max(widths.most_common(1)[0][0], len(header))


def _example(names: Sequence[str]) -> str:
    first, last = (names[0], names[-1]) if len(names) > 1 else ("1", "2")
    return f'{{"date": "{first}", "amount": "{last}"}} (header names, or numbers from 1)'


def _no_table(records: Sequence[Record]) -> UnreadableStatement:
    line = records[0][0]
    dates = any(looks_like_date(cell) for _, row in records for cell in row)
    amounts = any(looks_like_amount(cell) for _, row in records for cell in row)
    lacking = "no cell holds a date" if amounts else "no cell holds an amount"
    if dates and amounts:
        lacking = "no line holds both a date and an amount"
    names = _unique_names(max((row for _, row in records[:50]), key=len), 0)
    return UnreadableStatement(
        f"line {line}: this is not a statement: {lacking}; if it is one, send `columns` and `date_format`",
        [RowError(line, "file", f"not a statement: {lacking}")],
        {"columns": names, "date_format": ["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d"]} if not dates else {"columns": names},
    )


_COLUMN_NUMBER = re.compile(r"(?:column )?(\d{1,5})", re.I)


def _column_number(name: str) -> int | None:
    """The number that "3" or "column 3" stands for: what we call a column without a name, the caller may call it as well."""
    found = _COLUMN_NUMBER.fullmatch(name.strip())
    return int(found[1]) if found else None


def _is_date(cell: str, date_format: DateFormat | None) -> bool:
    return date_format.has_form(cell) if date_format else looks_like_date(cell)


def _header_position(records: Sequence[Record], wanted: Mapping[str, str], date_format: DateFormat | None) -> int | None:
    """The header's index: the row with the caller's names, else known names, else words above the first row of data."""
    named = {fold(name) for names in wanted.values() for name in names.split(" + ") if _column_number(name) is None}
    head = records[:PREAMBLE]
    if named:
        for at, (_, row) in enumerate(head):
            if named <= {fold(cell) for cell in [*row, *(_joined(records, at) or [])]}:
                return at
        missing = ", ".join(sorted(name for names in wanted.values() for name in names.split(" + ") if _column_number(name) is None))
        line = records[0][0]
        raise UnreadableStatement(
            f"no line among the first {PREAMBLE} holds the column names {missing}",
            [RowError(line, "columns", f"no header with {missing}")],
            {"columns": _unique_names(max((row for _, row in head), key=len), 0)},
        )
    likely: list[int] = []
    for at, (_, row) in enumerate(head):
        joined = _joined(records, at)
        if names := joined or (row if is_named_header(row) else None):
            dates = [i for i, cell in enumerate(names) if name_rank(header_name(cell), "date") is not None]
            following = [later for _, later in records[at + 1 : at + 21]]
            if not joined and _is_passed_over(row, following):
                continue
            if not following or any(_is_date(later[i], date_format) for later in following for i in dates if i < len(later)):
                return at
            likely.append(at)
    first = _first_data_row(records, date_format)
    if first is None:
        return likely[0] if likely else None
    if likely and likely[-1] < first:
        return likely[-1]
    above = next((at for at in range(first - 1, -1, -1) if any(cell.strip() for cell in records[at][1])), None)
    return above if above is not None and is_wordy_header(records[above][1], records[first][1]) else None


def _own(records: Sequence[Record], header: list[str] | None, date_format: DateFormat | None) -> Sequence[Record]:
    """The records before another header, where there is data before it: what is behind it tells nothing of this table's columns."""
    other = next((at for at, (_, row) in enumerate(records) if header and is_named_header(row) and not same_names(row, header)), None)
    own = records[:other]
    return own if any(_is_date(cell, date_format) for _, row in own for cell in row) else records


def _joined(records: Sequence[Record], at: int) -> list[str] | None:
    """The names of the row and the next, where these are one header of two rows."""
    return joined_header(records[at][1], records[at + 1][1]) if at + 1 < len(records) else None


def _is_passed_over(row: Sequence[str], following: Sequence[Sequence[str]]) -> bool:
    """Whether another header comes before any data: then this is one of a table without rows."""
    for later in following:
        if is_named_header(later):
            return not same_names(row, later)
        if any(looks_like_date(cell) or looks_like_amount(cell) for cell in later):
            return False
    return False


def _first_data_row(records: Sequence[Record], date_format: DateFormat | None) -> int | None:
    """The first row with a date and an amount in different cells, in a row as wide as its like."""
    hits: list[tuple[int, int]] = []
    for at, (_, row) in enumerate(records):
        dates = [i for i, cell in enumerate(row) if _is_date(cell, date_format)]
        if dates and len(row) > 1 and any(i not in dates and looks_like_amount(cell) for i, cell in enumerate(row)):
            hits.append((at, dates[0]))
    if not hits:
        return None
    usual = Counter((len(records[at][1]), first) for at, first in hits).most_common(1)[0][0]
    return next(at for at, first in hits if len(records[at][1]) >= usual[0] - 1 and first == usual[1])


def _unique_names(cells: Sequence[str], width: int) -> list[str]:
    """Header texts as JSON keys: a blank one becomes "column 4", a repeated one gets "_2"."""
    names: list[str] = []
    taken: set[str] = set()
    for at in range(max(width, len(cells))):
        base = " ".join(cells[at].split())[:200] if at < len(cells) else ""
        base = base.strip('"') or f"column {at + 1}"
        name, count = base, 2
        while name in taken:
            name, count = f"{base}_{count}", count + 1
        taken.add(name)
        names.append(name)
    return names


def _given_columns(table: Table, wanted: Mapping[str, str]) -> Columns:
    """The columns that the caller named. Raises UnreadableStatement for an unknown field or column."""
    columns = Columns()
    for field, value in wanted.items():
        if field not in FIELDS:
            raise UnreadableStatement(
                f"columns: there is no field {field!r}; the fields are {', '.join(FIELDS)}",
                [RowError(0, "columns", f"unknown field {field!r}")],
            )
        found = [_position(table, name.strip(), field) for name in value.split(" + ")]
        columns = with_field(columns, field, tuple(found) if field == "description" else found[0])
    return columns


def _position(table: Table, name: str, field: str) -> int:
    if name in table.names:
        return table.names.index(name)
    for row in (table.names, table.header_cells or []):  # of a header of two rows the caller may know the upper one
        folded = [fold(known) for known in row]
        if fold(name) in folded and fold(name):
            return folded.index(fold(name))
    number = _column_number(name)
    if number is not None and 1 <= number <= table.width:
        return number - 1
    raise UnreadableStatement(
        f"columns: {field} names {name!r}, but the columns are {', '.join(table.names[:50])} (or their numbers from 1)",
        [RowError(table.header_line or table.first_line, "columns", f"no column {name!r} for {field}")],
        {"columns": table.names},
    )


# "1" and "234.50", "12" and "34", "-1" and "234": a number cut at its own comma.
_CUT_HEAD = re.compile(r"[-+(]?[^\w\s]?\d{1,3}")
_CUT_TAIL = re.compile(r"(\d{3}(\.\d+)?|\d{2})[-)]?")


def _refuse_cut_numbers(records: Sequence[Record], rows: Sequence[Sequence[str]], width: int, named: int) -> None:
    """An amount with a comma and without quotes in a comma-separated file shows as one more cell. Where many rows have it, which cell is
    what cannot be told any more; single ones are refused as rows that are too long."""
    cut = [row for row in rows if _trimmed_width(row) > named and _has_cut_number(row)]
    if not cut or (width == named and 2 * len(cut) < len(rows)):
        return
    line = next((line for line, row in records if row is cut[0]), records[0][0])
    reason = (
        f"the header names {named} columns but the row has {_trimmed_width(cut[0])}: "
        "it seems that amounts with a decimal comma, or one between thousands, are not quoted"
    )
    raise UnreadableStatement(
        f"line {line}: {reason}; export the file again with ';' between the columns", [RowError(line, "amount", reason)]
    )


def _has_cut_number(row: Sequence[str]) -> bool:
    cells = [cell.strip() for cell in row]
    return any(_CUT_HEAD.fullmatch(head) and _CUT_TAIL.fullmatch(tail) for head, tail in pairwise(cells))


def _refuse_other_tables(table: Table, wanted: Mapping[str, str]) -> None:
    """Lists of trades look like statements, but their amounts are no cash bookings."""
    if table.header is None or {"date", "amount"} <= set(wanted):
        return
    found = {
        field: table.names[at]
        for field in ("quantity", "price", "security")
        for at, name in enumerate(table.header)
        if name_rank(name, field) is not None
    }
    if ("quantity" in found and "price" in found) or ("security" in found and len(found) > 1):
        line = table.header_line or 1
        reason = f"the columns {' and '.join(repr(name) for name in found.values())} make this a list of securities, not of payments"
        raise UnreadableStatement(
            f"line {line}: not a statement: {reason}; import the cash account's statement, or send `columns` with date and amount",
            [RowError(line, "file", f"not a statement: {reason}")],
            {"columns": table.names},
        )


_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")


def _is_iban(text: str) -> bool:
    compact = text.replace(" ", "")
    digits = "".join(str(int(c, 36)) for c in compact[4:] + compact[:4])
    return 15 <= len(compact) <= 34 and int(digits) % 97 == 1


def account_in(preamble: Sequence[Sequence[str]]) -> str | None:
    """The one account that the lines above the table name: an IBAN, else a number or name after a word for account."""
    text = "\n".join(" ; ".join(row) for row in preamble)[:20_000]
    ibans = {match.replace(" ", "") for match in _IBAN.findall(text) if _is_iban(match)}
    if ibans:
        return ibans.pop() if len(ibans) == 1 else None
    found: list[str] = []
    for row in preamble:
        cells = [part.strip() for cell in row for part in cell.split(":", 1) if part.strip()]
        for label, value in pairwise(cells):
            folded = fold(label)
            known = folded in NAMES["account"] or folded in ("account details for", "account details", "account summary")
            if known and re.search(r"\d{3}", value) and not looks_like_date(value) and len(value) <= 80:
                found.append(" ".join(value.split()))
    return found[0] if found else None


def currency_in(preamble: Sequence[Sequence[str]]) -> str | None:
    """The one currency that the lines above the table name, alone in a cell or beside an amount."""
    codes: set[str] = set()
    for row in preamble:
        for cell in row:
            text = cell.strip()
            if text in CODES and code_of(text):
                codes.add(text)
            for before, after in re.findall(r"\b([A-Z]{3})\s?[-+]?\d|\d\s?([A-Z]{3}|€)(?!\w)", text):
                code = code_of(before or after)
                codes |= {code} if code else set()
            label, _, value = text.partition(":")
            if fold(label) in NAMES["currency"] and code_of(value):
                codes.add(code_of(value) or "")
    return codes.pop() if len(codes) == 1 else None
