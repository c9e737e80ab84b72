"""What recurring payments came to in each period, what they will come to, and what would have been said of periods that are over. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.forecasting.domain import Granularity, Measure, Recurring, Scheduled, period_end
from services.forecasting.history import History, periods_ahead, periods_between
from services.forecasting.recurring import as_it_stood, days_ahead, expected_amount, missed, past_occurrences, schedule, turn_of

Amounts = NDArray[np.float64]
Foreseen = Callable[[int], tuple[Amounts, Amounts]]

_WAYS = 200
"""So many ways in which payments may come make up what is likely."""
_FEWEST = 2
"""What has come less often was not known to recur."""
_REMEMBERED = 24
"""So many of the latest payments tell when the next comes, and how far off that may be."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What recurring payments came, and will come, to."""

    past: Amounts  # [periods]
    ahead: Amounts  # [horizon]
    scheduled: Sequence[Scheduled]
    foreseen: Foreseen | None = None
    """What was said of the periods after so many of the history: the schedule [horizon], and ways in which it may come [ways, horizon]."""

    @property
    def nothing(self) -> bool:
        """There are none, or they have not come."""
        return not (self.past.any() or self.ahead.any())


def place(recurring: Sequence[Recurring], transactions: pl.DataFrame, history: History, starts: Sequence[date], measure: Measure) -> Known:
    """What recurring payments came to in each period of a history, and will in those that begin on `starts`."""
    occurrences = past_occurrences(transactions.filter(pl.col("status") == "posted"), recurring)
    occurrences = occurrences.filter(pl.col("date").is_between(history.start, history.end))
    scheduled = schedule(recurring, occurrences, after=history.end, until=period_end(starts[-1], history.granularity))
    sign = -1 if measure is Measure.SPENT else 1
    past, ahead = np.zeros(len(history.values)), np.zeros(len(starts))
    for day, amount in occurrences.select("date", "amount").iter_rows():
        past[periods_between(history.start, day, history.granularity)] += sign * float(amount)
    for one in scheduled:
        ahead[periods_between(starts[0], one.payment_date, history.granularity)] += sign * float(one.amount)
    return Known(past, ahead, scheduled, _Foresight(recurring, occurrences, history, len(starts), sign))


@dataclass(frozen=True, slots=True)
class _Payment:
    """One that recurs, as it came."""

    now: Recurring
    days: Sequence[date]
    amounts: Sequence[Decimal]
    late: NDArray[np.int64]
    """By how many days each came later than the payments before it said; 0 for the first, of which nothing was said."""
    more: Amounts
    """By what its amount was more than they said."""
    was_said: NDArray[np.bool_]

    @classmethod
    def of(cls, now: Recurring, days: Sequence[date], amounts: Sequence[Decimal]) -> _Payment:
        """Each of them is judged by what came before it, and by nothing else."""
        late, more = np.zeros(len(days), np.int64), np.zeros(len(days))
        was_said = np.zeros(len(days), np.bool_)
        for place in range(1, len(days)):
            if place + (now.first_date < days[0]) >= _FEWEST:
                past = days[max(place - _REMEMBERED, 0) : place]
                was_said[place] = True
                late[place] = (days[place] - turn_of(as_it_stood(now, past), past, days[place])).days
                more[place] = float(amounts[place] - expected_amount(now, amounts[:place]))
        return cls(now, days, amounts, late, more, was_said)

    def stood(self, count: int, on: date) -> Recurring | None:
        """As it stood on a day when so many had come; None for what nobody knew to recur, or waited for any more."""
        if count == 0 or count + (self.now.first_date < self.days[0]) < _FEWEST:
            return None
        then = as_it_stood(self.now, self.days[max(count - _REMEMBERED, 0) : count])
        return None if missed(then, on) else then


class _Foresight:
    """What was said at the end of each period, with what had come by then and how well the schedule had done."""

    def __init__(self, recurring: Sequence[Recurring], occurrences: pl.DataFrame, history: History, horizon: int, sign: int) -> None:
        came: dict[str, list[tuple[date, Decimal]]] = {}
        for name, day, amount in occurrences.iter_rows():
            came.setdefault(name, []).append((day, amount))
        self._payments = [
            _Payment.of(one, [day for day, _ in some], [amount for _, amount in some])
            for one in recurring
            for some in [came.get(str(one.id), [])]
        ]
        self._starts = periods_ahead(history.start, len(history.values) + horizon, history.granularity)
        self._length, self._horizon, self._granularity, self._sign = len(history.values), horizon, history.granularity, sign

    def __call__(self, length: int) -> tuple[Amounts, Amounts]:
        """See `Known.foreseen`."""
        said, ways = np.zeros(self._horizon), np.zeros((_WAYS, self._horizon))
        first = self._starts[length]
        after, until = first - timedelta(days=1), period_end(self._starts[length + self._horizon - 1], self._granularity)
        chance = np.random.default_rng(length)
        for payment in self._payments:
            count = bisect_right(payment.days, after)
            one = payment.now if length == self._length else payment.stood(count, after)
            if one is None:
                continue
            amount = float(expected_amount(one, payment.amounts[:count]))
            errors = np.flatnonzero(payment.was_said[:count])[-_REMEMBERED:]
            late, more = (payment.late[errors], payment.more[errors]) if len(errors) else (np.zeros(1, np.int64), np.zeros(1))
            # What is due soon after the last day may come before it is.
            reach = until + timedelta(days=int(max(-late.min(), 0)))
            days = days_ahead(one, payment.days[max(count - _REMEMBERED, 0) : count], after=after, until=reach)
            due = np.array(days, "datetime64[D]")
            at = _places(due, first, self._granularity)
            np.add.at(said, at[at < self._horizon], amount)
            drawn = chance.integers(len(late), size=(_WAYS, len(days)))
            moved = _places(due + late[drawn].astype("timedelta64[D]"), first, self._granularity)
            # What was due earlier has not come: it still will.
            moved = np.where(moved < 0, at, moved)
            way, which = np.nonzero(moved < self._horizon)
            np.add.at(ways, (way, moved[way, which]), (amount + more[drawn])[way, which])
        return self._sign * said, self._sign * ways


def _places(days: NDArray[np.datetime64], first: date, granularity: Granularity) -> NDArray[np.int64]:
    """How many periods after the one that begins on `first` each day is."""
    if granularity is Granularity.MONTH:
        return (days.astype("datetime64[M]") - np.datetime64(first, "M")).astype(np.int64)
    return (days - np.datetime64(first, "D")).astype(np.int64) // (7 if granularity is Granularity.WEEK else 1)
