"""Training jobs of one user on the real database, with everything else in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest
import uuid_utils.compat

from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem
from services.training.domain import CATEGORIZER, MODELS, Caller, Job
from services.training.endings import Endings
from services.training.notifications.repository import PostgresNotificationsRepository
from services.training.notifications.service import NotificationsService
from services.training.protocols import StartLock
from services.training.reaper import Reaper
from services.training.repository import PostgresJobsRepository
from services.training.runs import JobRuns
from services.training.service import TrainingService
from tests.support.gateway_app import own_redis, redis_url, start_gateway
from tests.support.training_run_fakes import (
    FakeEvents,
    FakeJobQueue,
    FakeLock,
    FakeNotificationEvents,
    FakeRegistry,
    FakeStatuses,
    FakeTrainer,
)

__all__ = ["own_redis", "redis_url", "start_gateway"]


@dataclass
class Bench:
    """What a test moves by hand."""

    database: Database
    user_id: UUID
    queue: FakeJobQueue = field(default_factory=FakeJobQueue)
    events: FakeEvents = field(default_factory=FakeEvents)
    told: FakeNotificationEvents = field(default_factory=FakeNotificationEvents)
    statuses: FakeStatuses = field(default_factory=FakeStatuses)
    lock: StartLock | None = field(default_factory=FakeLock)
    trainer: FakeTrainer = field(default_factory=FakeTrainer)
    registry: FakeRegistry = field(default_factory=FakeRegistry)

    def __post_init__(self) -> None:
        self.repository = PostgresJobsRepository(self.database)
        self.cleared: list[UUID] = []
        self.endings = Endings(
            self.repository,
            events=self.events,
            statuses=self.statuses,
            notification_events=self.told,
            clear_away=self._clear_away,
        )
        self.notifications = NotificationsService(PostgresNotificationsRepository(self.database))
        self.service = self.make_service()

    async def _clear_away(self, job_id: UUID) -> None:
        self.cleared.append(job_id)

    @property
    def caller(self) -> Caller:
        return Caller(self.user_id)

    def make_service(self, *, max_queued: int = 100) -> TrainingService:
        return TrainingService(
            self.repository,
            self.queue,
            lock=self.lock,
            events=self.events,
            statuses=self.statuses,
            max_queued=max_queued,
            message_lease_s=60,
        )

    def runs(self, *, lease_s: float = 30, max_tries: int = 2, time_limit_s: float = 60) -> JobRuns:
        return JobRuns(
            repository=self.repository,
            trainers=dict.fromkeys(MODELS, self.trainer),
            registry=self.registry,
            endings=self.endings,
            lease_s=lease_s,
            max_tries=max_tries,
            time_limit_s=time_limit_s,
        )

    def reaper(self, *, max_tries: int = 2, message_lease_s: float = 60, overdue_s: float = 3600) -> Reaper:
        return Reaper(self.repository, self.queue, self.endings, max_tries=max_tries, message_lease_s=message_lease_s, overdue_s=overdue_s)

    async def start(self, request_id: str = "") -> Job:
        return await self.service.start_training_job(self.caller, CATEGORIZER, request_id=request_id or str(uuid_utils.compat.uuid7()))

    async def run(self, job: Job, runs: JobRuns | None = None) -> Job:
        await (runs or self.runs()).run_job(job.user_id, job.id)
        return await self.job(job)

    async def job(self, job: Job) -> Job:
        """As the database has it."""
        found = await self.repository.get(job.user_id, job.id)
        assert found is not None
        return found

    async def execute(self, statement: str, *arguments: object) -> None:
        """As the user, to let time pass."""
        async with self.database.transaction(self.user_id) as connection:
            await connection.execute(statement, *arguments)

    async def end_lease(self, job: Job) -> None:
        await self.execute(
            "UPDATE training.training_jobs SET lease_expires_at = now() - interval '1 s' WHERE user_id = $1 AND id = $2",
            self.user_id,
            job.id,
        )


@pytest.fixture
async def bench(servers: LocalSystem, user_id: UUID) -> AsyncIterator[Bench]:
    database = Database(servers.service_url("training"), DatabaseSettings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=24))
    await database.open()
    yield Bench(database, user_id)
    await database.close()
