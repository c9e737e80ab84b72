"""Forecasts, whatever the series: quantiles in order, finite, of the right shape; each series for itself; refusals that say where."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.forecaster.forecast import Forecaster
from models.forecaster.series import MAX_HORIZON, Granularity, Series, period_number, period_of, periods

START = date(2024, 1, 31)
PLAIN = Forecaster(reason="no networks in this test")
amounts = st.one_of(st.just(0.0), st.floats(-1e30, 1e30), st.floats(-500, 500))


def of(values, granularity: Granularity = Granularity.DAY, **more) -> Series:
    return Series(np.asarray(values, np.float64), START, granularity, **more)


def spending(length: int = 200, seed: int = 0) -> np.ndarray:
    chance = np.random.default_rng(seed)
    return -np.where(chance.random(length) < 0.6, chance.gamma(1.5, 20, length), 0) - np.where(np.arange(length) % 7 == 5, 80, 0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.lists(amounts, max_size=70), st.sampled_from(Granularity)), max_size=4), st.integers(1, MAX_HORIZON))
def test_quantiles_are_finite_and_in_order(drawn, horizon) -> None:
    for (values, _), found in zip(drawn, PLAIN.forecast([of(*one) for one in drawn], horizon), strict=True):
        assert found.quantiles.shape == (horizon, 3)
        assert np.isfinite(found.quantiles).all()
        assert (np.diff(found.quantiles, axis=1) >= 0).all()
        if values and min(values) >= 0:
            assert (found.quantiles >= 0).all()


@pytest.mark.parametrize("granularity", Granularity)
def test_ten_times_the_amounts_have_ten_times_the_forecast(granularity) -> None:
    one, other = PLAIN.forecast([of(spending(), granularity), of(spending() * 10, granularity)], 12)
    np.testing.assert_allclose(one.quantiles * 10, other.quantiles, rtol=1e-9, atol=1e-9)
    assert one.model == other.model


def test_a_series_is_forecast_alike_alone_and_among_others() -> None:
    some = [of(spending(seed=seed, length=40 + 30 * seed)) for seed in range(5)]
    for alone, among in zip([PLAIN.forecast([one], 20)[0] for one in some], PLAIN.forecast(some, 20), strict=True):
        np.testing.assert_allclose(alone.quantiles, among.quantiles, rtol=1e-12)
        assert alone.model == among.model


@pytest.mark.parametrize("values", [[], [7.5], [0.0] * 100, [-3.0] * 100])
def test_what_never_changes_goes_on(values) -> None:
    [found] = PLAIN.forecast([of(values)], 5)
    np.testing.assert_allclose(found.quantiles, values[-1] if values else 0.0)
    assert found.short_history == (len(values) < 28)


def test_what_is_known_to_come_stands_on_its_day() -> None:
    rent = np.where(np.arange(130) % 30 == 0, -900.0, 0.0)
    [found] = PLAIN.forecast([of(spending(100) + rent[:100], known=rent)], 30)
    assert found.quantiles[20, 1] < -800
    assert found.quantiles[19, 1] > -200


def test_a_schedule_that_never_came_true_is_not_taken_out() -> None:
    [found] = PLAIN.forecast([of(spending(100), known=np.full(130, 1e6))], 30)
    assert abs(found.quantiles).max() < 1e4


def test_every_candidate_is_shown_with_its_errors() -> None:
    [found] = PLAIN.forecast([of(spending())], 14)
    assert found.backtest[0].model == found.model
    assert {"seasonal_naive", "recent", "recent_weekday"} <= {one.model for one in found.backtest}
    assert all(one.origins == 4 and one.pinball > 0 for one in found.backtest)
    assert not found.short_history


def test_a_short_history_has_the_seasonal_naive_forecast() -> None:
    [found] = PLAIN.forecast([of(spending(20))], 7)
    assert found.short_history
    assert (found.model, found.backtest) == ("seasonal_naive", ())
    np.testing.assert_allclose(found.quantiles[:, 1], spending(20)[-7:])


@pytest.mark.parametrize(
    ("series", "horizon", "says"),
    [
        (of([1, 2]), 0, "horizon of 0"),
        (of([1, 2]), 91, "1 to 90"),
        (of([1, np.nan]), 1, "series 1: value 1 is nan"),
        (of([1, 2], known=np.array([0, 0, np.inf])), 1, "series 1: known amount 2 is inf"),
        (of([1, 2], known=np.zeros(2)), 1, "2 periods of the past and 1 to come"),
        (of([0, -1e31]), 1, "value 1 is -1e\\+31; the largest"),
        (of([[1, 2]]), 1, "2 dimensions"),
    ],
)
def test_a_refusal_says_where(series, horizon, says) -> None:
    with pytest.raises(ValueError, match=says):
        PLAIN.forecast([of([1.0]), series], horizon)


def test_without_an_artefact_baselines_answer(tmp_path: Path) -> None:
    forecaster = Forecaster.load(tmp_path / "nowhere")
    [found] = forecaster.forecast([of(spending())], 7)
    assert found.degraded
    assert "manifest.json is missing" in found.reason
    assert found.model_version == forecaster.version


@pytest.mark.parametrize(
    ("granularity", "wanted"),
    [
        (Granularity.DAY, [date(2024, 1, 31), date(2024, 2, 1)]),
        (Granularity.WEEK, [date(2024, 1, 29), date(2024, 2, 5)]),
        (Granularity.MONTH, [date(2024, 1, 1), date(2024, 2, 1)]),
    ],
)
def test_periods_follow_each_other(granularity, wanted) -> None:
    assert periods(START, 2, granularity) == wanted
    assert period_of(period_number(START, granularity), granularity) == wanted[0]
