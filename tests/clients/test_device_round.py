"""Rounds of the reference device over a real channel, with real training and real masks."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import numpy as np
import pytest

from clients.device.device import DeviceClient
from clients.device.ledger_export import LabelledRow
from clients.device.messages import terms
from clients.device.outcome import Done, Outcome
from clients.device.policy import Policy
from scale.federation.v1 import participation_service_pb2 as pb
from scale.federation.v1 import round_pb2
from tests.support.device_coordinator import FakeCoordinator, plan, serving

SHOPS = {"groceries_supermarket": "Corner Shop Zanzibar", "transport_fuel": "Petrol Quixotic", "dining_restaurant": "Trattoria Wunderlich"}


def rows_of(number: int) -> list[LabelledRow]:
    return [
        LabelledRow(f"{name} {number} bill {place}", f"Merchant {name}", -10.0 - place, None, slug)
        for place in range(6)
        for slug, name in SHOPS.items()
    ]


def token_of(user_id: UUID) -> str:
    body = base64.urlsafe_b64encode(json.dumps({"sub": str(user_id)}).encode()).decode().rstrip("=")
    return f"e30.{body}.x"


class Fleet:
    """Devices of one test, each with its own user, folder and channel."""

    def __init__(self, coordinator: FakeCoordinator, address: str, folder: Path, stack: AsyncExitStack) -> None:
        self.coordinator = coordinator
        self.address = address
        self._folder = folder
        self._stack = stack
        self.devices: list[DeviceClient] = []

    async def join(self, count: int, policy: Policy | None = None, **options: Any) -> list[DeviceClient]:
        """So many further devices."""
        made = []
        for number in range(len(self.devices), len(self.devices) + count):
            made.append(await self.device(number, policy, **options))
            await made[-1].enroll(token_of(uuid4()))
        self.devices += made
        return made

    async def device(self, number: int, policy: Policy | None = None, rows: Sequence[LabelledRow] | None = None, **options: Any):
        """One process of a device: the same number is the same folder."""
        found = rows_of(number) if rows is None else rows
        models = self._folder / "models"
        device = DeviceClient(
            self._folder / f"device-{number}", self.address, lambda: found, policy=policy, models_folder=models, **options
        )
        return await self._stack.enter_async_context(device)

    async def round(self) -> list[Outcome]:
        """Everybody asks for work once."""
        return await asyncio.gather(*(device.run_once() for device in self.devices))


@pytest.fixture
def coordinator() -> FakeCoordinator:
    return FakeCoordinator(10)


@pytest.fixture
async def fleet(coordinator: FakeCoordinator, tmp_path: Path):
    async with serving(coordinator) as address, AsyncExitStack() as stack:
        yield Fleet(coordinator, address, tmp_path, stack)


async def test_ten_devices_make_a_sum_that_shows_none_of_them(fleet: Fleet, coordinator: FakeCoordinator) -> None:
    devices = await fleet.join(10)

    outcomes = await fleet.round()

    assert {one.done for one in outcomes} == {Done.PUBLISHED}
    # The sum is no longer than ten clipped updates and the noise.
    secure, private = coordinator.plan.secure_aggregation, coordinator.plan.privacy
    numbers = coordinator.sums[0][:-1] * secure.quantization_scale
    noise = private.noise_multiplier * private.clip_norm
    assert coordinator.sums[0][-1] == 10
    assert np.std(numbers) == pytest.approx(noise, rel=0.1)
    # Nothing of what was uploaded looks like numbers of that size: words are uniform.
    for payload in coordinator.payloads.values():
        counts = np.bincount(np.frombuffer(payload, np.uint8), minlength=256)
        assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 400, "chi square of 255 degrees of freedom"
        assert len(payload) < 4 * coordinator.plan.update_length
    assert all(0 < device.spent_epsilon < 8 for device in devices)


@pytest.mark.requirement("FED-04")
async def test_no_training_string_is_in_what_devices_send(fleet: Fleet, coordinator: FakeCoordinator) -> None:
    await fleet.join(10)
    await fleet.round()

    sent = b"\n".join(raw for _, raw in coordinator.received)

    assert len(coordinator.received) > 60
    words = {word for number in range(10) for row in rows_of(number) for text in (row.description, row.merchant) for word in text.split()}
    for word in {word for word in words if len(word) > 4} | set(SHOPS):
        assert word.lower().encode() not in sent.lower()


async def test_devices_are_lost_at_every_stage(fleet: Fleet, coordinator: FakeCoordinator) -> None:
    coordinator.size = 13
    await fleet.join(10)

    class Lost(Exception):
        pass

    def lose_at(name: str):
        async def before(stage: str) -> None:
            if stage == name:
                raise Lost

        return before

    for stage in ("sharing", "uploading", "confirming"):
        await fleet.join(1, before=lose_at(stage))

    async def live(device: DeviceClient) -> Outcome | None:
        try:
            return await device.run_once()
        except Lost:
            assert device.enrolment is not None
            await coordinator.lose(device.enrolment.device_id)
            return None

    outcomes = await asyncio.gather(*(live(device) for device in fleet.devices))

    assert [one.done if one else None for one in outcomes] == [Done.PUBLISHED] * 10 + [None] * 3
    # Two never uploaded; the third had, and its update counts though it is gone.
    assert coordinator.sums[0][-1] == 11


@pytest.mark.requirement("FED-06")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"privacy": None}, "NO_PRIVACY"),
        ({"secure_aggregation": None}, "NO_SECURE_AGGREGATION"),
        ({"epochs": 0}, "EPOCHS"),
        ({"epochs": 4}, "EPOCHS"),
        ({"privacy__noise_multiplier": 0.1}, "TOO_LITTLE_NOISE"),
        ({"privacy__noise_multiplier": float("nan")}, "TOO_LITTLE_NOISE"),
        ({"privacy__example_noise_multiplier": 0.0}, "TOO_LITTLE_NOISE"),
        ({"privacy__example_noise_multiplier": 1e-9}, "TOO_LITTLE_NOISE"),
        ({"privacy__example_noise_multiplier": float("nan")}, "TOO_LITTLE_NOISE"),
        ({"privacy__example_noise_multiplier": float("inf")}, "TOO_LITTLE_NOISE"),
        ({"privacy__example_clip_norm": 10.1}, "CLIP_NORM"),
        ({"privacy__example_clip_norm": float("nan")}, "CLIP_NORM"),
        ({"privacy__clip_norm": 100.0}, "CLIP_NORM"),
        ({"privacy__delta": 0.1}, "DELTA"),
        ({"privacy__noise_contributor_count": 9}, "TOO_FEW_DEVICES"),
        ({"weight_cap": 100}, "WEIGHTS"),
        ({"secure_aggregation__word_bits": 8}, "PLAN_INVALID"),
        ({"secure_aggregation__quantization_scale": 1e-9}, "PLAN_INVALID"),
        ({"update_length": 12}, "MODEL_MISMATCH"),
        ({"learning_rate": float("nan")}, "PLAN_INVALID"),
    ],
)
async def test_a_device_refuses_what_is_against_its_own_limits(
    fleet: Fleet, coordinator: FakeCoordinator, changes: dict[str, object], reason: str
) -> None:
    coordinator.size = 1
    (device,) = await fleet.join(1)

    def other(method: str, answer: object) -> object:
        if method == "CheckIn":
            answer.assignment.plan.CopyFrom(plan(**changes))  # type: ignore[attr-defined]
        return answer

    coordinator.change = other

    outcome = await device.run_once()

    assert (outcome.done, outcome.reason) == (Done.REFUSED, reason)
    assert "UploadUpdate" not in [name for name, _ in coordinator.received]
    assert device.spent_epsilon == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 1e-6},
        {"epochs": 2},
        {"batch_size": 1},
        {"proximal_mu": 100.0, "algorithm": round_pb2.ALGORITHM_FEDPROX},
        {"privacy__noise_multiplier": 8.0},
        {"privacy__example_noise_multiplier": 100.0},
        {"privacy__example_clip_norm": 1e-6},
        {"head": "c" * 64},
        {"encoder": "c" * 64},
    ],
)
def test_who_is_told_to_train_something_else_shares_no_mask(changes: dict[str, Any]) -> None:
    """Else a coordinator could make the updates of all but one device nothing, and the sum would be that one's."""

    def assignment(head: str = "b" * 64, encoder: str = "a" * 64, **changes: Any) -> pb.Assignment:
        parts = [pb.ModelPart(name="encoder", content_hash=encoder), pb.ModelPart(name="head", content_hash=head)]
        return pb.Assignment(model_version=1, plan=plan(**changes), model_parts=parts)

    assert terms(assignment(**changes)) != terms(assignment()) == terms(assignment())


