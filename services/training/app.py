"""Puts the training service together, and its worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

import grpc.aio

from scale.training.v1.notifications_service_pb2_grpc import add_NotificationsServiceServicer_to_server
from scale.training.v1.training_service_pb2_grpc import add_TrainingServiceServicer_to_server
from scale.training.v1.user_data_service_pb2_grpc import add_UserDataServiceServicer_to_server
from services.kit import context
from services.kit.errors import FailedPrecondition
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from services.kit.server import Server, set_up_process
from services.kit.service_tokens import ServiceTokens
from services.kit.telemetry import export_pool
from services.training.accuracy import AccuracyWatch
from services.training.domain import Job, ModelVersion, Trained
from services.training.endings import Endings
from services.training.job_events import RedisJobEvents
from services.training.learning import GrpcAcceptance
from services.training.notifications.events import RedisNotificationEvents
from services.training.notifications.repository import PostgresNotificationsRepository
from services.training.notifications.service import NotificationsService
from services.training.notifications.servicer import NotificationsServicer
from services.training.protocols import Registry, Trainer
from services.training.queue import RedisJobQueue, RedisStartLock
from services.training.reaper import Reaper
from services.training.repository import PostgresJobsRepository
from services.training.runs import JobRuns
from services.training.service import TrainingService
from services.training.servicer import TrainingServicer
from services.training.settings import TrainingSettings, TrainingWorkerSettings
from services.training.status_cache import StatusCache
from services.training.user_data.leftovers import TrainingLeftovers
from services.training.user_data.repository import PostgresTrainingUserData
from services.training.user_data.service import TrainingUserDataService
from services.training.user_data.servicer import TrainingUserDataServicer

NAME = "training"
SERVICE = "scale.training.v1.TrainingService"
NOTIFICATIONS_SERVICE = "scale.training.v1.NotificationsService"
USER_DATA_SERVICE = "scale.training.v1.UserDataService"
BACKGROUND_METHODS: frozenset[str] = frozenset()
"""What other services' background work may ask."""


class _Told:
    """What service and worker tell, and where."""

    def __init__(self, settings: TrainingSettings | TrainingWorkerSettings) -> None:
        url = settings.redis_url.get_secret_value() if settings.redis_url else None
        self.queue = RedisJobQueue(url) if url else None
        self.lock = RedisStartLock(url, key=settings.cache_secret) if url else None
        self.events = RedisJobEvents(url) if url else None
        self.statuses = StatusCache(url)
        self.notification_events = RedisNotificationEvents(url, key=settings.cache_secret) if url else None

    async def close(self) -> None:
        for connected in (self.queue, self.lock, self.events, self.statuses, self.notification_events):
            if connected is not None:
                await connected.close()


class TrainingApp:
    """The running parts of the service, from settings to server."""

    def __init__(self, settings: TrainingSettings) -> None:
        self.database = Database(settings.database_url.get_secret_value(), settings)
        self._told = told = _Told(settings)
        page_tokens = PageTokens(settings.page_token_secret)
        self.service = TrainingService(
            PostgresJobsRepository(self.database),
            told.queue,
            lock=told.lock,
            events=told.events,
            statuses=told.statuses,
            max_queued=settings.max_queued,
            message_lease_s=settings.queue_lease_s,
            watch_idle_s=settings.watch_idle_s,
        )
        self._servicer = TrainingServicer(self.service, page_tokens)
        notifications = NotificationsService(PostgresNotificationsRepository(self.database))
        self._notifications_servicer = NotificationsServicer(notifications, page_tokens)
        user_data = TrainingUserDataService(
            PostgresTrainingUserData(self.database, statement_timeout_s=settings.export_timeout_s),
            TrainingLeftovers(
                queue=told.queue,
                events=told.events,
                statuses=told.statuses,
                notification_events=told.notification_events,
                artifacts=None,
            ),
            max_exports=settings.max_exports,
        )
        self._user_data_servicer = TrainingUserDataServicer(user_data, idle_timeout_s=settings.restore_idle_timeout_s)
        self.server = Server(
            settings,
            name=NAME,
            services=[SERVICE, NOTIFICATIONS_SERVICE, USER_DATA_SERVICE],
            register=self._register,
            service_methods=BACKGROUND_METHODS,
            check=self._ready,
            figures=self.database.figures,
        )

    def _register(self, server: grpc.aio.Server) -> None:
        add_TrainingServiceServicer_to_server(self._servicer, server)
        add_NotificationsServiceServicer_to_server(self._notifications_servicer, server)
        add_UserDataServiceServicer_to_server(self._user_data_servicer, server)

    async def _ready(self) -> bool:
        return bool((await self.database.health())["ok"])

    async def open(self) -> None:
        """Connects."""
        await self.database.open()

    async def close(self) -> None:
        """Lets go of database and Redis."""
        await self._told.close()
        await self.database.close()


