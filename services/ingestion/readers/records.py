"""From lines to records: the separator, quotes, and the physical line on which each record starts."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

DELIMITERS = (",", ";", "\t", "|")
MAX_CELLS = 500
SNIFF_CHARS = 256 * 1024
MAX_RECORD_LINES = 200
MAX_CELL_CHARS = 131_072  # what the csv module takes by default

Record = tuple[int, list[str]]


@dataclass(frozen=True)
class Dialect:
    """How lines are cut into cells. `wrapped`: each line is one quoted cell that holds the real line."""

    delimiter: str
    skip_space: bool = False
    wrapped: bool = False
    width: int = 0  # the usual number of cells, 0 while unknown


@dataclass
class RecordBlock:
    """Records without the blank ones: `lines[i]` is the line on which `rows[i]` starts. `repaired` counts mended quotes."""

    lines: list[int]
    rows: list[list[str]]
    repaired: int = 0


def read_records(blocks: Iterable[list[str]], dialect: Dialect) -> Iterator[RecordBlock]:
    """Cut blocks of lines into records. A quote that is never closed costs its own line its quotes, not the file."""
    first = 1
    carried: list[str] = []
    for block in (_without_formulas(found, dialect) for found in blocks):
        lines = carried + block if carried else block
        carried = []
        rows = _whole_lines(lines, dialect)
        if rows is not None:
            found = RecordBlock([first + i for i, row in enumerate(rows) if row], [row for row in rows if row])
        else:
            found, carried = _careful(lines, first, dialect, last=False)
        first += len(lines) - len(carried)
        yield _unwrap(found, dialect)
    if carried:
        found, _ = _careful(carried, first, dialect, last=True)
        yield _unwrap(found, dialect)


def _without_formulas(lines: list[str], dialect: Dialect) -> list[str]:
    """The text of cells that are formulas of nothing but a text: ="0012", which keeps a spreadsheet program from making it a number."""
    if not any('="' in line for line in lines):
        return lines
    mark = re.escape(dialect.delimiter)
    plain = re.compile(rf'(^|{mark}) *=("[^"]*") *(?={mark}|$)')
    quoted = re.compile(rf'(^|{mark}) *"=""([^"]*)""" *(?={mark}|$)')
    return [quoted.sub(r'\1"\2"', plain.sub(r"\1\2", line)) if '="' in line else line for line in lines]


def _reader(lines: Iterable[str], dialect: Dialect) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter=dialect.delimiter, skipinitialspace=dialect.skip_space)


def _whole_lines(lines: list[str], dialect: Dialect) -> list[list[str]] | None:
    """The quick way: one record a line. None when some record spans lines or a quote stays open."""
    try:
        rows = list(_reader(chain(lines, ("",)), dialect))
    except csv.Error:
        return None
    return rows[:-1] if len(rows) == len(lines) + 1 and not rows[-1] else None


def _careful(lines: list[str], first: int, dialect: Dialect, *, last: bool) -> tuple[RecordBlock, list[str]]:
    """Record by record. Returns what is whole, and the lines of a record that may go on in the next block."""
    found = RecordBlock([], [])
    at = 0
    while at < len(lines):
        row, used = _one_record(lines, at, dialect)
        if used == 0 and not last and len(lines) - at < MAX_RECORD_LINES:
            return found, lines[at:]
        if used != 1 and (used == 0 or _quote_was_lost(lines, at, used, dialect)):
            row, used = _without_quotes(lines[at], dialect), 1
            found.repaired += 1
        if any(row):
            found.lines.append(first + at)
            found.rows.append(row)
        at += used
    return found, []


def _one_record(lines: list[str], at: int, dialect: Dialect) -> tuple[list[str], int]:
    """The record at `lines[at]` and how many lines it takes; 0 when it is not closed within the lines at hand."""
    window = (line + "\n" for line in lines[at : at + MAX_RECORD_LINES])
    reader = csv.reader(chain(window, ("\x00",)), delimiter=dialect.delimiter, skipinitialspace=dialect.skip_space)
    try:
        row = next(reader)
    except csv.Error:
        return [], 0
    if row and row[-1].endswith("\x00"):  # it ran on into the end mark
        return [], 0
    return row, reader.line_num


