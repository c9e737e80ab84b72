"""Dates as banks print them: what looks like one, and one format read strictly. `date_order` decides which format."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache

from services.ingestion.readers.folding import fold
from services.ingestion.readers.month_names import MONTHS

# The time of day and the zone are dropped: the civil date counts as printed. Also valid as a polars (Rust) pattern.
TIME = (
    r"[\sT,/-]*(?:\s(?:at|um|à|a las|kl\.?)\s*)?\d{1,2}[:.h]\d{2}(?:[:.]\d{2}(?:[.,]\d{1,9})?)?"
    r"\s*(?:[AaPp]\.?[Mm]\.?)?\s*(?:Z|[A-Z]{2,5}|(?:UTC|GMT)?[+-]\d{1,2}:?(?:\d{2})?)?(?:\s*\(?[A-Z]{3,5}\)?)?$"
)
_TIME = re.compile(TIME)
_COMPACT_TIME = re.compile(r"^(\d{8})[ T]?(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?$")
_WEEKDAY = re.compile(
    r"^[^\W\d_]{2,10}\.?,?\s+(?=\d)|^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}\.?,?\s+(?=[a-z]{3,9}\.?\s+\d)|\s+\(?[^\W\d_]{2,3}\)?$", re.I
)
_NUMERIC = re.compile(r"^(\d{1,4})(\s?[./\-\s]\s?)(\d{1,2})\2(\d{1,4})\.?$")
_COMPACT = re.compile(r"^\d{8}$|^\d{6}$")
_DAY_NUMBER = re.compile(r"^[2-7]\d{4}(?:\.\d+)?$")
_DAY_ZERO = date(1899, 12, 30)
_GAP = r"[\s\-/.,]*(?:del?\s+)?'?"
_ORDINAL = r"(?:st|nd|rd|th|er|[.ºª])?"
_NAME = r"(?P<b>[^\W\d_]{3,12})\.?"
_NAMED = {
    "dmy": re.compile(rf"^(?P<d>\d{{1,2}}){_ORDINAL}{_GAP}{_NAME}{_GAP}(?P<y>\d{{4}}|\d{{2}})\.?$"),
    "mdy": re.compile(rf"^{_NAME}{_GAP}(?P<d>\d{{1,2}}){_ORDINAL}[\s\-/.,]+'?(?P<y>\d{{4}}|\d{{2}})$"),
    "ymd": re.compile(rf"^(?P<y>\d{{4}}){_GAP}{_NAME}{_GAP}(?P<d>\d{{1,2}})\.?$"),
}
_NAMED_TEXT = {"dmy": "%d %b %Y", "mdy": "%b %d %Y", "ymd": "%Y %b %d"}
FIRST_YEAR, LAST_YEAR = 1900, 2100
MAX_CELL = 60
BARE_DIGITS = ("compact6", "day number")  # shapes that are dates only under a name that says so


@dataclass(frozen=True)
class DateFormat:
    """One way to read a date. `text` is strptime-like and is what a person sees and may send back."""

    text: str
    patterns: tuple[re.Pattern[str], ...] = field(compare=False)

    def parse(self, cell: str) -> date | None:
        """The date, or None when the cell does not have this form or names no day of the calendar."""
        parts = self._parts(cell)
        return _build(parts) if parts else None

    def _parts(self, cell: str) -> dict[str, str | None] | None:
        for text in _forms(cell):
            for pattern in self.patterns:
                if match := pattern.match(text):
                    rest = text[match.end() :]
                    if not rest.strip(" .") or _TIME.match(rest):
                        return match.groupdict()
        return None

    def has_form(self, cell: str) -> bool:
        """Whether the cell has this form, though the day may not exist (30 February)."""
        return any(pattern.match(text) for text in _forms(cell) for pattern in self.patterns)

    def fault(self, cell: str) -> str:
        """What keeps `parse` from reading the cell, as the end of a sentence about it."""
        parts = self._parts(cell)
        if parts is None and not self.has_form(cell):
            return f"is not a date in the file's format {self.text}"
        if parts and not FIRST_YEAR <= _year(parts) <= LAST_YEAR and _build({**parts, "y": "2000"}):
            return f"lies outside the years {FIRST_YEAR} to {LAST_YEAR}"
        return "is not a day of the calendar"


@dataclass(frozen=True)
class _DayNumbers(DateFormat):
    def parse(self, cell: str) -> date | None:
        text = cell.strip()
        day = _DAY_ZERO + timedelta(int(text[:5])) if _DAY_NUMBER.match(text) else None
        return day if day and day.year <= LAST_YEAR else None


# What a spreadsheet's date is when its cell is not formatted as one: the days since the end of 1899.
DAY_NUMBERS: DateFormat = _DayNumbers("day number", (_DAY_NUMBER,))


def _forms(cell: str) -> tuple[str, ...]:
    if len(cell) > MAX_CELL:
        return ()
    text = civil_part(cell)
    return (text,) if text == cell else (text, cell.strip())


def _year(parts: dict[str, str | None]) -> int:
    text = parts["y"] or "0"
    return int(text) + (2000 if int(text) < 70 else 1900) if len(text) == 2 else int(text)


def _build(parts: dict[str, str | None]) -> date | None:
    year = _year(parts)
    name = parts.get("b")
    month = MONTHS.get(fold(name), 0) if name else int(parts.get("m") or 0)
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return None
    try:
        return date(year, month, int(parts["d"] or 0))
    except ValueError:
        return None


def civil_part(cell: str) -> str:
    """The cell without time of day, zone and weekday; "" for a cell too long for a date."""
    return _civil_part(cell) if len(cell) <= MAX_CELL else ""


@lru_cache(maxsize=65_536)
def _civil_part(cell: str) -> str:
    text = cell.strip().strip("'\"")
    if match := _COMPACT_TIME.match(text):
        return match.group(1)
    if "年" in text:
        text = text.replace("年", "-").replace("月", "-").replace("日", "")
    cut = _TIME.search(text, 5)
    if cut and cut.start() >= 6:
        text = text[: cut.start()]
    text = text.rstrip(" ,T-/") or text
    if text[:1].isalpha() or text[-1:].isalpha() or text[-1:] == ")":
        bare = _WEEKDAY.sub("", text).strip()
        month_first = _NAMED["mdy"].match(text)
        return text if month_first and fold(month_first.group("b")) in MONTHS else bare
    return text


def shape_of(cell: str) -> str:
    """A key for the form of a date: "year last/" with the order still open, "named dmy", "compact8", "day number", "" for no date."""
    return _shape_of(civil_part(cell))


@lru_cache(maxsize=65_536)
def _shape_of(text: str) -> str:
    if match := _NUMERIC.match(text):
        first, mark, middle, last = match.groups()
        mark = mark.strip() or " "
        numbers = int(first), int(middle), int(last)
        if len(first) == 4 and len(last) <= 2 and FIRST_YEAR <= numbers[0] <= LAST_YEAR:
            return f"year first{mark}"
        if len(first) <= 2 and len(last) == 4 and FIRST_YEAR <= numbers[2] <= LAST_YEAR and min(numbers) > 0:
            return f"year last{mark}" if max(numbers[:2]) <= 31 and min(numbers[:2]) <= 12 else ""
        if len(first) <= 2 and len(last) == 2 and numbers[1] > 0:
            return f"short year{mark}" if any(_valid_short(numbers, order) for order in ("dmy", "mdy", "ymd")) else ""
        return ""
    if _COMPACT.match(text):
        return f"compact{len(text)}" if any(f.parse(text) for f in compact_formats(len(text))) else ""
    if _DAY_NUMBER.match(text):
        return "day number"
    for order, pattern in _NAMED.items():
        match = pattern.match(text)
        if match and fold(match.group("b")) in MONTHS and 0 < int(match.group("d")) <= 31:
            return f"named {order}"
    return ""


def _valid_short(numbers: tuple[int, int, int], order: str) -> bool:
    by_part = dict(zip(order, numbers, strict=True))
    return 1 <= by_part["d"] <= 31 and 1 <= by_part["m"] <= 12


def looks_like_date(cell: str) -> bool:
    """Whether a cell could be a date in some format. Five or six bare digits do not count: they are numbers more often."""
    return 5 < len(cell.strip()) <= MAX_CELL and shape_of(cell) not in ("", *BARE_DIGITS)


def compact_formats(digits: int) -> list[DateFormat]:
    """The readings of a date without separators, the likeliest first."""
    return [from_pattern(text) for text in (("%Y%m%d", "%d%m%Y", "%m%d%Y") if digits == 8 else ("%y%m%d", "%d%m%y", "%m%d%y"))]


def named_format(order: str) -> DateFormat:
    """Day, month by name, year in the given order, whatever stands between them."""
    return DateFormat(_NAMED_TEXT[order], (_NAMED[order],))


def numeric_format(order: str, mark: str, year_digits: int) -> DateFormat:
    """Three numbers in the given order ("dmy", "mdy", "ymd") between equal marks."""
    year = "%Y" if year_digits == 4 else "%y"
    return from_pattern(mark.join({"d": "%d", "m": "%m", "y": year}[part] for part in order))


_FRIENDLY = re.compile(r"y{2,4}|m{3,4}|m{1,2}|d{1,2}", re.IGNORECASE)
_PARTS = {
    "d": r"(?P<d>\d{1,2})", "e": r"(?P<d>\d{1,2})", "m": r"(?P<m>\d{1,2})", "Y": r"(?P<y>\d{4})", "y": r"(?P<y>\d{2})",
    "b": _NAME, "B": _NAME, "h": _NAME, "a": r"[^\W\d_]+\.?", "A": r"[^\W\d_]+\.?",
}  # fmt: skip


@lru_cache(maxsize=512)
def from_pattern(text: str) -> DateFormat:
    """Compile "%d/%m/%Y", "DD.MM.YY" or "dmy". Raises ValueError, saying why, for what is not a date format."""
    wanted = text.strip()
    if wanted.lower() in (DAY_NUMBERS.text, "excel"):
        return DAY_NUMBERS
    if wanted.lower() in ("dmy", "mdy", "ymd", "ydm", "iso", "iso8601"):
        return _any_marks(wanted, "ymd" if wanted.lower().startswith("iso") else wanted.lower())
    if "%" not in wanted:
        wanted = _FRIENDLY.sub(_strptime_part, wanted)
    wanted = wanted.replace("%-", "%").replace("%F", "%Y-%m-%d").replace("%D", "%m/%d/%y")
    day_only = re.split(r"[\s,T/-]*%[HIMSTRfpzZXc]", wanted)[0].rstrip(" ,")
    pieces = re.split(r"%(.)", day_only)
    letters = [letter.replace("e", "d").replace("B", "b").replace("h", "b").lower() for letter in pieces[1::2]]
    present = sorted("m" if letter == "b" else letter for letter in letters if letter != "a")
    if present != ["d", "m", "y"]:
        raise ValueError(f"date_format {text!r} must name day, month and year once each, as in %d/%m/%Y or DD/MM/YYYY")
    closed = "" in pieces[2:-1:2]  # no mark between two numbers: each must have its two digits
    source = ""
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            source += r"\s*".join(map(re.escape, piece.split())) + (r"\s*" if piece else "")
        elif piece in _PARTS:
            source += _PARTS[piece].replace("{1,2}", "{2}") if closed else _PARTS[piece]
        else:
            raise ValueError(f"date_format {text!r}: %{piece} is not known")
    return DateFormat(wanted, (re.compile(rf"\s*{source}"),))


def _strptime_part(match: re.Match[str]) -> str:
    part = match.group().lower()
    if part[0] == "y":
        return "%Y" if len(part) > 2 else "%y"
    return "%d" if part[0] == "d" else "%b" if len(part) > 2 else "%m"


def _any_marks(text: str, order: str) -> DateFormat:
    """An order of parts, with any marks or none."""
    plain = {"d": r"(?P<d>\d{1,2})", "m": r"(?P<m>\d{1,2})", "y": r"(?P<y>\d{4}|\d{2})"}
    closed = {"d": r"(?P<d>\d{2})", "m": r"(?P<m>\d{2})", "y": r"(?P<y>\d{4}|\d{2})"}
    patterns = [
        re.compile(r"\s?[./\-\s]\s?".join(plain[part] for part in order) + r"(?!\d)"),
        re.compile("".join(closed[part] for part in order) + r"(?!\d)"),
    ]
    if order in _NAMED:
        patterns.append(_NAMED[order])
    return DateFormat(text.lower(), tuple(patterns))
