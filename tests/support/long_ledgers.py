"""Ledgers of years, made up from a seed: rent and salary once a month, groceries once a week."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np


class Payment(NamedTuple):
    """What came in is positive."""

    day: date
    amount: Decimal
    category: str


def long_ledger(seed: int, last: date, days: int) -> Iterator[Payment]:
    """From the first day to the last; on both something is paid."""
    chance = np.random.default_rng(seed)
    rent, salary, basket = (int(chance.integers(*bounds)) for bounds in ((400, 1500), (1800, 6000), (40, 160)))
    weekday = int(chance.integers(7))
    for number in range(days):
        day = last - timedelta(days=days - 1 - number)
        if day.day == 1:
            yield Payment(day, Decimal(-rent), "housing_rent")
        if day.day == 25:
            yield Payment(day, Decimal(salary), "income_salary")
        if day.weekday() == weekday or number in (0, days - 1):
            yield Payment(day, Decimal(-basket * int(chance.integers(60, 140))) / 100, "groceries_supermarket")
