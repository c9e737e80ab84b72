"""What the networks learn from: purchase cards of a city, and households that are made up.

The rows are Birmingham's (Open Government Licence: see NOTICE), read from the public file when a model is made. Nothing of a person is in
them, and of each card the last weeks are left out, so that they can be asked about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.forecaster.series import Granularity, Series, period_number, period_of
from models.hypcd.corpus import read_table

BIRMINGHAM = "birmingham_2014-04_2017-06.csv.gz"
COUNTRY = "GB-ENG"
HELD_OUT_WEEKS = 13

_LEAST_ROWS = {"card": 60, "directorate": 200, "category": 200}
_KINDS = {"card": "account", "directorate": "total", "category": "category"}


class Purchase(NamedTuple):
    """A row as the city published it. Spending is negative, as everywhere in SCALE."""

    day: date
    amount: float
    card: str
    directorate: str
    category: str


def purchases(data: Path) -> list[Purchase]:
    """All rows that have a day, an amount and a card."""
    found = []
    for row in read_table(data / BIRMINGHAM):
        try:
            day = datetime.strptime(row["TRANS DATE"], "%Y-%m-%d").date()  # noqa: DTZ007
            amount = -float(row["ORIGINAL GROSS AMT"].replace(",", ""))
        except ValueError:
            continue
        if isfinite(amount) and row["CARD NUMBER"]:
            label = row["TRANS CAC DESC 1"].strip().lower()
            found.append(Purchase(day, amount, row["CARD NUMBER"][-4:], row["Directorate"].strip(), label))
    return found


def last_complete_week(rows: Iterable[Purchase]) -> int:
    """The number of the last week whose Sunday is not after the last row."""
    last = max(row.day for row in rows)
    return period_number(last + timedelta(days=1), Granularity.WEEK) - 1


def series_of(rows: Iterable[Purchase], granularity: Granularity, last: int | None = None, kind: str = "account") -> Series:
    """Sums by period from the first row's to the one with the number `last`, or to the last row's."""
    sums: defaultdict[int, float] = defaultdict(float)
    for row in rows:
        sums[period_number(row.day, granularity)] += row.amount
    first, end = min(sums), max(sums) if last is None else last
    values = np.array([sums.get(number, 0.0) for number in range(first, end + 1)])
    return Series(values, period_of(first, granularity), granularity, COUNTRY, kind=kind)


def without_held_out(rows: Sequence[Purchase], weeks: int = HELD_OUT_WEEKS) -> list[Purchase]:
    """Rows before the file's last complete weeks, and before the last ones of each card."""
    end = last_complete_week(rows)
    last: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        last[row.card] = max(last[row.card], min(period_number(row.day, Granularity.WEEK), end))
    return [row for row in rows if period_number(row.day, Granularity.WEEK) <= last[row.card] - weeks]


def birmingham(data: Path, seed: int = 1) -> list[Series]:
    """By day, week and month: cards, directorates and categories. Half of them with the other sign: nothing hangs on it."""
    rows = without_held_out(purchases(data))
    chance = np.random.default_rng(seed)
    found = []
    for name, least in _LEAST_ROWS.items():
        of: Callable[[Purchase], str] = lambda row, name=name: getattr(row, name)  # type: ignore[misc]  # noqa: E731
        parts: defaultdict[str, list[Purchase]] = defaultdict(list)
        for row in rows:
            parts[of(row)].append(row)
        for key in sorted(parts):
            if key and len(parts[key]) >= least:
                sign = 1.0 if chance.random() < 0.5 else -1.0
                for granularity in Granularity:
                    one = series_of(parts[key], granularity, kind=_KINDS[name])
                    found.append(Series(one.values * sign, one.start, granularity, COUNTRY, kind=one.kind))
    return found
