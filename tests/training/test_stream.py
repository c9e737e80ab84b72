"""A job from its worker to those who follow it through REST: real database, real Redis, and gateways that know nothing of each other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat
from pydantic import SecretStr
from redis.asyncio import Redis

from services.kit.events import KEPT_EVENTS
from services.local import LocalSystem
from services.training.app import TrainingApp
from services.training.domain import CATEGORIZER, Job, NewJob, Trigger
from services.training.endings import Endings
from services.training.job_events import RedisJobEvents
from services.training.runs import JobRuns
from services.training.service import TrainingService
from services.training.settings import TrainingSettings
from services.training.status_cache import StatusCache
from tests.support.event_stream import served, stream
from tests.support.gateway_app import Gateway, StartGateway, assert_problem
from tests.support.ports import free_port
from tests.support.training_run_fakes import FakeNotificationEvents, FakeRegistry, FakeTrainer
from tests.support.upstream_fakes import SECRET
from tests.training.conftest import Bench

IDLE_S = 1.0


class Work:
    """A job of the bench's user, and who carries it out."""

    def __init__(self, bench: Bench, redis_url: str, job: Job) -> None:
        self.bench = bench
        self.job = job
        self.trainer = FakeTrainer()
        self._events, self._statuses = RedisJobEvents(redis_url), StatusCache(redis_url)

    @property
    def path(self) -> str:
        return f"/api/v1/training/stream/{self.job.id}"

    async def carry_out(self) -> None:
        endings = Endings(self.bench.repository, events=self._events, statuses=self._statuses, notification_events=FakeNotificationEvents())
        runs = JobRuns(
            repository=self.bench.repository,
            trainers={CATEGORIZER: self.trainer},
            registry=FakeRegistry(),
            endings=endings,
            lease_s=30,
            max_tries=1,
            time_limit_s=60,
        )
        await runs.run_job(self.bench.user_id, self.job.id)

    async def close(self) -> None:
        await self._events.close()
        await self._statuses.close()


@pytest.fixture
async def work(bench: Bench, servers: LocalSystem) -> AsyncIterator[Work]:
    new = NewJob(uuid_utils.compat.uuid7(), bench.user_id, str(uuid_utils.compat.uuid7()), CATEGORIZER, Trigger.USER)
    job, _ = await bench.repository.begin(new, lease_s=60)
    made = Work(bench, servers.redis_url, job)
    yield made
    await made.close()


@pytest.fixture
async def service(servers: LocalSystem, tmp_path: Path) -> AsyncIterator[str]:
    """Where the training service listens."""
    settings = TrainingSettings(
        database_url=servers.service_url("training"),
        SCALE_REDIS_URL=servers.redis_url,
        environment="development",
        port=free_port(),
        storage_url=tmp_path.as_uri(),
        watch_idle_s=IDLE_S,
        auth_secret=SecretStr(SECRET),
        drain_s=0,
        grace_s=0,
    )
    app = TrainingApp(settings)
    await app.database.open()
    await app.server.start()
    yield f"127.0.0.1:{settings.port}"
    await app.server.stop()
    await app.close()


@dataclass
class Follower:
    """A user before a gateway of the user's own."""

    gateway: Gateway
    url: str

    async def told(self, path: str, after: str = "") -> list[dict[str, Any]]:
        headers = {"Last-Event-ID": after} if after else {}
        async with stream(self.gateway, self.url, path, **headers) as events:
            return [event async for event in events]


FollowerOf = Callable[[UUID], Awaitable[Follower]]


@pytest.fixture
async def follower_of(start_gateway: StartGateway, service: str) -> AsyncIterator[FollowerOf]:
    async with AsyncExitStack() as stack:

        async def start(user_id: UUID) -> Follower:
            made = await start_gateway(training_up=False, training_address=service, heartbeat_s=0.2)
            gateway = Gateway(**{**vars(made), "user_id": user_id})
            return Follower(gateway, await stack.enter_async_context(served(gateway)))

        yield start


@pytest.mark.requirement("TRN-14", "TRN-15")
async def test_two_gateways_tell_every_step_of_a_job(work: Work, follower_of: FollowerOf) -> None:
    """TRN-14, TRN-15: those who follow it on one are told what those on the other are."""
    work.trainer.steps, work.trainer.pause_s = 5, 0.05
    followers = [await follower_of(work.bench.user_id) for _ in range(2)]
    following = [asyncio.create_task(follower.told(work.path)) for follower in followers]
    await asyncio.sleep(0.3)
    await work.carry_out()
    one, two = await asyncio.gather(*following)
    logged = [event for event in one if "id" in event]
    assert [event for event in two if "id" in event] == logged
    assert [event["event"] for event in logged] == ["progress"] * (len(logged) - 1) + ["complete"]
    steps = [(event["data"]["status"], event["data"]["step"], event["data"]["loss"]) for event in logged[:-1]]
    assert [step for step in steps if step[0] == "training"] == [("training", step, 1 / step) for step in range(1, 6)]
    assert (steps[0][0], steps[-1][0]) == ("processing", "publishing")
    assert logged[-1]["data"]["status"] == "completed"
    assert logged[-1]["data"]["metrics"] == {"accuracy": 0.9, "rows": 12}
    assert logged[-1]["data"]["published"] is True
    for follower in followers:
        assert await follower.told(work.path) == logged, "who comes late is told all that is kept"
        for seen in (0, 3, len(logged) - 2):
            assert await follower.told(work.path, logged[seen]["id"]) == logged[seen + 1 :]
    over = await followers[0].gateway.get(work.path, headers={"Last-Event-ID": logged[-1]["id"]})
    assert over.status_code == 204


