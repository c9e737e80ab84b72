"""Ingestion behind a real channel: once with everything behind it in memory, once with the real ledger, database and reader."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc.aio
import pytest
import uuid_utils.compat

from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceStub
from scale.ingestion.v1 import ingestion_service_pb2 as pb
from scale.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub, add_IngestionServiceServicer_to_server
from services.ingestion.app import NAME, SERVICE, IngestionApp
from services.ingestion.restores import Restores
from services.ingestion.service import IngestionService
from services.ingestion.servicer import IngestionServicer
from services.ingestion.settings import IngestionSettings
from services.ingestion.typed.service import TypedTransactions
from services.ingestion.upload import UploadSpool
from services.kit.auth import mint_token
from services.kit.errors import ScaleError
from services.kit.pagination import PageTokens
from services.kit.server import Server
from services.kit.settings import ProcessSettings
from services.kit.status import from_rpc_error
from services.local import LocalSystem
from tests.support.ingestion_fakes import FakeImportsRepository, FakeLedger, service_of
from tests.support.ports import free_port
from tests.support.service_keys import service_tokens
from tests.support.statements import read_simple
from tests.support.typed_fakes import FakeTypedLedger, FakeTypedRequests

SECRET = "a secret for tests, long enough for HS256"
WORKER = service_tokens()


def process_settings(**more: Any) -> dict[str, Any]:
    return {
        "port": free_port(),
        "SCALE_ENVIRONMENT": "development",
        "SCALE_AUTH_SECRET": SECRET,
        "SCALE_SERVICE_PUBLIC_KEYS": WORKER.public_key,
        "SCALE_DRAIN_S": 0,
        "SCALE_GRACE_S": 1,
        **more,
    }


@dataclass
class Wire:
    """A client of the ingestion service, as some user."""

    stub: IngestionServiceStub
    user_id: UUID = field(default_factory=uuid_utils.compat.uuid7)
    token: str | None = None

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        token = self.token if self.token is not None else mint_token(SECRET, user_id=self.user_id)
        return (("authorization", f"Bearer {token}"),) if token else ()

    def other_user(self) -> Wire:
        return Wire(self.stub)

    async def call(self, method: str, request: Any) -> Any:
        """Raises the ScaleError that the service raised."""
        try:
            return await getattr(self.stub, method)(request, metadata=self.metadata, timeout=120)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service=NAME) from error

    async def send(self, content: str | bytes, *, chunk_bytes: int = 65_536, **metadata: Any) -> pb.ImportStatementResponse:
        """Uploads a file. Without a request_id it gets a new one."""
        data = content.encode() if isinstance(content, str) else content
        first = pb.ImportMetadata(**{"request_id": str(uuid_utils.compat.uuid7()), "file_name": "bank.csv", **metadata})
        parts = [pb.ImportStatementRequest(metadata=first)]
        parts += [pb.ImportStatementRequest(chunk=data[at : at + chunk_bytes]) for at in range(0, len(data), chunk_bytes)]
        response: pb.ImportStatementResponse = await self.call("ImportStatement", parts)
        return response

    async def statement(self, content: str | bytes, **metadata: Any) -> pb.Import:
        return (await self.send(content, **metadata)).statement_import

    async def refused(self, content: str | bytes, **metadata: Any) -> ScaleError:
        """Uploads a file that must be refused; returns why."""
        with pytest.raises(ScaleError) as caught:
            await self.send(content, **metadata)
        return caught.value

    async def rows(self, import_id: str, outcome: pb.RowOutcome = pb.ROW_OUTCOME_UNSPECIFIED, page_size: int = 1000) -> list[pb.ImportRow]:
        """All rows, through all pages."""
        rows: list[pb.ImportRow] = []
        token = ""
        while True:
            request = pb.ListImportRowsRequest(import_id=import_id, outcome=outcome, page_size=page_size, page_token=token)
            page = await self.call("ListImportRows", request)
            rows += page.rows
            token = page.next_page_token
            if not token:
                return rows


@dataclass
class FakeStack:
    """The wire, and the fakes behind it."""

    wire: Wire
    repository: FakeImportsRepository
    ledger: FakeLedger
    service: IngestionService


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield channel
    await server.stop()


@pytest.fixture
async def fake_stack(tmp_path: Path) -> AsyncIterator[FakeStack]:
    """The wire, with everything behind it in memory. Files are at most 1,000,000 bytes."""
    repository, ledger = FakeImportsRepository(), FakeLedger()
    service = service_of(repository, ledger, {"csv": read_simple}, parallel_imports=1, queued_imports=1)
    restores, typed = Restores(repository, lease_s=1), TypedTransactions(FakeTypedRequests(), FakeTypedLedger())
    spool = UploadSpool(max_bytes=1_000_000, directory=tmp_path)
    servicer = IngestionServicer(service, spool, PageTokens(b"k" * 32), restores=restores, typed=typed)
    server = Server(
        ProcessSettings(**process_settings()),
        name=NAME,
        services=[SERVICE],
        register=lambda server: add_IngestionServiceServicer_to_server(servicer, server),
    )
    async with serving(server) as channel:
        yield FakeStack(Wire(IngestionServiceStub(channel)), repository, ledger, service)
    service.close()


@dataclass
class Stack:
    """The real thing: ingestion, and the ledger that it writes to."""

    wire: Wire
    accounts: AccountsServiceStub
    app: IngestionApp

    async def ledger(self, method: str, request: Any, wire: Wire | None = None) -> Any:
        """Asks the ledger as the same user."""
        try:
            return await getattr(self.accounts, method)(request, metadata=(wire or self.wire).metadata, timeout=120)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service="accounts") from error


@pytest.fixture
async def stack(servers: LocalSystem, tmp_path: Path) -> AsyncIterator[Stack]:
    """Both services on the real database."""
    async with accounts_service(servers) as (accounts_channel, port):
        pools: Mapping[str, Any] = {"DB_POOL_SIZE": 1, "DB_MAX_OVERFLOW": 9}
        settings = IngestionSettings(
            **process_settings(**pools),
            database_url=servers.service_url("ingestion"),
            SCALE_ACCOUNTS_ADDRESS=f"127.0.0.1:{port}",
            spool_dir=tmp_path,
            lease_s=1,
            classify=False,
        )
        app = IngestionApp(settings)
        await app.database.open()
        async with serving(app.server) as channel:
            yield Stack(Wire(IngestionServiceStub(channel)), AccountsServiceStub(accounts_channel), app)
        await app.close()


@asynccontextmanager
async def accounts_service(servers: LocalSystem, **more: Any) -> AsyncIterator[tuple[grpc.aio.Channel, int]]:
    """The ledger's own service."""
    from scale.accounts.v1.accounts_service_pb2_grpc import add_AccountsServiceServicer_to_server
    from services.accounts.app import BACKGROUND_METHODS, SERVICE_NAME, build
    from services.accounts.settings import AccountsSettings
    from services.kit.postgres import Database

    settings = AccountsSettings(**process_settings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=9, **more), database_url=servers.service_url("accounts"))
    database = Database(settings.database_url.get_secret_value(), settings)
    await database.open()
    servicer = build(settings, database)
    server = Server(
        settings,
        name="accounts",
        services=[SERVICE_NAME],
        register=lambda server: add_AccountsServiceServicer_to_server(servicer, server),
        service_methods=BACKGROUND_METHODS,
    )
    async with serving(server) as channel:
        yield channel, server.port
    await database.close()
