"""The lock on starting a job, on a real Redis: it spares the database, and nothing depends on it."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from services.kit.errors import AlreadyExists
from services.training.domain import Job
from services.training.queue import RedisStartLock
from tests.support.gateway_app import RedisProcess
from tests.training.conftest import Bench


async def test_one_of_many_holds_it_and_lets_go(own_redis: RedisProcess, user_id: UUID, other_user_id: UUID) -> None:
    lock, another_process = RedisStartLock(own_redis.url), RedisStartLock(own_redis.url)
    async with lock.hold(user_id) as mine:
        assert mine
        async with another_process.hold(user_id) as second, another_process.hold(other_user_id) as others:
            assert (second, others) == (False, True)
        # Whoever did not hold it has not let go of it either.
        async with another_process.hold(user_id) as third:
            assert not third
    async with another_process.hold(user_id) as mine:
        assert mine
    for one in (lock, another_process):
        await one.close()


async def test_one_that_took_longer_than_its_time_leaves_the_next_one_alone(own_redis: RedisProcess, user_id: UUID) -> None:
    slow, next_one = RedisStartLock(own_redis.url), RedisStartLock(own_redis.url)
    async with slow.hold(user_id):
        await next_one.forget(user_id)  # as after five seconds
        taken = next_one.hold(user_id)
        assert await taken.__aenter__()
    async with slow.hold(user_id) as mine:
        assert not mine
    await taken.__aexit__(None, None, None)
    for one in (slow, next_one):
        await one.close()


@pytest.mark.requirement("REL-18", "TRN-09")
@pytest.mark.parametrize("redis", ["up", "down", "held by one that died"])
async def test_twenty_starts_at_once_give_one_job(bench: Bench, own_redis: RedisProcess, redis: str) -> None:
    bench.lock = lock = RedisStartLock(own_redis.url)
    bench.service = bench.make_service()
    if redis == "down":
        own_redis.kill()
    if redis == "held by one that died":
        await RedisStartLock(own_redis.url).hold(bench.user_id).__aenter__()

    async def start() -> Job | str:
        try:
            return await bench.start()
        except AlreadyExists as error:
            return error.metadata["job_id"]

    answers = await asyncio.gather(*(start() for _ in range(20)))
    (job,) = [answer for answer in answers if isinstance(answer, Job)]
    assert [answer for answer in answers if isinstance(answer, str)] == [str(job.id)] * 19
    assert bench.queue.messages == [(bench.user_id, job.id)]
    await lock.close()