@pytest.mark.requirement("FED-07")
async def test_a_budget_that_is_spent_ends_it(fleet: Fleet, coordinator: FakeCoordinator) -> None:
    coordinator.plan = plan(privacy__noise_multiplier=1.2)
    await fleet.join(10)

    ends = [(await fleet.round())[0].done for _ in range(4)]

    assert ends == [Done.PUBLISHED] * 3 + [Done.BUDGET_SPENT], "three rounds fit into an epsilon of 8, no fourth one"
    assert all(7 < device.spent_epsilon <= 8 for device in fleet.devices)


async def test_an_update_that_the_coordinator_does_not_take_is_paid_for_all_the_same(fleet: Fleet, coordinator: FakeCoordinator) -> None:
    devices = await fleet.join(10)
    stale = str(devices[0].enrolment and devices[0].enrolment.device_id)

    def refuse(method: str, device: str) -> tuple[grpc.StatusCode, str] | None:
        return (grpc.StatusCode.FAILED_PRECONDITION, "VERSION_MISMATCH") if (method, device) == ("UploadUpdate", stale) else None

    coordinator.refuse = refuse
    running = [asyncio.create_task(device.run_once()) for device in devices]
    outcome = await running[0]
    await coordinator.close()
    await asyncio.gather(*running)

    assert (outcome.done, outcome.reason) == (Done.LEFT_OUT, "VERSION_MISMATCH")
    assert devices[0].spent_epsilon == devices[1].spent_epsilon > 0


