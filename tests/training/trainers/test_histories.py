"""From users' sums by day to series: whole periods only, one currency, the parts that matter; and who is drawn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.forecaster.series import Granularity, Series, period_number
from services.training.trainers.histories import DailySums, _numbers, draw, series_of

EPOCH = date(1970, 1, 1)
Row = tuple[date, str, str, str, float, float]


def sums(rows: list[Row], country: str = "GB") -> DailySums:
    """Each of one transaction."""
    days, accounts, categories, currencies, received, spent = zip(*rows, strict=True)
    return DailySums(
        days=np.array([(day - EPOCH).days for day in days]),
        accounts=np.array(accounts, object),
        categories=np.array(categories, object),
        currencies=np.array(currencies, object),
        received=np.array(received, np.float64),
        spent=np.array(spent, np.float64),
        counts=np.ones(len(rows), np.int64),
        country=country,
    )


def found(rows: list[Row], granularity: Granularity, kind: str) -> list[Series]:
    return [one for one in series_of(sums(rows)) if (one.granularity, one.kind) == (granularity, kind)]


def spent(day: date, amount: float, *, account: str = "a", category: str = "groceries", currency: str = "EUR") -> Row:
    return (day, account, category, currency, 0.0, amount)


def received(day: date, amount: float) -> Row:
    return (day, "a", "income", "EUR", amount, 0.0)


def test_days_in_which_nothing_happened_are_0_and_amounts_are_what_forecasts_are_asked_for() -> None:
    first = date(2026, 1, 1)
    rows = [spent(first, 10), received(first + timedelta(2), 100), spent(first + timedelta(2), 30)]
    out, came, left = found(rows, Granularity.DAY, "total")
    assert (out.values.tolist(), out.start, out.country) == ([10, 0, 30], first, "GB")
    # A series begins with its own first payment, and goes on as long as the ledger does.
    assert (came.values.tolist(), came.start) == ([100], first + timedelta(2))
    assert left.values.tolist() == [-10, 0, 70]
    (account,) = found(rows, Granularity.DAY, "account")
    assert account.values.tolist() == left.values.tolist()
    (category,) = found(rows, Granularity.DAY, "category")
    assert category.values.tolist() == [10, 0, 30]


def test_weeks_and_months_that_the_ledger_does_not_have_to_the_full_are_left_out() -> None:
    # From a Thursday to a Wednesday.
    rows = [spent(date(2026, 1, 1) + timedelta(number), 1) for number in range(70)]
    assert rows[-1][0] == date(2026, 3, 11)
    weeks, months = found(rows, Granularity.WEEK, "total")[0], found(rows, Granularity.MONTH, "total")[0]
    assert (weeks.start, weeks.values.tolist()) == (date(2026, 1, 5), [7.0] * 9)
    assert (months.start, months.values.tolist()) == (date(2026, 1, 1), [31, 28])


def test_the_currency_of_most_transactions_the_busiest_accounts_and_the_largest_categories() -> None:
    first = date(2026, 1, 5)
    rows = [spent(first + timedelta(day), 1, account=f"a{account}") for account in range(5) for day in range(account + 1)]
    rows += [spent(first + timedelta(day), 10.0 * day, category=f"c{day}") for day in range(1, 9)]
    rows += [spent(first, 1_000_000, currency="JPY", category="yen"), spent(first, 500_000, category="")]
    assert len(found(rows, Granularity.DAY, "account")) == 3
    largest = {one.values.max() for one in found(rows, Granularity.DAY, "category")}
    assert largest == {80, 70, 60, 50, 40}


def test_an_empty_ledger_has_no_series() -> None:
    assert series_of(DailySums.none()) == []


@given(st.dates(), st.sampled_from(Granularity))
def test_periods_are_counted_as_the_models_do(day: date, granularity: Granularity) -> None:
    assert int(_numbers((day - EPOCH).days, granularity)) == period_number(day, granularity)


async def users(count: int) -> AsyncIterator[UUID]:
    for number in range(count):
        yield UUID(int=number + 1)


async def test_who_is_drawn_is_drawn_again_with_the_same_seed() -> None:
    assert await draw(users(3), most=5, seed=1) == [UUID(int=number) for number in (1, 2, 3)]
    one = await draw(users(1000), most=5, seed=7)
    assert one == await draw(users(1000), most=5, seed=7)
    assert len(set(one)) == 5
    assert one != await draw(users(1000), most=5, seed=8)


async def test_all_are_drawn_with_the_same_chance() -> None:
    counts = np.zeros(20)
    for seed in range(2000):
        for one in await draw(users(20), most=5, seed=seed):
            counts[one.int - 1] += 1
    # 500 each: far outside of seven standard deviations would be no chance.
    assert counts == pytest.approx(np.full(20, 500.0), abs=136)
