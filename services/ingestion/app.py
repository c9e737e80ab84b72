"""Puts the ingestion service together."""

from __future__ import annotations

from collections.abc import Mapping

import grpc.aio

from scale.ingestion.v1.ingestion_service_pb2_grpc import add_IngestionServiceServicer_to_server
from services.ingestion.ledger import GrpcLedger
from services.ingestion.readers.camt import read_camt
from services.ingestion.readers.csv import read_csv
from services.ingestion.readers.mt940 import read_mt940
from services.ingestion.readers.ofx import read_ofx
from services.ingestion.readers.qif import read_qif
from services.ingestion.readers.workbook import read_workbook
from services.ingestion.repository import PostgresImportsRepository
from services.ingestion.service import IngestionService
from services.ingestion.servicer import IngestionServicer
from services.ingestion.settings import IngestionSettings
from services.ingestion.statement_import import Reader
from services.ingestion.upload import UploadSpool
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from services.kit.server import Server, set_up_process
from services.kit.telemetry import export_pool

NAME = "ingestion"
SERVICE = "scale.ingestion.v1.IngestionService"
READERS: Mapping[str, Reader] = {
    "csv": read_csv,
    "ofx": read_ofx,
    "qif": read_qif,
    "mt940": read_mt940,
    "camt": read_camt,
    "workbook": lambda path, options: read_workbook(path, options, options.password),
}


class IngestionApp:
    """The running parts of the service, from settings to server."""

    def __init__(self, settings: IngestionSettings) -> None:
        self.database = Database(settings.database_url.get_secret_value(), settings)
        self.ledger = GrpcLedger(settings.accounts_address, append_timeout_s=settings.append_timeout_s)
        self.service = IngestionService(
            repository=PostgresImportsRepository(self.database, bulk_statement_timeout_s=settings.bulk_statement_timeout_s),
            ledger=self.ledger,
            readers=READERS,
            lease_s=settings.lease_s,
            parallel_imports=settings.parallel_imports,
            queued_imports=settings.queued_imports,
        )
        spool = UploadSpool(max_bytes=settings.max_file_bytes, max_total_bytes=settings.max_spool_bytes, directory=settings.spool_dir)
        self.servicer = IngestionServicer(self.service, spool, PageTokens(settings.page_token_secret))
        self.server = Server(
            settings, name=NAME, services=[SERVICE], register=self._register, check=self._ready, figures=self.database.figures
        )

    def _register(self, server: grpc.aio.Server) -> None:
        add_IngestionServiceServicer_to_server(self.servicer, server)

    async def _ready(self) -> bool:
        return bool((await self.database.health())["ok"])

    async def close(self) -> None:
        """Lets go of database, ledger and threads."""
        self.service.close()
        await self.ledger.close()
        await self.database.close()


async def run(settings: IngestionSettings) -> None:
    """Serves until SIGTERM or SIGINT."""
    set_up_process(NAME, settings)
    app = IngestionApp(settings)
    export_pool(app.database.figures)
    await app.database.open()
    try:
        await app.server.run_until_signal()
    finally:
        await app.close()
