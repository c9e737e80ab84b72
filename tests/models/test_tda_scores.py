"""Scores of points: what is usual scores low, what is not scores high, and nothing looks ahead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.tda.changes import THRESHOLD
from models.tda.likelihood import LEAST_HISTORY, deviations
from models.tda.scores import ALERT, Settings, score
from tests.support.series import weekly


def test_tda_clean_periodic_series_scores_low() -> None:
    for seed in range(5):
        assert score(weekly(seed=seed))[60:].max() < ALERT


def test_tda_injected_spike_scores_above_threshold() -> None:
    values = weekly()
    values[250] += 100
    assert score(values).argmax() == 250
    assert score(values)[250] > THRESHOLD


def test_tda_regime_change_scores_above_threshold() -> None:
    values = weekly()
    values[250:] += 40
    assert score(values)[250] > THRESHOLD


def test_another_rhythm_within_the_usual_values_scores_above_threshold() -> None:
    # No value is new, so that only the shape of what comes together can tell.
    values = weekly(noise=0.2)
    values[250:] = np.repeat(weekly(noise=0.2)[: len(values) - 250], 3)[: len(values) - 250]
    no_window = replace(Settings(), window_weight=0.0)
    assert score(values)[250:280].max() > THRESHOLD
    assert score(values, settings=no_window)[250:280].max() < THRESHOLD


@pytest.mark.parametrize("place", [30, 60, 200, 364])
def test_nothing_looks_ahead(place: int) -> None:
    values = weekly()
    changed = values.copy()
    changed[place:] = np.random.default_rng(3).normal(1e6, 1e5, len(values) - place)
    np.testing.assert_array_equal(score(values, rest=5)[:place], score(changed, rest=5)[:place])
    np.testing.assert_array_equal(score(values, rest=5)[:place], score(values[:place], rest=5))


def test_after_an_alert_comes_rest() -> None:
    values = weekly()
    values[[250, 252, 290]] += [100, 300, 900]
    alerts = np.flatnonzero(score(values, rest=30) >= ALERT)
    assert 250 in alerts
    assert 290 in alerts
    assert np.diff(alerts).min() > 30
    assert score(values)[252] > ALERT


@pytest.mark.parametrize("values", [[], [1.0], [3.0] * 20, [0.0] * 200, [-7.5] * 200, [0.1] * 200])
def test_constant_and_short_series_score_nothing(values: list[float]) -> None:
    assert score(np.array(values)).tolist() == [0.0] * len(values)


def test_after_long_rest_the_first_move_is_certain() -> None:
    values = np.full(200, 0.1)
    values[150] = 0.2
    assert score(values)[150] > THRESHOLD
    assert score(values)[:150].max() == 0


@pytest.mark.parametrize("factor", [-1.0, 1024.0, 2.0**900, 2.0**-900])
def test_sign_and_size_do_not_matter(factor: float) -> None:
    values = weekly()
    values[250] += 100
    np.testing.assert_allclose(score(values * factor), score(values), rtol=0, atol=1e-9)


def test_huge_values_beside_small_ones_score_finite() -> None:
    values = weekly()
    values[100:110], values[200] = 1.7e308, -1.7e308
    assert np.isfinite(score(values)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_named(bad: float) -> None:
    values = weekly()
    values[17] = bad
    with pytest.raises(ValueError, match="value 17"):
        score(values)


def test_only_a_series() -> None:
    with pytest.raises(ValueError, match="one dimension"):
        score(np.zeros((3, 3)))


@pytest.mark.parametrize("wrong", [{"dimension": 0}, {"window": 1}, {"history": 28}])
def test_settings_that_compare_nothing_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="too few"):
        Settings(**wrong)


def test_deviations_are_those_from_all_before() -> None:
    found = np.random.default_rng(0).exponential(2.0, 100)
    unusual = deviations(found)
    assert unusual[:LEAST_HISTORY].tolist() == [0.0] * LEAST_HISTORY
    for place in (LEAST_HISTORY, 50, 99):
        assert unusual[place] == pytest.approx((found[place] - found[:place].mean()) / found[:place].std())


def test_what_is_not_known_yet_counts_for_nothing() -> None:
    found = np.concatenate([np.full(7, np.inf), np.random.default_rng(0).exponential(2.0, 60)])
    np.testing.assert_allclose(deviations(found)[7:], deviations(found[7:]))
    assert deviations(found)[:7].tolist() == [0.0] * 7
