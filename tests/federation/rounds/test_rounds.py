"""Rounds from their opening to their end, over a real channel: what is published, of whom, and what is not."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scale.federation.v1 import participation_service_pb2 as pb
from scale.federation.v1 import round_pb2
from services.federation.heads import SafetensorsHeads
from services.federation.secagg import unpack
from services.federation.versions.repository import PostgresFederatedVersions
from services.kit.errors import FailedPrecondition
from tests.federation.rounds.conftest import Coordinator, StartCoordinator
from tests.support.federation_rounds import (
    ABORTED,
    ADVERTISING,
    FAILED,
    PUBLISHED,
    STAGES,
    UNMASKING,
    UPLOADING,
    RoundDevice,
    enrolled,
    run_round,
)

NO_PRIVACY: dict[str, Any] = {"noise_multiplier": 0.0, "clip_norm": 0.2}
PLAIN: dict[str, Any] = {**NO_PRIVACY, "secure_aggregation": False}
AVERAGES = [round_pb2.ALGORITHM_FEDAVG, round_pb2.ALGORITHM_FEDPROX]


def drawn(seed: int, norm: float = 0.15) -> Callable[[int], NDArray[np.float32]]:
    """The same update each time."""

    def update(length: int) -> NDArray[np.float32]:
        numbers = np.random.default_rng(seed).normal(size=length)
        return (numbers * (norm / np.linalg.norm(numbers))).astype(np.float32)

    return update


async def with_updates(coordinator: Coordinator, count: int, weights: Sequence[int] = ()) -> list[RoundDevice]:
    devices = await enrolled(coordinator.channel, count)
    for number, device in enumerate(devices):
        device.update = drawn(number)
        device.weight = weights[number] if weights else 1
    return devices


async def change(coordinator: Coordinator, ended: round_pb2.Round) -> NDArray[np.float64]:
    """What a round has added to the model."""
    repository, heads = PostgresFederatedVersions(coordinator.app.database), SafetensorsHeads()
    before, after = [heads.vector(await repository.head(version)) for version in (ended.base_version, ended.version)]
    return after.astype(np.float64) - before


def weighted_mean(devices: Sequence[RoundDevice], length: int) -> NDArray[np.float64]:
    updates = [device.update(length) for device in devices if device.update is not None]
    return np.average(updates, axis=0, weights=[device.weight for device in devices])


@pytest.mark.requirement("FED-08", "FED-10")
@pytest.mark.parametrize("algorithm", AVERAGES)
async def test_a_model_made_under_masks_is_that_of_the_weighted_mean(coordinator: Coordinator, algorithm: Any) -> None:
    devices = await with_updates(coordinator, 12, weights=range(1, 13))
    before = (await coordinator.administrator.status()).model_version

    ended = await run_round(coordinator.administrator, devices, algorithm=algorithm, **NO_PRIVACY)

    assert (ended.state, ended.base_version, ended.version) == (PUBLISHED, before, before + 1), ended
    assert (ended.selected_count, ended.contributor_count, ended.dropped_count) == (12, 12, 0)
    plan = ended.plan
    found, scale = await change(coordinator, ended), plan.secure_aggregation.quantization_scale
    total = sum(device.weight for device in devices)
    # To the last step what the devices sent, and that is within a step of what they meant.
    exact = sum(device.quantized for device in devices) * (scale / total)  # type: ignore[misc]
    assert np.abs(found - exact).max() < 1e-6
    assert np.abs(found - weighted_mean(devices, plan.update_length)).max() < scale + 1e-6
    assert plan.proximal_mu == (0.01 if algorithm == round_pb2.ALGORITHM_FEDPROX else 0)
    assert all(len(device.sent[0]) < 4 * plan.update_length for device in devices)
    assert ended.bytes_up > 12 * len(devices[0].sent[0])


async def test_with_privacy_every_device_counts_the_same_whatever_it_says(coordinator: Coordinator) -> None:
    devices = await with_updates(coordinator, 13, weights=[1000] * 13)
    rounds_before = (await coordinator.administrator.status()).spent_epsilon

    ended = await run_round(coordinator.administrator, devices)

    assert ended.state == PUBLISHED, ended
    assert ended.plan.weight_cap == 0
    scale = ended.plan.secure_aggregation.quantization_scale
    exact = sum(device.quantized for device in devices) * (scale / 13)  # type: ignore[misc]
    assert np.abs(await change(coordinator, ended) - exact).max() < 1e-6
    assert ended.plan.privacy.noise_contributor_count == 10
    assert math.isinf(rounds_before) or 0 < ended.epsilon <= ended.unamplified_epsilon


@pytest.mark.requirement("FED-08")
async def test_what_the_coordinator_receives_is_nobodys_update(coordinator: Coordinator) -> None:
    devices = await with_updates(coordinator, 12)

    ended = await run_round(coordinator.administrator, devices, **NO_PRIVACY)

    bits = ended.plan.secure_aggregation.word_bits
    for device in devices:
        assert device.quantized is not None
        words = unpack(device.sent[0], bits)[:-1].astype(np.float64)
        assert not np.array_equal(words, device.quantized & ((1 << bits) - 1))
        assert abs(np.corrcoef(words, device.quantized)[0, 1]) < 0.06


@pytest.mark.parametrize("algorithm", [*AVERAGES, round_pb2.ALGORITHM_FEDMEDIAN, round_pb2.ALGORITHM_FEDTRIMMED])
async def test_without_masks_strategies_see_every_update(coordinator: Coordinator, algorithm: Any) -> None:
    devices = await with_updates(coordinator, 12, weights=range(1, 13))
    devices[0].update = lambda length: np.full(length, 50, np.float32)

    ended = await run_round(coordinator.administrator, devices, algorithm=algorithm, **PLAIN)

    assert ended.state == PUBLISHED, ended
    found = await change(coordinator, ended)
    if algorithm in AVERAGES:
        assert np.abs(found - weighted_mean(devices, ended.plan.update_length)).max() < 1e-5
    else:
        assert np.abs(found).max() < 0.1, "one device does not move the median, nor a mean without the largest"


@pytest.mark.requirement("FED-09")
@pytest.mark.parametrize("count", [9, 10])
async def test_a_model_is_made_of_ten_or_more(coordinator: Coordinator, count: int) -> None:
    devices = await enrolled(coordinator.channel, count)

    ended = await run_round(coordinator.administrator, devices)

    if count == 9:
        assert (ended.state, ended.reason, ended.version) == (FAILED, "TOO_FEW_CONTRIBUTORS", 0)
        assert "9 devices" in ended.reason_message
    else:
        assert (ended.state, ended.contributor_count) == (PUBLISHED, 10)


LOST = [(stage, 12, False) for stage in STAGES] + [(stage, 14, True) for stage in (ADVERTISING, UPLOADING, UNMASKING)]


@pytest.mark.requirement("FED-09")
@pytest.mark.parametrize(("stage", "count", "published"), LOST)
async def test_devices_may_be_lost_at_each_stage_while_ten_remain(
    coordinator: Coordinator, stage: Any, count: int, published: bool
) -> None:
    devices = await enrolled(coordinator.channel, count)
    for device in devices[:3]:
        device.leaves_before = stage
    before = (await coordinator.administrator.status()).model_version

    # 130 % of eleven are fifteen: all are asked.
    ended = await run_round(coordinator.administrator, devices, target_count=11 if count == 14 else 10, **NO_PRIVACY)

    assert ended.dropped_count == 3
    status = await coordinator.administrator.status()
    if published:
        assert (ended.state, status.model_version) == (PUBLISHED, before + 1), ended
        assert ended.contributor_count == (14 if stage > UPLOADING else 11), "what is in a sum cannot be taken out again"
    else:
        assert (ended.state, ended.reason, status.model_version) == (FAILED, "TOO_FEW_CONTRIBUTORS", before)
        assert "9 devices" in ended.reason_message


async def test_a_device_that_comes_too_late_is_left_behind(coordinator: Coordinator) -> None:
    devices = await with_updates(coordinator, 11)
    slow, refused = devices[0], list[str]()

    async def take_its_time() -> None:
        """It says that it is there, over and over, and does nothing."""
        assignment = await slow.join()
        try:
            while True:
                await slow.poll(assignment.round_id, 0, wait_s=0)
                await asyncio.sleep(0.05)
        except FailedPrecondition as error:
            refused.append(error.reason)

    slow.take_part = take_its_time  # type: ignore[method-assign]

    ended = await run_round(coordinator.administrator, devices, training_seconds=1, **NO_PRIVACY)

    assert (ended.state, ended.contributor_count, ended.dropped_count) == (PUBLISHED, 10, 1), ended
    assert refused == ["NOT_SELECTED"]
    assert np.abs(await change(coordinator, ended) - weighted_mean(devices[1:], ended.plan.update_length)).max() < 1e-3


async def test_random_groups_are_summed_apart_and_their_median_counts(coordinator: Coordinator) -> None:
    devices = await with_updates(coordinator, 33)
    for device in devices[:3]:
        device.update = lambda length: np.full(length, 0.19 / math.sqrt(length), np.float32)

    ended = await run_round(
        coordinator.administrator,
        devices,
        algorithm=round_pb2.ALGORITHM_FEDMEDIAN,
        target_count=30,
        selection_seconds=3,
        **NO_PRIVACY,
    )

    assert (ended.state, ended.contributor_count) == (PUBLISHED, 33), ended
    found = await change(coordinator, ended)
    assert np.linalg.norm(found) < 0.15
    assert not np.allclose(found, weighted_mean(devices, ended.plan.update_length), atol=1e-4)


async def test_groups_need_ten_devices_each(coordinator: Coordinator) -> None:
    devices = await enrolled(coordinator.channel, 12)

    ended = await run_round(coordinator.administrator, devices, algorithm=round_pb2.ALGORITHM_FEDMEDIAN, **NO_PRIVACY)

    assert (ended.state, ended.reason) == (FAILED, "TOO_FEW_CONTRIBUTORS")


async def test_a_worse_model_is_not_published(coordinator: Coordinator) -> None:
    devices = await enrolled(coordinator.channel, 10)
    coordinator.gate.accuracies = [0.80, 0.70]

    ended = await run_round(coordinator.administrator, devices)

    assert (ended.state, ended.reason, ended.version) == (FAILED, "LESS_ACCURATE", 0)
    assert (ended.accuracy_ratio, ended.base_accuracy_ratio) == (0.70, 0.80)
    assert ended.update_norm >= 0
    assert "70.0%" in ended.reason_message


async def test_an_update_larger_than_any_can_be_is_not_published(coordinator: Coordinator) -> None:
    devices = await enrolled(coordinator.channel, 10)
    for device in devices:
        # Whoever lies about the norm cannot be seen; the sum can.
        device.rounded = lambda values: np.full(len(values), 3000, np.int64)  # type: ignore[method-assign]

    ended = await run_round(coordinator.administrator, devices, noise_multiplier=1.0, clip_norm=0.01)

    assert (ended.state, ended.reason) == (FAILED, "UPDATE_TOO_LARGE"), ended


async def test_a_step_of_the_server_may_be_smaller(coordinator: Coordinator) -> None:
    devices = await with_updates(coordinator, 10)

    ended = await run_round(coordinator.administrator, devices, server_learning_rate=0.25, **PLAIN)

    assert np.abs(await change(coordinator, ended) - 0.25 * weighted_mean(devices, ended.plan.update_length)).max() < 1e-6


async def test_a_round_that_is_given_up_publishes_nothing(coordinator: Coordinator) -> None:
    devices = await enrolled(coordinator.channel, 10)
    idle = devices[0]

    async def say_only_that_it_is_there(assignment: pb.Assignment) -> None:
        await idle.ended(assignment.round_id)

    idle.through = say_only_that_it_is_there  # type: ignore[method-assign]
    before = (await coordinator.administrator.status()).model_version
    aborted: list[round_pb2.Round] = []

    async def give_up(round_id: str) -> None:
        while (await coordinator.administrator.round(round_id)).stage != ADVERTISING:
            await asyncio.sleep(0.02)
        # Harmless to repeat.
        aborted.extend([await coordinator.administrator.abort(round_id) for _ in range(2)])

    ended = await run_round(coordinator.administrator, devices, meanwhile=give_up)

    assert [one.state for one in (*aborted, ended)] == [ABORTED] * 3
    assert (await coordinator.administrator.status()).model_version == before


async def test_a_device_hears_how_its_round_ended_and_may_not_go_on(coordinator: Coordinator) -> None:
    devices = await enrolled(coordinator.channel, 10)

    ended = await run_round(coordinator.administrator, devices)

    found = await devices[0].poll(ended.round_id, 0, wait_s=0)
    assert found.state == PUBLISHED
    with pytest.raises(FailedPrecondition) as refused:
        await devices[0].call("ShareKeys", pb.ShareKeysRequest(round_id=ended.round_id))
    assert refused.value.reason == "ROUND_OVER"


async def test_who_has_nothing_left_to_spend_is_not_waited_for(start_coordinator: StartCoordinator) -> None:
    async with start_coordinator(selection_s=20) as coordinator:
        await coordinator.active()
        devices = await enrolled(coordinator.channel, 12)
        async with asyncio.timeout(15):
            # Without noise all is spent, in the eyes of usual rounds; such a round goes on nevertheless.
            first = await run_round(coordinator.administrator, devices[:11], **NO_PRIVACY)
            second = await run_round(coordinator.administrator, devices[:11], **NO_PRIVACY)
            fresh = await enrolled(coordinator.channel, 10)
            third = await run_round(coordinator.administrator, [*devices, *fresh])

    assert [one.state for one in (first, second, third)] == [PUBLISHED] * 3
    assert third.contributor_count == 11, "of the other eleven nobody may"


async def test_two_devices_of_one_user_are_one_person(coordinator: Coordinator) -> None:
    devices = await enrolled(coordinator.channel, 9)
    second = await RoundDevice(coordinator.channel, user_id=devices[0].user_id).enroll()

    ended = await run_round(coordinator.administrator, [*devices, second])

    assert (ended.state, ended.selected_count) == (FAILED, 9)


async def test_a_device_that_is_revoked_leaves_the_round_at_once(coordinator: Coordinator) -> None:
    devices = await enrolled(coordinator.channel, 12)
    lost = devices[0]
    lost.leaves_before = UPLOADING

    async def revoke(_: str) -> None:
        await asyncio.sleep(0.1)
        await lost.revoke()

    ended = await run_round(coordinator.administrator, devices, meanwhile=revoke)

    assert (ended.state, ended.dropped_count) == (PUBLISHED, 1), ended
