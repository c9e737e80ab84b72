"""Amounts as banks print them: decimal and thousands marks told by the whole column, signs and currencies inside the cell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import polars as pl

from services.ingestion.readers.currencies import THREE_DECIMALS, code_of

LIMIT = Decimal(922_337_203_685_477)  # what an int64 of 1/10000 holds
MAX_CELL = 80
SPACES = " \u00a0\u2009\u202f\u2007"
BIDI = "\u200b\u200e\u200f\u061c\u202a-\u202e\u2060\u2066-\u2069\ufeff"

# A sign or currency, the number, a sign or currency. A letter before a point is an abbreviation ("Rs.500"), not ".500".
_CELL = re.compile(rf"^((?:\D*[^\W\d_]\.)?\D*?)([.,]?\d(?:[\d.,'’`{SPACES}]*\d)?)(\D*)$")
_MINUS = "\u2212\u2013\u2014\ufe63\uff0d\u2010\u2011-"  # the plain one last, so that it ends a character class
_FLAGS = {"cr": 1, "cr.": 1, "dr": -1, "dr.": -1, "c": 1, "d": -1, "h": 1, "s": -1, "db": -1, "dt": -1, "ct": 1, "crdt": 1, "dbit": -1}
_NO_CENTS = re.compile(rf"^\s*[.,:]\s*[{_MINUS}]{{1,2}}")
_BIDI = re.compile(f"[{BIDI}]")
NOTHING = rf"(?i)^(?:[{_MINUS}][{SPACES}{_MINUS}]*|n\.?/?a\.?)$"  # what stands where there is no amount


@dataclass(frozen=True)
class Affix:
    """What stands around a number. `sign`: -1, 1 or 0 for unmarked; `flag`: the sign came as letters (CR, DR)."""

    sign: int
    currency: str | None
    flag: bool = False


@dataclass(frozen=True)
class AmountFormat:
    """Decimal mark and thousands mark ("" for none seen); `evidence` says how they were told."""

    decimal: str
    thousands: str
    evidence: str


@lru_cache(maxsize=8192)
def read_affix(before: str, after: str) -> Affix | None:
    """The sign and the currency around a number; None for anything else (letters, percent signs)."""
    after = _NO_CENTS.sub("", after)
    sign = 0
    if "(" in before and ")" in after:
        sign, before, after = -1, before.replace("(", " ", 1), after.replace(")", " ", 1)
    text = f"{before}\x00{after}"
    minus = sum(text.count(mark) for mark in _MINUS)
    plus = text.count("+")
    if minus + plus > 1 or (minus and sign):
        return None
    if minus or plus:
        sign = -1 if minus else 1
        text = re.sub(rf"[+{_MINUS}]", " ", text)
    currency: str | None = None
    flag = False
    for part in re.split(rf"[{SPACES}\x00\t]+", text):
        word = part.strip("'\"*")
        if not word:
            continue
        if word.casefold() in _FLAGS:
            sign, flag = _FLAGS[word.casefold()], True
            continue
        code = code_of(word)
        if code is None and len(word) > 2 and word[-2:].casefold() in ("cr", "dr"):  # "EURCR"
            code, sign, flag = code_of(word[:-2]), _FLAGS[word[-2:].casefold()], True
        if code is None:
            return None
        currency = code if not currency or len(word) == 3 else currency
    return Affix(sign, currency, flag)


def split_cell(cell: str) -> tuple[Affix, str] | None:
    """A cell as affix and bare number, or None when it is no amount."""
    return _split(cell) if 0 < len(cell) <= MAX_CELL else None


@lru_cache(maxsize=65_536)
def _split(cell: str) -> tuple[Affix, str] | None:
    text = _BIDI.sub("", cell).strip()
    match = _CELL.match(text)
    if not match:
        return None
    before, number, after = match.groups()
    if number[0] in ".," and before and before[-1].isalnum():
        return None
    affix = read_affix(before, after)
    return (affix, number) if affix else None


def looks_like_amount(cell: str) -> bool:
    """Whether a cell could be an amount in some number format."""
    parts = split_cell(cell)
    return parts is not None and any(_number_pattern(mark).match(parts[1]) for mark in ".,")


@lru_cache(maxsize=4)
def _number_pattern(decimal: str) -> re.Pattern[str]:
    group = "." if decimal == "," else ","
    gap = rf"[{re.escape(group)}'’`{SPACES}]"
    return re.compile(rf"^(\d+|\d{{1,3}}(?:{gap}\d{{2,3}})*{gap}\d{{3}}|)(?:{re.escape(decimal)}(\d+))?$")


# What a program prints of 12.34 that keeps money in binary floating point: 12.340000000000002.
_FLOAT_DIGITS, _FLOAT_NOISE = 15, Decimal("1e-13")


def parse_amount(cell: str, form: AmountFormat) -> tuple[Decimal | None, Affix, str]:
    """Read one cell: the amount without its sign, what stands around it, and the reason when it cannot be read."""
    parts = split_cell(cell)
    shown = cell if len(cell) <= MAX_CELL else cell[:MAX_CELL] + "…"
    if parts is None:
        return None, Affix(0, None), f"{shown!r} is not an amount"
    affix, number = parts
    match = _number_pattern(form.decimal).match(number)
    if not match:
        return None, affix, f"{shown!r} does not fit the file's numbers, whose decimal mark is {form.decimal!r}"
    whole = re.sub(r"\D", "", match.group(1)).lstrip("0")
    fraction = (match.group(2) or "").rstrip("0")
    value = Decimal(f"{whole or 0}.{fraction or 0}") if len(whole) <= 15 else LIMIT
    if len(fraction) > 4:
        nearest = round(value, 4)
        if len(whole) + len(fraction) < _FLOAT_DIGITS or abs(value - nearest) > nearest * _FLOAT_NOISE:
            return None, affix, f"{shown!r} has more than 4 decimals"
        value = nearest
    if value >= LIMIT:
        return None, affix, f"{shown!r} is beyond what the ledger holds ({LIMIT})"
    return value, affix, ""


def shapes_of(cells: pl.Series) -> Counter[str]:
    """Count a column's cells by shape: digits to 9, a leading zero before a mark to Z. "-1.234,56" is "-9.999,99"."""
    if cells.is_empty():
        return Counter()
    shapes = cells.str.replace_all(r"(^|\D)0([.,])", "${1}Z${2}").str.replace_all(r"\d", "9")
    counted = shapes.value_counts(name="count")
    return Counter(dict(zip(counted[counted.columns[0]], counted["count"], strict=True)))


