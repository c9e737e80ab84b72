"""Whoever looks ledgers through hears of what changes one, and no import waits for that or fails with it."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat

from scale.anomaly.v1 import anomaly_service_pb2 as pb
from scale.anomaly.v1.anomaly_service_pb2_grpc import AnomalyServiceServicer, add_AnomalyServiceServicer_to_server
from services.ingestion.domain import Import, ImportOptions, ImportState, UploadedFile
from services.ingestion.scans import GrpcScans
from services.ingestion.typed.domain import NewTransaction
from services.ingestion.typed.service import TypedTransactions
from services.kit import context
from services.kit.auth import Identity, mint_token
from services.kit.errors import InvalidArgument, NotFound, ScaleError
from services.kit.server import Server
from services.kit.settings import ProcessSettings
from tests.ingestion.conftest import SECRET, WORKER, process_settings, serving
from tests.support.ingestion_fakes import FakeImportsRepository, FakeLedger, service_of
from tests.support.ports import free_port
from tests.support.statements import read_simple
from tests.support.typed_fakes import FakeTypedLedger, FakeTypedRequests

SERVICE = "scale.anomaly.v1.AnomalyService"


class Anomalies(AnomalyServiceServicer):
    """Notes who asks for what; `broken` is raised, `slow` waited for."""

    def __init__(self) -> None:
        self.asked: list[tuple[UUID, str, str, bool]] = []
        self.broken: ScaleError | None = None
        self.slow = asyncio.Event()
        self.slow.set()

    async def StartScan(self, request: pb.StartScanRequest, _: Any) -> pb.StartScanResponse:
        caller = context.identity()
        await self.slow.wait()
        if self.broken is not None:
            raise self.broken
        self.asked.append((caller.user_id, caller.role, request.request_id, request.ledger_changed))
        return pb.StartScanResponse()


@pytest.fixture
def anomalies() -> Anomalies:
    return Anomalies()


@pytest.fixture
async def scans(anomalies: Anomalies, user_id: UUID) -> AsyncIterator[GrpcScans]:
    """As forecasting serves it: under its own name, which tokens of workers name."""
    server = Server(
        ProcessSettings(**process_settings()),
        name="forecasting",
        services=[SERVICE],
        register=lambda server: add_AnomalyServiceServicer_to_server(anomalies, server),
        service_methods=frozenset({f"/{SERVICE}/StartScan"}),
    )
    context.bind_identity(Identity(user_id, "user", mint_token(SECRET, user_id=user_id), 0))
    context.bind_request_id(str(uuid_utils.compat.uuid7()))
    scans = GrpcScans(f"127.0.0.1:{server.port}")
    async with serving(server):
        yield scans
        anomalies.slow.set()
        await scans.close()


async def test_a_change_is_told_as_the_user(anomalies: Anomalies, scans: GrpcScans, user_id: UUID) -> None:
    change = uuid_utils.compat.uuid7()
    scans.ledger_changed(change)
    await scans.close()
    assert anomalies.asked == [(user_id, "user", str(change), True)]


async def test_a_worker_tells_it_with_a_token_of_its_own(anomalies: Anomalies, scans: GrpcScans, other_user_id: UUID) -> None:
    context.bind_background(other_user_id, WORKER)
    change = uuid_utils.compat.uuid7()
    scans.ledger_changed(change)
    # What comes next is somebody else's.
    context.bind_background(uuid_utils.compat.uuid7(), WORKER)
    await scans.close()
    assert anomalies.asked == [(other_user_id, "service", str(change), True)]


async def test_nobody_waits_for_it(anomalies: Anomalies, scans: GrpcScans) -> None:
    anomalies.slow.clear()
    started = time.monotonic()
    scans.ledger_changed(uuid_utils.compat.uuid7())
    assert time.monotonic() - started < 1
    await scans.close()
    assert anomalies.asked == []
    assert time.monotonic() - started < 10


async def test_what_goes_wrong_is_nobodys_concern(anomalies: Anomalies, scans: GrpcScans) -> None:
    anomalies.broken = InvalidArgument("no")
    scans.ledger_changed(uuid_utils.compat.uuid7())
    away = GrpcScans(f"127.0.0.1:{free_port()}")
    away.ledger_changed(uuid_utils.compat.uuid7())
    await scans.close()
    await away.close()
    assert anomalies.asked == []


class Watcher:
    """`LedgerWatcher`."""

    def __init__(self) -> None:
        self.changes: list[UUID] = []

    def ledger_changed(self, change_id: UUID) -> None:
        self.changes.append(change_id)


async def test_imports_that_bring_something_and_their_undoing_are_told(tmp_path: Path, user_id: UUID) -> None:
    watcher = Watcher()
    service = service_of(FakeImportsRepository(), FakeLedger(), {"csv": read_simple}, watcher=watcher)

    async def send(key: str, text: str) -> Import:
        path = tmp_path / key
        path.write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        file = UploadedFile(str(path), "bank.csv", digest, len(text), text.count("\n"), False)
        return (await service.import_statement(user_id, request_id=key, file_format="csv", options=ImportOptions(), file=file))[0]

    statement = "2026-05-01;-1.50;Shop\n2026-05-02;-2.50;Shop\n"
    first = await send("1", statement)
    assert (first.state, watcher.changes) == (ImportState.SUCCEEDED, [first.id])
    await send("1", statement)
    nothing_new = await send("2", statement)
    assert (nothing_new.counts.inserted, watcher.changes) == (0, [first.id])
    with pytest.raises(InvalidArgument):
        await send("3", "no statement at all")
    await service.undo_import(user_id, first.id)
    await service.undo_import(user_id, first.id)
    _, undone, again = watcher.changes
    assert undone == again != first.id, "once, under the same name, however often it is told"
    service.close()


async def test_what_a_user_types_in_is_told_once(user_id: UUID) -> None:
    watcher, ledger = Watcher(), FakeTypedLedger()
    account = uuid_utils.compat.uuid7()
    ledger.accounts[account] = "EUR"
    typed = TypedTransactions(FakeTypedRequests(), ledger, watcher=watcher)
    new = NewTransaction(account, date(2026, 3, 2), Decimal("-3.5"), "EUR", "Coffee")
    made, _ = await typed.create_transaction(user_id, new, request_id="1")
    await typed.create_transaction(user_id, new, request_id="1")
    with pytest.raises(NotFound):
        await typed.create_transaction(user_id, replace(new, account_id=uuid_utils.compat.uuid7(), currency=""), request_id="2")
    assert watcher.changes == [made]
