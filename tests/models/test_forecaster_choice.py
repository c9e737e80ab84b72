"""What is served: nothing of the back-test sees the future, weights and bands do what they say, classical forecasts are what they are."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from models.forecaster.backtest import origins
from models.forecaster.baselines import recent, recent_weekday, seasonal_naive
from models.forecaster.calendar import FEATURES, covariates
from models.forecaster.candidates import Networks
from models.forecaster.choice import bands, prefer_alone, weigh
from models.forecaster.classical import auto_ets, croston, exponential_smoothing, theta
from models.forecaster.forecast import Forecaster
from models.forecaster.pooled import Pooled
from models.forecaster.series import Granularity, Series, before, period_number
from models.forecaster.windows import LEVELS, SERVED, cut

DAY, WEEK, MONTH = Granularity


def of(values, granularity=DAY, start=date(2025, 1, 6), **more) -> Series:
    return Series(np.asarray(values, np.float64), start, granularity, **more)


def noise(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 10, length)


class Seen(Pooled):
    """A network that remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__({})
        self.windows: list[np.ndarray] = []

    def reaches(self, granularity, horizon) -> bool:
        return True

    def predict(self, windows, horizon):
        self.windows.append(np.concatenate([windows.values, windows.known[:, : windows.values.shape[1]]], axis=1))
        return recent(windows, horizon)


@pytest.mark.parametrize("granularity", Granularity)
def test_the_back_test_never_sees_what_came_after(granularity) -> None:
    past, horizon, shown = noise(120), 13, []
    for after in (np.full(13, 1e6), np.zeros(13)):
        network = Seen()
        Forecaster("seen", Networks(pooled=network)).forecast([of(np.append(past, after), granularity, known=np.ones(146))], horizon)
        shown.append(network.windows[0])
    asked = len(origins([of(np.append(past, after), granularity)], horizon, 4).rows)
    assert asked == 4
    np.testing.assert_array_equal(shown[0][:asked], shown[1][:asked])
    assert not np.array_equal(shown[0][asked:], shown[1][asked:])


def test_the_back_test_is_told_what_was_said_and_not_what_came() -> None:
    came = np.where(np.arange(130) % 30 == 3, 900.0, 0.0)
    said = np.where(np.arange(130) % 30 == 1, 800.0, 0.0)

    def foreseen(length: int) -> tuple[np.ndarray, np.ndarray]:
        part = said[length : length + 30]
        return part, np.stack([np.zeros(30), part, part + 100])

    series = of(came[:100], known=np.append(came[:100], said[100:]), foreseen=foreseen)
    windows = cut([series], [(0, 30), (0, 0)], 30)
    np.testing.assert_allclose((windows.known * windows.unit[:, None])[0], np.concatenate([np.zeros(301), came[:70], said[70:100]]))
    np.testing.assert_allclose(windows.to_come[1] * windows.unit[1], said[100:])
    edges = (windows.to_come[:, :, None] + windows.stretch)[:, :, SERVED] * windows.unit[:, None, None]
    for row, length in enumerate((70, 100)):
        part = said[length : length + 30]
        np.testing.assert_allclose(edges[row], np.stack([np.zeros(30), part, part + 100], axis=1), atol=1e-9)
    # What is not taken out of the values is not put back.
    wrong = of(noise(100), known=np.full(130, 1e6), foreseen=foreseen)
    assert not cut([wrong], [(0, 0)], 30).stretch.any()


def test_networks_that_know_the_days_asked_about_are_not_asked_in_the_back_test() -> None:
    now, earlier = Seen(), Seen()
    Forecaster("seen", Networks(pooled=now), rehearsal=Networks(pooled=earlier)).forecast([of(noise(90))], 7)
    assert [len(one) for one in now.windows] == [1]
    assert [len(one) for one in earlier.windows] == [4]


@pytest.mark.parametrize(("length", "horizon", "wanted"), [(28, 7, 0), (29, 7, 1), (42, 7, 3), (400, 30, 4), (60, 90, 3)])
def test_a_history_has_as_many_origins_as_it_is_long_enough_for(length, horizon, wanted) -> None:
    found = origins([of(np.zeros(length))], horizon, 4)
    assert found.count.tolist() == [wanted]
    assert all(length - hidden >= 28 for _, hidden in found.rows)


