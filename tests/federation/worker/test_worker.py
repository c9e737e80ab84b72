"""FED-13: a round that the queue begins, through Redis, the worker's process and the wire, with a coordinator that only notes what it is
asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from scale.federation.v1 import round_pb2
from scale.federation.v1 import rounds_service_pb2 as pb
from services.federation.coordinator import GrpcCoordinator
from services.federation.schedule import QUEUE, RUN_ROUND
from services.federation.scheduled import SeenRound
from services.kit.errors import PermissionDenied
from services.kit.queue import TaskQueue
from services.kit.server import Server
from services.kit.service_tokens import ServiceTokens
from services.kit.settings import ProcessSettings, service_config
from tests.support.gateway_app import RedisProcess
from tests.support.ports import free_port
from tests.support.service_keys import service_key
from tests.support.upstream_fakes import SECRET, SUBJECTS, FakeSubject
from tests.support.worker_process import HANGS_AFTER_S, WorkerProcess

ROUND = "019b76da-a800-7000-8000-0000000000f1"
SERVICE = "scale.federation.v1.RoundsService"


class _Settings(ProcessSettings):
    model_config = service_config("federation")


class Coordinating:
    """A coordinator's server."""

    def __init__(self) -> None:
        self.key = service_key()
        self.fake = FakeSubject(SUBJECTS["RoundsService"])
        self.fake.answers = {
            "GetFederationStatus": pb.GetFederationStatusResponse(active=True, available_count=12),
            "StartRound": pb.StartRoundResponse(round=seen(round_pb2.ROUND_STATE_OPEN)),
            "GetRound": pb.GetRoundResponse(round=seen(round_pb2.ROUND_STATE_PUBLISHED, version=43)),
            "AbortRound": pb.AbortRoundResponse(round=seen(round_pb2.ROUND_STATE_ABORTED)),
        }
        self.address = f"127.0.0.1:{free_port()}"
        settings = _Settings(
            port=int(self.address.rpartition(":")[2]), environment="development", auth_secret=SecretStr(SECRET), auth_issuer=None,
            drain_s=0, grace_s=0, host="127.0.0.1", service_public_keys=(ServiceTokens("federation", self.key).public_key,),
        )  # fmt: skip
        methods = frozenset(f"/{SERVICE}/{name}" for name in self.fake.answers)
        self.server = Server(settings, name="federation", services=[SERVICE], register=self.fake.register, service_methods=methods)


def seen(state: round_pb2.RoundState, version: int = 0) -> round_pb2.Round:
    message = round_pb2.Round(round_id=ROUND, state=state, version=version, trigger="schedule")
    message.open_time.GetCurrentTime()
    return message


@pytest.fixture
async def coordinating() -> AsyncIterator[Coordinating]:
    found = Coordinating()
    await found.server.start()
    yield found
    await found.server.stop()


async def test_what_the_worker_asks_and_in_whose_name(coordinating: Coordinating) -> None:
    """In nobody's, with a token that the coordinator alone takes."""
    client = GrpcCoordinator(coordinating.address, coordinating.key)
    try:
        status = await client.status()
        assert (status.available_count, status.open_round) == (12, None)
        coordinating.fake.answers["GetFederationStatus"].open_round.CopyFrom(seen(round_pb2.ROUND_STATE_OPEN))
        open_round = (await client.status()).open_round
        assert open_round is not None
        assert (open_round.round_id, open_round.open, open_round.scheduled) == (ROUND, True, True)
        opened = await client.start_round("schedule-1")
        assert isinstance(opened, SeenRound)
        assert opened.opened_at > 1_700_000_000
        assert (await client.wait(ROUND, seconds=30)).version == 43
        assert not (await client.abort_round(ROUND)).open
        assert coordinating.fake.requests[2:] == [
            pb.StartRoundRequest(request_id="schedule-1"),
            pb.GetRoundRequest(round_id=ROUND, wait_seconds=30),
            pb.AbortRoundRequest(round_id=ROUND),
        ]
        assert set(coordinating.fake.callers) == {UUID(int=0)}
        # The call goes on for as long as it waits, and its deadline with it.
        assert coordinating.fake.deadlines[3] > 30
    finally:
        await client.close()


async def test_somebody_elses_key_opens_nothing(coordinating: Coordinating) -> None:
    client = GrpcCoordinator(coordinating.address, service_key())
    try:
        with pytest.raises(Exception, match="token") as caught:
            await client.start_round("schedule-1")
        assert not isinstance(caught.value, PermissionDenied)
        assert not coordinating.fake.requests
    finally:
        await client.close()


@pytest.mark.requirement("FED-13")
async def test_the_clock_strikes_and_the_worker_sees_the_round_through(
    coordinating: Coordinating, own_redis: RedisProcess, tmp_path: Path
) -> None:
    environment: dict[str, Any] = {
        "SCALE_ENVIRONMENT": "development",
        "SCALE_REDIS_URL": own_redis.url,
        "SCALE_FEDERATION_ADDRESS": coordinating.address,
        "SCALE_FEDERATION_SERVICE_KEY": coordinating.key,
    }
    worker = WorkerProcess(environment, tmp_path, "services.federation.worker")
    worker.start()
    queue = TaskQueue(own_redis.url)
    try:
        await queue.enqueue(RUN_ROUND, [], queue=QUEUE)
        async with asyncio.timeout(HANGS_AFTER_S):
            while not any(isinstance(one, pb.GetRoundRequest) for one in coordinating.fake.requests):
                await asyncio.sleep(0.02)
        names = [type(one).__name__ for one in coordinating.fake.requests]
        assert names == ["GetFederationStatusRequest", "StartRoundRequest", "GetRoundRequest"]
        assert worker.stop() == 0
        assert await queue.length(QUEUE) == 0
    finally:
        worker.kill()
        await queue.close()
    log = worker.log.read_text()
    assert "a round has ended" in log
    assert "SUCCESS" in log
