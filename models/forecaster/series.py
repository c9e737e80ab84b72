"""What is forecast: a series of amounts by day, week or month, and the arithmetic of its periods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

MAX_HORIZON = 90
_SMALLEST, _LARGEST = 1e-12, 1e30
"""No amount is smaller or larger; beyond them arithmetic loses its hold."""

_EPOCH = date(1970, 1, 1)
_MONDAY = date(1969, 12, 29)


class Granularity(StrEnum):
    """The length of a period."""

    DAY = "day"
    WEEK = "week"  # Monday to Sunday
    MONTH = "month"


Foresee = Callable[[int], tuple[NDArray[np.float64], NDArray[np.float64]]]
"""What was said of the next periods when there were so many: the schedule [horizon], and what may come of it [ways, horizon], each way as
likely as any other."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Signed amounts of consecutive periods. What nothing happened in is 0."""

    values: NDArray[np.float64]  # [length]
    start: date
    """Any day of the first period."""
    granularity: Granularity
    country: str = ""
    """ISO 3166-1 (`GB`) or with a part of it (`GB-SCT`), for public holidays; "" for none."""
    known: NDArray[np.float64] | None = None  # [length + horizon]
    """What recurring payments and income come to in each period, those to come included; None for nothing known."""
    kind: str = "total"
    """`total`, `account` or `category`: what the amounts are of."""
    foreseen: Foresee | None = None
    """How the schedule saw the periods after an earlier one, and sees those to come; None for as they are `known`."""


def period_start(day: date, granularity: Granularity) -> date:
    """The first day of the period that a day is in."""
    if granularity is Granularity.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if granularity is Granularity.MONTH else day


def period_number(day: date, granularity: Granularity) -> int:
    """Counts periods from one fixed day on: the next period has the next number."""
    if granularity is Granularity.MONTH:
        return day.year * 12 + day.month - 1
    return (day - _MONDAY).days // 7 if granularity is Granularity.WEEK else (day - _EPOCH).days


def period_of(number: int, granularity: Granularity) -> date:
    """The first day of a period by its number. Raises ValueError or OverflowError for one outside the calendar."""
    if granularity is Granularity.MONTH:
        return date(number // 12, number % 12 + 1, 1)
    return _MONDAY + timedelta(weeks=number) if granularity is Granularity.WEEK else _EPOCH + timedelta(days=number)


def periods(start: date, count: int, granularity: Granularity) -> list[date]:
    """The first days of so many periods from the one of `start` on."""
    first = period_number(start, granularity)
    return [period_of(first + step, granularity) for step in range(count)]


def before(series: Series, hidden: int, horizon: int) -> Series:
    """A series as it was so many periods ago, when what was to come in `horizon` periods was known as now."""
    length = len(series.values) - hidden
    known = series.known
    if known is not None:
        known = np.append(known, np.zeros(max(length + horizon - len(known), 0)))[: length + horizon]
    return replace(series, values=series.values[:length], known=known)


def checked(series: Series, horizon: int, place: int) -> Series:
    """The series without crumbs that no currency has. Raises ValueError, which says where, for one that nobody can forecast."""
    values, known = series.values, series.known
    if values.ndim != 1:
        raise ValueError(f"series {place}: values have {values.ndim} dimensions; give one, an amount for each period")
    if known is not None and known.shape != (len(values) + horizon,):
        raise ValueError(
            f"series {place}: known has shape {known.shape}; "
            f"give {len(values)} periods of the past and {horizon} to come, {len(values) + horizon} in all"
        )
    for name, amounts in (("value", values), ("known amount", known)):
        if amounts is not None and not np.isfinite(amounts).all():
            at = int(np.flatnonzero(~np.isfinite(amounts))[0])
            raise ValueError(f"series {place}: {name} {at} is {amounts[at]}; give 0 where nothing happened")
        if amounts is not None and (np.abs(amounts) > _LARGEST).any():
            at = int(np.argmax(np.abs(amounts)))
            raise ValueError(f"series {place}: {name} {at} is {amounts[at]}; the largest that can be forecast is {_LARGEST:g}")
    return replace(series, values=_without_crumbs(values), known=None if known is None else _without_crumbs(known))


def _without_crumbs(amounts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.abs(amounts) < _SMALLEST, 0.0, amounts)
