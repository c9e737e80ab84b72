"""How much privacy a device may spend."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.federation.devices.budgets import DeviceBudget, unamplified_epsilon

NOISE = st.floats(0.05, 100)


def test_nothing_is_spent_before_the_first_round() -> None:
    assert DeviceBudget(8.0).spent(()) == 0


def test_a_round_without_noise_costs_everything() -> None:
    budget = DeviceBudget(8.0)
    assert budget.spent([5.0, 0.0]) == math.inf
    assert budget.exceeded_by(budget.spent([0.0]))


@pytest.mark.parametrize("noise", [1e-200, 1e-150, 1e-9])
def test_next_to_no_noise_is_more_than_any_budget(noise: float) -> None:
    budget = DeviceBudget(1000.0)
    assert budget.exceeded_by(budget.spent([noise]))


def test_what_is_no_number_is_too_much() -> None:
    assert DeviceBudget(8.0).exceeded_by(math.nan)


def test_a_budget_must_be_above_zero() -> None:
    with pytest.raises(ValueError, match="above zero"):
        DeviceBudget(0.0)


@settings(max_examples=50, deadline=None)
@given(st.lists(NOISE, max_size=20), NOISE)
def test_another_round_always_costs_more_in_whatever_order(noise: list[float], another: float) -> None:
    budget = DeviceBudget(8.0)
    assert budget.after(noise, another) >= budget.spent(noise)
    assert budget.spent(noise) == budget.spent(noise[::-1])
    assert budget.after(noise, another) == pytest.approx(unamplified_epsilon([another, *noise]), rel=1e-12)


def test_the_same_rounds_are_added_up_once() -> None:
    asked: list[Sequence[float]] = []

    def accountant(noise_multipliers: Sequence[float]) -> float:
        asked.append(noise_multipliers)
        return 1.0

    budget = DeviceBudget(8.0, accountant)
    assert budget.spent([2.0, 1.0]) == budget.after([1.0], 2.0) == 1.0
    assert asked == [(1.0, 2.0)]
