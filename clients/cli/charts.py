"""A forecast as a drawing in the terminal: a band of characters that tell it without colour, however narrow the window is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from rich.text import Text

NARROWEST = 36
"""Columns below which there is nothing to be seen."""
_MOST_WIDE = 100
_WIDEST_PERIOD = 8
_TICKS = 5
_FEW = 8
"""One in so many may be far away from the others."""
_FACTORS = (1, 2, Decimal("2.5"), 5, 10)
_MIDDLE, _BAND, _LINE = "bold cyan", "cyan", "yellow"


@dataclass(frozen=True, slots=True)
class Marks:
    """The characters of a drawing. What holds half a row holds it above or below."""

    middle: str = "█"
    lower: str = "▄"
    upper: str = "▀"
    band: str = "░"
    line: str = "╌"
    side: str = "┤"
    foot: str = "─"
    corner: str = "└"
    above: str = "▲"
    under: str = "▼"


ASCII = Marks(middle="#", lower="#", upper="#", band=":", line="-", side="|", foot="-", corner="+", above="^", under="v")
"""For terminals that know no others."""


@dataclass(frozen=True, slots=True)
class _Column:
    """One period, or several side by side where there is no room for each: the band is all that theirs cover."""

    p10: Decimal
    lowest: Decimal
    highest: Decimal
    """Of the middles."""
    p90: Decimal


@dataclass(frozen=True, slots=True)
class _Axis:
    """Amounts from bottom to top, on `rows` rows of two halves each."""

    bottom: Decimal
    top: Decimal
    step: Decimal
    rows: int
    cut: tuple[bool, bool]
    """Whether amounts go on below, and above."""

    def half(self, amount: Decimal) -> int:
        """The half row that an amount is in, from 0 at the bottom."""
        found = int((amount - self.bottom) / (self.top - self.bottom) * (2 * self.rows))
        return min(max(found, 0), 2 * self.rows - 1)

    def labels(self) -> dict[int, str]:
        """The amounts beside the rows that they are in."""
        first = (self.bottom / self.step).to_integral_value(ROUND_CEILING)
        last = (self.top / self.step).to_integral_value(ROUND_FLOOR)
        amounts = [self.step * place for place in range(int(first), int(last) + 1)]
        return {self.half(amount) // 2: f"{amount:,f}" for amount in amounts}


def band_chart(
    points: Sequence[Mapping[str, Any]],
    *,
    width: int,
    height: int,
    threshold: Decimal | None = None,
    unit: str = "",
    marks: Marks | None = None,
) -> Iterator[Text]:
    """The lines of a drawing of `points`, which have `date`, `p10`, `p50` and `p90`: at most `width` characters wide, with `height` rows,
    and what the characters mean. `threshold` is drawn as a line where it is near; what is `beyond` the others goes out of the picture."""
    signs = marks or Marks()
    axis = _axis(points, threshold, height)
    labels = axis.labels()
    margin = max(map(len, labels.values()))
    room = min(width, _MOST_WIDE) - margin - 2
    columns, each = _columns(points, room)
    level = axis.half(threshold) // 2 if threshold is not None and axis.bottom <= threshold <= axis.top else None
    for row in reversed(range(height)):
        line = Text(f"{labels.get(row, ''):>{margin}} {signs.side if row in labels else ' '}")
        for column in columns:
            sign, style = _cell(axis, column, row, signs)
            if sign == " " and row == level:
                sign, style = signs.line, _LINE
            line.append(sign * each, style)
        line.rstrip()
        yield line
    yield Text(" " * (margin + 1) + signs.corner + signs.foot * (len(columns) * each))
    yield Text(" " * (margin + 2) + _days(points[0]["date"], points[-1]["date"], len(columns) * each, room))
    meanings = [Text.assemble((signs.middle, _MIDDLE), " the middle"), Text.assemble((signs.band * 2, _BAND), " eight cases of ten")]
    if level is not None:
        meanings.append(Text.assemble((signs.line * 2, _LINE), f" {threshold} {unit}"))
    for sign, goes_on in zip((signs.under, signs.above), axis.cut, strict=True):
        if goes_on:
            meanings.append(Text.assemble((sign, _MIDDLE), " goes on"))
    together = Text("  ").join(meanings)
    yield from [together] if len(together) <= width else meanings


def beyond(points: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those so far away from all others, such as the day of the rent, that nothing else would be seen beside them."""
    least, most = _limits(points)
    return [
        one for one in points if (least is not None and Decimal(one["p10"]) < least) or (most is not None and Decimal(one["p90"]) > most)
    ]


