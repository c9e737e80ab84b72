"""Puts the training service together, and its worker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from uuid import UUID

import grpc.aio

from scale.training.v1.model_registry_service_pb2_grpc import add_ModelRegistryServiceServicer_to_server
from scale.training.v1.notifications_service_pb2_grpc import add_NotificationsServiceServicer_to_server
from scale.training.v1.training_service_pb2_grpc import add_TrainingServiceServicer_to_server
from scale.training.v1.user_data_service_pb2_grpc import add_UserDataServiceServicer_to_server
from services.kit import context
from services.kit.database_metrics import export_database
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from services.kit.server import Server, set_up_process
from services.kit.service_tokens import ServiceTokens
from services.kit.signed_links import SignedLinks
from services.kit.storage import ObjectStorage
from services.kit.worker_app import WorkerApp
from services.training.accuracy import AccuracyWatch
from services.training.domain import CATEGORIZER, CATEGORIZER_GLOBAL, FORECASTER_GLOBAL
from services.training.endings import Endings
from services.training.job_events import RedisJobEvents
from services.training.learning import GrpcAcceptance
from services.training.monthly import MonthlyForecaster
from services.training.notifications.events import RedisNotificationEvents
from services.training.notifications.repository import PostgresNotificationsRepository
from services.training.notifications.service import NotificationsService
from services.training.notifications.servicer import NotificationsServicer
from services.training.protocols import JobsRepository, Trainer
from services.training.queue import RedisJobQueue, RedisStartLock
from services.training.reaper import Reaper
from services.training.registry.artifacts import Artifacts
from services.training.registry.categorization import GrpcCategorization
from services.training.registry.delivery import Delivery
from services.training.registry.domain import LINKS_PURPOSE
from services.training.registry.made import MadeVersions
from services.training.registry.queue import RedisDeliveryQueue
from services.training.registry.registration import ModelRegistry
from services.training.registry.repository import PostgresVersionsRepository
from services.training.registry.service import ModelRegistryService
from services.training.registry.servicer import BACKGROUND_METHODS, OPEN_METHODS, ModelRegistryServicer
from services.training.registry.servicer import SERVICE as REGISTRY_SERVICE
from services.training.repository import PostgresJobsRepository
from services.training.runs import JobRuns
from services.training.service import TrainingService
from services.training.servicer import TrainingServicer
from services.training.settings import TrainingSettings, TrainingWorkerSettings
from services.training.status_cache import StatusCache
from services.training.trainers.categorizer import CategorizerTrainer
from services.training.trainers.categorizer_global import GlobalCategorizerTrainer
from services.training.trainers.checkpoints import CheckpointFolders
from services.training.trainers.forecaster_global import GlobalForecasterTrainer
from services.training.trainers.global_model import GlobalModel
from services.training.trainers.sources import GrpcHistories, GrpcPayments
from services.training.user_data.leftovers import TrainingLeftovers
from services.training.user_data.repository import PostgresTrainingUserData
from services.training.user_data.service import TrainingUserDataService
from services.training.user_data.servicer import TrainingUserDataServicer

NAME = "training"
SERVICE = "scale.training.v1.TrainingService"
NOTIFICATIONS_SERVICE = "scale.training.v1.NotificationsService"
USER_DATA_SERVICE = "scale.training.v1.UserDataService"


class _Told:
    """What service and worker tell, and where."""

    def __init__(self, settings: TrainingSettings | TrainingWorkerSettings) -> None:
        url = settings.redis_url.get_secret_value() if settings.redis_url else None
        self.queue = RedisJobQueue(url) if url else None
        self.lock = RedisStartLock(url, key=settings.cache_secret) if url else None
        self.events = RedisJobEvents(url) if url else None
        self.deliveries = RedisDeliveryQueue(url) if url else None
        self.statuses = StatusCache(settings.cache_address)
        self.notification_events = RedisNotificationEvents(url, key=settings.cache_secret) if url else None

    def service(self, repository: JobsRepository, settings: TrainingSettings | TrainingWorkerSettings) -> TrainingService:
        """The rules of jobs."""
        return TrainingService(
            repository,
            self.queue,
            lock=self.lock,
            events=self.events,
            statuses=self.statuses,
            max_queued=settings.max_queued,
            message_lease_s=settings.queue_lease_s,
            watch_idle_s=settings.watch_idle_s,
        )

    async def close(self) -> None:
        for connected in (self.queue, self.lock, self.events, self.deliveries, self.statuses, self.notification_events):
            if connected is not None:
                await connected.close()


class TrainingApp:
    """The running parts of the service, from settings to server."""

    def __init__(self, settings: TrainingSettings) -> None:
        self.database = Database(settings.database_url.get_secret_value(), settings)
        self._told = told = _Told(settings)
        page_tokens = PageTokens(settings.page_token_secret)
        self.service = told.service(PostgresJobsRepository(self.database), settings)
        self._servicer = TrainingServicer(self.service, page_tokens)
        notifications = NotificationsService(PostgresNotificationsRepository(self.database))
        self._notifications_servicer = NotificationsServicer(notifications, page_tokens)
        versions = PostgresVersionsRepository(self.database)
        artifacts = Artifacts(ObjectStorage(settings.storage_url), versions)
        registry = ModelRegistryService(
            versions,
            artifacts,
            SignedLinks(settings.artifact_secrets, purpose=LINKS_PURPOSE, lifetime_s=settings.artifact_lifetime_s),
            told.deliveries,
            from_bucket=settings.download_from_bucket,
        )
        made = MadeVersions(versions, artifacts, kept_versions=settings.kept_versions)
        self._registry_servicer = ModelRegistryServicer(registry, made, page_tokens)
        user_data = TrainingUserDataService(
            PostgresTrainingUserData(self.database, statement_timeout_s=settings.export_timeout_s),
            TrainingLeftovers(
                queue=told.queue,
                events=told.events,
                statuses=told.statuses,
                notification_events=told.notification_events,
                artifacts=artifacts,
            ),
            max_exports=settings.max_exports,
        )
        self._user_data_servicer = TrainingUserDataServicer(user_data, idle_timeout_s=settings.restore_idle_timeout_s)
        self.server = Server(
            settings,
            name=NAME,
            services=[SERVICE, REGISTRY_SERVICE, NOTIFICATIONS_SERVICE, USER_DATA_SERVICE],
            register=self._register,
            service_methods=BACKGROUND_METHODS,
            open_methods=OPEN_METHODS,
            check=self._ready,
            figures=self.database.figures,
        )

    def _register(self, server: grpc.aio.Server) -> None:
        add_TrainingServiceServicer_to_server(self._servicer, server)
        add_ModelRegistryServiceServicer_to_server(self._registry_servicer, server)
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
    export_database(app.database)
    await app.open()
    try:
        await app.server.run_until_signal()
    finally:
        await app.close()


class TrainingWorkerApp(WorkerApp[TrainingWorkerSettings]):
    """What a job needs."""

    @classmethod
    async def open(cls, settings: TrainingWorkerSettings, trainers: Mapping[str, Trainer] | None = None) -> None:
        """See `WorkerApp`. `trainers` in place of the product's own."""
        cls._opened = cls(settings, trainers)
        await cls._opened.database.open()

    def __init__(self, settings: TrainingWorkerSettings, trainers: Mapping[str, Trainer] | None = None) -> None:
        # One job at a time: its own statements, and the lease.
        few = settings.model_copy(update={"pool_size": 1, "max_overflow": 4})
        self._settings = settings
        self.database = Database(settings.database_url.get_secret_value(), few)
        self._tokens = ServiceTokens(NAME, settings.service_key.get_secret_value())
        self._told = told = _Told(settings)
        assert told.queue is not None  # nosec B101  # a worker has a Redis
        assert told.events is not None  # nosec B101
        assert told.notification_events is not None  # nosec B101
        self._acceptance = GrpcAcceptance(settings.categorization_address)
        self._categorization = GrpcCategorization(settings.categorization_address)
        self._versions = PostgresVersionsRepository(self.database)
        self._artifacts = Artifacts(ObjectStorage(settings.storage_url), self._versions)
        self._delivery = Delivery(self._versions, self._artifacts, self._categorization)
        registry = ModelRegistry(
            self._versions,
            self._artifacts,
            self._delivery,
            code_version=settings.own_version,
            kept_versions=settings.kept_versions,
        )
        self._payments = GrpcPayments(settings.accounts_address, settings.categorization_address)
        self._histories = GrpcHistories(settings.accounts_address, self._tokens)
        self._checkpoints = CheckpointFolders(settings.checkpoints_folder)
        global_model = GlobalModel(registry, settings.models_folder)
        repository = PostgresJobsRepository(self.database)
        endings = Endings(
            repository,
            events=told.events,
            statuses=told.statuses,
            notification_events=told.notification_events,
            clear_away=self._checkpoints.remove,
        )
        self._notifications = NotificationsService(PostgresNotificationsRepository(self.database))
        self._service = told.service(repository, settings)
        max_tries = settings.max_retries + 1
        self.reaper = Reaper(
            repository,
            told.queue,
            endings,
            max_tries=max_tries,
            message_lease_s=settings.queue_lease_s,
            overdue_s=settings.overdue_s,
        )
        self.runs = JobRuns(
            repository=repository,
            trainers=trainers
            or {
                CATEGORIZER: CategorizerTrainer(self._payments, global_model, registry, most_payments=settings.most_payments),
                CATEGORIZER_GLOBAL: GlobalCategorizerTrainer(
                    self._payments, global_model, self._checkpoints, least_users=settings.agreeing_users
                ),
                FORECASTER_GLOBAL: GlobalForecasterTrainer(
                    self._histories,
                    registry,
                    settings.forecaster_folder,
                    least_users=settings.forecast_users,
                    most_users=settings.forecast_most_users,
                    least_days=settings.forecast_days,
                    steps=settings.forecast_steps,
                ),
            },
            registry=registry,
            endings=endings,
            lease_s=settings.lease_s,
            max_tries=max_tries,
            time_limit_s=settings.time_limit_s,
        )

    async def run_job(self, user_id: UUID, job_id: UUID) -> None:
        """Carries a job out, as its user; for one who erases everything from now on it writes nothing more."""
        context.bind_background(user_id, self._tokens, since=await self.database.now())
        looking = asyncio.create_task(self.reaper.keep_looking())
        try:
            await self.runs.run_job(user_id, job_id)
        finally:
            looking.cancel()

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

    async def train_forecaster(self) -> bool:
        """Has everybody's forecaster trained anew, once a month; returns whether it began a job."""
        since = await self.database.now()
        monthly = MonthlyForecaster(
            self._histories,
            self._service,
            least_users=self._settings.forecast_users,
            least_days=self._settings.forecast_days,
            act_as=lambda user_id: context.bind_background(user_id, self._tokens, since=since),
        )
        return await monthly.start_when_due()

    async def deliver_version(self, user_id: UUID, model_type: str) -> None:
        """Tells the service that answers what is live, if it does not know."""
        context.bind_background(user_id, self._tokens, since=await self.database.now())
        await self._delivery.try_to_deliver(user_id, model_type)

    async def deliver_versions(self) -> None:
        """Tells it all that it could not be told before."""
        since = await self.database.now()
        await self._delivery.deliver_all(lambda user_id: context.bind_background(user_id, self._tokens, since=since))

    async def remove_orphaned_artifacts(self) -> int:
        """Removes what a crash left in the storage; returns how many."""
        return await self._artifacts.remove_orphans()

    async def remove_checkpoints(self) -> int:
        """Removes what trainings left that nobody goes on with; returns of how many."""
        return await self._checkpoints.remove_abandoned(hours=self._settings.checkpoints_hours)

    async def expire_notifications(self) -> int:
        """Removes old ones; returns how many."""
        return await self._notifications.expire_notifications(days=self._settings.notifications_days)

    async def expire_jobs(self) -> int:
        """Removes those that ended long ago; returns how many."""
        return await self._service.expire_jobs(days=self._settings.kept_days)

    async def release(self) -> None:
        """See `WorkerApp`."""
        await self._told.close()
        for connected in (self._acceptance, self._categorization, self._payments, self._histories):
            await connected.close()
