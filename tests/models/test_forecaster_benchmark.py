"""What the benchmark of forecasts compares with and how it scores: GIFT-Eval's figures come out again, and held-out weeks stay unseen."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from benchmarks import forecasting_cards, forecasting_m4, forecasting_speed
from models.forecaster.corpus import Purchase, birmingham, last_complete_week, purchases, series_of, without_held_out
from models.forecaster.households import households
from models.forecaster.series import Granularity, period_number

MONDAY = date(2017, 1, 2)


def bought(day: int, amount: float, card: str = "1", category: str = "food") -> Purchase:
    return Purchase(MONDAY + timedelta(days=day), -amount, card, "homes", category)


def test_the_naive_forecast_has_the_published_figures(shared_data: Path) -> None:
    data = forecasting_m4.read(shared_data / "forecasting" / "m4")
    assert data.test.shape == (359, 13)
    published = forecasting_m4.published(shared_data / "forecasting" / "gift_eval_results")
    assert published["auto_arima"] == {"mase": 2.36, "wql": 0.0499}
    found = forecasting_m4.naive(data)
    assert forecasting_m4.mase(data, found[:, :, 4]) == pytest.approx(published["naive"]["mase"], abs=1e-4)
    assert forecasting_m4.weighted_quantile_loss(data, found) == pytest.approx(published["naive"]["wql"], abs=1e-5)


def test_weeks_before_are_hidden_with_their_test() -> None:
    data = forecasting_m4.M4([np.arange(40.0)], np.full((1, 13), 99.0))
    earlier = data.before(13)
    np.testing.assert_array_equal(earlier.train[0], np.arange(27.0))
    np.testing.assert_array_equal(earlier.test[0], np.arange(27.0, 40.0))


def test_a_perfect_forecast_scores_nothing() -> None:
    data = forecasting_m4.M4([np.arange(40.0)], np.arange(40.0, 53.0)[None])
    found = np.repeat(data.test[:, :, None], 9, axis=2)
    assert forecasting_m4.figures(data, found) == {"mase": 0, "wql": 0, "coverage_80": 1}
    assert forecasting_m4.figures(data, found + 2)["mase"] == 2


def test_purchases_become_sums_of_whole_weeks() -> None:
    rows = [bought(0, 5), bought(6, 7), bought(15, 1), bought(16, 100)]
    assert series_of(rows, Granularity.WEEK).values.tolist() == [-12, 0, -101]
    # The last row is of a Wednesday: its week is not over.
    assert last_complete_week(rows) == period_number(MONDAY, Granularity.WEEK) + 1


def test_what_is_held_out_of_a_card_is_in_no_series() -> None:
    rows = [bought(7 * week, 1, card) for card, weeks in (("1", 40), ("2", 25)) for week in range(weeks)]
    rows.append(bought(7 * 40 - 1, 1))
    kept = without_held_out(rows)
    assert max(row.day for row in kept if row.card == "1") == MONDAY + timedelta(weeks=26)
    assert max(row.day for row in kept if row.card == "2") == MONDAY + timedelta(weeks=11)


def test_nothing_that_is_trained_on_is_asked_about(shared_data: Path) -> None:
    folder = shared_data / "categorization"
    last = last_complete_week(purchases(folder)) - 13
    some = birmingham(folder)
    assert len(some) > 1000
    ends = {period_number(one.start, one.granularity) + len(one.values) - 1 for one in some if one.granularity is Granularity.WEEK}
    assert max(ends) == last
    asked = forecasting_cards.cards(folder, own=True)
    assert len(asked) == 92
    assert all(len(one.values) >= 26 for one in asked)


def test_households_are_the_same_each_time_and_have_schedules_that_come_true() -> None:
    one, other = (households(5, seed=9) for _ in range(2))
    for mine, yours in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine.values, yours.values)
    by_day = [series for series in households(30, seed=9) if series.granularity is Granularity.DAY]
    scheduled = [(series.values, series.known) for series in by_day if series.known is not None]
    assert scheduled
    for values, known in scheduled:
        assert np.abs(values - known).sum() < np.abs(values).sum()


def test_users_of_the_speed_benchmark_have_a_year_of_days() -> None:
    found = forecasting_speed.users(12)
    assert len(found) == 12
    assert {len(one.values) for one in found} == {365}
