"""Which date format a column has, told by the whole column; never row by row, never by a silent guess."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl

from services.ingestion.readers.dates import (
    DAY_NUMBERS,
    DateFormat,
    civil_part,
    compact_formats,
    looks_like_date,
    named_format,
    numeric_format,
    shape_of,
)

MAX_DISTINCT = 50_000
LEAST_ORDERED = 4  # fewer dates than this may be in order by chance
MAX_SEQUENCE = 20_000
SLACK = timedelta(days=7)  # standing orders are listed a little ahead of the day of the export
FAR_OFF = timedelta(days=366)  # nobody books so far ahead


@dataclass
class DateColumn:
    """The distinct civil dates of a column as printed, in file order, and their order without repeats."""

    distinct: dict[str, int] = field(default_factory=dict)  # text -> first line
    sequence: list[str] = field(default_factory=list)

    def add(self, cells: pl.Series, lines: pl.Series) -> None:
        """Take in a chunk of the column; blank cells are passed over. Memory stays bounded."""
        frame = pl.DataFrame({"cell": cells, "line": lines}).filter(pl.col("cell") != "")
        for cell, line in frame.unique("cell", keep="first", maintain_order=True).iter_rows():
            if len(self.distinct) < MAX_DISTINCT:
                self.distinct.setdefault(cell, line)
        if len(self.sequence) < MAX_SEQUENCE:
            changes = frame.filter(pl.col("cell").ne_missing(pl.col("cell").shift(1)))["cell"]
            self.sequence += changes[: MAX_SEQUENCE - len(self.sequence)].to_list()


@dataclass(frozen=True)
class Hints:
    """What else bears on the order: other date columns, dates around the table, the header's language, the day of reading."""

    others: tuple[DateColumn, ...] = ()
    around: tuple[date, ...] = ()
    day_first_language: bool = False
    today: date = date.max


@dataclass(frozen=True)
class DecidedDate:
    """The format, and how it was told."""

    format: DateFormat
    evidence: str


class UndecidedDate(Exception):
    """Nothing tells the order. `formats` are the readings that remain, `example` a cell and `line` its line."""

    def __init__(self, formats: list[DateFormat], example: str, line: int) -> None:
        super().__init__(example)
        self.formats, self.example, self.line = formats, example, line


def decide_format(column: DateColumn, hints: Hints) -> DecidedDate | None:
    """The format of the column; None when it holds no dates. Raises UndecidedDate."""
    shapes = Counter(shape for text in column.distinct if (shape := shape_of(text)))
    if not shapes:
        return None
    shape = shapes.most_common(1)[0][0]
    texts = [text for text in column.distinct if shape_of(text) == shape]
    if shape == "day number":
        return _day_numbers(list(column.distinct))
    if shape.startswith("named "):
        return DecidedDate(named_format(shape.removeprefix("named ")), "month by name")
    if shape.startswith("year first"):
        return DecidedDate(numeric_format("ymd", shape[10:], 4), "year first")
    if shape.startswith("compact"):
        candidates = compact_formats(int(shape[7:]))
        counts = [_valid(candidate, texts) for candidate in candidates]
        return DecidedDate(candidates[counts.index(max(counts))], "eight digits" if shape[7:] == "8" else "six digits")
    mark = shape.removeprefix("year last").removeprefix("short year")
    year_digits = 4 if shape.startswith("year last") else 2
    day_first, month_first = (numeric_format(order, mark, year_digits) for order in ("dmy", "mdy"))
    if year_digits == 2 and (found := _short_year_first(column, texts, (day_first, month_first), mark, hints)):
        return found
    return _day_or_month_first(column, texts, day_first, month_first, hints)


def _day_numbers(texts: list[str]) -> DecidedDate | None:
    """Days as spreadsheets count them, when every number is one and all lie within ten years: else they may be anything."""
    numbers = [text for text in texts if not any(map(str.isalpha, text))]
    days = [day for text in numbers if (day := DAY_NUMBERS.parse(text))]
    if not days or len(days) < len(numbers) or max(days) - min(days) > timedelta(3660):
        return None
    return DecidedDate(DAY_NUMBERS, "days as spreadsheets count them")


