"""Jobs through the real queue: a worker process, Redis, PostgreSQL, the ledger. What dies on the way goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scale.accounts.v1 import transaction_pb2
from scale.categorization.v1 import categorization_service_pb2 as pb
from services.categorization.learning.domain import Tally
from services.categorization.learning.repository import PostgresLearningRepository
from services.categorization.schedule import EXPIRE_ACCEPTANCE, REQUEUE_STALLED_JOBS, UPKEEP
from services.kit.queue import TaskQueue
from services.kit.service_tokens import ServiceTokens
from services.local import LocalSystem
from tests.categorization.conftest import Stack, categorization, ledger_service, payment
from tests.support.gateway_app import RedisProcess
from tests.support.service_keys import service_key
from tests.support.worker_process import HANGS_AFTER_S, WorkerProcess

RUNNING, SUCCEEDED = pb.CATEGORIZATION_JOB_STATE_RUNNING, pb.CATEGORIZATION_JOB_STATE_SUCCEEDED
FINAL = (SUCCEEDED, pb.CATEGORIZATION_JOB_STATE_FAILED)


@dataclass
class Working:
    """The service and its worker, without a model: the rules answer."""

    stack: Stack
    worker: WorkerProcess
    redis: RedisProcess

    async def job(self, job_id: str, until: Callable[[Any], bool]) -> pb.CategorizationJob:
        """As soon as it is so."""
        deadline = time.monotonic() + HANGS_AFTER_S
        while True:
            job: pb.CategorizationJob = (await self.stack.call("GetJob", pb.GetJobRequest(job_id=job_id))).job
            if until(job):
                return job
            assert time.monotonic() < deadline, f"{job}\n{self.worker.log.read_text()}"
            await asyncio.sleep(0.01)

    async def look_for_stalled_jobs(self) -> None:
        await self.wake(REQUEUE_STALLED_JOBS)

    async def wake(self, task: str) -> None:
        """As the clock does."""
        queue = TaskQueue(self.redis.url, services=["categorization"])
        await queue.enqueue(task, [], queue=UPKEEP)
        await queue.close()


@pytest.fixture
async def working(servers: LocalSystem, own_redis: RedisProcess, tmp_path: Path) -> AsyncIterator[Working]:
    key = service_key()
    public = ServiceTokens("categorization", key).public_key
    shared: dict[str, Any] = {"SCALE_REDIS_URL": own_redis.url, "SCALE_CACHE_KEY": "k"}
    async with (
        ledger_service(servers, SCALE_SERVICE_PUBLIC_KEYS=public) as ledger,
        categorization(servers, ledger, tmp_path, **shared) as stack,
    ):
        environment = {
            **shared,
            "SCALE_ENVIRONMENT": "development",
            "SCALE_ACCOUNTS_ADDRESS": f"127.0.0.1:{ledger.port}",
            "SCALE_CATEGORIZATION_DATABASE_URL": servers.service_url("categorization"),
            "SCALE_CATEGORIZATION_SERVICE_KEY": key,
            "SCALE_CATEGORIZATION_MODELS_DIR": str(tmp_path / "none"),
            "SCALE_CATEGORIZATION_LEASE_S": "1",
        }
        worker = WorkerProcess(environment, tmp_path, "services.categorization.worker")
        worker.start()
        yield Working(stack, worker, own_redis)
        worker.kill()


@pytest.mark.chaos
async def test_a_job_whose_worker_is_killed_goes_on_in_the_next_one(working: Working) -> None:
    stack = working.stack
    await stack.add_rule("Mine", "description:sagt", "shopping")
    request = pb.StartClassificationRequest(request_id="1", inputs=[payment(f"REWE SAGT DANKE {number}") for number in range(20_000)])
    job = (await stack.call("StartClassification", request)).job
    await working.job(job.job_id, lambda found: found.state == RUNNING and found.done_count >= 1000)
    working.worker.kill()
    left = await working.job(job.job_id, lambda found: True)
    assert left.state == RUNNING
    working.worker.start()
    working.worker.wait_until_ready()
    await asyncio.sleep(1)
    await working.look_for_stalled_jobs()
    done = await working.job(job.job_id, lambda found: found.state in FINAL)
    assert (done.state, done.done_count, done.changed_count, done.model_version) == (SUCCEEDED, 20_000, 20_000, "rules-1")
    page = await stack.call("ListJobResults", pb.ListJobResultsRequest(job_id=job.job_id, page_size=1000))
    assert {(one.category, one.source) for one in page.classifications} == {("shopping", pb.CLASSIFICATION_SOURCE_RULE)}
    assert page.next_page_token


async def test_a_ledger_is_classified_anew_as_the_user_who_is_not_there(working: Working) -> None:
    stack = working.stack
    by_hand, plain, like, _ = await stack.add_rows(["REWE SAGT DANKE", "REWE SAGT DANKE 2", "QWERTZ 4711", "LIDL"])
    await stack.correct(by_hand, "housing")
    await stack.correct("QWERTZ", "entertainment")
    other = stack.other_user()
    (untouched,) = await other.add_rows(["REWE SAGT DANKE"])
    job = (await stack.call("StartRecategorization", pb.StartRecategorizationRequest(request_id="1"))).job
    done = await working.job(job.job_id, lambda found: found.state in FINAL)
    assert (done.state, done.done_count, done.changed_count) == (SUCCEEDED, 4, 3), done.error_message
    rows = {one: await stack.transaction(one) for one in (by_hand, plain, like)}
    assert (rows[by_hand].category, rows[by_hand].category_source) == ("housing", transaction_pb2.CATEGORY_SOURCE_USER)
    assert rows[like].category == "entertainment"
    assert rows[like].HasField("confidence")
    assert (await other.transaction(untouched)).category == ""

    # What the rules gave is counted, at the end of the process at the latest; what was counted long ago is forgotten.
    today = datetime.now(UTC).date()
    counts = PostgresLearningRepository(stack.app.database)
    await counts.add_acceptance([Tally(stack.user_id, today - timedelta(days=365), 1, 0)], age_s=0)
    await working.wake(EXPIRE_ACCEPTANCE)
    async with asyncio.timeout(HANGS_AFTER_S):
        while (await counted(stack)).keys() - {today}:
            await asyncio.sleep(0.02)
    assert working.worker.stop() == 0
    assert await counted(stack) == {today: (1, 0)}


async def counted(stack: Stack) -> dict[date, tuple[int, int]]:
    async with stack.app.database.transaction(stack.user_id, read_only=True) as connection:
        found = await connection.fetch("SELECT day, classified, corrected FROM categorization.acceptance")
    return {record["day"]: (record["classified"], record["corrected"]) for record in found}