def _limits(points: Sequence[Mapping[str, Any]]) -> tuple[Decimal | None, Decimal | None]:
    """Where the picture ends below, and above, although there are amounts beyond."""
    lows, highs = sorted(Decimal(one["p10"]) for one in points), sorted(Decimal(one["p90"]) for one in points)
    rare = len(points) // _FEW
    low, high = lows[rare], highs[-1 - rare]
    span = high - min(low, Decimal(0)) if low < high else Decimal(0)
    if not rare or not span:
        return None, None
    room = span / 5
    return (low - room if lows[0] < low - 2 * span else None, high + room if highs[-1] > high + 2 * span else None)


def _axis(points: Sequence[Mapping[str, Any]], threshold: Decimal | None, rows: int) -> _Axis:
    least, most = _limits(points)
    lowest, highest = min(Decimal(one["p10"]) for one in points), max(Decimal(one["p90"]) for one in points)
    low, high = lowest if least is None else least, highest if most is None else most
    # What is near belongs into the picture, the end of all money above all.
    span = high - low
    near = [one for one in (threshold, Decimal(0)) if one is not None and low - 2 * span <= one <= high + 2 * span]
    low, high = min([low, *near]), max([high, *near])
    step = _round_step((high - low) / _TICKS)
    return _Axis(low, high if high > low else low + step, step, rows, (lowest < low, highest > high))


def _round_step(at_least: Decimal) -> Decimal:
    """1, 2, 2.5 or 5 times a power of ten."""
    if not at_least:
        return Decimal(1)
    power = Decimal(1).scaleb(at_least.adjusted())
    found = next(factor * power for factor in _FACTORS if factor * power >= at_least)
    # 1E+2 is 100, and 25.0 is 25.
    return found.quantize(Decimal(1)) if found == found.to_integral_value() else found


def _columns(points: Sequence[Mapping[str, Any]], room: int) -> tuple[list[_Column], int]:
    """The columns, and how many characters each is wide."""
    together = -(-len(points) // room)
    found = []
    for place in range(0, len(points), together):
        group = points[place : place + together]
        middles = [Decimal(one["p50"]) for one in group]
        p10, p90 = min(Decimal(one["p10"]) for one in group), max(Decimal(one["p90"]) for one in group)
        found.append(_Column(p10, min(middles), max(middles), p90))
    return found, max(min(room // len(found), _WIDEST_PERIOD), 1)


def _cell(axis: _Axis, column: _Column, row: int, signs: Marks) -> tuple[str, str]:
    if row == axis.rows - 1 and axis.cut[1] and column.p90 > axis.top:
        return signs.above, _MIDDLE
    if row == 0 and axis.cut[0] and column.p10 < axis.bottom:
        return signs.under, _MIDDLE
    below, above = 2 * row, 2 * row + 1
    first, last = axis.half(column.lowest), axis.half(column.highest)
    lower, upper = first <= below <= last, first <= above <= last
    if lower or upper:
        return (signs.middle if lower and upper else signs.lower if lower else signs.upper), _MIDDLE
    if axis.half(column.p10) <= above and below <= axis.half(column.p90):
        return signs.band, _BAND
    return " ", ""


def _days(first: str, last: str, width: int, room: int) -> str:
    """The first day below the first column, the last below the last, or beside it where it has room only there."""
    if first == last or room < len(first) + len(last) + 4:
        return first
    return f"{first}{last:>{width - len(first)}}" if width > len(first) + len(last) else f"{first} to {last}"
