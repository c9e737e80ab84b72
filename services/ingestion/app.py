"""Puts the ingestion service together, and its worker."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import grpc.aio

from scale.ingestion.v1.ingestion_service_pb2_grpc import add_IngestionServiceServicer_to_server
from scale.ingestion.v1.user_data_service_pb2_grpc import add_UserDataServiceServicer_to_server
from services.ingestion.categorizer import GrpcCategorizer
from services.ingestion.import_handover import ImportHandover
from services.ingestion.import_queue import RedisImportEvents, RedisImportQueue
from services.ingestion.import_run import ImportRuns
from services.ingestion.import_watch import ImportWatch
from services.ingestion.ledger import GrpcLedger
from services.ingestion.queued_imports import QueuedImports
from services.ingestion.readers.camt import read_camt
from services.ingestion.readers.csv import read_csv
from services.ingestion.readers.mt940 import read_mt940
from services.ingestion.readers.ofx import read_ofx
from services.ingestion.readers.qif import read_qif
from services.ingestion.readers.workbook import read_workbook
from services.ingestion.repository import PostgresImportsRepository
from services.ingestion.restores import Restores
from services.ingestion.scans import GrpcScans
from services.ingestion.service import IngestionService
from services.ingestion.servicer import IngestionServicer
from services.ingestion.settings import ImportSettings, IngestionSettings, IngestionWorkerSettings
from services.ingestion.statement_import import Reader
from services.ingestion.stored_uploads import StoredUploads
from services.ingestion.typed.repository import PostgresTypedRequests
from services.ingestion.typed.service import TypedTransactions
from services.ingestion.upload import UploadSpool
from services.ingestion.user_data.leftovers import ImportLeftovers
from services.ingestion.user_data.repository import PostgresIngestionUserData
from services.ingestion.user_data.service import IngestionUserDataService
from services.ingestion.user_data.servicer import IngestionUserDataServicer
from services.kit import context
from services.kit.database_metrics import export_database
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from services.kit.server import Server, set_up_process
from services.kit.service_tokens import ServiceTokens
from services.kit.storage import ObjectStorage
from services.kit.worker_app import WorkerApp

NAME = "ingestion"
SERVICE = "scale.ingestion.v1.IngestionService"
USER_DATA_SERVICE = "scale.ingestion.v1.UserDataService"
READERS: Mapping[str, Reader] = {
    "csv": read_csv,
    "ofx": read_ofx,
    "qif": read_qif,
    "mt940": read_mt940,
    "camt": read_camt,
    "workbook": lambda path, options: read_workbook(path, options, options.password),
}


def _categorizer(settings: ImportSettings) -> GrpcCategorizer | None:
    if not settings.classify:
        return None
    return GrpcCategorizer(settings.categorization_address, stream_timeout_s=settings.append_timeout_s)


def _watcher(settings: ImportSettings) -> GrpcScans | None:
    return GrpcScans(settings.forecasting_address) if settings.forecasting_address else None


class IngestionApp:
    """The running parts of the service, from settings to server."""

    def __init__(self, settings: IngestionSettings) -> None:
        self.database = Database(settings.database_url.get_secret_value(), settings)
        self.ledger = GrpcLedger(settings.accounts_address, append_timeout_s=settings.append_timeout_s)
        self._categorizer = _categorizer(settings)
        self._watcher = _watcher(settings)
        self._repository = PostgresImportsRepository(self.database, bulk_statement_timeout_s=settings.bulk_statement_timeout_s)
        redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
        self._events = RedisImportEvents(redis_url) if redis_url else None
        self._queue = RedisImportQueue(redis_url) if redis_url and settings.storage_url else None
        self._runs = ImportRuns(
            repository=self._repository,
            ledger=self.ledger,
            readers=READERS,
            lease_s=settings.lease_s,
            parallel_imports=settings.parallel_imports,
            events=self._events,
            categorizer=self._categorizer,
            classify_timeout_s=settings.classify_timeout_s,
            watcher=self._watcher,
        )
        self.service = IngestionService(
            repository=self._repository,
            ledger=self.ledger,
            runs=self._runs,
            watch=ImportWatch(self._repository, self._events),
            handover=self._handover(settings),
            lease_s=settings.lease_s,
            max_admitted=settings.parallel_imports + settings.queued_imports,
        )
        spool = UploadSpool(max_bytes=settings.max_file_bytes, max_total_bytes=settings.max_spool_bytes, directory=settings.spool_dir)
        self.servicer = IngestionServicer(
            self.service,
            spool,
            PageTokens(settings.page_token_secret),
            restores=Restores(self._repository, lease_s=settings.restore_lease_s),
            typed=TypedTransactions(PostgresTypedRequests(self.database), self.ledger, self._categorizer, self._watcher),
        )
        self._user_data_servicer = self._user_data(settings)
        self.server = Server(
            settings,
            name=NAME,
            services=[SERVICE, USER_DATA_SERVICE],
            register=self._register,
            check=self._ready,
            figures=self.database.figures,
        )

    def _handover(self, settings: IngestionSettings) -> ImportHandover | None:
        if self._queue is None or settings.storage_url is None:
            return None
        return ImportHandover(
            repository=self._repository,
            runs=self._runs,
            uploads=StoredUploads(self._repository, ObjectStorage(settings.storage_url)),
            queue=self._queue,
            above_bytes=settings.queue_above_bytes,
            max_queued=settings.max_queued,
            lease_s=settings.lease_s,
            message_lease_s=settings.queue_lease_s,
        )

    def _user_data(self, settings: IngestionSettings) -> IngestionUserDataServicer:
        repository = PostgresIngestionUserData(self.database, statement_timeout_s=settings.export_timeout_s)
        stored = StoredUploads(self._repository, ObjectStorage(settings.storage_url)) if settings.storage_url else None
        leftovers = ImportLeftovers(stored, self._queue, self._events)
        service = IngestionUserDataService(repository, leftovers, max_exports=settings.max_exports)
        return IngestionUserDataServicer(service, idle_timeout_s=settings.restore_idle_timeout_s)

    def _register(self, server: grpc.aio.Server) -> None:
        add_IngestionServiceServicer_to_server(self.servicer, server)
        add_UserDataServiceServicer_to_server(self._user_data_servicer, server)

    async def _ready(self) -> bool:
        return bool((await self.database.health())["ok"])

    async def close(self) -> None:
        """Lets go of database, ledger, Redis and threads."""
        self.service.close()
        for connected in (self._watcher, self._queue, self._events, self._categorizer, self.ledger, self.database):
            if connected is not None:
                await connected.close()


async def run(settings: IngestionSettings) -> None:
    """Serves until SIGTERM or SIGINT."""
    set_up_process(NAME, settings)
    app = IngestionApp(settings)
    export_database(app.database)
    await app.database.open()
    try:
        await app.server.run_until_signal()
    finally:
        await app.close()


class IngestionWorkerApp(WorkerApp[IngestionWorkerSettings]):
    """What an import needs."""

    def __init__(self, settings: IngestionWorkerSettings) -> None:
        redis_url = settings.redis_url.get_secret_value()
        # One import at a time: its own statements, and the lease.
        few = settings.model_copy(update={"pool_size": 1, "max_overflow": 4})
        self.database = Database(settings.database_url.get_secret_value(), few)
        self._tokens = ServiceTokens(NAME, settings.service_key.get_secret_value())
        self._ledger = GrpcLedger(settings.accounts_address, append_timeout_s=settings.append_timeout_s)
        self._categorizer = _categorizer(settings)
        self._watcher = _watcher(settings)
        self._queue = RedisImportQueue(redis_url)
        self._events = RedisImportEvents(redis_url)
        repository = PostgresImportsRepository(self.database, bulk_statement_timeout_s=settings.bulk_statement_timeout_s)
        self._runs = ImportRuns(
            repository=repository,
            ledger=self._ledger,
            readers=READERS,
            lease_s=settings.lease_s,
            parallel_imports=1,
            events=self._events,
            categorizer=self._categorizer,
            classify_timeout_s=settings.classify_timeout_s,
            watcher=self._watcher,
        )
        self.queued_imports = QueuedImports(
            repository=repository,
            runs=self._runs,
            uploads=StoredUploads(repository, ObjectStorage(settings.storage_url)),
            queue=self._queue,
            spool=UploadSpool(max_bytes=settings.max_file_bytes, directory=settings.spool_dir),
            lease_s=settings.lease_s,
            message_lease_s=settings.queue_lease_s,
        )

    async def import_statement(self, user_id: UUID, import_id: UUID) -> None:
        """Carries an import out, as its user; for one who erases everything from now on it writes nothing more."""
        context.bind_background(user_id, self._tokens, since=await self.database.now())
        await self.queued_imports.run_queued_import(user_id, import_id)

    async def release(self) -> None:
        """See `WorkerApp`."""
        self._runs.close()
        for connected in (self._watcher, self._queue, self._events, self._categorizer, self._ledger):
            if connected is not None:
                await connected.close()
