"""Periods of civil time: how far apart two days are in them, and which day comes next. Pure."""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

import polars as pl

_DAYS_IN_MONTH = 31


class Cycle(Protocol):
    """One period."""

    @property
    def days(self) -> float:
        """How many days the position's unit has, at most."""

    def position(self, day: pl.Expr) -> pl.Expr:
        """Where a column of days stands, in periods since some first one."""

    def due(self, days: Sequence[date], after: int) -> date | None:
        """The day on which the payment that fell on `days` is due the `after`-th time after the last of them; None beyond the calendar."""


@dataclass(frozen=True, slots=True)
class Days:
    """So many days."""

    step: int

    @property
    def days(self) -> float:
        """See `Cycle`."""
        return self.step

    def position(self, day: pl.Expr) -> pl.Expr:
        """See `Cycle`."""
        return day.dt.epoch("d").cast(pl.Float64) / self.step

    def due(self, days: Sequence[date], after: int) -> date | None:
        """See `Cycle`."""
        ordinals = [day.toordinal() for day in days]
        phase = Counter(ordinal % self.step for ordinal in reversed(ordinals)).most_common(1)[0][0]
        last = ordinals[-1]
        # The day of this phase that is nearest to the last one.
        nearest = last + (phase - last + self.step // 2) % self.step - self.step // 2
        try:
            return date.fromordinal(nearest) + timedelta(days=after * self.step)
        except (OverflowError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Months:
    """So many calendar months, on one day of the month, or on the last one where a month is too short for it."""

    step: int

    @property
    def days(self) -> float:
        """See `Cycle`."""
        return _DAYS_IN_MONTH * self.step

    def position(self, day: pl.Expr) -> pl.Expr:
        """See `Cycle`. The last days of long and short months stand at about the same place."""
        months = day.dt.year() * 12 + day.dt.month().cast(pl.Int32)
        within = (day.dt.day() - 1).cast(pl.Float64) / day.dt.month_end().dt.day()
        return (months + within) / self.step

    def due(self, days: Sequence[date], after: int) -> date | None:
        """See `Cycle`."""
        number = due_day(days)
        last = days[-1]
        month = last.year * 12 + last.month - 1
        # Due on the 31st, it may have come on the 2nd.
        around = (_on(month + shift, number) for shift in (-1, 0, 1))
        near = min((day for day in around if day), key=lambda day: abs((day - last).days))
        return _on(near.year * 12 + near.month - 1 + after * self.step, number)


def due_day(days: Sequence[date]) -> int:
    """The day of the month that explains most of `days`: short months end early, weekends and holidays move a few."""
    hits = Counter[int]()
    for day in days:
        hits[day.day] += 1
        if day.day == _length(day.year, day.month):
            hits.update(range(day.day + 1, _DAYS_IN_MONTH + 1))
    most = max(hits.values())
    return min(number for number, count in hits.items() if count == most)


def _on(month: int, number: int) -> date | None:
    year, place = divmod(month, 12)
    if not date.min.year <= year <= date.max.year:
        return None
    return date(year, place + 1, min(number, _length(year, place + 1)))


def _length(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]