def _day_or_month_first(column: DateColumn, texts: list[str], day_first: DateFormat, month_first: DateFormat, hints: Hints) -> DecidedDate:
    both = (day_first, month_first)
    for source, evidence in (
        (texts, "a day above 12"),
        ([text for other in hints.others for text in other.distinct], "a day above 12 in another date column"),
    ):
        counts = [_valid(candidate, source) for candidate in both]
        if counts[0] != counts[1]:
            return DecidedDate(both[0] if counts[0] > counts[1] else both[1], evidence)
    if "." in day_first.text:
        return DecidedDate(day_first, "dots between the numbers")
    if hints.day_first_language:
        return DecidedDate(day_first, "the language of the header")
    if all(day_first.parse(text) == month_first.parse(text) for text in texts):
        return DecidedDate(day_first, "day and month are equal in every row")
    latest = min([hints.today, *([max(hints.around)] if hints.around else [])])
    for bound, evidence in ((latest, "the other order lies after the file was made"), (hints.today, "not in the future")):
        late = [_latest(candidate, texts) > _plus(bound) for candidate in both]
        if late[0] != late[1]:
            return DecidedDate(both[late.index(False)], evidence)
    if len(hints.around) >= 2:
        low, high = min(hints.around) - SLACK, _plus(max(hints.around))
        inside = [all(low <= day <= high for day in _days(candidate, texts)) for candidate in both]
        if inside[0] != inside[1]:
            return DecidedDate(both[inside.index(True)], "the period that the file names")
    ordered = [_is_ordered(_days(candidate, column.sequence)) for candidate in both]
    if ordered[0] != ordered[1] and len(column.sequence) >= LEAST_ORDERED:
        return DecidedDate(both[ordered.index(True)], "rows are in order of date only so")
    example = next(text for text in texts if day_first.parse(text) != month_first.parse(text))
    raise UndecidedDate(list(both), example, column.distinct[example])


def _short_year_first(column: DateColumn, texts: list[str], both: tuple[DateFormat, ...], mark: str, hints: Hints) -> DecidedDate | None:
    """YY-MM-DD, where a first number can be no day, or where it brings together and into order what the others scatter over decades.

    Nearly every DD/MM/YY of this century is a YY/MM/DD, too, and a book of many years is as scattered as a wrong reading: where the order
    of the rows does not tell, UndecidedDate is raised.
    """
    year_first = numeric_format("ymd", mark, 2)
    best = max(_valid(other, texts) for other in both)
    own = _valid(year_first, texts)
    others = [other for other in both if best and _valid(other, texts) == best]
    ordered = _is_ordered(_days(year_first, column.sequence))
    others_ordered = any(_is_ordered(_days(other, column.sequence)) for other in others)
    days = _days(year_first, texts)
    is_late = max(days, default=date.min) > _plus(hints.today)
    if others_ordered and (is_late or not ordered):
        return None
    if own > best:
        return DecidedDate(year_first, "a number above 31 or 12")
    if own < len(texts) or "." in mark:
        return None
    spans = [(min(other_days), max(other_days)) for other in others if (other_days := _days(other, texts))]
    far_off = all(last > _plus(hints.today, FAR_OFF) for _, last in spans)
    scattered = far_off or all(last - first > timedelta(3650) for first, last in spans)
    if not scattered or max(days) - min(days) >= timedelta(1830) or is_late:
        return None
    if ordered and not others_ordered:
        return DecidedDate(year_first, "rows are in order of date only so")
    if far_off:
        return DecidedDate(year_first, "any other order lies in the future")
    example = next(text for text in texts if others[0].parse(text) != year_first.parse(text))
    raise UndecidedDate([others[0], year_first], example, column.distinct[example])


def _valid(candidate: DateFormat, texts: Iterable[str]) -> int:
    return sum(candidate.parse(text) is not None for text in texts)


def _days(candidate: DateFormat, texts: Iterable[str]) -> list[date]:
    return [day for text in texts if (day := candidate.parse(text))]


def _latest(candidate: DateFormat, texts: Iterable[str]) -> date:
    return max(_days(candidate, texts), default=date.min)


def _plus(day: date, days: timedelta = SLACK) -> date:
    return day + days if day < date.max - days else day


def _is_ordered(days: list[date]) -> bool:
    return days == sorted(days) or days == sorted(days, reverse=True)


_IN_TEXT = re.compile(
    r"(?<!\d)((?:19|20)\d{2}[-_./]?(?:0[1-9]|1[0-2])[-_./]?[0-3]\d)(?:\d{4}|\d{6})?(?!\d)"
    r"|(?<!\d)(\d{1,2}([-_./])\d{1,2}\3(?:19|20)\d{2})(?!\d)"
    r"|(?<!\d)(\d{1,2}[ -][^\W\d_]{3,12}[ -](?:19|20)\d{2})(?!\d)"
)


def dates_in(text: str) -> list[date]:
    """The dates that a file name or a line above the table names beyond doubt."""
    found: list[date] = []
    unsure: list[tuple[date | None, date | None]] = []
    for match in _IN_TEXT.finditer(text[:5000]):
        year_first, year_last, mark, named = match.groups()
        if year_first:
            digits = re.sub(r"\D", "", year_first)
            day = compact_formats(8)[0].parse(digits)
            found += [day] if day else []
        elif named and looks_like_date(named):
            day = named_format("dmy").parse(named)
            found += [day] if day else []
        elif year_last:
            readings = [numeric_format(order, mark, 4).parse(civil_part(year_last)) for order in ("dmy", "mdy")]
            unsure.append((readings[0], readings[0] if mark == "." else readings[1]))
    for place in (0, 1):  # two dates are written the same way: one that is sure decides the other
        if unsure and any(pair[1 - place] is None for pair in unsure) and all(pair[place] for pair in unsure):
            return found + [day for pair in unsure if (day := pair[place])]
    return found + [first for first, second in unsure if first and first == second]
