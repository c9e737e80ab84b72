"""What forecasting is learned from: many users' sums by day, never a transaction, as the series that forecasts are asked for."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.forecaster.series import Granularity, Series

HISTORY_DAYS = 5 * 365
"""How far back is asked."""
MOST_ACCOUNTS = 3
MOST_CATEGORIES = 5
"""Of a user: the accounts with the most transactions, the primary categories that most is spent on."""

_DAILY_DAYS = 3 * 365
_MONDAY = 3
"""Days from a Monday to 1 January 1970, from which days are counted."""
_FIRST_MONTH = 1970 * 12


@dataclass(frozen=True, slots=True, eq=False)
class DailySums:
    """A user's sums by day, account and category [n], in floats: they are for a network's eyes, nobody's balance."""

    days: NDArray[np.int64]  # since 1970
    accounts: NDArray[Any]
    categories: NDArray[Any]
    """Primary ones; empty for none."""
    currencies: NDArray[Any]
    received: NDArray[np.float64]
    spent: NDArray[np.float64]
    """Both are positive."""
    counts: NDArray[np.int64]
    country: str = ""
    """Whose holidays count: ISO 3166-1, empty for none."""

    @classmethod
    def none(cls, country: str = "") -> DailySums:
        """Of an empty ledger."""
        texts, amounts, numbers = np.zeros(0, object), np.zeros(0, np.float64), np.zeros(0, np.int64)
        return cls(numbers, texts, texts, texts, amounts, amounts, numbers, country)

    def of(self, chosen: NDArray[np.bool_]) -> DailySums:
        """Some of them."""
        return DailySums(
            self.days[chosen],
            self.accounts[chosen],
            self.categories[chosen],
            self.currencies[chosen],
            self.received[chosen],
            self.spent[chosen],
            self.counts[chosen],
            self.country,
        )


class Histories(Protocol):
    """Users with long ledgers, and their sums."""

    def users(self, *, least_days: int) -> AsyncIterator[UUID]:
        """Those whose posted transactions span so many days, by id. Ask in nobody's name. Raises Unavailable."""

    async def daily_sums(self, user_id: UUID, *, date_from: date, date_to: date) -> DailySums:
        """A user's, read as that user; none of one who has erased everything. Raises Unavailable."""


async def draw(users: AsyncIterator[UUID], *, most: int, seed: int) -> Sequence[UUID]:
    """At most so many of them, all with the same chance, in no order; the same ones from the same users and seed. However many there are,
    only these are held."""
    chance = random.Random(seed)  # nosec B311  # nobody gains by guessing whose sums are looked at
    drawn: list[UUID] = []
    number = 0
    async for user_id in users:
        number += 1
        if len(drawn) < most:
            drawn.append(user_id)
        elif (place := chance.randrange(number)) < most:
            drawn[place] = user_id
    return drawn


def series_of(sums: DailySums) -> list[Series]:
    """By day, week and month, in the currency that most of the user's transactions are in: all that was spent, what came in and what was
    left; what was left on each of the busiest accounts; what was spent on each of the largest categories. Periods that the ledger does not
    have to the full are left out; 0 stands where nothing happened."""
    if not len(sums.days):
        return []
    sums = sums.of(sums.currencies == _largest(sums.currencies, sums.counts, 1)[0])
    net = sums.received - sums.spent
    parts = [("total", sums.days, sums.spent), ("total", sums.days, sums.received), ("total", sums.days, net)]
    for account in _largest(sums.accounts, sums.counts, MOST_ACCOUNTS):
        chosen = sums.accounts == account
        parts.append(("account", sums.days[chosen], net[chosen]))
    named = sums.categories != ""
    for category in _largest(sums.categories[named], sums.spent[named], MOST_CATEGORIES):
        chosen = sums.categories == category
        parts.append(("category", sums.days[chosen], sums.spent[chosen]))
    first, last = int(sums.days.min()), int(sums.days.max())
    found: list[Series] = []
    for kind, days, amounts in parts:
        found.extend(_by_period(kind, days[amounts != 0], amounts[amounts != 0], first, last, sums.country))
    return found


def _largest(names: NDArray[Any], sizes: NDArray[Any], most: int) -> list[Any]:
    """Those with the largest sums of sizes, which are not 0; the first by name of several."""
    known, place = np.unique(names, return_inverse=True)
    totals = np.bincount(place, weights=sizes, minlength=len(known))
    return [known[one] for one in np.argsort(-totals, kind="stable")[:most] if totals[one] > 0]


def _by_period(kind: str, days: NDArray[np.int64], amounts: NDArray[np.float64], first: int, last: int, country: str) -> list[Series]:
    """From the first payment on; `first` and `last` are the ledger's days."""
    from models.forecaster.series import Granularity, Series, period_of

    found: list[Series] = []
    for granularity in Granularity if len(days) else ():
        # What the ledger does not have to the full: a period that began before it does, or goes on after its last day.
        begin = max(int(days.min()), first, last + 1 - _DAILY_DAYS if granularity is Granularity.DAY else first)
        start = int(_numbers(begin, granularity))
        start += int(_numbers(first - 1, granularity)) == start
        end = int(_numbers(last + 1, granularity))
        places = _numbers(days, granularity) - start
        inside = (places >= 0) & (places < end - start)
        if end > start and inside.any():
            values = np.bincount(places[inside], weights=amounts[inside], minlength=end - start).astype(np.float64)
            found.append(Series(values, period_of(start, granularity), granularity, country, kind=kind))
    return found


def _numbers(days: NDArray[np.int64] | int, granularity: Granularity) -> NDArray[np.int64]:
    """As `models.forecaster.series.period_number` counts periods."""
    days = np.asarray(days, np.int64)
    if granularity == "day":
        return days
    if granularity == "week":
        return (days + _MONDAY) // 7
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + _FIRST_MONTH
