"""What the coordinator takes for an update, and what not; and that privacy is charged once, before it counts."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import grpc.aio
import numpy as np
import pytest

from scale.federation.v1 import participation_service_pb2 as pb
from scale.federation.v1 import round_pb2
from scale.federation.v1.participation_service_pb2_grpc import ParticipationServiceStub
from services.federation.devices.repository import PostgresLedgerRepository
from services.federation.domain import Contribution, DeviceIdentity
from services.federation.repository import PostgresRoundsRepository
from services.kit.errors import FailedPrecondition, InvalidArgument, ResourceExhausted, ScaleError
from services.kit.status import from_rpc_error
from tests.federation.rounds.conftest import Coordinator
from tests.federation.rounds.test_rounds import NO_PRIVACY, PLAIN
from tests.support.federation_rounds import (
    ADVERTISING,
    PARTICIPATION,
    PUBLISHED,
    SHARING,
    UPLOADING,
    Gone,
    RoundDevice,
    advert_message,
    enrolled,
    run_round,
)

PlainRound = Callable[[RoundDevice, pb.Assignment], Awaitable[None]]
FLOAT32, INT8, MASKED = pb.UPDATE_ENCODING_FLOAT32, pb.UPDATE_ENCODING_INT8, pb.UPDATE_ENCODING_MASKED


async def in_a_round(coordinator: Coordinator, do: PlainRound, **options: Any) -> round_pb2.Round:
    """A round in which one device of eleven does something else when updates are to be sent."""
    devices = await enrolled(coordinator.channel, 11)
    odd, last = devices[:2]
    done, as_usual = asyncio.Event(), last.through

    async def through(assignment: pb.Assignment) -> None:
        odd.plan = assignment.plan
        await odd.stage(assignment.round_id, UPLOADING, 0)
        try:
            await do(odd, assignment)
        finally:
            done.set()

    async def through_at_last(assignment: pb.Assignment) -> None:
        # The stage is not over before the odd one has done what it does.
        await done.wait()
        await as_usual(assignment)

    odd.through = through  # type: ignore[method-assign]
    last.through = through_at_last  # type: ignore[method-assign]
    return await run_round(coordinator.administrator, devices, **options or PLAIN)


async def spent(coordinator: Coordinator, device: RoundDevice) -> list[float]:
    repository = PostgresLedgerRepository(coordinator.app.database)
    return list(await repository.noise_multipliers(DeviceIdentity(device.user_id, device.device_id, device.signing.public_key)))


Bad = Callable[[RoundDevice, pb.Assignment], Awaitable[Any]]


def zeros(assignment: pb.Assignment) -> bytes:
    return bytes(4 * assignment.plan.update_length)


def not_a_number(assignment: pb.Assignment) -> bytes:
    numbers = np.zeros(assignment.plan.update_length, "<f4")
    numbers[3] = np.nan
    return numbers.tobytes()


def infinite(assignment: pb.Assignment) -> bytes:
    numbers = np.zeros(assignment.plan.update_length, "<f4")
    numbers[3] = np.inf
    return numbers.tobytes()


REFUSED: dict[str, tuple[Bad, type[ScaleError], str]] = {
    "another version": (
        lambda d, a: d.send(a, zeros(a), FLOAT32, model_version=a.model_version - 1),
        FailedPrecondition,
        "VERSION_MISMATCH",
    ),
    "not a number": (lambda d, a: d.send(a, not_a_number(a), FLOAT32), InvalidArgument, "UPDATE_NOT_FINITE"),
    "infinite": (lambda d, a: d.send(a, infinite(a), FLOAT32), InvalidArgument, "UPDATE_NOT_FINITE"),
    "an infinite scale": (
        lambda d, a: d.send(a, np.array([np.inf], "<f4").tobytes() + b"\1" * a.plan.update_length, INT8),
        InvalidArgument,
        "UPDATE_NOT_FINITE",
    ),
    "too short": (lambda d, a: d.send(a, zeros(a)[:-4], FLOAT32), InvalidArgument, "INVALID_ARGUMENT"),
    "too long": (lambda d, a: d.send(a, zeros(a) + b"1234", FLOAT32), InvalidArgument, "INVALID_ARGUMENT"),
    "more than announced": (lambda d, a: d.send(a, zeros(a), FLOAT32, size_bytes=7), InvalidArgument, "INVALID_ARGUMENT"),
    "less than announced": (
        lambda d, a: d.send(a, zeros(a), FLOAT32, size_bytes=8 * a.plan.update_length),
        InvalidArgument,
        "INVALID_ARGUMENT",
    ),
    "over five MiB": (lambda d, a: d.send(a, b"", FLOAT32, size_bytes=5 * 1024 * 1024 + 1), InvalidArgument, "INVALID_ARGUMENT"),
    "another hash": (
        lambda d, a: d.send(a, zeros(a), FLOAT32, content_hash=hashlib.sha256(b"").hexdigest()),
        InvalidArgument,
        "CONTENT_HASH_MISMATCH",
    ),
    "no hash": (lambda d, a: d.send(a, zeros(a), FLOAT32, content_hash="x" * 64), InvalidArgument, "INVALID_ARGUMENT"),
    "masked": (lambda d, a: d.send(a, zeros(a), MASKED), InvalidArgument, "INVALID_ARGUMENT"),
    "of no encoding": (lambda d, a: d.send(a, zeros(a), 0), InvalidArgument, "INVALID_ARGUMENT"),
    "of no examples": (lambda d, a: d.send(a, zeros(a), FLOAT32, example_count=0), InvalidArgument, "INVALID_ARGUMENT"),
    "of fewer than none": (lambda d, a: d.send(a, zeros(a), FLOAT32, example_count=-1), InvalidArgument, "INVALID_ARGUMENT"),
    "of no round": (lambda d, a: d.send(a, zeros(a), FLOAT32, round_id=str(UUID(int=1))), FailedPrecondition, "ROUND_OVER"),
    "of an earlier stage": (
        lambda d, a: d.call("ShareKeys", pb.ShareKeysRequest(round_id=a.round_id)),
        FailedPrecondition,
        "STAGE_OVER",
    ),
}


@pytest.mark.requirement("FED-19")
async def test_what_is_no_update_of_the_round_is_refused_and_the_round_goes_on(coordinator: Coordinator) -> None:
    refused: dict[str, ScaleError] = {}

    async def try_all(device: RoundDevice, assignment: pb.Assignment) -> None:
        for name, (bad, _, _) in REFUSED.items():
            try:
                await bad(device, assignment)
            except ScaleError as error:
                refused[name] = error
        # After all that a good one still counts.
        await device.send(assignment, zeros(assignment), FLOAT32)

    ended = await in_a_round(coordinator, try_all)

    found = {name: (type(error), error.reason) for name, error in refused.items()}
    assert found == {name: (kind, reason) for name, (_, kind, reason) in REFUSED.items()}
    assert (ended.state, ended.contributor_count) == (PUBLISHED, 11)


@pytest.mark.requirement("FED-05")
async def test_chunks_are_at_most_a_mebibyte_and_a_header_comes_first(coordinator: Coordinator) -> None:
    refused: list[str] = []

    async def try_all(device: RoundDevice, assignment: pb.Assignment) -> None:
        payload = bytes(2 * 1024 * 1024)
        header = pb.UpdateHeader(
            round_id=assignment.round_id,
            model_version=assignment.model_version,
            content_hash=hashlib.sha256(payload).hexdigest(),
            size_bytes=len(zeros(assignment)),
            encoding=FLOAT32,
            example_count=1,
        )
        for send in (lambda: device.upload(header, payload, chunk=2 * 1024 * 1024), lambda: device.upload(pb.UpdateHeader(), b"")):
            with pytest.raises(InvalidArgument) as error:
                await send()
            refused.append(error.value.fields[0].field)
        raise Gone

    await in_a_round(coordinator, try_all)

    assert refused == ["chunk", "header.content_hash"]


async def test_a_device_keeps_little_of_the_coordinators_memory_busy(coordinator: Coordinator) -> None:
    """What no round takes is refused at its header, and of one device few uploads are on their way at once."""
    answers: list[str] = []

    async def flood(device: RoundDevice, assignment: pb.Assignment) -> None:
        header = pb.UpdateHeader(
            round_id=assignment.round_id, model_version=assignment.model_version, content_hash="0" * 64, encoding=FLOAT32, example_count=1
        )

        async def hang(size: int) -> None:
            first = pb.UploadUpdateRequest(header=header)
            first.header.size_bytes = size

            async def requests() -> AsyncIterator[pb.UploadUpdateRequest]:
                yield first
                yield pb.UploadUpdateRequest(chunk=bytes(10))
                await asyncio.sleep(1)

            metadata = device.signing.signed(f"{PARTICIPATION}/UploadUpdate", first)
            try:
                await ParticipationServiceStub(device.channel).UploadUpdate(requests(), metadata=metadata, timeout=30)
            except grpc.aio.AioRpcError as error:
                answers.append(from_rpc_error(error, service="federation").message)

        await asyncio.gather(*(hang(len(zeros(assignment))) for _ in range(5)), hang(5 * 1024 * 1024))
        raise Gone

    await in_a_round(coordinator, flood)

    wanted = ["This device is uploading already."] * 3
    assert [answer for answer in answers if "already" in answer] == wanted
    assert sum("updates of this round have" in answer for answer in answers) == 1
    assert sum("10 bytes came" in answer for answer in answers) == 2


async def test_int8_is_a_scale_and_bytes(coordinator: Coordinator) -> None:
    async def send(device: RoundDevice, assignment: pb.Assignment) -> None:
        payload = np.array([0.5], "<f4").tobytes() + np.full(assignment.plan.update_length, -2, np.int8).tobytes()
        await device.send(assignment, payload, INT8)

    ended = await in_a_round(coordinator, send)

    assert ended.state == PUBLISHED
    assert ended.update_norm == pytest.approx(np.sqrt(ended.plan.update_length) / 11, rel=1e-5)


async def test_the_same_update_again_is_counted_and_charged_once(coordinator: Coordinator) -> None:
    sent: list[RoundDevice] = []

    async def send_thrice(device: RoundDevice, assignment: pb.Assignment) -> None:
        sent.append(device)
        numbers = np.full(assignment.plan.update_length, 0.001, "<f4").tobytes()
        # Two at once, then one more.
        await asyncio.gather(*(device.send(assignment, numbers, FLOAT32) for _ in range(2)))
        assert (await device.send(assignment, numbers, FLOAT32)).received_bytes == len(numbers)
        with pytest.raises(FailedPrecondition) as refused:
            await device.send(assignment, bytes(len(numbers)), FLOAT32)
        assert refused.value.reason == "STAGE_DONE"

    ended = await in_a_round(coordinator, send_thrice, noise_multiplier=4.0, secure_aggregation=False)

    assert (ended.state, ended.contributor_count) == (PUBLISHED, 11)
    assert len(await spent(coordinator, sent[0])) == 1


async def test_who_has_sent_an_update_has_paid_whatever_becomes_of_the_round(coordinator: Coordinator) -> None:
    devices = await enrolled(coordinator.channel, 10)
    for device in devices[:2]:
        device.leaves_before = UPLOADING
    before = (await coordinator.administrator.status()).spent_epsilon
    repository = PostgresRoundsRepository(coordinator.app.database)
    unpublished = len(await repository.unpublished())

    ended = await run_round(coordinator.administrator, devices, noise_multiplier=4.0)
    after = (await coordinator.administrator.status()).spent_epsilon
    for device in devices:
        device.leaves_before = SHARING
    unpaid = await run_round(coordinator.administrator, devices, noise_multiplier=4.0)

    assert ended.reason == "TOO_FEW_CONTRIBUTORS"
    assert [len(await spent(coordinator, device)) for device in devices] == [0, 0, *[1] * 8]
    assert math.isinf(before) or before < after == pytest.approx(ended.unamplified_epsilon)
    assert unpaid.reason == "TOO_FEW_CONTRIBUTORS"
    assert len(await repository.unpublished()) == unpublished + 1, "the one that was paid for, and not the other"


async def test_a_spent_budget_ends_a_devices_part(coordinator: Coordinator) -> None:
    devices = await enrolled(coordinator.channel, 10)

    first = await run_round(coordinator.administrator, devices, noise_multiplier=0.9)
    found = await devices[0].check_in()
    second = await run_round(coordinator.administrator, devices, noise_multiplier=0.9)

    assert first.state == PUBLISHED, first
    # With the usual noise there is something left.
    assert found.wait.reason == "NO_ROUND"
    assert (second.reason, second.selected_count) == ("TOO_FEW_CONTRIBUTORS", 0)
    assert "10 have spent their budgets" in second.reason_message


async def test_a_budget_that_is_spent_meanwhile_is_not_spent_twice(coordinator: Coordinator) -> None:
    refused: list[str] = []

    async def spend_elsewhere(device: RoundDevice, assignment: pb.Assignment) -> None:
        identity = DeviceIdentity(device.user_id, device.device_id, device.signing.public_key)
        repository = PostgresLedgerRepository(coordinator.app.database)
        await repository.charge(identity, Contribution(UUID(int=7), 1, 0.9, 1), lambda earlier: None)
        with pytest.raises(ResourceExhausted) as error:
            await device.send(assignment, np.full(assignment.plan.update_length, 0.001, "<f4").tobytes(), FLOAT32)
        refused.append(error.value.reason)
        raise Gone

    ended = await in_a_round(coordinator, spend_elsewhere, noise_multiplier=0.9, secure_aggregation=False)

    assert refused == ["BUDGET_SPENT"]
    assert (ended.state, ended.contributor_count) == (PUBLISHED, 10)
    assert ended.update_norm < 1e-9, "what was not paid for is in no sum: the others have sent nothing but zeros"


async def test_keys_of_somebody_else_are_refused(coordinator: Coordinator) -> None:
    devices = await enrolled(coordinator.channel, 11)
    odd, other = devices[:2]
    reasons: list[str] = []

    async def through(assignment: pb.Assignment) -> None:
        await odd.stage(assignment.round_id, ADVERTISING, 0)
        stolen = other.session(assignment).advertise()
        for advert in (stolen, RoundDevice(coordinator.channel, device_id=odd.device_id).session(assignment).advertise()):
            with pytest.raises(InvalidArgument) as error:
                await odd.call("AdvertiseKeys", pb.AdvertiseKeysRequest(round_id=assignment.round_id, advert=advert_message(advert)))
            reasons.append(error.value.fields[0].field)
        own = odd.session(assignment).advertise()
        broken = advert_message(own)
        broken.signature = bytes(64)
        with pytest.raises(FailedPrecondition) as refused:
            await odd.call("AdvertiseKeys", pb.AdvertiseKeysRequest(round_id=assignment.round_id, advert=broken))
        reasons.append(refused.value.reason)
        raise Gone

    odd.through = through  # type: ignore[method-assign]

    ended = await run_round(coordinator.administrator, devices, **NO_PRIVACY)

    assert reasons == ["advert", "advert", "ADVERT_INVALID"]
    assert (ended.state, ended.contributor_count) == (PUBLISHED, 10), "whoever says nothing that counts is missed"


async def test_shares_against_the_protocol_are_refused(coordinator: Coordinator) -> None:
    devices = await enrolled(coordinator.channel, 11)
    odd = devices[0]
    reasons: list[str] = []

    async def through(assignment: pb.Assignment) -> None:
        session = odd.session(assignment)
        await odd.stage(assignment.round_id, ADVERTISING, 0)
        await odd.call("AdvertiseKeys", pb.AdvertiseKeysRequest(round_id=assignment.round_id, advert=advert_message(session.advertise())))
        await odd.stage(assignment.round_id, SHARING, ADVERTISING)
        bad = [
            [],
            [pb.EncryptedShares(from_device_id=str(odd.device_id), to_device_id=str(odd.device_id), ciphertext=b"x")],
            [pb.EncryptedShares(from_device_id="me", to_device_id="you", ciphertext=b"x")],
            [pb.EncryptedShares(from_device_id=str(odd.device_id), to_device_id=str(odd.device_id), ciphertext=bytes(2000))],
        ]
        for shares in bad:
            with pytest.raises((FailedPrecondition, InvalidArgument)) as refused:
                await odd.call("ShareKeys", pb.ShareKeysRequest(round_id=assignment.round_id, shares=shares))
            reasons.append(refused.value.reason)
        raise Gone

    odd.through = through  # type: ignore[method-assign]

    ended = await run_round(coordinator.administrator, devices, **NO_PRIVACY)

    assert reasons == ["SHARE_INVALID", "SHARE_INVALID", "INVALID_ARGUMENT", "INVALID_ARGUMENT"]
    assert (ended.state, ended.contributor_count) == (PUBLISHED, 10)
