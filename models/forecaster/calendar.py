"""What is known of periods that have not come: weekday, day of the month, its end, holidays, the time of the year."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import holidays
import numpy as np
from numpy.typing import NDArray

from models.forecaster.series import Granularity, period_of

FEATURES = (
    *(f"weekday_{day}" for day in range(7)),
    "month_day",
    "month_begins",
    "month_ends",
    "holiday",
    "before_holiday",
    "year_sin",
    "year_cos",
)
"""Columns of `covariates`, all between -1 and 1. Of weeks and months, `holiday` is a share of days; the rest is of the first day."""

_COUNTRIES = holidays.list_supported_countries()
_EARLIEST, _LATEST = 1, 3_652_059 - 400
"""Of the calendar's days, with room for what comes after."""


@lru_cache(maxsize=512)
def _holidays(country: str, year: int) -> frozenset[int]:
    """Ordinals of public holidays; none for a country that is not known."""
    code, _, part = country.upper().partition("-")
    if code not in _COUNTRIES:
        return frozenset()
    subdivision = part if part in _COUNTRIES[code] else None
    return frozenset(day.toordinal() for day in holidays.country_holidays(code, subdiv=subdivision, years=year))


@lru_cache(maxsize=65_536)
def _row(number: int, granularity: Granularity, country: str) -> tuple[float, ...]:
    try:
        day, following = period_of(number, granularity), period_of(number + 1, granularity)
    except (ValueError, OverflowError):
        return (0.0,) * len(FEATURES)
    ordinals = range(day.toordinal(), following.toordinal())
    free = sum(one in _holidays(country, date.fromordinal(one).year) for one in ordinals) / len(ordinals)
    before = following.toordinal() in _holidays(country, following.year)
    length = monthrange(day.year, day.month)[1]
    angle = 2 * np.pi * day.timetuple().tm_yday / 366
    week = [float(granularity is Granularity.DAY and day.weekday() == one) for one in range(7)]
    return (
        *week,
        2 * (day.day - 1) / (length - 1) - 1,
        float(any(date.fromordinal(one).day == 1 for one in ordinals)),
        float(any(date.fromordinal(one + 1).day == 1 for one in ordinals)),
        free,
        float(before),
        float(np.sin(angle)),
        float(np.cos(angle)),
    )


def covariates(
    first: Sequence[int] | NDArray[np.int64], count: int, granularity: Granularity, countries: Sequence[str]
) -> NDArray[np.float32]:
    """[n, count, FEATURES] of `count` periods from each number `first` on, each with its country. Outside the calendar all are 0."""
    found: dict[tuple[int, str], NDArray[np.float32]] = {}
    for number, country in zip(first, countries, strict=True):
        if (int(number), country) not in found:
            rows = [_row(int(number) + step, granularity, country) for step in range(count)]
            found[int(number), country] = np.array(rows, np.float32).reshape(count, len(FEATURES))
    if not found:
        return np.zeros((0, count, len(FEATURES)), np.float32)
    return np.stack([found[int(number), country] for number, country in zip(first, countries, strict=True)])
