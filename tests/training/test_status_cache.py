"""Copies of jobs on a real Redis: whose they are, how long they stay, and that none is older than what was there."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from redis import Redis

from services.kit.errors import Unavailable
from services.local import LocalSystem
from services.training.domain import Job, JobStatus
from services.training.job_copies import job_copy, job_of_copy
from services.training.status_cache import FINAL_S, OPEN_S, StatusCache
from tests.support.gateway_app import RedisProcess
from tests.support.training_fakes import BEGUN_AT, a_job


@pytest.fixture
async def cache(servers: LocalSystem) -> AsyncIterator[StatusCache]:
    made = StatusCache(servers.redis_url)
    yield made
    await made.close()


@pytest.fixture
def redis(servers: LocalSystem) -> Redis:
    return Redis.from_url(servers.redis_url)


def later(job: Job, seconds: float, **changes: object) -> Job:
    return dataclasses.replace(job, updated_at=BEGUN_AT + timedelta(seconds=seconds), **changes)  # type: ignore[arg-type]


def ended(job: Job, seconds: float, status: JobStatus = JobStatus.COMPLETED) -> Job:
    return later(job, seconds, status=status, completed_at=BEGUN_AT + timedelta(seconds=seconds))


def as_shown(job: Job) -> Job:
    """Without what only its worker needs."""
    return job_of_copy(job_copy(job))


def test_a_copy_is_all_that_is_shown_of_a_job(user_id: UUID) -> None:
    job = a_job(
        user_id,
        status=JobStatus.FAILED,
        step=3,
        total=9,
        loss=0.25,
        phase="training",
        metrics={"accuracy": 0.9, "examples": 12, "better": True},
        model_version="3-1a2b3c4d",
        published=True,
        error_message="No room.",
        error_reason="NO_STORAGE_ROOM",
        started_at=BEGUN_AT,
        completed_at=BEGUN_AT,
    )
    assert as_shown(job) == dataclasses.replace(job, request_id="")
    copy = json.loads(json.dumps(job_copy(job)))
    assert (copy["user_id"], copy["status"]) == (str(user_id), "failed")


@pytest.mark.requirement("TRN-13")
async def test_only_the_owner_reads_it(cache: StatusCache, user_id: UUID, other_user_id: UUID) -> None:
    """TRN-13."""
    job = a_job(user_id)
    assert await cache.get(user_id, job.id) is None
    await cache.put(job)
    assert await cache.get(user_id, job.id) == as_shown(job)
    assert await cache.get(other_user_id, job.id) is None


@pytest.mark.requirement("CACHE-06", "TRN-11", "TRN-12")
async def test_a_copy_stays_for_seconds_and_that_of_the_end_for_a_minute(cache: StatusCache, redis: Redis, user_id: UUID) -> None:
    """TRN-11, TRN-12."""
    job = a_job(user_id)
    await cache.put(job)
    assert 0 < redis.ttl(f"job:{job.id}") <= OPEN_S
    await cache.put(ended(job, 1))
    assert OPEN_S < redis.ttl(f"job:{job.id}") <= FINAL_S
    assert json.loads(redis.get(f"job:{job.id}") or b"")["status"] == "completed"


async def test_what_was_earlier_replaces_nothing(cache: StatusCache, user_id: UUID) -> None:
    job = a_job(user_id)
    steps = [later(job, second, status=JobStatus.PROCESSING, step=second, total=100) for second in range(20)]
    for put, expected in ((10, 10), (9, 10), (11, 11), (11, 11), (2, 11)):
        await cache.put(steps[put])
        found = await cache.get(user_id, job.id)
        assert found is not None
        assert found.step == expected


async def test_the_end_is_the_end(cache: StatusCache, user_id: UUID) -> None:
    """Whatever a clock says, and whoever read the database before it."""
    job = a_job(user_id)
    await cache.put(later(job, 10, status=JobStatus.PROCESSING))
    await cache.put(ended(job, 5))
    for late in (later(job, 20, status=JobStatus.PROCESSING), ended(job, 30, JobStatus.CANCELLED)):
        await cache.put(late)
        found = await cache.get(user_id, job.id)
        assert found is not None
        assert found.status is JobStatus.COMPLETED


async def test_what_is_forgotten_is_gone(cache: StatusCache, user_id: UUID) -> None:
    jobs = [a_job(user_id) for _ in range(3)]
    for job in jobs:
        await cache.put(job)
    await cache.forget([job.id for job in jobs[:2]])
    await cache.forget([])
    assert [await cache.get(user_id, job.id) is None for job in jobs] == [True, True, False]


async def test_a_copy_of_another_version_is_none(cache: StatusCache, redis: Redis, user_id: UUID) -> None:
    job = a_job(user_id)
    for text in (json.dumps({"user_id": str(user_id)}), "[]", "rubbish"):
        redis.set(f"job:{job.id}", text, ex=60)
        assert await cache.get(user_id, job.id) is None


async def test_without_redis_it_keeps_nothing_and_holds_nobody_up(user_id: UUID) -> None:
    process = RedisProcess()
    process.start()
    cache, job = StatusCache(process.url), a_job(user_id)
    await cache.put(job)
    process.kill()
    try:
        started = time.monotonic()
        for _ in range(100):
            assert await cache.get(user_id, job.id) is None
            await cache.put(job)
        assert time.monotonic() - started < 2
        with pytest.raises(Unavailable):
            await cache.forget([job.id])
    finally:
        process.kill()
        await cache.close()
    none = StatusCache(None)
    await none.put(job)
    await none.forget([job.id])
    assert await none.get(user_id, job.id) is None
    await none.close()
