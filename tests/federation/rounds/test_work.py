"""What a device is told when it asks for work, and the model that it gets."""

from __future__ import annotations

import hashlib

import grpc.aio
import pytest

from scale.federation.v1 import participation_service_pb2 as pb
from scale.federation.v1.participation_service_pb2_grpc import ParticipationServiceStub
from services.kit.errors import InvalidArgument
from tests.federation.rounds.conftest import Coordinator
from tests.support.federation_rounds import PARTICIPATION, RoundDevice, enrolled


async def download(device: RoundDevice, version: int, name: str) -> bytes:
    request = pb.DownloadModelPartRequest(model_version=version, name=name)
    metadata = device.signing.signed(f"{PARTICIPATION}/DownloadModelPart", request)
    parts = ParticipationServiceStub(device.channel).DownloadModelPart(request, metadata=metadata)
    return b"".join([part.chunk async for part in parts])


async def test_an_assignment_names_the_model_to_train_and_how(coordinator: Coordinator) -> None:
    (device,) = await enrolled(coordinator.channel, 1)
    opened = await coordinator.administrator.start(epochs=3)

    found = (await device.check_in()).assignment
    again = (await device.check_in()).assignment
    await coordinator.administrator.abort(opened.round_id)

    assert (found.round_id, found.model_version) == (opened.round_id, opened.base_version) == (again.round_id, again.model_version)
    assert found.plan == opened.plan
    assert found.plan.epochs == 3
    assert found.train_deadline_time.seconds > opened.open_time.seconds
    for part in found.model_parts:
        content = await download(device, found.model_version, part.name)
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (part.content_hash, part.size_bytes)
        assert f"/{found.model_version}/{part.name}?" in part.download_url
    assert [part.name for part in found.model_parts] == ["encoder", "head"]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await download(device, found.model_version, "body")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_who_comes_without_need_is_told_when_to_ask_again(coordinator: Coordinator) -> None:
    (device,) = await enrolled(coordinator.channel, 1)

    idle = (await device.check_in()).wait
    old = (await device.call("CheckIn", pb.CheckInRequest(protocol_version=2))).wait
    with pytest.raises(InvalidArgument):
        await device.call("CheckIn", pb.CheckInRequest())
    with pytest.raises(InvalidArgument):
        await device.call("PollRound", pb.PollRoundRequest(round_id="x"))
    with pytest.raises(InvalidArgument):
        await device.call("PollRound", pb.PollRoundRequest(wait_seconds=31))

    assert (idle.reason, idle.retry_after_seconds) == ("NO_ROUND", 1)
    assert (old.reason, old.retry_after_seconds) == ("PROTOCOL_TOO_OLD", 86400)
