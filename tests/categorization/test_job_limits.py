"""How many jobs one user may have open, and what is found open at the moment a job is begun. On the real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from services.categorization.jobs.domain import Job, JobState
from services.categorization.jobs.repository import PostgresJobsRepository
from services.categorization.jobs.service import JobsService
from services.kit.errors import ResourceExhausted
from services.kit.postgres import Database
from tests.categorization.test_jobs import Bench, FakeQueue, bench, shops

__all__ = ["bench"]


def service(bench: Bench, database: Any = None, *, max_open: int = 2) -> JobsService:
    return JobsService(
        PostgresJobsRepository(database or bench.database), FakeQueue(), max_queued=99, max_open=max_open, message_lease_s=60
    )


async def test_a_user_has_no_more_than_so_many_open_jobs(bench: Bench, other_user_id: UUID) -> None:
    jobs = service(bench)
    first = await jobs.start_classification(bench.user_id, shops(1), request_id="1")
    walk = await jobs.start_recategorization(bench.user_id, request_id="2")
    for start in (jobs.start_classification(bench.user_id, shops(1), request_id="3"), jobs.start_discovery(bench.user_id, request_id="3")):
        with pytest.raises(ResourceExhausted) as caught:
            await start
        assert (caught.value.reason, caught.value.metadata) == ("TOO_MANY_OPEN_JOBS", {"job_id": str(walk.id), "limit": "2"})
    assert "You have 2 jobs that are not done" in caught.value.message
    assert caught.value.retry_after_s
    # What is there already is no further one, and others have a number of their own.
    assert await jobs.start_recategorization(bench.user_id, request_id="2") == walk
    await jobs.start_classification(other_user_id, shops(1), request_id="3")
    await bench.run(first)
    await jobs.start_classification(bench.user_id, shops(1), request_id="3")


async def test_begun_at_once_they_are_no_more_either(bench: Bench) -> None:
    jobs = service(bench)
    starts = (jobs.start_classification(bench.user_id, shops(1), request_id=str(number)) for number in range(8))
    answers = await asyncio.gather(*starts, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Job"] * 2 + ["ResourceExhausted"] * 6


async def test_a_users_further_jobs_wait_behind_the_first_ones_of_all(bench: Bench, other_user_id: UUID) -> None:
    queue = FakeQueue()
    jobs = JobsService(PostgresJobsRepository(bench.database), queue, max_queued=99, max_open=9, message_lease_s=60)
    first = await jobs.start_classification(bench.user_id, shops(1), request_id="1")
    second = await jobs.start_classification(bench.user_id, shops(1), request_id="2")
    walk = await jobs.start_recategorization(bench.user_id, request_id="3")
    await jobs.start_recategorization(other_user_id, request_id="1")
    assert queue.behind == [second.id, walk.id]
    await bench.run(first)
    await bench.run(second)
    await bench.run(walk)
    await jobs.start_classification(bench.user_id, shops(1), request_id="4")
    assert queue.behind == [second.id, walk.id]


class EndsMeanwhile:
    """A database in which another job ends just before it is looked for."""

    def __init__(self, database: Database, end: Any) -> None:
        self._database, self._end = database, end

    @asynccontextmanager
    async def transaction(self, user_id: UUID, **how: Any) -> AsyncIterator[Any]:
        async with self._database.transaction(user_id, **how) as connection:
            self._connection = connection
            yield self

    async def fetchrow(self, statement: str, *arguments: Any) -> Any:
        if "kind <> 'classification'" in statement:
            await self._end()
        return await self._connection.fetchrow(statement, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


async def test_a_walk_that_ends_as_the_next_one_is_begun_is_not_in_its_way(bench: Bench) -> None:
    first = await bench.service.start_recategorization(bench.user_id, request_id="1")

    async def end() -> Job:
        return await bench.run(first)

    second = await service(bench, EndsMeanwhile(bench.database, end)).start_recategorization(bench.user_id, request_id="2")
    assert (second.state, (await bench.job(first.id)).state) == (JobState.PENDING, JobState.SUCCEEDED)