def test_weights_follow_errors_and_priors() -> None:
    [weights] = weigh(np.array([[1.0, 2.0, np.nan]]), np.ones(3), np.array([[True, True, False]]))
    assert weights[0] > 0.9
    assert weights[2] == 0
    [without] = weigh(np.full((1, 3), np.nan), np.array([1.0, 2.0, 1.0]), np.array([[True, True, True]]))
    np.testing.assert_allclose(without, [0.25, 0.5, 0.25])


def test_a_model_without_any_error_is_served_alone() -> None:
    [weights] = weigh(np.array([[0.0, 1.0]]), np.ones(2), np.ones((1, 2), np.bool_))
    np.testing.assert_array_equal(weights, [1, 0])


def test_a_plain_forecast_that_is_clearly_better_is_served_alone() -> None:
    weights = np.full((2, 2), 0.5)
    prefer_alone(weights, np.array([[1.0, 3.0], [1.0, 1.02]]), np.array([[True, False], [True, False]]), np.array([1.5, 1.01]))
    np.testing.assert_array_equal(weights, [[1, 0], [0.5, 0.5]])


def test_a_baseline_that_wins_is_served_and_named() -> None:
    # Each year is exactly like the one before, whatever a network says.
    [found] = Forecaster("seen", Networks(pooled=Seen())).forecast([of(np.tile(noise(52), 4), WEEK)], 13)
    assert found.model == "seasonal_naive"
    assert found.backtest[0].pinball == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("spread", "wider"), [(0.5, True), (1.5, False)])
def test_bands_move_towards_what_the_back_test_asks_for(spread, wider) -> None:
    actual = np.random.default_rng(0).normal(size=(8, 40))
    quantiles = np.broadcast_to(spread * (LEVELS - 0.5) * 3, (8, 40, 9)).copy()
    found = bands(actual, quantiles, np.zeros(8, np.int64), 1)
    assert (found.factors > 1).all() == wider
    moved = found.apply(quantiles[:1])
    inside = ((actual >= moved[..., 0]) & (actual <= moved[..., 8])).mean()
    assert 0.7 < inside < 0.9


def test_bands_leave_what_payments_may_be_off_by_as_it_is() -> None:
    chance = np.random.default_rng(0)
    rest = chance.normal(size=(8, 40))
    narrow = np.broadcast_to(0.5 * (LEVELS - 0.5) * 3, (8, 40, 9)).copy()
    stretch = np.zeros((8, 40, 9))
    stretch[:, 7::10, 7:] = 100.0
    pays = np.zeros((8, 40))
    pays[::4, 7::10] = 100.0
    plain, found = bands(rest, narrow, np.zeros(8, np.int64), 1), bands(rest + pays, narrow + stretch, np.zeros(8, np.int64), 1, stretch)
    assert (found.factors > 1).all()
    np.testing.assert_allclose(found.factors, plain.factors, rtol=0.2)
    np.testing.assert_allclose(found.apply(narrow + stretch, stretch) - found.apply(narrow), stretch)


def test_bands_of_a_series_without_back_test_stay() -> None:
    found = bands(np.zeros((0, 5)), np.zeros((0, 5, 9)), np.zeros(0, np.int64), 2)
    np.testing.assert_array_equal(found.factors, np.ones((2, 5)))


def test_what_was_known_before_is_cut_with_the_values() -> None:
    earlier = before(of(np.arange(10.0), known=np.arange(14.0)), 3, 5)
    np.testing.assert_array_equal(earlier.values, np.arange(7.0))
    np.testing.assert_array_equal(earlier.known, np.arange(12.0))


def test_the_seasonal_naive_forecast_is_the_week_before() -> None:
    windows = cut([of(noise(60))], [(0, 0)], 10)
    found = seasonal_naive(windows, 10) * windows.unit
    np.testing.assert_allclose(found[0, :, 4], np.append(noise(60)[-7:], noise(60)[-7:-4]))


