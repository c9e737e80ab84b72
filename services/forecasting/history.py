"""From a ledger's sums to the figures of consecutive periods. Exact in decimals up to the array that a model takes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.forecasting.domain import UNCATEGORIZED, Granularity, Measure, SeriesSpec, no_history, period_end, period_start

MOST_DAYS = {Granularity.DAY: 3 * 365, Granularity.WEEK: 5 * 365, Granularity.MONTH: 10 * 365}
"""How far back a history goes at most."""
BALANCE_DAYS = {Granularity.DAY: 400, Granularity.WEEK: 161 * 7, Granularity.MONTH: 73 * 31}
"""How far back payments are told from one another: as far as models look, or what recurs would seem to begin in the midst of it."""
_CURRENT_DAYS = 3
"""So many days pass without a payment: weekends."""
_LONGER = 1.5
_SILENT_DAYS = 92
"""An account of which nothing newer is known is not waiting for its next statement: nothing happens on it any more."""
_EVERY = {Granularity.DAY: "1d", Granularity.WEEK: "1w", Granularity.MONTH: "1mo"}
_AMOUNTS = {
    Measure.SPENT: pl.col("spent"),
    Measure.RECEIVED: pl.col("received"),
    Measure.NET: pl.col("received") - pl.col("spent"),
    Measure.BALANCE: pl.col("received") - pl.col("spent"),
}


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Consecutive periods that are over."""

    start: date
    """First day of the first."""
    end: date
    """Last day of the last."""
    values: NDArray[np.float64]  # [periods]
    granularity: Granularity
    transaction_count: int

    @property
    def next_start(self) -> date:
        """First day of the first period to come."""
        return self.end + timedelta(days=1)


def earliest(today: date, granularity: Granularity, measure: Measure) -> date:
    """The first day that is asked for, the first of a period. Of a balance it is later: each payment of its history is looked at."""
    days = BALANCE_DAYS[granularity] if measure is Measure.BALANCE else MOST_DAYS[granularity]
    return period_start(today - timedelta(days=days), granularity)


def periods_ahead(first: date, count: int, granularity: Granularity) -> list[date]:
    """The first days of so many periods, the one that begins on `first` and those after it."""
    starts = [first]
    while len(starts) < count:
        starts.append(period_end(starts[-1], granularity) + timedelta(days=1))
    return starts


def periods_between(first: date, day: date, granularity: Granularity) -> int:
    """How many periods after the one that begins on `first` a day is."""
    if granularity is Granularity.MONTH:
        return (day.year - first.year) * 12 + day.month - first.month
    return (day - first).days // (7 if granularity is Granularity.WEEK else 1)


def of_series(sums: pl.DataFrame, series: SeriesSpec) -> pl.DataFrame:
    """The rows of a ledger's sums that are of a series; its currency may be open."""
    rows = sums
    if series.account_id is not None:
        rows = rows.filter(pl.col("account_id") == str(series.account_id))
    if series.currency:
        rows = rows.filter(pl.col("currency") == series.currency)
    return of_category(rows, series.category)


def of_category(rows: pl.DataFrame, category: str) -> pl.DataFrame:
    """The rows of a category, with all below a primary one; all rows for an empty one."""
    if not category:
        return rows
    if category == UNCATEGORIZED:
        return rows.filter(pl.col("category") == "")
    return rows.filter((pl.col("category") == category) | (pl.col("primary_category") == category))


def usual_currency(sums: pl.DataFrame) -> str:
    """The one that most transactions are in, the first by name of several; empty for none."""
    counted = (
        sums.group_by("currency").agg(pl.col("transaction_count").sum()).sort(["transaction_count", "currency"], descending=[True, False])
    )
    return str(counted["currency"][0]) if len(counted) else ""


def known_until(sums: pl.DataFrame, series: SeriesSpec, today: date) -> date:
    """The last day of which it is known what happened, from the sums of the whole ledger, which has at least one day before `today`.

    Yesterday, where the ledger has been silent since no longer than it usually is, else the day of its latest payment. The same of an
    account against its ledger; on one that has been silent for months nothing happens any more.
    """
    over = sums.filter(pl.col("date") < today)
    yesterday = today - timedelta(days=1)
    ledger = over["date"].unique().sort()
    known = yesterday if _is_usual(ledger, yesterday) else _day(ledger[-1])
    if series.account_id is None:
        return known
    account = over.filter(pl.col("account_id") == str(series.account_id))["date"].unique().sort()
    if account.is_empty() or _is_usual(account, known) or (known - _day(account[-1])).days > _SILENT_DAYS:
        return known
    return _day(account[-1])


def _is_usual(days: pl.Series, until: date) -> bool:
    """Whether the time since the last of days with payments is not much longer than nine of ten pauses between them were."""
    pauses = days.diff().drop_nulls().dt.total_days()
    usual = float(np.quantile(pauses.to_numpy(), 0.9)) if len(pauses) else 0.0
    return (until - _day(days[-1])).days <= max(_CURRENT_DAYS, _LONGER * usual)


def _day(value: object) -> date:
    assert isinstance(value, date)  # nosec B101  # of a column of days that is not empty
    return value


def make_history(sums: pl.DataFrame, series: SeriesSpec, granularity: Granularity, *, today: date) -> History:
    """The history of a series, from its first payment to the last period that is over; 0 where nothing was paid. `sums` are those of the
    whole ledger. Raises FailedPrecondition with reason NO_HISTORY."""
    rows = of_series(sums, series).filter(pl.col("date") < today)
    if rows.is_empty():
        first = earliest(today, granularity, series.measure)
        raise no_history(f"no day from {first} to yesterday has a payment of {described(series)}")
    until = known_until(sums, series, today)
    start = pl.col("date").dt.truncate(_EVERY[granularity])
    periods = rows.group_by(start).agg(_AMOUNTS[series.measure].sum().alias("amount"), pl.col("transaction_count").sum()).sort("date")
    over = periods.filter(start.dt.offset_by(_EVERY[granularity]) <= until + timedelta(days=1))
    if over.is_empty():
        raise no_history(f"the first {granularity.value} with a payment of {described(series)} is not over yet")
    over = _whole(over, _day(sums["date"].min()), granularity)
    first, last = _day(over["date"][0]), _last_over(until, granularity)
    every = pl.DataFrame({"date": pl.date_range(first, last, _EVERY[granularity], eager=True)})
    amounts = every.join(over, on="date", how="left", maintain_order="left")["amount"]
    return History(
        first,
        period_end(last, granularity),
        amounts.cast(pl.Float64).fill_null(0.0).to_numpy().astype(np.float64),
        granularity,
        int(over["transaction_count"].sum()),
    )


def _last_over(until: date, granularity: Granularity) -> date:
    """The first day of the last period that ends on a day or before it."""
    start = period_start(until, granularity)
    return start if period_end(start, granularity) <= until else period_start(start - timedelta(days=1), granularity)


def _whole(periods: pl.DataFrame, ledger_start: date, granularity: Granularity) -> pl.DataFrame:
    """Without the first week or month where the ledger begins in its midst, if there are others: what came before is not known."""
    first = _day(periods["date"][0])
    begun = (ledger_start - first).days * 10 > (period_end(first, granularity) - first).days + 1
    return periods[1:] if begun and len(periods) > 1 else periods


def described(series: SeriesSpec) -> str:
    """A series, for people."""
    parts = [series.category or "any category"]
    if series.account_id is not None:
        parts.append(f"account {series.account_id}")
    if series.currency:
        parts.append(series.currency)
    return ", ".join(parts)
