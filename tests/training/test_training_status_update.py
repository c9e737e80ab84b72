"""The worker itself says how a job stands, in the database: a job that was started ends, whatever happens to who works on it. With a real
Celery worker, PostgreSQL and Redis."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from scale.training.v1 import training_service_pb2 as pb
from services.kit.errors import AlreadyExists, NotFound
from services.local import LocalSystem
from tests.conftest import AsRole
from tests.support.gateway_app import RedisProcess
from tests.training.stack import COMPLETED, FAILED, LEASE_S, PENDING, PROCESSING, Stack, training_stack


@pytest.fixture
async def stack(servers: LocalSystem, own_redis: RedisProcess, tmp_path: Path) -> AsyncIterator[Stack]:
    async with training_stack(servers.service_url("training"), own_redis.url, tmp_path) as started:
        yield started


@pytest.mark.requirement("TRN-02", "TRN-26")
async def test_a_job_goes_from_pending_over_processing_to_completed(stack: Stack, as_role: AsRole) -> None:
    seen: list[str] = []

    async def in_the_database() -> str:
        async with as_role("training", stack.user_id) as connection:
            found: str = await connection.fetchval("SELECT status FROM training.training_jobs")
        if found not in seen:
            seen.append(found)
        return found

    (stack.folder / "hang").touch()
    job = await stack.start()
    assert job.status == PENDING
    seen.append("pending")
    running = await stack.training(job.job_id)
    assert await in_the_database() == "processing"
    # Who asks is told by the copy, which says whose it is, and is gone or final soon after the end.
    redis = Redis.from_url(stack.redis_url)
    copy = json.loads(await redis.get(f"job:{job.job_id}") or b"{}")
    assert (copy["user_id"], copy["status"], copy["step"] > 0) == (str(stack.user_id), "processing", True)
    (stack.folder / "go").touch()
    done = await stack.ended(job.job_id)
    assert await in_the_database() == "completed"
    assert seen == ["pending", "processing", "completed"]
    assert (done.status, done.progress.step, dict(done.metrics)) == (COMPLETED, 20, {"accuracy": 0.9})
    assert (done.model_version, done.published) == ("1-" + done.model_version[2:], False)
    assert running.start_time == done.start_time
    assert 0 < await redis.ttl(f"job:{job.job_id}") <= 60
    await redis.aclose()
    events = await stack.watch(job.job_id)
    assert [one.kind for one in events[:-1]] == [pb.TRAINING_EVENT_KIND_PROGRESS] * (len(events) - 1)
    assert (events[-1].kind, events[-1].job.status) == (pb.TRAINING_EVENT_KIND_COMPLETE, COMPLETED)
    assert {one.job.progress.phase for one in events[2:-1]} == {"collecting", "training", "publishing"}
    assert [one.kind for one in await stack.notifications()] == ["training_completed"]
    assert stack.worker.stop() == 0


@pytest.mark.requirement("REL-08", "TRN-18")
async def test_one_that_breaks_is_failed_told_and_can_be_started_again(stack: Stack) -> None:
    (stack.folder / "fail").touch()
    job = await stack.start()
    with pytest.raises(AlreadyExists) as refused:
        await stack.start()
    assert refused.value.metadata["job_id"] == job.job_id
    # Its first try broke; the second one is due in five seconds.
    await stack.job(job.job_id, lambda found: found.status == PENDING and bool(found.start_time.seconds))
    async with stack.app.database.transaction(stack.user_id) as connection:
        await connection.execute("UPDATE training.training_jobs SET lease_expires_at = now() - interval '1 s'")
    await stack.look_for_stalled_jobs()
    done = await stack.ended(job.job_id)
    assert (done.status, done.error_reason) == (FAILED, "TRAINING_BROKEN")
    assert "purpose" not in done.error_message
    assert len(stack.tries(job.job_id)) == 2
    (notification,) = await stack.notifications()
    assert (notification.kind, notification.subject_id) == ("training_failed", job.job_id)
    assert (await stack.watch(job.job_id))[-1].kind == pb.TRAINING_EVENT_KIND_FAILED
    (stack.folder / "fail").unlink()
    assert (await stack.ended((await stack.start()).job_id)).status == COMPLETED


@pytest.mark.requirement("TRN-27")
async def test_a_message_that_comes_twice_trains_once(stack: Stack) -> None:
    job = await stack.start()
    for _ in range(3):
        await stack.send_again(job.job_id)
    assert (await stack.ended(job.job_id)).status == COMPLETED
    await stack.send_again(job.job_id)
    other = stack.other_user()
    await other.ended((await other.start()).job_id)  # behind all of them
    assert len(stack.tries(job.job_id)) == 1
    assert len(await stack.notifications()) == 1


async def test_another_user_sees_nothing_of_it(stack: Stack) -> None:
    job = await stack.start()
    other = stack.other_user()
    for _ in ("while it runs", "when it is done"):
        with pytest.raises(NotFound):
            await other.job(job.job_id)
        await stack.ended(job.job_id)
    assert await other.notifications() == []


async def test_what_a_training_took_up_goes_with_its_process(servers: LocalSystem, own_redis: RedisProcess, tmp_path: Path) -> None:
    processes = []
    # With two children, the second job may go to the other one.
    async with training_stack(servers.service_url("training"), own_redis.url, tmp_path, worker_concurrency=1) as stack:
        for grow in (False, True, False):
            (stack.folder / "grow").touch() if grow else (stack.folder / "grow").unlink(missing_ok=True)
            job = await stack.start()
            assert (await stack.ended(job.job_id)).status == COMPLETED
            processes += stack.tries(job.job_id)
    assert processes[0] == processes[1] != processes[2]


@pytest.mark.requirement("TRN-19")
@pytest.mark.chaos
async def test_one_whose_worker_is_killed_is_taken_over_by_the_next(stack: Stack) -> None:
    (stack.folder / "hang").touch()
    job = await stack.start()
    await stack.training(job.job_id)
    stack.worker.kill()
    assert (await stack.job(job.job_id)).status == PROCESSING
    (stack.folder / "go").touch()
    stack.worker.start()
    stack.worker.wait_until_ready()
    await asyncio.sleep(LEASE_S)
    await stack.look_for_stalled_jobs()
    done = await stack.ended(job.job_id)
    assert done.status == COMPLETED
    first, second = stack.tries(job.job_id)
    assert first != second
    assert len(await stack.notifications()) == 1


@pytest.mark.requirement("REL-16", "TRN-19")
@pytest.mark.chaos
async def test_without_retries_one_whose_worker_is_killed_is_failed(servers: LocalSystem, own_redis: RedisProcess, tmp_path: Path) -> None:
    async with training_stack(servers.service_url("training"), own_redis.url, tmp_path, max_retries=0) as stack:
        (stack.folder / "hang").touch()
        job = await stack.start()
        await stack.training(job.job_id)
        stack.worker.kill()
        stack.worker.start()
        stack.worker.wait_until_ready()
        await asyncio.sleep(LEASE_S)
        await stack.look_for_stalled_jobs()
        done = await stack.ended(job.job_id)
        assert (done.status, done.error_reason) == (FAILED, "WORKER_DIED")
        assert [one.kind for one in await stack.notifications()] == ["training_failed"]
        (stack.folder / "go").touch()
        assert (await stack.ended((await stack.start()).job_id)).status == COMPLETED


@pytest.mark.chaos
async def test_redis_going_away_and_coming_back_empty_loses_no_job(stack: Stack, own_redis: RedisProcess) -> None:
    (stack.folder / "hang").touch()
    running = await stack.start()
    await stack.training(running.job_id)
    waiting = stack.other_user()
    own_redis.kill()
    started = time.monotonic()
    behind = await waiting.start()
    assert time.monotonic() - started < 10
    with pytest.raises(AlreadyExists):
        await stack.start()
    await asyncio.sleep(2 * LEASE_S)
    assert (await stack.job(running.job_id)).status == PROCESSING
    own_redis.start()
    (stack.folder / "go").touch()
    assert (await stack.ended(running.job_id)).status == COMPLETED
    # Nobody has a message about it any more: it is looked for when its lease is over.
    async with stack.app.database.transaction(waiting.user_id) as connection:
        await connection.execute("UPDATE training.training_jobs SET lease_expires_at = now() - interval '1 s'")
    await stack.look_for_stalled_jobs()
    assert (await waiting.ended(behind.job_id)).status == COMPLETED
    assert [len(stack.tries(one.job_id)) for one in (running, behind)] == [1, 1]
