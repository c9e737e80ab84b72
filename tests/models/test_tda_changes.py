"""Changes of regime of users' series: found when they happen, told once, with what was usual before and after."""

from __future__ import annotations

import numpy as np
import pytest

from models.tda.changes import THRESHOLD, changes
from tests.support.series import household, in_weeks, weekly


@pytest.mark.requirement("ANO-02")
@pytest.mark.parametrize("seed", range(5))
def test_tda_clean_periodic_series_has_no_changes(seed: int) -> None:
    assert changes(weekly(730, seed)) == []


@pytest.mark.requirement("ANO-02")
def test_tda_injected_spike_is_one_change() -> None:
    values = weekly()
    values[250] += 100
    found = changes(values)
    assert [change.index for change in found] == [250]
    assert found[0].score >= found[0].threshold == THRESHOLD


@pytest.mark.requirement("ANO-02")
def test_tda_regime_change_is_one_change_with_what_was_usual_before_and_after() -> None:
    values = weekly()
    values[250:] += 60
    found = changes(values)
    assert [change.index for change in found] == [250]
    assert found[0].before == pytest.approx(50, abs=3)
    assert found[0].after == pytest.approx(110, abs=3)


def test_the_way_back_is_a_change_too() -> None:
    values = weekly()
    values[150:250] += 60
    found = changes(values)
    assert len(found) == 2
    assert found[0].index == 150
    assert 250 <= found[1].index < 306  # noticed within two windows
    assert found[1].after - found[1].before == pytest.approx(-60, abs=5)


@pytest.mark.parametrize(("factor", "least"), [(2.0, 8), (0.4, 6)])
def test_weeks_of_a_household_that_spends_otherwise_are_noticed(factor: float, least: int) -> None:
    noticed = 0
    for seed in range(10):
        days = household(seed=seed)
        days[60 * 7 :] *= factor
        noticed += any(60 <= change.index < 76 for change in changes(in_weeks(days), window=8))
    assert noticed >= least


def test_weeks_of_a_household_that_spends_as_ever_are_mostly_left_alone() -> None:
    assert sum(len(changes(in_weeks(household(seed=seed)), window=8)) for seed in range(10)) <= 10  # in twenty years


def test_changes_look_back_only_until_they_are_noticed() -> None:
    values = weekly()
    values[150:] += 60
    changed = values.copy()
    changed[300:] = 1e6
    before = [change.index for change in changes(values) if change.index < 300]
    assert [change.index for change in changes(changed) if change.index < 300] == before


@pytest.mark.parametrize("values", [[], [1.0], [3.0] * 20, [0.0] * 200, [-7.5] * 200, [0.1] * 400, np.arange(27.0)])
def test_constant_and_short_series_have_no_changes(values: list[float]) -> None:
    assert changes(np.array(values)) == []


@pytest.mark.parametrize("factor", [-1.0, 1024.0, 2.0**900, 2.0**-900])
def test_sign_and_size_do_not_matter(factor: float) -> None:
    values = weekly()
    values[200:] += 60
    assert [change.index for change in changes(values * factor)] == [change.index for change in changes(values)]


def test_what_is_no_number_is_named() -> None:
    with pytest.raises(ValueError, match="value 3"):
        changes(np.array([1.0, 2.0, 3.0, np.nan]))
