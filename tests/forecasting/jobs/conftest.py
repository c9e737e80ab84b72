"""Where jobs are kept: in memory, and in the real database. Both must do the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Protocol

import pytest

from services.forecasting.jobs import repository
from services.forecasting.jobs.domain import Begun, Job, NewJob
from services.forecasting.jobs.protocols import JobsRepository
from services.forecasting.jobs.repository import PostgresJobsRepository
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem
from tests.support.forecasting_job_fakes import FakeJobsRepository
from tests.support.gateway_app import own_redis

__all__ = ["own_redis"]


class Store(Protocol):
    """A repository, with what others do to its jobs, and time."""

    @property
    def repository(self) -> JobsRepository:
        """Of the jobs."""

    async def begin(self, new: NewJob, *, lease_s: float = 60, most_open: int = 9, delay_s: float = 0) -> tuple[Job, Begun]:
        """`Record`, with nothing beside."""

    async def record_done(self, new: NewJob) -> tuple[Job, Begun]:
        """One that there is nothing left to do for."""

    async def succeed(self, running: Job) -> bool:
        """Whoever does the work says so."""

    async def let_lease_run_out(self, job: Job) -> None:
        """As after a while."""

    async def let_days_go_by(self, job: Job, days: int) -> None:
        """Since it ended."""


class FakeStore:
    """In memory."""

    def __init__(self) -> None:
        self.repository = self._jobs = FakeJobsRepository()

    async def begin(self, new: NewJob, *, lease_s: float = 60, most_open: int = 9, delay_s: float = 0) -> tuple[Job, Begun]:
        return await self._jobs.begin(new, lease_s=lease_s, most_open=most_open, delay_s=delay_s)

    async def record_done(self, new: NewJob) -> tuple[Job, Begun]:
        return await self._jobs.record_done(new)

    async def succeed(self, running: Job) -> bool:
        return await self._jobs.succeed(running)

    async def let_lease_run_out(self, job: Job) -> None:
        self._jobs.rows[job.user_id, job.id].lease_until = self._jobs.now - timedelta(seconds=1)

    async def let_days_go_by(self, job: Job, days: int) -> None:
        self._jobs.now += timedelta(days=days)


class RealStore:
    """On PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.repository = PostgresJobsRepository(database)

    async def begin(self, new: NewJob, *, lease_s: float = 60, most_open: int = 9, delay_s: float = 0) -> tuple[Job, Begun]:
        async with self.database.transaction(new.user_id) as connection:
            return await repository.begin(connection, new, lease_s=lease_s, most_open=most_open, delay_s=delay_s)

    async def record_done(self, new: NewJob) -> tuple[Job, Begun]:
        async with self.database.transaction(new.user_id) as connection:
            return await repository.record_done(connection, new)

    async def succeed(self, running: Job) -> bool:
        async with self.database.transaction(running.user_id) as connection:
            return await repository.succeed(connection, running)

    async def let_lease_run_out(self, job: Job) -> None:
        await self._change(job, "UPDATE forecasting.jobs SET lease_expires_at = now() - interval '1 second' WHERE user_id = $1 AND id = $2")

    async def let_days_go_by(self, job: Job, days: int) -> None:
        statement = "UPDATE forecasting.jobs SET completed_at = completed_at - $3 * interval '1 day' WHERE user_id = $1 AND id = $2"
        await self._change(job, statement, days)

    async def _change(self, job: Job, statement: str, *values: object) -> None:
        async with self.database.transaction(job.user_id) as connection:
            await connection.execute(statement, job.user_id, job.id, *values)


@pytest.fixture
async def database(servers: LocalSystem) -> AsyncIterator[Database]:
    """As the service's own role."""
    opened = Database(servers.service_url("forecasting"), DatabaseSettings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=4))
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def real(database: Database) -> RealStore:
    """On PostgreSQL alone."""
    return RealStore(database)


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each of the two."""
    if request.param == "memory":
        return FakeStore()
    found: RealStore = request.getfixturevalue("real")
    return found
