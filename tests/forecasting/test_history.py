"""From a ledger's sums to consecutive periods: what counts, from when on, and up to when."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.forecaster import series as of_models
from models.forecaster.windows import CONTEXT
from services.forecasting.domain import Granularity, Measure, SeriesSpec, period_end, period_start
from services.forecasting.history import BALANCE_DAYS, earliest, make_history, of_series, periods_ahead, periods_between, usual_currency
from services.kit.errors import FailedPrecondition
from tests.support.forecasting_fakes import MAIN, OTHER, FakeLedger

TODAY = date(2026, 5, 14)
"""A Thursday."""
YESTERDAY = TODAY - timedelta(days=1)
DAY, WEEK, MONTH = Granularity.DAY, Granularity.WEEK, Granularity.MONTH
SPENT = SeriesSpec(currency="EUR")


async def history(ledger: FakeLedger, series: SeriesSpec = SPENT, granularity: Granularity = DAY, today: date = TODAY):
    return make_history(await ledger.daily_sums(include_transfers=True), series, granularity, today=today)


async def test_days_without_a_payment_are_zero_and_today_is_left_out() -> None:
    ledger = FakeLedger()
    ledger.add(date(2026, 5, 9), "-10.10")
    ledger.add(date(2026, 5, 9), "-0.20")
    ledger.add(date(2026, 5, 12), "-5")
    ledger.add(TODAY, "-999")
    found = await history(ledger)
    assert (found.start, found.end, found.next_start) == (date(2026, 5, 9), YESTERDAY, TODAY)
    assert found.values.tolist() == [10.3, 0, 0, 5, 0]
    assert found.transaction_count == 3


@pytest.mark.parametrize(
    ("measure", "wanted"), [(Measure.SPENT, [10, 0]), (Measure.RECEIVED, [4, 7]), (Measure.NET, [-6, 7]), (Measure.BALANCE, [-6, 7])]
)
async def test_refunds_are_not_taken_off_what_is_spent(measure: Measure, wanted: list[float]) -> None:
    ledger = FakeLedger()
    ledger.add(YESTERDAY - timedelta(days=1), "-10")
    ledger.add(YESTERDAY - timedelta(days=1), "4")
    ledger.add(YESTERDAY, "7")
    assert (await history(ledger, SeriesSpec(measure, MAIN, currency="EUR"))).values.tolist() == wanted


async def test_a_series_is_of_its_account_currency_and_category() -> None:
    ledger = FakeLedger()
    for account, currency, category, amount in [
        (MAIN, "EUR", "groceries_supermarket", "-1"),
        (OTHER, "EUR", "groceries_supermarket", "-2"),
        (MAIN, "GBP", "groceries_supermarket", "-4"),
        (MAIN, "EUR", "rent", "-8"),
        (MAIN, "EUR", "", "-16"),
    ]:
        ledger.add(YESTERDAY, amount, account=account, currency=currency, category=category, primary=category.split("_")[0])
    for series, wanted in [
        (SeriesSpec(currency="EUR"), 27),
        (SeriesSpec(account_id=MAIN, currency="EUR"), 25),
        (SeriesSpec(category="groceries", currency="EUR"), 3),
        (SeriesSpec(category="groceries_supermarket", account_id=OTHER, currency="EUR"), 2),
        (SeriesSpec(category="uncategorized", currency="EUR"), 16),
        (SeriesSpec(currency="GBP"), 4),
    ]:
        assert (await history(ledger, series)).values.tolist() == [wanted]


async def test_a_stale_ledger_is_known_up_to_its_last_day() -> None:
    ledger = FakeLedger()
    ledger.add(date(2026, 2, 18), "-1")
    ledger.add(date(2026, 2, 20), "-1")
    assert (await history(ledger)).end == date(2026, 2, 20)
    # That a weekend had no payments is no reason to believe that it is not over.
    ledger.add(TODAY - timedelta(days=4), "-1")
    assert (await history(ledger)).end == YESTERDAY
    # A category may be silent for long: its ledger goes on.
    ledger.add(date(2026, 1, 7), "-1", category="rent")
    assert (await history(ledger, SeriesSpec(category="rent", currency="EUR"))).end == YESTERDAY


async def test_weeks_and_months_are_whole() -> None:
    ledger = FakeLedger()
    for number in range(100):
        ledger.add(YESTERDAY - timedelta(days=number), "-1")
    # From Wednesday 3 February on: the first week, and the first month, are not whole; nor are those of today.
    weeks, months = await history(ledger, granularity=WEEK), await history(ledger, granularity=MONTH)
    assert (weeks.start, weeks.end, set(weeks.values)) == (date(2026, 2, 9), date(2026, 5, 10), {7.0})
    assert (months.start, months.end, months.values.tolist()) == (date(2026, 2, 1), date(2026, 4, 30), [26, 31, 30])
    # Begun three days late, a month is as good as whole, but not ten days.
    ledger.rows = [row for row in ledger.rows if row["date"] >= date(2026, 2, 10)]
    assert (await history(ledger, granularity=MONTH)).start == date(2026, 3, 1)


async def test_an_account_that_is_not_brought_up_to_date_is_known_up_to_its_last_day() -> None:
    ledger = FakeLedger()
    for number in range(120):
        ledger.add(YESTERDAY - timedelta(days=number), "-1")
    last = YESTERDAY - timedelta(days=40)
    for number in range(30):
        ledger.add(last - timedelta(days=number), "-1", account=OTHER)
    series = SeriesSpec(account_id=OTHER, currency="EUR")
    assert (await history(ledger, series)).end == last
    # Silent for longer still, it is one on which nothing happens any more.
    ledger.rows = [row for row in ledger.rows if row["account_id"] == str(MAIN) or row["date"] < YESTERDAY - timedelta(days=65)]
    assert (await history(ledger, series)).end == YESTERDAY - timedelta(days=66)
    ledger.add(YESTERDAY - timedelta(days=130), "-1")
    ledger.rows = [row for row in ledger.rows if row["account_id"] == str(MAIN)]
    ledger.add(YESTERDAY - timedelta(days=93), "-1", account=OTHER)
    assert (await history(ledger, series)).end == YESTERDAY


async def test_what_is_paid_by_the_month_is_not_stale_between_two_payments() -> None:
    ledger = FakeLedger()
    for number in range(5):
        ledger.add(date(2026, number + 1, 1), "-900")
    assert (await history(ledger)).end == YESTERDAY
    assert (await history(ledger, today=date(2026, 6, 16))).end == date(2026, 6, 15)
    assert (await history(ledger, today=date(2026, 6, 30))).end == date(2026, 5, 1)


async def test_nothing_to_go_by_is_said() -> None:
    ledger = FakeLedger()
    with pytest.raises(FailedPrecondition) as caught:
        await history(ledger)
    assert caught.value.reason == "NO_HISTORY"
    ledger.add(TODAY, "-1")
    with pytest.raises(FailedPrecondition, match=f"no day from {earliest(TODAY, DAY, Measure.SPENT)} to yesterday has a payment"):
        await history(ledger)
    ledger.add(YESTERDAY, "-1")
    with pytest.raises(FailedPrecondition, match=r"first month .* is not over yet"):
        await history(ledger, granularity=MONTH)
    with pytest.raises(FailedPrecondition, match="rent, EUR"):
        await history(ledger, SeriesSpec(category="rent", currency="EUR"))


@pytest.mark.parametrize(("granularity", "days"), [(DAY, 1), (WEEK, 7), (MONTH, 31)])
def test_what_recurs_is_known_as_far_back_as_models_look(granularity: Granularity, days: int) -> None:
    assert BALANCE_DAYS[granularity] >= (CONTEXT[of_models.Granularity(granularity.value)] + 1) * days


async def test_the_usual_currency_is_that_of_most_transactions() -> None:
    ledger = FakeLedger()
    ledger.add(YESTERDAY, "-1000", currency="GBP")
    for currency in ("EUR", "CHF"):
        ledger.add(YESTERDAY, "-1", currency=currency)
        ledger.add(YESTERDAY, "-1", currency=currency)
    sums = await ledger.daily_sums()
    assert usual_currency(sums) == "CHF"
    assert usual_currency(of_series(sums, SeriesSpec(account_id=OTHER))) == ""


cents = st.integers(-(10**12), 10**12).filter(bool)


@given(st.lists(st.tuples(st.integers(1, 400), cents), min_size=1, max_size=60), st.sampled_from(Granularity))
async def test_sums_are_exact_whatever_the_ledger(payments: list[tuple[int, int]], granularity: Granularity) -> None:
    ledger = FakeLedger()
    for ago, amount in [*payments, (1, -1), (430, -1)]:
        ledger.add(TODAY - timedelta(days=ago), Decimal(amount) / 100)
    found = await history(ledger, SeriesSpec(Measure.NET, currency="EUR"), granularity)
    assert found.start == period_start(found.start, granularity)
    assert found.end < TODAY
    assert periods_between(found.start, found.end, granularity) + 1 == len(found.values)
    by_period: dict[date, Decimal] = {}
    for row in ledger.rows:
        start = period_start(row["date"], granularity)
        by_period[start] = by_period.get(start, Decimal(0)) + row["amount"]
    starts = periods_ahead(found.start, len(found.values), granularity)
    assert period_end(starts[-1], granularity) == found.end
    np.testing.assert_array_equal(found.values, [float(by_period.get(start, 0)) for start in starts])
