"""Rounds as administrators and the clock see them."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import grpc.aio
import pytest
import uuid_utils.compat

from scale.federation.v1 import participation_service_pb2 as pb
from scale.federation.v1 import round_pb2, rounds_service_pb2
from scale.federation.v1.rounds_service_pb2_grpc import RoundsServiceStub
from services.federation.app import NAME
from services.federation.domain import FederatedVersion, Trigger
from services.kit.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, ScaleError, Unavailable
from services.kit.status import from_rpc_error
from tests.federation.rounds.conftest import Coordinator, StartCoordinator
from tests.ingestion.conftest import WORKER
from tests.support.federation_rounds import ABORTED, FAILED, OPEN, PUBLISHED, Administrator, enrolled, run_round


async def test_a_round_is_begun_once_for_a_request_and_alone(coordinator: Coordinator) -> None:
    administrator, request_id = coordinator.administrator, str(uuid_utils.compat.uuid7())

    opened = await administrator.start(request_id)
    again = await administrator.start(request_id)
    with pytest.raises(AlreadyExists) as reused:
        await administrator.start(request_id, epochs=2)
    with pytest.raises(AlreadyExists) as another:
        await administrator.start()
    seen = await administrator.status()
    ended = await administrator.abort(opened.round_id)
    late = await administrator.start(request_id)

    assert (opened.state, opened.stage, opened.trigger) == (OPEN, round_pb2.ROUND_STAGE_SELECTING, Trigger.ADMIN)
    assert again.round_id == opened.round_id == late.round_id == seen.open_round.round_id
    assert (reused.value.reason, another.value.reason) == ("REQUEST_ID_REUSED", "ROUND_OPEN")
    assert another.value.metadata["round_id"] == opened.round_id
    assert (ended.state, late.state) == (ABORTED, ABORTED)


async def test_of_two_starts_at_once_one_wins(coordinator: Coordinator) -> None:
    administrator = coordinator.administrator

    found = await asyncio.gather(*(administrator.start() for _ in range(6)), return_exceptions=True)

    opened = [one for one in found if isinstance(one, round_pb2.Round)]
    assert len(opened) == 1
    assert {one.reason for one in found if isinstance(one, ScaleError)} == {"ROUND_OPEN"}
    await administrator.abort(opened[0].round_id)


class OneLate:
    """`Versions` that tells the first to ask of a version that another has followed."""

    def __init__(self, versions: Any, late: FederatedVersion) -> None:
        self._versions = versions
        self._late: FederatedVersion | None = late

    async def latest(self) -> FederatedVersion:
        late, self._late = self._late, None
        found: FederatedVersion = late or await self._versions.latest()
        return found

    async def head(self, version: int) -> bytes:
        found: bytes = await self._versions.head(version)
        return found


async def test_a_round_that_waited_for_the_end_of_another_begins_with_what_that_has_made(coordinator: Coordinator) -> None:
    """Else its devices would spend their privacy on a model that cannot be published."""
    service = coordinator.app._rounds_servicer._service
    first = await service._versions.latest()
    ended = await run_round(coordinator.administrator, await enrolled(coordinator.channel, 10))
    late: Any = OneLate(service._versions, first)
    service._versions = late

    opened = await coordinator.administrator.start()

    assert ended.version == opened.base_version == first.version + 1
    assert (await coordinator.administrator.abort(opened.round_id)).state == ABORTED


async def test_rounds_are_listed_page_by_page_and_never_change(coordinator: Coordinator) -> None:
    administrator = coordinator.administrator
    for _ in range(3):
        await administrator.abort((await administrator.start()).round_id)

    first = await administrator.call("ListRounds", rounds_service_pb2.ListRoundsRequest(page_size=2))
    second = await administrator.call("ListRounds", rounds_service_pb2.ListRoundsRequest(page_size=2, page_token=first.next_page_token))

    with pytest.raises(InvalidArgument):
        await Administrator(coordinator.channel).call("ListRounds", rounds_service_pb2.ListRoundsRequest(page_token=first.next_page_token))
    numbers = [one.number for one in (*first.rounds, *second.rounds)]
    assert numbers == list(range(numbers[0], numbers[0] - len(numbers), -1))
    assert {one.state for one in first.rounds} == {ABORTED}
    assert await administrator.round(first.rounds[0].round_id) == first.rounds[0]


async def test_the_clock_asks_in_nobodys_name(coordinator: Coordinator) -> None:
    async def ask(user_id: UUID, method: str, request: Any) -> Any:
        token = WORKER.mint(user_id, audience=NAME)
        try:
            return await getattr(RoundsServiceStub(coordinator.channel), method)(request, metadata=(("authorization", f"Bearer {token}"),))
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service=NAME) from error

    request = rounds_service_pb2.StartRoundRequest(request_id=str(uuid_utils.compat.uuid7()))
    opened = (await ask(UUID(int=0), "StartRound", request)).round
    status = await ask(UUID(int=0), "GetFederationStatus", rounds_service_pb2.GetFederationStatusRequest())
    ended = (await ask(UUID(int=0), "AbortRound", rounds_service_pb2.AbortRoundRequest(round_id=opened.round_id))).round

    assert opened.trigger == Trigger.SCHEDULE
    assert status.open_round.round_id == opened.round_id
    assert ended.state == ABORTED
    for user_id, method, asked in (
        (uuid_utils.compat.uuid7(), "StartRound", request),
        (UUID(int=0), "ListRounds", rounds_service_pb2.ListRoundsRequest()),
    ):
        with pytest.raises(PermissionDenied):
            await ask(user_id, method, asked)


@pytest.mark.parametrize("method", ["StartRound", "AbortRound", "GetRound", "ListRounds", "GetFederationStatus"])
async def test_rounds_are_for_administrators(coordinator: Coordinator, method: str) -> None:
    with pytest.raises(PermissionDenied) as refused:
        await Administrator(coordinator.channel, role="user").call(method, getattr(rounds_service_pb2, f"{method}Request")())

    assert refused.value.reason == "ADMINS_ONLY"


WRONG: dict[str, dict[str, Any]] = {
    "options.epochs": {"epochs": 0},
    "options.target_count": {"target_count": 9},
    "options.learning_rate": {"learning_rate": float("nan")},
    "options.proximal_mu": {"proximal_mu": 0.1},
    "options.algorithm": {"algorithm": round_pb2.ALGORITHM_FEDTRIMMED},
    "options.group_count": {"group_count": 3},
    "options.clip_norm": {"clip_norm": 0.0},
    "options.noise_multiplier": {"noise_multiplier": float("inf")},
    "options.server_learning_rate": {"server_learning_rate": -1.0},
    "options.stage_seconds": {"stage_seconds": 601},
    "options.secure_aggregation": {"silos": True, "secure_aggregation": True},
}


async def test_options_that_cannot_be_are_refused_by_name(coordinator: Coordinator) -> None:
    found = {}
    for field, options in WRONG.items():
        with pytest.raises(InvalidArgument) as refused:
            await coordinator.administrator.start(**options)
        found[field] = refused.value.fields[0].field
    more: list[dict[str, Any]] = [{"epochs": 4}, {"algorithm": 9}, {"algorithm": round_pb2.ALGORITHM_FEDMEDIAN, "group_count": 2}]
    more += [{"algorithm": round_pb2.ALGORITHM_FEDMEDIAN, "target_count": 29}]
    for options in more:
        with pytest.raises(InvalidArgument):
            await coordinator.administrator.start(**options)
    for request_id in ("", "x" * 37):
        with pytest.raises(InvalidArgument):
            await coordinator.administrator.call("StartRound", rounds_service_pb2.StartRoundRequest(request_id=request_id))

    assert found == {field: field for field in WRONG}
    assert not (await coordinator.administrator.status()).HasField("open_round")


async def test_what_is_not_there_is_not_found(coordinator: Coordinator) -> None:
    nothing = str(uuid_utils.compat.uuid7())

    for call in (coordinator.administrator.round(nothing), coordinator.administrator.abort(nothing)):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(InvalidArgument):
        await coordinator.administrator.round("nothing")
    with pytest.raises(InvalidArgument):
        await coordinator.administrator.round(nothing, wait_s=61)


async def test_a_round_that_has_ended_is_not_given_up(coordinator: Coordinator) -> None:
    ended = await run_round(coordinator.administrator, await enrolled(coordinator.channel, 10))

    with pytest.raises(FailedPrecondition) as refused:
        await coordinator.administrator.abort(ended.round_id)

    assert refused.value.reason == "ROUND_OVER"


async def test_noise_that_no_budget_allows_opens_no_round(coordinator: Coordinator) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        await coordinator.administrator.start(noise_multiplier=0.5)

    assert refused.value.reason == "BUDGET_SPENT"


async def test_the_status_says_who_is_there_and_what_is_spent(coordinator: Coordinator) -> None:
    devices = await enrolled(coordinator.channel, 3)
    await asyncio.gather(*(device.check_in() for device in devices))

    status = await coordinator.administrator.status()

    assert (status.active, status.available_count) == (True, 3)
    assert status.budget_epsilon == 8
    assert status.budget_delta == pytest.approx(1e-5)
    assert status.next_round_time.seconds % (6 * 3600) == 0


async def end_leader(coordinator: Coordinator) -> None:
    """Its connection to the database breaks."""
    async with coordinator.app.database.transaction(UUID(int=0)) as connection:
        ended = await connection.fetchval("""
            SELECT count(pg_terminate_backend(pid)) FROM pg_locks
             WHERE locktype = 'advisory' AND granted AND objsubid = 1
               AND (classid::bigint << 32 | objid::bigint) = hashtextextended('federation.coordinator', 0)
        """)
    assert ended == 1


async def test_one_coordinator_is_active_and_another_takes_over(start_coordinator: StartCoordinator) -> None:
    async with start_coordinator() as first:
        await first.active()
        devices = await enrolled(first.channel, 10)
        async with start_coordinator(leader_s=0.02) as second:
            with pytest.raises(Unavailable) as refused:
                await second.administrator.start()
            assert refused.value.reason == "STANDBY"
            with pytest.raises(Unavailable):
                await second.administrator.abort(str(uuid_utils.compat.uuid7()))
            assert not (await second.administrator.status()).active

            # The first loses its place with a round open: whatever becomes of that, the second closes it, and goes on.
            opened = await first.administrator.start()
            await devices[0].join()
            await end_leader(first)
            await second.active()
            async with asyncio.timeout(5):
                while first.app.engine.active:
                    await asyncio.sleep(0.01)
            left = await second.administrator.round(opened.round_id)
            for device in devices:
                device.channel = second.channel
            with pytest.raises(FailedPrecondition) as over:
                await devices[0].call("Heartbeat", pb.HeartbeatRequest(round_id=opened.round_id))
            ended = await run_round(second.administrator, devices)

    assert (left.state, left.reason) == (FAILED, "COORDINATOR_RESTARTED")
    assert over.value.reason == "ROUND_OVER"
    assert (ended.state, ended.version) == (PUBLISHED, opened.base_version + 1)


async def test_a_coordinator_that_is_stopped_ends_its_round_and_waits_for_nobody(start_coordinator: StartCoordinator) -> None:
    async with start_coordinator(SCALE_GRACE_S=30) as first:
        await first.active()
        (device,) = await enrolled(first.channel, 1)
        opened = await first.administrator.start(selection_seconds=60)
        await device.join()
        polling = asyncio.create_task(device.poll(opened.round_id, round_pb2.ROUND_STAGE_SELECTING))
        await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            await first.app.server.stop()
        heard = await polling
    assert (heard.state, heard.reason) == (FAILED, "COORDINATOR_RESTARTED")
    async with start_coordinator() as second:
        await second.active()
        left = await second.administrator.round(opened.round_id)

    assert (left.state, left.reason) == (FAILED, "COORDINATOR_RESTARTED")