def _quote_was_lost(lines: list[str], at: int, used: int, dialect: Dialect) -> bool:
    """A record of several lines is broken when its quotes are not well formed and its first two lines hold a whole row each."""
    try:
        whole = (line + "\n" for line in lines[at : at + used])
        next(csv.reader(whole, delimiter=dialect.delimiter, skipinitialspace=dialect.skip_space, strict=True))
    except (csv.Error, StopIteration):
        return dialect.width > 1 and all(line.count(dialect.delimiter) + 1 >= dialect.width for line in lines[at : at + 2])
    return False


def _without_quotes(line: str, dialect: Dialect) -> list[str]:
    """Cut at every separator outside well-formed quotes; a quote without a partner is dropped."""
    if len(line) > 10_000:  # the pattern below is quadratic in lost quotes
        return [cell.strip(' "') for cell in line.split(dialect.delimiter)]
    mark = re.escape(dialect.delimiter)
    cells = re.findall(rf'(?:^|{mark})("(?:[^"]|"")*"(?={mark}|$)|[^{mark}]*)', line)
    return [cell.strip().strip('"').replace('""', '"') for cell in cells]


def _unwrap(block: RecordBlock, dialect: Dialect) -> RecordBlock:
    if not dialect.wrapped:
        return block
    inner = replace(dialect, wrapped=False)
    rows = [_inner_cells(row[0], inner) if len(row) == 1 else row for row in block.rows]
    return RecordBlock(block.lines, rows, block.repaired)


def _inner_cells(line: str, dialect: Dialect) -> list[str]:
    try:
        return next(_reader(line.split("\n"), dialect), [])
    except csv.Error:
        return _without_quotes(line, dialect)


def sniff_dialect(lines: list[str], has_date: Callable[[str], bool], has_amount: Callable[[str], bool]) -> Dialect:
    """Choose the separator whose rows look most like dated amounts, then the most even one.

    `lines` is the head of the file; `has_date` and `has_amount` judge one cell.
    """
    hinted = re.fullmatch(r"\s*\"?sep=(.)\"?\s*", lines[0], re.IGNORECASE) if lines else None
    best: tuple[tuple[float, ...], Dialect] | None = None
    for delimiter in (hinted.group(1),) if hinted and hinted.group(1) in DELIMITERS else DELIMITERS:
        spaced = f'{delimiter} "'
        skip_space = delimiter != "\t" and any(spaced in line for line in lines)
        for wrapped in (False, True):
            dialect = Dialect(delimiter, skip_space, wrapped)
            rows = [row for block in read_records([lines], dialect) for row in block.rows]
            if wrapped and not any(len(row) > 1 for row in rows):
                continue
            score, width = _score_rows(rows, has_date, has_amount)
            if wrapped:
                score = (score[0], score[1] - 0.5, *score[2:])
            if best is None or score > best[0]:
                best = score, replace(dialect, width=width)
    assert best is not None  # nosec B101  # tells mypy what the line above made sure of
    return best[1]


def _score_rows(rows: list[list[str]], has_date: Callable[[str], bool], has_amount: Callable[[str], bool]) -> tuple[tuple[float, ...], int]:
    rows = [row[:MAX_CELLS] for row in rows]
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths:
        return (0.0, 0.0, 0.0, 0.0), 1
    good = [row for row in rows if len(row) > 1 and any(map(has_date, row)) and any(map(has_amount, row))]
    width, count = (Counter(map(len, good)) if good else widths).most_common(1)[0]
    return (float(len(good)), float(count), widths.most_common(1)[0][1] / len(rows), float(min(width, 100))), width


def head_lines(blocks: Iterable[list[str]], count: int) -> list[str]:
    """The first lines of a file, at most `count` and about 256 Ki characters."""
    head: list[str] = []
    chars = 0
    for line in chain.from_iterable(blocks):
        head.append(line)
        chars += len(line)
        if len(head) >= count or chars >= SNIFF_CHARS:
            break
    return head