async def test_parts_that_are_not_what_was_announced_are_not_trained(fleet: Fleet, coordinator: FakeCoordinator) -> None:
    coordinator.size = 1
    (device,) = await fleet.join(1)
    coordinator.head_bytes += b"x"

    def cut(method: str, answer: object) -> object:
        if method == "DownloadModelPart":
            answer.chunk = answer.chunk[:-1] + b"y"  # type: ignore[attr-defined]
        return answer

    coordinator.change = cut
    outcome = await device.run_once()

    assert (outcome.done, outcome.reason) == (Done.REFUSED, "MODEL_MISMATCH")


async def test_a_killed_process_is_followed_by_one_that_joins_the_next_round(fleet: Fleet, coordinator: FakeCoordinator) -> None:
    class Killed(Exception):
        pass

    async def before(stage: str) -> None:
        if stage == "confirming":
            raise Killed

    await fleet.join(9)
    await fleet.join(1, before=before)
    others = [asyncio.create_task(device.run_once()) for device in fleet.devices[:9]]
    with pytest.raises(Killed):
        await fleet.devices[9].run_once()
    spent = fleet.devices[9].spent_epsilon
    assert spent > 0, "what it has uploaded is paid for"

    again = await fleet.device(9)
    same_round = await again.run_once()
    assert (same_round.done, same_round.reason) == (Done.LEFT_OUT, "BEGUN_BEFORE")
    assert again.spent_epsilon == spent

    while len(coordinator.done) < 9:
        await asyncio.sleep(0.01)
    await coordinator.close()
    assert {one.done for one in await asyncio.gather(*others)} == {Done.FAILED}
    fleet.devices[9] = again
    assert {one.done for one in await fleet.round()} == {Done.PUBLISHED}
    assert again.spent_epsilon > spent


async def test_a_ledger_that_is_gone_ends_the_device(fleet: Fleet, tmp_path: Path) -> None:
    await fleet.join(1)
    (tmp_path / "device-0" / "privacy-ledger.json").unlink()

    with pytest.raises(Exception, match=r"privacy-ledger\.json is gone"):
        await fleet.device(0)


async def test_a_peer_with_another_key_than_before_is_refused(fleet: Fleet, coordinator: FakeCoordinator, tmp_path: Path) -> None:
    devices = await fleet.join(10)
    await fleet.round()
    pins = tmp_path / "device-0" / "pins.json"
    known = json.loads(pins.read_text())
    assert len(known) >= 9
    other = next(device for device in known if devices[0].enrolment and device != devices[0].enrolment.device_id)
    pins.write_text(json.dumps(known | {other: "00" * 32}))
    fleet.devices[0] = await fleet.device(0)

    running = [asyncio.create_task(device.run_once()) for device in fleet.devices]
    outcome = await running[0]
    await coordinator.close()
    await asyncio.gather(*running)

    assert (outcome.done, outcome.reason) == (Done.REFUSED, "IDENTITY_CHANGED")


@pytest.mark.requirement("FED-18")
async def test_without_privacy_and_masks_an_update_is_a_byte_a_number(fleet: Fleet, coordinator: FakeCoordinator) -> None:
    coordinator.plan = plan(privacy=None, secure_aggregation=None, weight_cap=12)
    await fleet.join(10, Policy(without_privacy=True, without_secure_aggregation=True))

    outcomes = await fleet.round()

    assert {one.done for one in outcomes} == {Done.PUBLISHED}
    assert {len(payload) for payload in coordinator.payloads.values()} == {coordinator.plan.update_length + 4}
    assert {header.example_count for header in coordinator.headers.values()} == {12}
    assert all(device.spent_epsilon == 0 for device in fleet.devices)