async def run(settings: TrainingSettings) -> None:
    """Serves until SIGTERM or SIGINT."""
    set_up_process(NAME, settings)
    app = TrainingApp(settings)
    export_pool(app.database.figures)
    await app.open()
    try:
        await app.server.run_until_signal()
    finally:
        await app.close()


class _NoRegistry:
    """`Registry` of an installation that has none."""

    async def register(self, job: Job, trained: Trained) -> ModelVersion:
        """See `Registry`."""
        raise FailedPrecondition("This installation keeps no versions of models", reason="REGISTRY_NOT_CONFIGURED")


class TrainingWorkerApp:
    """What a process of the worker holds, from its first task to its end. Made in that process, on its event loop."""

    _opened: ClassVar[TrainingWorkerApp | None] = None

    @classmethod
    async def open(
        cls, settings: TrainingWorkerSettings, *, trainers: Mapping[str, Trainer] | None = None, registry: Registry | None = None
    ) -> None:
        """Once, before the first task. `trainers` and `registry` in place of the product's own."""
        cls._opened = cls(settings, trainers=trainers, registry=registry)
        await cls._opened.database.open()

    @classmethod
    def opened(cls) -> TrainingWorkerApp:
        """This process's own."""
        if cls._opened is None:
            raise RuntimeError("a task outside of a worker")
        return cls._opened

    def __init__(
        self, settings: TrainingWorkerSettings, *, trainers: Mapping[str, Trainer] | None = None, registry: Registry | None = None
    ) -> None:
        # One job at a time: its own statements, and the lease.
        few = settings.model_copy(update={"pool_size": 1, "max_overflow": 4})
        self._settings = settings
        self.database = Database(settings.database_url.get_secret_value(), few)
        self._tokens = ServiceTokens(NAME, settings.service_key.get_secret_value())
        self._told = told = _Told(settings)
        self._acceptance = GrpcAcceptance(settings.categorization_address)
        repository = PostgresJobsRepository(self.database)
        assert told.queue is not None  # nosec B101  # a worker has a Redis
        assert told.events is not None  # nosec B101
        assert told.notification_events is not None  # nosec B101
        endings = Endings(repository, events=told.events, statuses=told.statuses, notification_events=told.notification_events)
        max_tries = settings.max_retries + 1
        self.reaper = Reaper(
            repository,
            told.queue,
            endings,
            max_tries=max_tries,
            message_lease_s=settings.queue_lease_s,
            overdue_s=settings.overdue_s,
        )
        self._notifications = NotificationsService(PostgresNotificationsRepository(self.database))
        self._service = TrainingService(
            repository,
            told.queue,
            lock=told.lock,
            events=told.events,
            statuses=told.statuses,
            max_queued=settings.max_queued,
            message_lease_s=settings.queue_lease_s,
        )
        self.runs = JobRuns(
            repository=repository,
            trainers=trainers if trainers is not None else {},
            registry=registry if registry is not None else _NoRegistry(),
            endings=endings,
            lease_s=settings.lease_s,
            max_tries=max_tries,
            time_limit_s=settings.time_limit_s,
        )

    async def run_job(self, user_id: UUID, job_id: UUID) -> None:
        """Carries a job out, as its user; for one who erases everything from now on it writes nothing more."""
        context.bind_background(user_id, self._tokens, since=await self.database.now())
        await self.runs.run_job(user_id, job_id)

    async def look_after_jobs(self) -> None:
        """Gives up what takes too long, then queues again what nobody works on."""
        await self.reaper.fail_overdue_jobs()
        await self.reaper.requeue_stalled_jobs()

    async def check_accuracy(self) -> int:
        """Has models trained anew that are put right too often; returns how many jobs it began."""
        since = await self.database.now()
        watch = AccuracyWatch(
            self._acceptance,
            self._service,
            objective=self._settings.accuracy_objective,
            minimum_classified=self._settings.accuracy_minimum,
            act_as=lambda user_id: context.bind_background(user_id, self._tokens, since=since),
        )
        return await watch.check_accuracy()

    async def expire_notifications(self) -> int:
        """Removes old ones; returns how many."""
        return await self._notifications.expire_notifications(days=self._settings.notifications_days)

    @classmethod
    async def close(cls) -> None:
        """Lets go of database, Redis and channels."""
        app, cls._opened = cls.opened(), None
        await app._told.close()
        for connected in (app._acceptance, app.database):
            await connected.close()
