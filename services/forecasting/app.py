"""Puts the forecasting service together, and its worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from uuid import UUID

import grpc.aio

from scale.anomaly.v1.anomaly_service_pb2_grpc import add_AnomalyServiceServicer_to_server
from scale.forecasting.v1.forecasting_service_pb2_grpc import add_ForecastingServiceServicer_to_server
from scale.forecasting.v1.user_data_service_pb2_grpc import add_UserDataServiceServicer_to_server
from services.forecasting.anomaly import servicer as anomaly
from services.forecasting.anomaly.repository import PostgresAnomaliesRepository
from services.forecasting.anomaly.service import AnomaliesService
from services.forecasting.anomaly.work import ScanWork
from services.forecasting.jobs.domain import JobKind
from services.forecasting.jobs.protocols import JobWork
from services.forecasting.jobs.queue import RedisJobQueue
from services.forecasting.jobs.repository import PostgresJobsRepository
from services.forecasting.jobs.runs import JobRuns
from services.forecasting.jobs.service import JobsService
from services.forecasting.ledger import GrpcLedger
from services.forecasting.model_names import ModelNames
from services.forecasting.model_registry import GrpcModelRegistry
from services.forecasting.predictor import ForecastPredictor, load_forecaster
from services.forecasting.protocols import Figures, Predicted
from services.forecasting.repository import PostgresForecastsRepository
from services.forecasting.service import ForecastingService
from services.forecasting.servicer import ForecastingServicer
from services.forecasting.settings import ForecastingSettings, ForecastingWorkerSettings
from services.forecasting.user_data.repository import PostgresForecastingUserData
from services.forecasting.user_data.service import ForecastingUserDataService
from services.forecasting.user_data.servicer import ForecastingUserDataServicer
from services.forecasting.work import ForecastWork
from services.kit import context
from services.kit.database_metrics import export_database
from services.kit.live_model import LiveModel
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from services.kit.server import Server, set_up_process
from services.kit.service_tokens import ServiceTokens
from services.kit.worker_app import WorkerApp

NAME = "forecasting"
SERVICE = "scale.forecasting.v1.ForecastingService"
USER_DATA_SERVICE = "scale.forecasting.v1.UserDataService"


class _Watched:
    """A folder of models, in whose place comes what the registry says is live."""

    def __init__(self, models: ForecastPredictor | ModelNames, settings: ForecastingSettings | ForecastingWorkerSettings) -> None:
        self._models = models
        self._registry: GrpcModelRegistry | None = None
        self._live: LiveModel | None = None
        if settings.registry_key is not None:
            self._registry = GrpcModelRegistry(settings.training_address, settings.registry_key.get_secret_value())
            self._live = LiveModel(self._registry, models, every_s=settings.registry_s, cache=settings.models_cache_dir)
        self._starting = asyncio.Lock()
        self._started = False

    async def start(self) -> None:
        """Reads what there is, and goes on looking. Harmless to repeat."""
        async with self._starting:
            if self._started:
                return
            await self._models.start()
            if self._live is not None:
                await self._live.start()
            self._started = True

    async def close(self) -> None:
        for connected in (self._live, self._registry, self._models):
            if connected is not None:
                await connected.close()


class _Predictor:
    """`Predictor` of a worker. One that only looks through ledgers loads nothing."""

    def __init__(self, settings: ForecastingWorkerSettings) -> None:
        self._predictor = ForecastPredictor(
            settings.models_folder, load=partial(load_forecaster, device=settings.device), watch_s=settings.models_watch_s
        )
        self._watched = _Watched(self._predictor, settings)

    async def predict(self, figures: Figures, horizon: int) -> Predicted:
        """See `Predictor`."""
        await self._watched.start()
        return await self._predictor.predict(figures, horizon)

    async def close(self) -> None:
        await self._watched.close()


class ForecastingApp:
    """The running parts of the service, from settings to server."""

    def __init__(self, settings: ForecastingSettings) -> None:
        self.database = Database(settings.database_url.get_secret_value(), settings)
        self._queue = RedisJobQueue(settings.redis_url.get_secret_value()) if settings.redis_url else None
        self.jobs = JobsService(
            PostgresJobsRepository(self.database),
            self._queue,
            max_queued=settings.max_queued,
            max_open=settings.max_open_forecasts,
            message_lease_s=settings.queue_lease_s,
        )
        page_tokens = PageTokens(settings.page_token_secret)
        anomalies = AnomaliesService(PostgresAnomaliesRepository(self.database), self.jobs, delay_s=settings.scan_delay_s)
        self._anomaly_servicer = anomaly.AnomalyServicer(anomalies, page_tokens)
        self._ledger = GrpcLedger(settings.accounts_address)
        self.models = ModelNames(settings.models_folder, watch_s=settings.models_watch_s)
        self._watched = _Watched(self.models, settings)
        forecasts = ForecastingService(
            repository=PostgresForecastsRepository(self.database),
            jobs=self.jobs,
            ledger=self._ledger,
            models=self.models,
            fresh_s=settings.fresh_s,
        )
        self._servicer = ForecastingServicer(forecasts, page_tokens=page_tokens)
        user_data = ForecastingUserDataService(
            PostgresForecastingUserData(self.database, statement_timeout_s=settings.export_timeout_s),
            self._queue,
            max_exports=settings.max_exports,
        )
        self._user_data_servicer = ForecastingUserDataServicer(user_data, idle_timeout_s=settings.restore_idle_timeout_s)
        self.server = Server(
            settings,
            name=NAME,
            services=[SERVICE, anomaly.SERVICE, USER_DATA_SERVICE],
            register=self._register,
            service_methods=anomaly.BACKGROUND_METHODS,
            check=self._ready,
            figures=self.database.figures,
        )

    def _register(self, server: grpc.aio.Server) -> None:
        add_AnomalyServiceServicer_to_server(self._anomaly_servicer, server)
        add_ForecastingServiceServicer_to_server(self._servicer, server)
        add_UserDataServiceServicer_to_server(self._user_data_servicer, server)

    async def _ready(self) -> bool:
        return bool((await self.database.health())["ok"])

    async def open(self) -> None:
        """Connects, and reads the models."""
        await self.database.open()
        await self._watched.start()

    async def close(self) -> None:
        """Lets go of models, ledger, Redis and database."""
        for connected in (self._watched, self._ledger, self._queue, self.database):
            if connected is not None:
                await connected.close()


async def run(settings: ForecastingSettings) -> None:
    """Serves until SIGTERM or SIGINT."""
    set_up_process(NAME, settings)
    app = ForecastingApp(settings)
    export_database(app.database)
    await app.open()
    try:
        await app.server.run_until_signal()
    finally:
        await app.close()


Works = Callable[[Database], Mapping[JobKind, JobWork]]


class ForecastingWorkerApp(WorkerApp[ForecastingWorkerSettings]):
    """What a job needs."""

    @classmethod
    async def open(cls, settings: ForecastingWorkerSettings, works: Works | None = None) -> None:
        """See `WorkerApp`. `works` makes what stands in the product's own work's place."""
        cls._opened = cls(settings, works)
        await cls._opened.database.open()

    def __init__(self, settings: ForecastingWorkerSettings, works: Works | None = None) -> None:
        # One job at a time: its own statements, and the lease.
        few = settings.model_copy(update={"pool_size": 1, "max_overflow": 4})
        self.database = Database(settings.database_url.get_secret_value(), few)
        self._tokens = ServiceTokens(NAME, settings.service_key.get_secret_value())
        self._queue = RedisJobQueue(settings.redis_url.get_secret_value())
        self._ledger = GrpcLedger(settings.accounts_address)
        repository = PostgresJobsRepository(self.database)
        jobs = JobsService(
            repository,
            self._queue,
            max_queued=settings.max_queued,
            max_open=settings.max_open_forecasts,
            message_lease_s=settings.queue_lease_s,
        )
        anomalies = PostgresAnomaliesRepository(self.database)
        self._anomalies = AnomaliesService(anomalies, jobs, delay_s=settings.scan_delay_s)
        self._predictor = _Predictor(settings)
        work: dict[JobKind, JobWork] = {
            JobKind.FORECAST: ForecastWork(PostgresForecastsRepository(self.database), self._ledger, self._predictor),
            JobKind.SCAN: ScanWork(anomalies, self._ledger, self._anomalies),
        }
        self.runs = JobRuns(
            repository=repository,
            queue=self._queue,
            work=works(self.database) if works is not None else work,
            lease_s=settings.lease_s,
            message_lease_s=settings.queue_lease_s,
            kept_days=settings.kept_days,
        )

    async def run_job(self, user_id: UUID, job_id: UUID) -> None:
        """Carries a job out, as its user; for one who erases everything from now on it writes nothing more."""
        context.bind_background(user_id, self._tokens, since=await self.database.now())
        await self.runs.run_job(user_id, job_id)

    async def start_due_scans(self) -> int:
        """Has the ledgers looked through that are due; returns how many."""
        since = await self.database.now()
        return await self._anomalies.start_due_scans(lambda user_id: context.bind_background(user_id, self._tokens, since=since))

    async def release(self) -> None:
        """See `WorkerApp`."""
        for connected in (self._predictor, self._ledger, self._queue):
            await connected.close()