@pytest.mark.requirement("REL-08", "TRN-18")
async def test_a_job_that_fails_says_why(work: Work, follower_of: FollowerOf) -> None:
    """TRN-18."""
    work.trainer.raises = [OSError(28, "No space left on device")]
    await work.carry_out()
    last = (await (await follower_of(work.bench.user_id)).told(work.path))[-1]
    assert (last["event"], last["data"]["status"], last["data"]["error"]["reason"]) == ("failed", "failed", "NO_STORAGE_ROOM")


@pytest.mark.requirement("TRN-16")
async def test_a_stream_without_news_ends_and_is_taken_up_again(work: Work, follower_of: FollowerOf) -> None:
    """TRN-16, with the time shortened."""
    work.trainer.steps, work.trainer.pause_s = 2, 2.5 * IDLE_S
    running = asyncio.create_task(work.carry_out())
    await asyncio.sleep(0.2)
    follower = await follower_of(work.bench.user_id)
    came = await asyncio.wait_for(follower.told(work.path), 5)
    assert came
    assert {event["event"] for event in came} == {"progress"}, "it was closed before its end"
    while came[-1]["event"] == "progress":
        came += await asyncio.wait_for(follower.told(work.path, came[-1]["id"]), 10)
    await running
    assert came == await follower.told(work.path), "something was told twice, or never"


@pytest.mark.requirement("TRN-17")
async def test_a_reader_ten_times_too_slow_gets_the_end(work: Work, follower_of: FollowerOf) -> None:
    """TRN-17: it reads nothing while ten times as many steps are made as are kept."""
    work.trainer.steps = 10 * KEPT_EVENTS
    follower = await follower_of(work.bench.user_id)
    async with stream(follower.gateway, follower.url, work.path) as events:
        await work.carry_out()
        came = [event async for event in events]
    assert came[-1]["event"] == "complete"
    steps = [event["data"]["step"] for event in came[:-1]]
    assert steps == sorted(steps)


@pytest.mark.requirement("TRN-13")
async def test_others_do_not_learn_that_a_job_exists(
    work: Work, follower_of: FollowerOf, other_user_id: UUID, servers: LocalSystem
) -> None:
    """TRN-13: neither from the copy nor from the database, nor by its stream."""
    owner, stranger = [(await follower_of(user_id)).gateway for user_id in (work.bench.user_id, other_user_id)]
    redis: Redis = Redis.from_url(servers.redis_url)
    status = f"/api/v1/training/status/{work.job.id}"
    for kept in (False, True):
        assert (await redis.exists(f"job:{work.job.id}") == 1) is kept
        for answer in (
            await stranger.get(status),
            await stranger.get(work.path),
            await stranger.post(f"/api/v1/training/jobs/{work.job.id}/cancel"),
        ):
            assert_problem(answer, 404, "TRAINING_JOB_NOT_FOUND")
        answer = await owner.get(status)
        assert (answer.status_code, answer.json()["status"]) == (200, "pending")
    await redis.aclose()


@pytest.mark.requirement("CACHE-06", "REL-19", "TRN-11", "TRN-12")
async def test_the_status_follows_the_job(work: Work, follower_of: FollowerOf, servers: LocalSystem) -> None:
    """TRN-11, TRN-12: from the copy while there is one, and never behind the end."""
    gateway = (await follower_of(work.bench.user_id)).gateway
    path = f"/api/v1/training/status/{work.job.id}"

    async def status() -> tuple[str, str]:
        found = (await gateway.get(path)).json()
        return found["status"], (found["progress"] or {"phase": ""})["phase"]

    assert await status() == ("pending", "")
    work.trainer.steps, work.trainer.pause_s = 1, 1
    running = asyncio.create_task(work.carry_out())
    async with asyncio.timeout(5):
        while await status() != ("processing", "collecting"):
            await asyncio.sleep(0.02)
    await running
    assert (await status())[0] == "completed"
    redis: Redis = Redis.from_url(servers.redis_url)
    assert 5 < await redis.ttl(f"job:{work.job.id}") <= 60
    await redis.delete(f"job:{work.job.id}")
    assert (await status())[0] == "completed"
    await redis.aclose()


@pytest.mark.alone
@pytest.mark.requirement("PERF-15", "TRN-10")
async def test_the_status_comes_within_milliseconds(work: Work, servers: LocalSystem) -> None:
    """From the copy in Redis below 5, from the database below 50: 95 of a hundred times."""
    bench, statuses = work.bench, StatusCache(servers.redis_url)
    service = TrainingService(
        bench.repository, bench.queue, lock=None, events=bench.events, statuses=statuses, max_queued=1, message_lease_s=60
    )

    async def p95(*, from_database: bool) -> float:
        times = []
        for _ in range(100):
            if from_database:
                await statuses.forget([work.job.id])
            began = time.perf_counter()
            found = await service.get_training_job(bench.caller, work.job.id)
            times.append(time.perf_counter() - began)
            assert found.id == work.job.id
        return sorted(times)[94]

    assert await p95(from_database=True) < 0.05
    # The copy is there now; without the database nothing else could answer.
    assert await statuses.get(bench.user_id, work.job.id) is not None
    assert await p95(from_database=False) < 0.005
    await statuses.close()
