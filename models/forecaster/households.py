"""Households that are made up: salaries, rents, subscriptions, shopping, and what changes in a life. The same seed makes the same ones."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from models.forecaster.calendar import FEATURES, covariates
from models.forecaster.series import Granularity, Series, period_number

COUNTRIES = ("", "GB-ENG", "DE-BY", "FR", "ES", "IT", "NL", "PL", "US-NY", "IE", "SE", "PT", "AT")
_FIRST, _DAYS_OF_STARTS = date(2012, 1, 1), 4000
_SHORTEST, _LONGEST = 150, 1300
_GIVEN = 0.5
"""The share of households whose schedule is known to whoever forecasts."""
_HABITS = {
    # Times a week, middle amount, spread of its logarithm, how much more at weekends, how much more in December.
    "groceries": (2.5, 38.0, 0.5, 1.6, 1.2),
    "dining": (1.6, 19.0, 0.6, 2.5, 1.3),
    "transport": (1.2, 24.0, 0.7, 0.7, 1.0),
    "shopping": (0.9, 36.0, 1.0, 1.5, 2.2),
    "health": (0.2, 28.0, 0.8, 0.5, 1.0),
    "travel": (0.05, 240.0, 0.9, 1.0, 1.2),
}


@dataclass(slots=True)
class _Days:
    """A household's life as days [n]."""

    first: date
    country: str
    scheduled: NDArray[np.float64]
    spent: dict[str, NDArray[np.float64]]


def households(count: int, seed: int = 1) -> list[Series]:
    """Of each household what comes in and goes out in all, one account, and categories of spending, by day, week and month.
    Schedules end with the values: nothing is known of what comes after."""
    chance = np.random.default_rng(seed)
    found: list[Series] = []
    for _ in range(count):
        found.extend(_series(_life(chance), chance))
    return found


def _series(life: _Days, chance: np.random.Generator) -> Iterator[Series]:
    spent = np.sum(list(life.spent.values()), axis=0)
    schedule = life.scheduled if chance.random() < _GIVEN else None
    some = chance.choice(list(life.spent), size=2, replace=False)
    columns = [("total", life.scheduled + spent, schedule), ("account", spent, None)]
    columns += [("category", life.spent[name], None) for name in some]
    for kind, values, known in columns:
        for granularity in Granularity:
            sums, start = _by_period(values, life.first, granularity)
            ahead = None if known is None else _by_period(known, life.first, granularity)[0]
            yield Series(sums + 0.0, start, granularity, life.country, known=ahead, kind=kind)


def _by_period(values: NDArray[np.float64], first: date, granularity: Granularity) -> tuple[NDArray[np.float64], date]:
    """Sums of the periods that are complete."""
    numbers = np.array([period_number(first + timedelta(days=day), granularity) for day in range(len(values) + 1)])
    begins = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    if period_number(first - timedelta(days=1), granularity) == numbers[0]:
        begins = begins[1:]
    return np.add.reduceat(values, begins[:-1]) if len(begins) > 1 else np.zeros(0), first + timedelta(days=int(begins[0]))


def _life(chance: np.random.Generator) -> _Days:
    length = int(chance.integers(_SHORTEST, _LONGEST))
    first = _FIRST + timedelta(days=int(chance.integers(_DAYS_OF_STARTS)))
    country = str(chance.choice(COUNTRIES))
    days = covariates([period_number(first, Granularity.DAY)], length, Granularity.DAY, [country])[0]
    size = float(np.exp(chance.normal(0, 0.4)))
    dearer = (1 + chance.uniform(0, 0.06)) ** (np.arange(length) / 365)
    scheduled = _scheduled(first, length, size, chance) * dearer
    payday = np.zeros(length)
    payday[np.flatnonzero(scheduled > 0)] = 1
    since = np.convolve(payday, 0.8 ** np.arange(10))[:length]
    spent = {name: -_habit(name, days, size, since, chance) * dearer for name in _HABITS}
    return _Days(first, country, scheduled, spent)


def _habit(
    name: str, days: NDArray[np.float32], size: float, since: NDArray[np.float64], chance: np.random.Generator
) -> NDArray[np.float64]:
    """Money spent by day: how often hangs on weekday, payday, holidays, the time of the year, and on times that differ."""
    often, middle, spread, weekend, december = _HABITS[name]
    length = len(days)
    own = np.exp(chance.normal(0, 0.5, 7)) * np.array([1, 1, 1, 1, 1, weekend, weekend])
    weekday = days[:, :7] @ (own / own.mean())
    shut = 1 - chance.uniform(0.2, 0.9) * days[:, FEATURES.index("holiday")]
    winter = 1 + (december - 1) * np.clip(days[:, FEATURES.index("year_cos")], 0, 1) ** 4
    mood = np.ones(length)
    for at in np.flatnonzero(chance.random(length) < 1 / 250):
        mood[at:] *= np.exp(chance.normal(0, 0.35))
    rate = often / 7 * np.exp(chance.normal(0, 0.4)) * weekday * shut * winter * mood * (1 + chance.uniform(0, 0.6) * since)
    bought = chance.poisson(np.minimum(rate, 4))
    amounts = middle * size * np.exp(chance.normal(0, 0.3)) * np.exp(chance.normal(0, spread, length))
    back = np.where(chance.random(length) < 0.01, -1.0, 1.0)  # a refund now and then
    return bought * amounts * back


def _scheduled(first: date, length: int, size: float, chance: np.random.Generator) -> NDArray[np.float64]:
    """Salary, rent, bills and subscriptions by day."""
    found = np.zeros(length)
    income = 2400 * size * np.exp(chance.normal(0, 0.25))
    if chance.random() < 0.75:
        _monthly(found, first, int(chance.choice([1, 15, 25, 28, 31])), income, chance, workdays=True)
    else:
        every = int(chance.choice([7, 14]))
        found[int(chance.integers(every)) :: every] += income * every / 30
    _monthly(found, first, int(chance.choice([1, 1, 3, 15, 28])), -income * chance.uniform(0.2, 0.45), chance, workdays=False)
    for _ in range(int(chance.integers(2, 8))):
        amount = -round(float(np.exp(chance.uniform(1.2, 4.5))), 2)
        _monthly(found, first, int(chance.integers(1, 29)), amount, chance, workdays=bool(chance.random() < 0.5))
    if chance.random() < 0.4:
        found[int(chance.integers(365)) :: 365] -= chance.uniform(100, 700)
    return found


def _monthly(found: NDArray[np.float64], first: date, day: int, amount: float, chance: np.random.Generator, *, workdays: bool) -> None:
    """Adds a payment in each month; perhaps it begins late, ends early or changes."""
    begin = 0 if chance.random() < 0.8 else int(chance.integers(len(found)))
    end = len(found) if chance.random() < 0.85 else int(chance.integers(begin, len(found) + 1))
    change = int(chance.integers(len(found))) if chance.random() < 0.3 else len(found)
    factor = float(chance.uniform(0.9, 1.25))
    year, month = first.year, first.month
    while (place := (_on(year, month, day, workdays=workdays) - first).days) < len(found):
        if begin <= place < end:
            found[place] += amount * (factor if place >= change else 1.0)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


def _on(year: int, month: int, day: int, *, workdays: bool) -> date:
    found = date(year, month, min(day, monthrange(year, month)[1]))
    return found - timedelta(days=max(found.weekday() - 4, 0)) if workdays else found