def test_recent_quantiles_are_those_of_the_latest_days() -> None:
    values = noise(200)
    windows = cut([of(values)], [(0, 0)], 3)
    wanted = (np.quantile(values[-28:], LEVELS) + np.quantile(values[-91:], LEVELS)) / 2
    np.testing.assert_allclose((recent(windows, 3) * windows.unit)[0, 2], wanted)
    same_day = np.quantile(values[-84:][::7], LEVELS)
    np.testing.assert_allclose((recent_weekday(windows, 3) * windows.unit)[0, 0], same_day)


def test_exponential_smoothing_follows_a_new_level_and_the_week() -> None:
    week = np.array([0.0, 0, 0, 0, 50, 90, 10])
    values = np.append(np.tile(week, 12) + 100, np.tile(week, 6) + 300) + np.random.default_rng(1).normal(0, 3, 126)
    windows = cut([of(values)], [(0, 0)], 7)
    [found] = exponential_smoothing(windows, 7) * windows.unit
    np.testing.assert_allclose(found[:, 4], week + 300, atol=35)


@pytest.mark.parametrize("model", [auto_ets, theta])
def test_statsforecast_answers_with_quantiles_in_order(model) -> None:
    [found] = model(cut([of(noise(80))], [(0, 0)], 9), 9)
    assert found.shape == (9, 9)
    assert (np.diff(found, axis=1) > 0).all()


def test_what_cannot_be_fitted_is_not_offered() -> None:
    assert np.isnan(auto_ets(cut([of([1.0, 2.0])], [(0, 0)], 3), 3)).all()
    assert np.isnan(croston(cut([of(noise(60))], [(0, 0)], 3), 3)).all()
    [found] = Forecaster(reason="none").forecast([of(noise(60))], 3, thorough=True)
    assert {"auto_ets", "theta"} <= {one.model for one in found.backtest}
    assert "croston" not in found.model + "".join(one.model for one in found.backtest)


def test_money_that_moves_now_and_then_is_asked_of_croston() -> None:
    chance = np.random.default_rng(2)
    values = -np.where(chance.random(200) < 0.15, chance.gamma(3, 30, 200), 0)
    [found] = Forecaster(reason="none").forecast([of(values)], 14, thorough=True)
    assert "croston" in {one.model for one in found.backtest}
    assert (found.quantiles <= 0).all()


def test_holidays_are_those_of_the_country() -> None:
    first = period_number(date(2026, 11, 26), DAY)
    column = FEATURES.index("holiday")
    found = covariates([first] * 5, 2, DAY, ["US", "GB-SCT", "", "nowhere", "us"])[:, :, column]
    np.testing.assert_array_equal(found, [[1, 0], [0, 0], [0, 0], [0, 0], [1, 0]])
    andrew = covariates([period_number(date(2026, 11, 30), DAY)] * 2, 1, DAY, ["GB-SCT", "GB-ENG"])[:, 0, column]
    np.testing.assert_array_equal(andrew, [1, 0])


def test_the_calendar_of_days_weeks_and_months() -> None:
    row = dict(zip(FEATURES, covariates([period_number(date(2026, 2, 28), DAY)], 1, DAY, [""])[0, 0], strict=True))
    assert (row["weekday_5"], row["month_ends"], row["month_begins"], row["month_day"]) == (1, 1, 0, 1)
    week = dict(zip(FEATURES, covariates([period_number(date(2026, 12, 24), WEEK)], 1, WEEK, ["GB-ENG"])[0, 0], strict=True))
    assert week["holiday"] == pytest.approx(2 / 7)
    assert week["weekday_0"] == 0
    assert covariates([period_number(date(2026, 1, 1), MONTH)], 3, MONTH, ["DE"]).shape == (1, 3, len(FEATURES))


def test_outside_the_calendar_nothing_is_known_and_nothing_breaks() -> None:
    [found] = Forecaster(reason="none").forecast([of(noise(60), start=date(9999, 12, 1))], 5)
    assert np.isfinite(found.quantiles).all()
    assert not covariates([period_number(date(9999, 12, 31), DAY) + 5], 2, DAY, ["GB"]).any()
