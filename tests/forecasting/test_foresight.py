"""What was said of recurring payments before they came: by what had come, and by nothing else; and what the back-test makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from models.forecaster import series as of_models
from models.forecaster.forecast import Forecast, Forecaster
from services.forecasting.domain import Granularity, Measure, RecurrencePeriod, period_end, period_start
from services.forecasting.foresight import Known, place
from services.forecasting.history import History, periods_ahead, periods_between
from services.forecasting.recurring import as_it_stood
from tests.support.forecasting_fakes import FakeLedger, monthly

START, HORIZON = date(2025, 1, 1), 30
END = date(2026, 2, 14)
LENGTH = (END - START).days + 1
MONTHS = [(2025 + number // 12, number % 12 + 1) for number in range(15)]


def salary_days(chance: np.random.Generator, most_late: int) -> list[date]:
    """Of 15 months, the last of them after the end."""
    day = int(chance.integers(3, 25))
    return [date(year, month, day) + timedelta(days=int(chance.integers(most_late + 1))) for year, month in MONTHS]


async def known_of(days: Sequence[date], amounts: Sequence[int], granularity: Granularity = Granularity.DAY) -> Known:
    """Of a salary that came on those days."""
    ledger = FakeLedger()
    ids = [ledger.add(day, str(amount), name="Employer") for day, amount in zip(days, amounts, strict=True)]
    salary = as_it_stood(monthly("1", None, name="Employer", first=days[0], ids=ids), days)
    salary = replace(salary, amount_min=Decimal(min(amounts)), amount_max=Decimal(max(amounts)))
    start, end = period_start(START, granularity), period_end(period_start(END, granularity), granularity)
    history = History(start, end, np.zeros(periods_between(start, end, granularity) + 1), granularity, len(days))
    starts = periods_ahead(history.next_start, HORIZON, granularity)
    return place([salary], await ledger.transactions(), history, starts, Measure.RECEIVED)


async def forecast(days: Sequence[date]) -> tuple[Forecast, np.ndarray]:
    """Of what was received, and what came then."""
    came = np.zeros(LENGTH + HORIZON)
    for day in days:
        if (day - START).days < len(came):
            came[(day - START).days] = 2000
    known = await known_of([day for day in days if day <= END], [2000] * sum(day <= END for day in days))
    every = np.concatenate([known.past, known.ahead])
    series = of_models.Series(came[:LENGTH], START, of_models.Granularity.DAY, known=every, foreseen=known.foreseen)
    [found] = Forecaster(reason="no networks in this test").forecast([series], HORIZON)
    return found, came[LENGTH:]


async def test_the_back_test_of_a_salary_whose_day_varies_says_what_comes_true() -> None:
    chance = np.random.default_rng(7)
    made = [await forecast(salary_days(chance, 3)) for _ in range(30)]
    said = np.mean([found.backtest[0].coverage_80 for found, _ in made])
    inside = np.array([(came >= found.quantiles[:, 0] - 0.01) & (came <= found.quantiles[:, 2] + 0.01) for found, came in made])
    paid = np.array([came > 0 for _, came in made])
    assert abs(said - inside.mean()) < 0.03
    # On the days that count most: most are inside, where 3 of 10 were while bands knew nothing of it.
    assert inside[paid].mean() > 0.6
    assert all(np.ptp(found.quantiles, axis=1).max() == pytest.approx(2000) for found, _ in made)
    assert all(found.backtest[0].mase > 0.1 for found, _ in made)


async def test_a_salary_that_never_varies_stays_sharp() -> None:
    chance = np.random.default_rng(7)
    for _ in range(5):
        found, came = await forecast(salary_days(chance, 0))
        np.testing.assert_allclose(found.quantiles, np.repeat(came[:, None], 3, axis=1), atol=1e-6)
        assert found.backtest[0].mase == pytest.approx(0, abs=1e-9)
        assert found.backtest[0].coverage_80 == 1


@pytest.mark.parametrize("granularity", Granularity)
async def test_nothing_that_came_later_is_in_what_was_said(granularity: Granularity) -> None:
    chance = np.random.default_rng(3)
    days = [day for day in salary_days(chance, 3) if day <= END]
    other = [*days[:9], *(day - timedelta(days=2) for day in days[9:])]
    first, second = (
        await known_of(days, [2000] * len(days), granularity),
        await known_of(other, [2000] * 9 + [2600] * (len(days) - 9), granularity),
    )
    assert first.foreseen is not None
    assert second.foreseen is not None
    for length in range(1, periods_between(period_start(START, granularity), other[9], granularity) + 1):
        for one, another in zip(first.foreseen(length), second.foreseen(length), strict=True):
            np.testing.assert_array_equal(one, another)
    assert first.foreseen(len(first.past))[0].sum() != second.foreseen(len(second.past))[0].sum()


async def test_what_has_come_once_is_not_foreseen_and_then_the_middle_amount_on_its_day() -> None:
    days = [date(2025, month, 10) for month in range(1, 9)]
    known = await known_of(days, [2000, 2000, 2000, 2000, 2500, 2500, 2500, 2500])
    assert known.foreseen is not None
    assert not known.foreseen((date(2025, 2, 10) - START).days)[1].any()

    def said(on: date) -> dict[date, float]:
        assert known.foreseen is not None
        schedule, _ = known.foreseen((on - START).days)
        return {on + timedelta(days=int(place)): schedule[place] for place in np.flatnonzero(schedule)}

    assert said(date(2025, 2, 12)) == {date(2025, 3, 10): 2000}
    assert said(date(2025, 5, 12)) == {date(2025, 6, 10): 2000}
    assert said(date(2025, 6, 12)) == {date(2025, 7, 10): 2500}
    # Late in September: waited for on each day, then given up; and nothing is said of what nobody waits for.
    assert said(date(2025, 9, 12)) == {date(2025, 9, 12): 2500, date(2025, 10, 10): 2500}
    assert said(date(2025, 9, 20)) == {}


async def test_what_is_to_come_is_the_schedule_and_around_it_how_far_off_it_was() -> None:
    days = [day for day in salary_days(np.random.default_rng(5), 3) if day <= END]
    known = await known_of(days, [2000] * len(days))
    assert known.foreseen is not None
    schedule, ways = known.foreseen(LENGTH)
    np.testing.assert_array_equal(schedule, known.ahead)
    on = np.flatnonzero(ways.any(axis=0))
    assert 2 <= len(on) <= 14
    assert set(ways[ways > 0].tolist()) <= {2000.0, 4000.0}


async def test_amounts_are_off_as_far_as_they_have_been() -> None:
    days = [date(2025, month, 10) for month in range(1, 13)]
    known = await known_of(days, [100, 140] * 6)
    assert known.foreseen is not None
    schedule, ways = known.foreseen((date(2025, 12, 1) - START).days)
    assert schedule[9] == 100
    assert set(np.unique(ways[:, 9]).tolist()) == {60.0, 100.0, 140.0}


async def test_payments_of_every_period_are_foreseen_on_the_day_that_the_ledger_names() -> None:
    last = date(2025, 8, 31)
    for period, next_date in (
        (RecurrencePeriod.WEEKLY, date(2025, 9, 7)),
        (RecurrencePeriod.BIWEEKLY, date(2025, 9, 14)),
        (RecurrencePeriod.FOUR_WEEKLY, date(2025, 9, 28)),
        (RecurrencePeriod.MONTHLY, date(2025, 9, 30)),
        (RecurrencePeriod.QUARTERLY, date(2025, 11, 30)),
        (RecurrencePeriod.HALF_YEARLY, date(2026, 2, 28)),
        (RecurrencePeriod.YEARLY, date(2026, 8, 31)),
    ):
        assert as_it_stood(monthly("-1", None, period=period), [last]).next_date == next_date
    # Most were on the 28th; of this one, early or late, the next is on it again.
    often = [date(2025, 5, 28), date(2025, 6, 28)]
    for odd in (date(2025, 7, 26), date(2025, 8, 2)):
        assert as_it_stood(monthly("-1", None), [*often, odd]).next_date == date(2025, 8, 28)