def decide_marks(shapes: Mapping[str, int], elsewhere: Mapping[str, int], currency: str | None) -> AmountFormat:
    """Tell the decimal mark by all amounts of the file, then by its other numbers (`elsewhere`), then by custom."""
    votes, unsure = _votes(shapes)
    evidence = "the amounts"
    if not votes:
        votes, _ = _votes(elsewhere)
        evidence = "other numbers of the file"
    if votes:
        decimal = "." if votes["."] >= votes[","] else ","
        group = "," if decimal == "." else "."
        return AmountFormat(decimal, group if unsure[group] or _grouped(shapes, group) else _blank_group(shapes), evidence)
    if unsure:
        mark = "." if unsure["."] >= unsure[","] else ","
        other = "," if mark == "." else "."
        if currency in THREE_DECIMALS:
            return AmountFormat(mark, "", f"{currency} has three decimals")
        return AmountFormat(other, mark, f"assumed: {mark!r} before three digits is a thousands mark")
    return AmountFormat(".", _blank_group(shapes), "no amount has decimals")


def _votes(shapes: Mapping[str, int]) -> tuple[Counter[str], Counter[str]]:
    """Count what speaks for each decimal mark, and the numbers that fit both readings, by their mark."""
    votes: Counter[str] = Counter()
    unsure: Counter[str] = Counter()
    for shape, count in shapes.items():
        parts = split_cell(shape.replace("Z", "9"))
        if parts is None:
            continue
        number = parts[1]
        marks = [c for c in number if c in ".,"]
        if not marks:
            continue
        last = marks[-1]
        whole, _, fraction = number.rpartition(last)
        if len(set(marks)) == 2:
            if marks.count(last) == 1:
                votes[last] += count
        elif len(marks) > 1:
            votes["," if last == "." else "."] += count
        elif len(fraction) != 3 or len(whole) > 3 or not whole or "Z" in shape or not whole.isdigit():
            votes[last] += count
        else:
            unsure[last] += count
    return votes, unsure


