"""What rounds cost, and the noise that makes it so: never less than Opacus says of Gaussian noise, and as much as is charged for."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opacus.accountants import RDPAccountant
from scipy.special import ive

from models.federated.privacy import (
    DELTA,
    MOST_DEVIATION,
    Spending,
    as_gaussian,
    clip,
    noise_for,
    noise_share,
    secret_generator,
    share_deviation,
)

NOISES = st.floats(0.3, 20)


def opacus_epsilon(noise_multipliers: list[float], sample_rate: float = 1.0, orders: list[int] | None = None) -> float:
    accountant = RDPAccountant()
    for one in noise_multipliers:
        accountant.step(noise_multiplier=one, sample_rate=sample_rate)
    return float(accountant.get_epsilon(DELTA, alphas=orders))


@given(st.lists(NOISES, min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
@pytest.mark.filterwarnings("ignore:Optimal order")
def test_what_rounds_cost_is_near_what_opacus_says_of_gaussian_noise_and_never_below(noises: list[float]) -> None:
    ours = Spending(tuple(noises)).epsilon()
    # Whole orders are a little worse than Opacus' tenths; far out, its own end at 63.
    assert ours <= opacus_epsilon(noises) * 1.06 + 0.01
    assert ours >= opacus_epsilon(noises, orders=list(range(2, 2049))) - 1e-9


@pytest.mark.requirement("FED-07")
@given(st.lists(NOISES, max_size=4), NOISES, NOISES)
@settings(max_examples=60, deadline=None)
def test_one_more_round_costs_more_and_less_noise_costs_more(before: list[float], one: float, other: float) -> None:
    spent = Spending(tuple(before))
    assert spent.plus(one).epsilon() > spent.epsilon()
    assert spent.plus(min(one, other)).epsilon() >= spent.plus(max(one, other)).epsilon()


def test_nothing_costs_nothing_and_a_round_without_noise_everything() -> None:
    assert Spending().epsilon() == 0
    assert Spending((1.0, 0.0)).epsilon() == math.inf
    with pytest.raises(ValueError, match="noise"):
        Spending((math.nan,))
    with pytest.raises(ValueError, match="delta"):
        Spending((1.0,)).epsilon(0.0)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5])
def test_the_amplified_figure_is_opacus_own_for_samples_and_below_the_other(rate: float) -> None:
    spent = Spending((1.0,) * 20)
    amplified = spent.epsilon(sample_rate=rate)
    assert amplified < spent.epsilon()
    assert amplified == pytest.approx(opacus_epsilon([1.0] * 20, rate), rel=0.1)
    assert spent.epsilon(sample_rate=[rate] * 20) == amplified
    with pytest.raises(ValueError):
        spent.epsilon(sample_rate=[rate])


@given(budget=st.floats(0.5, 50), rounds=st.integers(1, 200), before=st.lists(st.floats(5, 50), max_size=2))
@settings(max_examples=60, deadline=None)
def test_the_noise_for_some_rounds_fits_the_budget_and_hardly_less_does(budget: float, rounds: int, before: list[float]) -> None:
    spent = Spending(tuple(before))
    if spent.epsilon() > 0.8 * budget:
        return
    noise = noise_for(budget, rounds, spent=spent)
    assert Spending((*before, *[noise] * rounds)).epsilon() <= budget
    assert Spending((*before, *[noise - 0.003] * rounds)).epsilon() > budget or noise < 0.01


def test_more_rounds_and_smaller_budgets_take_more_noise() -> None:
    by_rounds = [noise_for(8, rounds) for rounds in (1, 3, 10, 100)]
    by_budget = [noise_for(budget, 3) for budget in (16, 8, 4, 1)]
    assert by_rounds == sorted(set(by_rounds))
    assert by_budget == sorted(set(by_budget))
    assert 1.0 < by_rounds[1] < 1.3


def test_where_nothing_is_left_no_noise_is_enough() -> None:
    with pytest.raises(ValueError, match="is spent"):
        noise_for(8, 1, spent=Spending((0.5,)))
    with pytest.raises(ValueError, match="0 rounds"):
        noise_for(8, 0)


@given(noise=NOISES, steps=st.floats(1, 1e6), length=st.integers(1, 10**6), order=st.integers(2, 500))
@settings(max_examples=200, deadline=None)
def test_what_is_charged_covers_the_published_bound_of_skellam_noise(noise: float, steps: float, length: int, order: int) -> None:
    """Agarwal et al. (arXiv 2110.04995), corollary 4.1, in whole steps."""
    variance, norm1 = (noise * steps) ** 2, min(math.sqrt(length) * steps, steps**2)
    bound = order * steps**2 / (2 * variance)
    bound += min(((2 * order - 1) * steps**2 + 6 * norm1) / (4 * variance**2), 3 * norm1 / (2 * variance))
    charged = as_gaussian(noise, steps, length)
    assert charged <= noise
    assert order / (2 * charged**2) >= bound * (1 - 1e-9)


@pytest.mark.parametrize("order", [2, 3, 8, 32])
def test_what_is_charged_covers_the_divergence_of_skellam_noise_itself(order: int) -> None:
    """Of one number that moves by a few steps: the divergence is added up from the probabilities."""
    steps, noise = 3, 1.3
    variance = (noise * steps) ** 2
    numbers = np.arange(-150, 151)

    def log_share(shift: int) -> np.ndarray:
        return np.log(ive(np.abs(numbers - shift), variance))

    divergence = float(np.logaddexp.reduce(order * log_share(steps) - (order - 1) * log_share(0))) / (order - 1)
    # Its tails are longer than a Gaussian's: at high orders it hides more.
    assert divergence > 0.3 * order / (2 * noise**2)
    assert order / (2 * as_gaussian(noise, steps, 1) ** 2) >= divergence


def test_with_finer_steps_skellam_noise_is_charged_as_gaussian() -> None:
    charged = [as_gaussian(1.2, steps, 3_168) for steps in (3, 10, 100, 1_000, 10_000)]
    assert charged == sorted(set(charged))
    assert charged[0] < 1.15
    assert charged[-2] == pytest.approx(1.2, rel=1e-6)
    assert as_gaussian(0, 100, 10) == 0
    with pytest.raises(ValueError):
        as_gaussian(1, 0, 10)


@pytest.mark.requirement("FED-06")
@pytest.mark.parametrize("contributors", [10, 12, 40])
def test_shares_add_up_to_the_noise_that_is_charged_for(contributors: int) -> None:
    """Whole numbers, around nothing, of the variance of the sum: all of it where as many give a share as were counted on, else more."""
    counted, length, noise, clip_norm, scale = 10, 20_000, 1.1, 0.2, 0.2 / 1_500
    deviation = share_deviation(noise, clip_norm, scale, counted)
    total = np.sum([noise_share(length, deviation) for _ in range(contributors)], axis=0)
    wanted = noise * clip_norm / scale * math.sqrt(contributors / counted)
    assert total.dtype == np.int64
    assert total.std() == pytest.approx(wanted, rel=0.03)
    assert abs(total.mean()) < 5 * wanted / math.sqrt(length)
    assert wanted >= noise * clip_norm / scale * (1 - 1e-12)


def test_small_noise_has_the_shares_of_skellam_numbers() -> None:
    found, variance = noise_share(200_000, 1.5), 1.5**2
    for number in range(-3, 4):
        assert (found == number).mean() == pytest.approx(ive(abs(number), variance), abs=0.005)
    assert not noise_share(100, 0.0).any()


def test_the_largest_noise_still_hides_the_last_digit_and_larger_noise_is_not_made() -> None:
    """Numbers of 53 bits: far out all noise is a multiple of some power of two, and below that the update would be read as it is."""
    found = noise_share(200_000, MOST_DEVIATION)
    for factor in (2, 16, 128):
        counts = np.bincount(found % factor, minlength=factor)
        assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < factor + 6 * math.sqrt(2 * factor)
    assert found.std() == pytest.approx(MOST_DEVIATION, rel=0.01)
    for deviation in (MOST_DEVIATION * 1.01, 1.3e9, 1e30, math.inf, math.nan):
        with pytest.raises(ValueError, match="steps"):
            noise_share(10, deviation)


def test_noise_is_of_secrets_and_of_no_seed_that_others_set() -> None:
    def share() -> bytes:
        np.random.seed(1)
        random.seed(1)
        return noise_share(64, 100.0).tobytes()

    assert len({share() for _ in range(20)}) == 20


def test_generators_are_seeded_with_256_bits_of_the_systems() -> None:
    seeds: list[Any] = [secret_generator().bit_generator.seed_seq for _ in range(8)]
    assert all(seed.pool_size * 32 == 256 for seed in seeds)
    assert len({seed.entropy for seed in seeds}) == 8
    assert max(seed.entropy.bit_length() for seed in seeds) > 240


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50), st.floats(1e-3, 1e3))
@settings(max_examples=100, deadline=None)
def test_a_clipped_update_is_no_longer_than_the_norm_and_points_where_it_did(numbers: list[float], norm: float) -> None:
    update = np.array(numbers, np.float32)
    clipped = clip(update, norm)
    length = float(np.linalg.norm(update.astype(np.float64)))
    assert np.linalg.norm(clipped.astype(np.float64)) <= norm * (1 + 1e-5)
    if length <= norm:
        np.testing.assert_array_equal(clipped, update)
    else:
        np.testing.assert_allclose(clipped, update * (norm / length), rtol=1e-4, atol=1e-30)


def test_what_is_no_number_is_not_clipped_but_refused() -> None:
    with pytest.raises(ValueError, match="learning rate"):
        clip(np.array([1.0, np.nan], np.float32), 1.0)
    with pytest.raises(ValueError):
        share_deviation(1.0, 1.0, 0.0, 10)
