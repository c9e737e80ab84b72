"""Jobs through the real queue: a worker process, Redis, PostgreSQL. Whatever dies on the way, each is done, and its result stored once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from services.forecasting.jobs.domain import Job, JobKind, JobState
from services.forecasting.jobs.queue import RedisJobQueue
from services.forecasting.jobs.service import JobsService
from services.forecasting.schedule import EXPIRE_JOBS, REQUEUE_STALLED_JOBS, UPKEEP
from services.kit.queue import TaskQueue
from services.local import LocalSystem
from tests.forecasting.jobs.conftest import RealStore
from tests.support.forecasting_job_fakes import new_job
from tests.support.gateway_app import RedisProcess
from tests.support.service_keys import service_key
from tests.support.worker_process import HANGS_AFTER_S, WorkerProcess

RESULTS = "SELECT id, transaction_count FROM forecasting.scans"


@dataclass
class Working:
    """The rules of jobs, and a worker."""

    store: RealStore
    jobs: JobsService
    worker: WorkerProcess
    redis: RedisProcess
    folder: Path
    user_id: UUID

    async def start(self, kind: JobKind = JobKind.FORECAST, request_id: str = "1") -> Job:
        async def record(new, *, lease_s: float, most_open: int):
            return await self.store.begin(new, lease_s=lease_s, most_open=most_open)

        return await self.jobs.start(new_job(self.user_id, kind, request_id=request_id), record)

    async def until(self, job: Job, so: Callable[[Job], bool]) -> Job:
        deadline = time.monotonic() + HANGS_AFTER_S
        while True:
            found = await self.jobs.get(self.user_id, job.id)
            assert found is not None
            if so(found):
                return found
            assert time.monotonic() < deadline, f"{found}\n{self.worker.log.read_text()}"
            await asyncio.sleep(0.02)

    async def wake(self, task: str) -> None:
        """As the clock does."""
        queue = TaskQueue(self.redis.url, services=["forecasting"])
        await queue.enqueue(task, [], queue=UPKEEP)
        await queue.close()

    async def woken_until(self, job: Job, so: Callable[[Job], bool]) -> Job:
        """As the clock does again and again."""

        async def keep_waking() -> None:
            while True:
                await self.wake(REQUEUE_STALLED_JOBS)
                await asyncio.sleep(0.5)

        waking = asyncio.create_task(keep_waking())
        try:
            return await self.until(job, so)
        finally:
            waking.cancel()

    def tries(self) -> list[str]:
        """The ids of the user's jobs, as they were taken up. What other tests have left in the database is taken up, too."""
        file = self.folder / "tries"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line.split()[1] for line in lines if line.startswith(str(self.user_id))]

    async def results(self) -> dict[UUID, int]:
        async with self.store.database.transaction(self.user_id, read_only=True) as connection:
            return {record["id"]: record["transaction_count"] for record in await connection.fetch(RESULTS)}


@pytest.fixture
async def working(servers: LocalSystem, real: RealStore, own_redis: RedisProcess, tmp_path: Path, user_id: UUID) -> AsyncIterator[Working]:
    environment = {
        "SCALE_ENVIRONMENT": "development",
        "SCALE_REDIS_URL": own_redis.url,
        "SCALE_FORECASTING_DATABASE_URL": servers.service_url("forecasting"),
        "SCALE_FORECASTING_SERVICE_KEY": service_key(),
        "SCALE_FORECASTING_LEASE_S": "1",
        "SCALE_FORECASTING_QUEUE_LEASE_S": "1",
    }
    worker = WorkerProcess(environment, tmp_path, "tests.support.forecasting_worker", str(tmp_path))
    queue = RedisJobQueue(own_redis.url)
    jobs = JobsService(real.repository, queue, max_queued=99, max_open=9, message_lease_s=1)
    worker.start()
    worker.wait_until_ready()
    yield Working(real, jobs, worker, own_redis, tmp_path, user_id)
    worker.kill()
    await queue.close()


def is_over(job: Job) -> bool:
    return job.over


async def test_both_kinds_are_carried_out_as_their_user_and_forgotten_after_a_month(working: Working) -> None:
    forecast, scan = await working.start(), await working.start(JobKind.SCAN, "2")
    for job in (forecast, scan):
        assert (await working.until(job, is_over)).state is JobState.SUCCEEDED
    assert await working.results() == {forecast.id: 1, scan.id: 1}
    await working.store.let_days_go_by(forecast, 31)
    await working.wake(EXPIRE_JOBS)
    async with asyncio.timeout(HANGS_AFTER_S):
        while forecast.id in await working.results():
            await asyncio.sleep(0.02)
    assert await working.results() == {scan.id: 1}


@pytest.mark.chaos
async def test_a_job_whose_worker_is_killed_is_done_by_the_next_one_once(working: Working) -> None:
    (working.folder / "hang").touch()
    job = await working.start()
    while not working.tries():
        await asyncio.sleep(0.02)
    working.worker.kill()
    assert (await working.until(job, lambda found: True)).state is JobState.RUNNING
    (working.folder / "hang").unlink()
    working.worker.start()
    working.worker.wait_until_ready()
    done = await working.woken_until(job, is_over)
    assert (done.state, done.attempt, done.tries) == (JobState.SUCCEEDED, 2, 2)
    assert working.tries() == [str(job.id)] * 2
    assert await working.results() == {job.id: 2}
    # Redis hands the first message out again, or somebody sends another one: there is nothing left to do.
    await RedisJobQueue(working.redis.url).enqueue(working.user_id, job.id, job.kind)
    await working.until(await working.start(request_id="2"), is_over)
    assert working.tries().count(str(job.id)) == 2


@pytest.mark.chaos
async def test_redis_that_is_lost_with_all_messages_costs_no_job(working: Working) -> None:
    (working.folder / "hang").touch()
    running = await working.start()
    await working.until(running, lambda found: found.state is JobState.RUNNING)
    waiting = await working.start(request_id="2")
    working.redis.kill()
    recorded = await working.start(request_id="3")
    assert recorded.state is JobState.PENDING
    # What a worker has in hand it finishes: its lease is in PostgreSQL.
    (working.folder / "hang").unlink()
    assert (await working.until(running, is_over)).attempt == 1
    working.redis.start()
    for job in (waiting, recorded):
        assert (await working.woken_until(job, is_over)).state is JobState.SUCCEEDED
    assert sorted(working.tries()) == sorted(str(job.id) for job in (running, waiting, recorded))
    assert await working.results() == {running.id: 1, waiting.id: 1, recorded.id: 1}
