"""Where anomalies are kept: in memory, and in the real database. Both must do the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

import pytest

from services.forecasting.anomaly.protocols import AnomaliesRepository
from services.forecasting.anomaly.repository import PostgresAnomaliesRepository
from services.forecasting.jobs.protocols import JobsRepository
from services.forecasting.jobs.repository import PostgresJobsRepository
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem
from tests.support.anomaly_fakes import FakeAnomalies


class Store(Protocol):
    """A repository, the jobs beside it, and time."""

    @property
    def repository(self) -> AnomaliesRepository:
        """Of anomalies."""

    @property
    def jobs(self) -> JobsRepository:
        """Of their scans."""

    async def let_it_be_due(self, user_id: UUID) -> None:
        """As after a day."""


class FakeStore:
    """In memory."""

    def __init__(self) -> None:
        self.repository = FakeAnomalies()
        self.jobs = self.repository.jobs

    async def let_it_be_due(self, user_id: UUID) -> None:
        self.repository.ledgers[user_id].due_at = datetime.now(UTC) - timedelta(seconds=1)


class RealStore:
    """On PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.repository = PostgresAnomaliesRepository(database)
        self.jobs = PostgresJobsRepository(database)

    async def let_it_be_due(self, user_id: UUID) -> None:
        async with self.database.transaction(user_id) as connection:
            # Before all others' that other tests have left.
            await connection.execute("UPDATE forecasting.ledgers SET due_at = now() - interval '1 year' WHERE user_id = $1", user_id)


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