def _grouped(shapes: Mapping[str, int], mark: str) -> bool:
    return any(re.search(rf"9{re.escape(mark)}999", shape) for shape in shapes)


def _blank_group(shapes: Mapping[str, int]) -> str:
    found = (match.group(1) for shape in shapes if (match := re.search(rf"9(['’`{SPACES}])999", shape)))
    return next(found, "")


@dataclass(frozen=True)
class ParsedColumn:
    """A column of amounts: magnitude and sign apart. All series have the column's length.

    `value`: Decimal(19,4) without sign, null where blank or unreadable; `sign`: -1, 1 or 0 for unmarked; `currency`: code or null;
    `reason`: why a cell that is not blank could not be read, else null.
    """

    value: pl.Series
    sign: pl.Series
    currency: pl.Series
    reason: pl.Series


_NUMBER = rf"\d(?:[\d.,'’`{SPACES}]*\d)?"


def parse_column(cells: pl.Series, form: AmountFormat, *, may_lack: bool = False) -> ParsedColumn:
    """Read a column of trimmed cells. Numbers go the columnar way, what stands around them is read once for each kind.

    Only cells that are odd in themselves are read one by one. `may_lack`: rows without an amount here are usual, and a dash or N/A
    says so, as in the other half of a pair.
    """
    if may_lack:
        cells = cells.str.replace(NOTHING, "")
    mark, group = re.escape(form.decimal), "." if form.decimal == "," else ","
    grouped = rf"\d{{1,3}}(?:[{re.escape(group)}'’`{SPACES}]\d{{3}}){{1,4}}"
    plain = rf"^(?:\d{{1,14}}|{grouped})(?:{mark}\d{{1,4}})?$"
    frame = pl.DataFrame({"cell": cells}).with_columns(
        number=pl.col("cell").str.extract(f"({_NUMBER})"), around=pl.col("cell").str.replace(_NUMBER, "9")
    )
    kinds = frame["around"].unique()
    affixes = [split_cell(kind) if re.search(r"(?:^|[^.,\d])9", kind) else None for kind in kinds]
    table = pl.DataFrame(
        {
            "around": kinds,
            "sign": pl.Series([part[0].sign if part else None for part in affixes], dtype=pl.Int8),
            "currency": pl.Series([(part[0].currency or None) if part else None for part in affixes], dtype=pl.String),
        }
    )
    bare = pl.col("number").str.replace_all(rf"[^\d{mark}]", "").str.replace(form.decimal, ".", literal=True)
    frame = frame.join(table, on="around", how="left", maintain_order="left").with_columns(
        value=pl.when(pl.col("sign").is_not_null() & pl.col("number").str.contains(plain))
        .then(bare).cast(pl.Decimal(19, 4), strict=False),
        reason=pl.lit(None, dtype=pl.String),
    )  # fmt: skip
    frame = frame.with_columns(value=pl.when(pl.col("value") < LIMIT).then("value"), odd=pl.col("cell").ne("") & pl.col("value").is_null())
    if frame["odd"].any():
        frame = _with_odd_cells(frame, form)
    return ParsedColumn(frame["value"], frame["sign"].fill_null(0), frame["currency"], frame["reason"])


def _with_odd_cells(frame: pl.DataFrame, form: AmountFormat) -> pl.DataFrame:
    odd = frame.filter("odd")["cell"].unique()
    read = [parse_amount(cell, form) for cell in odd]
    table = pl.DataFrame(
        {
            "cell": odd,
            "odd_value": pl.Series([value for value, _, _ in read], dtype=pl.Decimal(19, 4)),
            "odd_sign": pl.Series([affix.sign for _, affix, _ in read], dtype=pl.Int8),
            "odd_currency": pl.Series([affix.currency or None for _, affix, _ in read], dtype=pl.String),
            "odd_reason": pl.Series([reason or None for _, _, reason in read], dtype=pl.String),
        }
    )
    frame = frame.join(table, on="cell", how="left", maintain_order="left")
    return frame.with_columns(
        pl.when("odd").then(f"odd_{name}").otherwise(name).alias(name) for name in ("value", "sign", "currency", "reason")
    )
