"""What a round is made by."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from clients.device.policy import Policy
from services.federation.domain import Algorithm, PrivacyPlan, RoundOptions
from services.federation.plans import Plans
from services.federation.records import options_hash, plan_of, plan_text
from services.federation.settings import RoundSettings
from services.federation.sums import parameters_of
from services.federation.words import largest_weight, noise_of_sum, secure_aggregation_plan
from services.kit.errors import FailedPrecondition, InvalidArgument
from tests.federation.test_running import BASE

LENGTH = 3168


def plans(*, development: bool = True, **settings: Any) -> Plans:
    return Plans(RoundSettings(**settings), development=development)


@pytest.mark.parametrize("options", [RoundOptions(noise_multiplier=0.0), RoundOptions(secure_aggregation=False)])
def test_what_shows_single_devices_is_for_development_alone(options: RoundOptions) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        plans(development=False).make(options, update_length=LENGTH)

    assert refused.value.reason == "DEVELOPMENT_ONLY"
    assert plans().make(options, update_length=LENGTH)


@pytest.mark.requirement("FED-18")
def test_by_default_a_round_is_private_masked_and_small_enough() -> None:
    plan, ordered = plans(development=False).make(RoundOptions(), update_length=LENGTH)

    assert plan.privacy is not None
    assert plan.secure_aggregation is not None
    assert (plan.weight_cap, plan.privacy.noise_contributor_count, ordered.target_count, ordered.group_count) == (0, 10, 10, 1)
    assert plan.secure_aggregation.word_bits in (16, 24)
    assert plan.secure_aggregation.clip_norm == plan.privacy.clip_norm
    assert plan.privacy.delta == 1e-5


def test_noise_on_examples_that_no_device_would_take_is_refused() -> None:
    limits = Policy()
    least: dict[str, Any] = {"example_noise_multiplier": 0.1}
    for settings, options in ((least | {"example_clip_norm": 10.0}, RoundOptions()), ({}, RoundOptions(**least))):
        privacy = plans(**settings).make(options, update_length=LENGTH)[0].privacy
        assert privacy is not None
        assert privacy.example_noise_multiplier == limits.least_example_noise_multiplier
        assert privacy.example_clip_norm <= limits.most_example_clip_norm
    with pytest.raises(InvalidArgument) as refused:
        plans().make(RoundOptions(example_noise_multiplier=0.099), update_length=LENGTH)
    assert refused.value.fields[0].field == "options.example_noise_multiplier"
    wrong: list[dict[str, Any]] = [{"example_noise_multiplier": 0.099}, {"example_clip_norm": 10.1}]
    for settings in wrong:
        with pytest.raises(ValidationError):
            plans(**settings)


@pytest.mark.parametrize("target", [10, 12, 30, 50, 77, 500, 5000])
@pytest.mark.parametrize("noise", [0.0, 1.0, 4.0])
def test_the_protocol_takes_whatever_plan_is_made(target: int, noise: float) -> None:
    plan, _ = plans().make(RoundOptions(target_count=target, noise_multiplier=noise), update_length=LENGTH)

    parameters = parameters_of(UUID(int=1), BASE, plan)
    assert parameters.least_contributors == (max(10, plan.privacy.noise_contributor_count) if plan.privacy else 10)
    assert parameters.payload_bytes < 4 * LENGTH


def test_groups_share_the_devices() -> None:
    plan, ordered = plans().make(RoundOptions(algorithm=Algorithm.FEDMEDIAN), update_length=LENGTH)

    assert (ordered.group_count, ordered.target_count) == (3, 30)
    assert plan.privacy is not None
    assert plan.privacy.noise_contributor_count == 10


def test_silos_add_all_noise_themselves_and_are_not_masked() -> None:
    plan, ordered = plans(development=False).make(RoundOptions(silos=True), update_length=LENGTH)

    assert ordered.silos
    assert plan.secure_aggregation is None
    assert plan.privacy is not None
    assert plan.privacy.noise_contributor_count == 1


@given(
    count=st.integers(10, 2000),
    clip=st.floats(1e-3, 100),
    noise=st.floats(0.3, 20),
    private=st.booleans(),
    length=st.integers(1, 20_000),
)
def test_no_sum_wraps_and_rounding_hides_nothing(count: int, clip: float, noise: float, private: bool, length: int) -> None:
    privacy = PrivacyPlan(clip, noise, 10, 1e-5, 1.0, 1.0) if private else None
    cap = 0 if private else largest_weight(count)

    secure = secure_aggregation_plan(
        update_length=length,
        clip_norm=clip,
        privacy=privacy,
        device_count=count,
        weight_cap=cap,
        complete_graph_limit=32,
        neighbor_count=32,
    )

    largest = count * max(cap, 1) * (clip / secure.quantization_scale + 1) + 8 * noise_of_sum(privacy, count) / secure.quantization_scale
    assert largest <= 2 ** (secure.word_bits - 1)
    assert count * max(cap, 1) < 2 ** (secure.word_bits - 1)
    # What rounding makes an update longer by.
    assert math.sqrt(length) / 2 <= 0.11 * clip / secure.quantization_scale
    if privacy is not None:
        assert secure.quantization_scale * math.sqrt(count) / 2 <= 0.05 * noise_of_sum(privacy, count) + 1e-12


def test_too_many_numbers_for_any_width_are_refused() -> None:
    with pytest.raises(ValueError, match="no width"):
        secure_aggregation_plan(
            update_length=10**12, clip_norm=1, privacy=None, device_count=10, weight_cap=0, complete_graph_limit=32, neighbor_count=32
        )


@pytest.mark.parametrize(
    "options", [RoundOptions(), RoundOptions(noise_multiplier=0.0, secure_aggregation=False), RoundOptions(algorithm=Algorithm.FEDPROX)]
)
def test_a_plan_comes_back_from_its_record(options: RoundOptions) -> None:
    plan, _ = plans().make(options, update_length=LENGTH)

    assert plan_of(plan_text(plan)) == plan


def test_requests_differ_by_what_was_chosen() -> None:
    chosen = [RoundOptions(), RoundOptions(epochs=1), RoundOptions(epochs=2), RoundOptions(promote=False)]

    assert len({options_hash(one) for one in chosen}) == 4
    assert options_hash(RoundOptions(epochs=2)) == options_hash(RoundOptions(epochs=2))


@pytest.mark.parametrize(("target", "noise"), [(10, 4.0), (10, 1.1), (100, 1.1), (400, 2.0)])
def test_a_round_takes_no_larger_step_than_its_noise_lets(target: int, noise: float) -> None:
    """Unless somebody says how large: with more noise, models would be refused for nothing else."""
    privacy = plans().make(RoundOptions(target_count=target, noise_multiplier=noise), update_length=LENGTH)[0].privacy
    assert privacy is not None
    deviation = noise_of_sum(privacy, target) / target
    assert 0 < privacy.clip_norm <= 1.0
    assert deviation == pytest.approx(0.005) or (deviation < 0.005 and privacy.clip_norm == 1.0)
    chosen, usual = RoundOptions(target_count=target, noise_multiplier=noise, clip_norm=0.3), plans(clip_norm=0.7)
    made = [plans().make(chosen, update_length=LENGTH)[0], usual.make(RoundOptions(target_count=target), update_length=LENGTH)[0]]
    assert [plan.privacy.clip_norm for plan in made if plan.privacy is not None] == [0.3, 0.7]
