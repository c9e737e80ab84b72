"""Puts the categorization service together, and its worker."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import grpc.aio

from models.hypcd.corpus import taxonomy
from scale.categorization.v1.categorization_service_pb2_grpc import add_CategorizationServiceServicer_to_server
from scale.categorization.v1.learning_service_pb2_grpc import add_LearningServiceServicer_to_server
from scale.categorization.v1.user_data_service_pb2_grpc import add_UserDataServiceServicer_to_server
from services.categorization.acceptance import Acceptance
from services.categorization.catching_up import CatchingUp
from services.categorization.categories import CACHE_NAME, UserCategories
from services.categorization.corrections import Corrections
from services.categorization.jobs.domain import JobKind
from services.categorization.jobs.queue import RedisJobQueue
from services.categorization.jobs.repository import PostgresJobsRepository
from services.categorization.jobs.runs import JobRuns, JobWork
from services.categorization.jobs.service import JobsService
from services.categorization.jobs.work import ClassificationWork, RecategorizationWork
from services.categorization.learned import LearnedUsers
from services.categorization.learning import servicer as learning
from services.categorization.learning.repository import PostgresLearningRepository
from services.categorization.learning.service import LearningService, OldCounts
from services.categorization.learning.tallies import AcceptanceTallies
from services.categorization.ledger import GrpcLedger
from services.categorization.model_cache import ModelCache
from services.categorization.model_registry import GrpcModelRegistry
from services.categorization.predictor import Loader, ModelPredictor, load_hypcd, load_user_head
from services.categorization.protocols import HeadLoader
from services.categorization.repository import PostgresWordsRepository
from services.categorization.rules_model import RulesModel
from services.categorization.service import CategorizationService
from services.categorization.servicer import CategorizationServicer
from services.categorization.settings import CategorizationSettings, CategorizationWorkerSettings
from services.categorization.suggestions.discovery import DiscoveryWork
from services.categorization.suggestions.repository import PostgresSuggestionsRepository
from services.categorization.suggestions.service import SuggestionsService
from services.categorization.user_data.repository import PostgresCategorizationUserData
from services.categorization.user_data.service import CategorizationUserDataService
from services.categorization.user_data.servicer import CategorizationUserDataServicer
from services.kit import context
from services.kit.cache import Cache
from services.kit.database_metrics import export_database
from services.kit.live_model import LiveModel
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from services.kit.server import Server, set_up_process
from services.kit.service_tokens import ServiceTokens
from services.kit.worker_app import WorkerApp

NAME = "categorization"
SERVICE = "scale.categorization.v1.CategorizationService"
USER_DATA_SERVICE = "scale.categorization.v1.UserDataService"
BACKGROUND_METHODS = frozenset({f"/{SERVICE}/ClassifyStream"}) | learning.BACKGROUND_METHODS
"""What a worker may ask for a user who is not there: what an import needs, and training, no more."""


class _Classifying:
    """What service and worker share: the model, what users have said, their categories."""

    def __init__(
        self,
        settings: CategorizationSettings | CategorizationWorkerSettings,
        database: Database,
        ledger: GrpcLedger,
        *,
        load: Loader | None = None,
        load_head: HeadLoader = load_user_head,
    ) -> None:
        cache_url = settings.cache_address
        self.cache = Cache(cache_url, name=CACHE_NAME, key=settings.cache_secret)
        # A worker comes and goes, and says nothing of the model that the service has.
        self.model_cache = ModelCache(cache_url) if cache_url and isinstance(settings, CategorizationSettings) else None
        self.rules = RulesModel()
        self.predictor = ModelPredictor(
            settings.models_folder,
            self.rules,
            load=load or partial(load_hypcd, device=settings.device),
            watch_s=settings.models_watch_s,
            changed=self.model_cache.publish if self.model_cache is not None else None,
        )
        self._registry: GrpcModelRegistry | None = None
        self._live_model: LiveModel | None = None
        if settings.registry_key is not None:
            self._registry = GrpcModelRegistry(settings.training_address, settings.registry_key.get_secret_value())
            self._live_model = LiveModel(self._registry, self.predictor, every_s=settings.registry_s, cache=settings.models_cache_dir)
        self.words = PostgresWordsRepository(database)
        self.learned = LearnedUsers(self.words, load_head=load_head, most_anchors=settings.most_anchors)
        self.categories = UserCategories(ledger, self.cache)
        self.tallies = AcceptanceTallies(PostgresLearningRepository(database))
        self.acceptance = Acceptance(self.tallies)
        self.catching_up = CatchingUp(self.words, ledger)
        self.service = CategorizationService(
            predictor=self.predictor,
            rules=self.rules,
            learned=self.learned,
            categories=self.categories,
            ledger=ledger,
            acceptance=self.acceptance,
            catching_up=self.catching_up,
        )

    async def start(self) -> None:
        """Reads the model."""
        await self.predictor.start()
        if self._live_model is not None:
            await self._live_model.start()

    async def close(self) -> None:
        await self.tallies.close()
        for connected in (self._live_model, self._registry, self.predictor, self.cache, self.model_cache):
            if connected is not None:
                await connected.close()


class CategorizationApp:
    """The running parts of the service, from settings to server."""

    def __init__(self, settings: CategorizationSettings, *, load: Loader | None = None, load_head: HeadLoader = load_user_head) -> None:
        self.database = Database(settings.database_url.get_secret_value(), settings)
        self.ledger = GrpcLedger(settings.accounts_address, rules_timeout_s=settings.rules_timeout_s)
        redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
        self._queue = RedisJobQueue(redis_url) if redis_url else None
        self._classifying = _Classifying(settings, self.database, self.ledger, load=load, load_head=load_head)
        self.predictor = self._classifying.predictor
        self.service = self._classifying.service
        self.tallies = self._classifying.tallies
        page_tokens = PageTokens(settings.page_token_secret)
        self.servicer = CategorizationServicer(
            self.service,
            corrections=Corrections(
                repository=self._classifying.words,
                ledger=self.ledger,
                categories=self._classifying.categories,
                service=self.service,
                acceptance=self._classifying.acceptance,
            ),
            jobs=JobsService(
                PostgresJobsRepository(self.database),
                self._queue,
                max_queued=settings.max_queued,
                max_open=settings.max_open_jobs,
                message_lease_s=settings.queue_lease_s,
            ),
            suggestions=SuggestionsService(PostgresSuggestionsRepository(self.database), self.ledger),
            page_tokens=page_tokens,
            idle_timeout_s=settings.stream_idle_timeout_s,
        )
        self._learning_servicer = learning.LearningServicer(
            LearningService(PostgresLearningRepository(self.database), load_head, slugs=taxonomy().slugs), page_tokens=page_tokens
        )
        user_data = CategorizationUserDataService(
            PostgresCategorizationUserData(self.database, statement_timeout_s=settings.export_timeout_s),
            self._queue,
            self._classifying.cache,
            max_exports=settings.max_exports,
        )
        self._user_data_servicer = CategorizationUserDataServicer(user_data, idle_timeout_s=settings.restore_idle_timeout_s)
        self._model_was_looked_for = False
        self.server = Server(
            settings,
            name=NAME,
            services=[SERVICE, learning.SERVICE, USER_DATA_SERVICE],
            register=self._register,
            service_methods=BACKGROUND_METHODS,
            check=self._ready,
            figures=self._figures,
        )

    def _register(self, server: grpc.aio.Server) -> None:
        add_CategorizationServiceServicer_to_server(self.servicer, server)
        add_LearningServiceServicer_to_server(self._learning_servicer, server)
        add_UserDataServiceServicer_to_server(self._user_data_servicer, server)

    def _figures(self) -> dict[str, object]:
        info = self.predictor.info()
        return {**self.database.figures(), "model": "fallback" if info.degraded else info.version}

    async def _ready(self) -> bool:
        # Without a model the rules answer; but not just because it is still being read.
        return self._model_was_looked_for and bool((await self.database.health())["ok"])

    async def open(self) -> None:
        """Connects, and reads the model."""
        await self.database.open()
        await self._classifying.start()
        self._model_was_looked_for = True

    async def close(self) -> None:
        """Lets go of model, database, ledger and Redis."""
        await self._classifying.close()
        for connected in (self._queue, self.ledger, self.database):
            if connected is not None:
                await connected.close()


async def run(settings: CategorizationSettings) -> None:
    """Serves until SIGTERM or SIGINT."""
    set_up_process(NAME, settings)
    app = CategorizationApp(settings)
    export_database(app.database)
    await app.open()
    try:
        await app.server.run_until_signal()
    finally:
        await app.close()


class CategorizationWorkerApp(WorkerApp[CategorizationWorkerSettings]):
    """What a job needs."""

    def __init__(self, settings: CategorizationWorkerSettings) -> None:
        # One job at a time: its own statements, and the lease.
        few = settings.model_copy(update={"pool_size": 1, "max_overflow": 4})
        self.database = Database(settings.database_url.get_secret_value(), few)
        self._tokens = ServiceTokens(NAME, settings.service_key.get_secret_value())
        self._ledger = GrpcLedger(settings.accounts_address, rules_timeout_s=30)
        self._queue = RedisJobQueue(settings.redis_url.get_secret_value())
        self._classifying = _Classifying(settings, self.database, self._ledger)
        self._model_looked_for = False
        jobs = PostgresJobsRepository(self.database)
        work: dict[JobKind, JobWork] = {
            JobKind.CLASSIFICATION: ClassificationWork(jobs, self._classifying.service),
            JobKind.RECATEGORIZATION: RecategorizationWork(jobs, self._ledger, self._classifying.service, self._classifying.catching_up),
            JobKind.DISCOVERY: DiscoveryWork(
                repository=PostgresSuggestionsRepository(self.database),
                ledger=self._ledger,
                categories=self._classifying.categories,
                learned=self._classifying.learned,
                predictor=self._classifying.predictor,
                rules=self._classifying.rules,
                most_rows=settings.discovery_rows,
            ),
        }
        self.counts = OldCounts(PostgresLearningRepository(self.database))
        self.runs = JobRuns(
            repository=jobs,
            queue=self._queue,
            work=work,
            lease_s=settings.lease_s,
            message_lease_s=settings.queue_lease_s,
            results_days=settings.results_days,
        )

    async def run_job(self, user_id: UUID, job_id: UUID) -> None:
        """Carries a job on, as its user; for one who erases everything from now on it writes nothing more."""
        if not self._model_looked_for:
            # With the first job, not with the first upkeep.
            await self._classifying.start()
            self._model_looked_for = True
        context.bind_background(user_id, self._tokens, since=await self.database.now())
        await self.runs.run_job(user_id, job_id)

    async def release(self) -> None:
        """See `WorkerApp`."""
        await self._classifying.close()
        for connected in (self._queue, self._ledger):
            await connected.close()
