"""Large files through the real queue: worker processes, Redis, PostgreSQL, a folder as storage. Whatever dies, each is carried out once."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import uuid_utils
from redis import Redis

from scale.accounts.v1 import accounts_service_pb2 as accounts
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceStub
from scale.ingestion.v1 import ingestion_service_pb2 as pb
from scale.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from services.ingestion.app import IngestionApp
from services.ingestion.schedule import REMOVE_ORPHANED_UPLOADS, REQUEUE_STALLED_IMPORTS, UPKEEP
from services.ingestion.settings import IngestionSettings
from services.kit.errors import FailedPrecondition, PermissionDenied, ResourceExhausted, Unauthenticated
from services.kit.queue import TaskQueue
from services.kit.service_tokens import ServiceTokens
from services.local import LocalSystem
from tests.conftest import AsRole
from tests.ingestion.conftest import Stack, Wire, accounts_service, process_settings, serving
from tests.ingestion.workbook_samples import PROTECTED, SECRET
from tests.support.gateway_app import RedisProcess
from tests.support.ports import free_port
from tests.support.service_keys import service_key
from tests.support.stored_files import stored_files
from tests.support.worker_process import HANGS_AFTER_S, WorkerProcess

ROWS = 2000
TEXT = "Date,Amount,Description\n" + "".join(f"2026-05-{13 + row % 15},-{1 + row % 90}.50,Shop {row}\n" for row in range(ROWS))
FINAL = (pb.IMPORT_STATE_SUCCEEDED, pb.IMPORT_STATE_FAILED)


@dataclass
class QueuedStack(Stack):
    """Both services with queue, storage and worker. Files above 1000 bytes are queued, at most 2."""

    redis: RedisProcess
    worker: WorkerProcess
    beat: WorkerProcess
    storage: Path
    key: str

    def uploads(self) -> list[Path]:
        return stored_files(self.storage)

    async def watch(self, import_id: str, after: str = "", wire: Wire | None = None) -> list[pb.WatchImportResponse]:
        """To the end."""
        call = self.wire.stub.WatchImport(
            pb.WatchImportRequest(import_id=import_id, after_event_id=after), metadata=(wire or self.wire).metadata, timeout=HANGS_AFTER_S
        )
        return [step async for step in call]

    async def ended(self, import_id: str) -> pb.Import:
        return (await self.watch(import_id))[-1].statement_import

    async def ledger_size(self) -> int:
        counts = (await self.ledger("ListAccounts", accounts.ListAccountsRequest())).accounts
        return sum([len(await self._page(one.account_id)) for one in counts])

    async def _page(self, account_id: str) -> list[str]:
        found: list[str] = []
        token = ""
        while True:
            request = accounts.ListTransactionsRequest(account_id=account_id, page_size=1000, page_token=token)
            page = await self.ledger("ListTransactions", request)
            found += [row.transaction_id for row in page.transactions]
            token = page.next_page_token
            if not token:
                return found

    async def upkeep(self, task: str) -> None:
        tasks = TaskQueue(self.redis.url, services=["ingestion"])
        await tasks.enqueue(task, [], queue=UPKEEP)
        await tasks.close()


@pytest.fixture
def redis() -> Iterator[RedisProcess]:
    process = RedisProcess()
    process.start()
    yield process
    process.kill()


@pytest.fixture
async def stack(servers: LocalSystem, redis: RedisProcess, tmp_path: Path) -> AsyncIterator[QueuedStack]:
    key = service_key()
    keys = {"SCALE_SERVICE_PUBLIC_KEYS": ServiceTokens("ingestion", key).public_key}
    async with accounts_service(servers, **keys) as (accounts_channel, port):
        storage = tmp_path / "objects"
        shared = {
            "SCALE_ENVIRONMENT": "development",
            "SCALE_ACCOUNTS_ADDRESS": f"127.0.0.1:{port}",
            "SCALE_INGESTION_CLASSIFY": "false",
            "SCALE_REDIS_URL": redis.url,
            "SCALE_STORAGE_URL": f"file://{storage}",
        }
        worker_alone = {
            "SCALE_INGESTION_DATABASE_URL": servers.service_url("ingestion"),
            "SCALE_INGESTION_SERVICE_KEY": key,
            "SCALE_INGESTION_LEASE_S": "1",
            "SCALE_INGESTION_QUEUE_LEASE_S": "1",
        }
        settings = IngestionSettings(
            **process_settings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=9, **shared),
            database_url=servers.service_url("ingestion"),
            spool_dir=tmp_path / "spool",
            lease_s=1,
            queue_lease_s=1,
            queue_above_bytes=1000,
            max_queued=2,
        )
        app = IngestionApp(settings)
        await app.database.open()
        worker = WorkerProcess({**shared, **worker_alone}, tmp_path)
        beat = WorkerProcess(shared, tmp_path, "services.kit.beat", "services.ingestion.schedule")
        async with serving(app.server) as channel:
            stubs = Wire(IngestionServiceStub(channel)), AccountsServiceStub(accounts_channel)
            yield QueuedStack(*stubs, app, redis, worker, beat, storage, key)
        worker.kill()
        beat.kill()
        await app.close()


async def test_a_large_file_is_carried_out_by_a_worker(stack: QueuedStack) -> None:
    pending = await stack.wire.statement(TEXT, request_id="one")
    assert pending.state == pb.IMPORT_STATE_PENDING
    assert pending.progress.stage == pb.IMPORT_STAGE_WAITING
    assert len(stack.uploads()) == 1
    assert stack.uploads()[0].read_text() == TEXT
    again = await stack.wire.send(TEXT, request_id="one")
    assert (again.statement_import.import_id, again.repeated_request) == (pending.import_id, True)
    with pytest.raises(FailedPrecondition):
        await stack.wire.call("UndoImport", pb.UndoImportRequest(import_id=pending.import_id))
    refused = await stack.wire.statement(TEXT.replace("2026-05-", "2026-05-x"))
    with pytest.raises(ResourceExhausted, match="waiting") as full:
        await stack.wire.statement(TEXT + "\n", size_bytes=len(TEXT) + 1)
    assert (full.value.reason, full.value.retry_after_s) == ("QUEUE_FULL", 30)
    # Small ones, and what may have a password, go past the queue, however large.
    assert (await stack.wire.statement(TEXT[:500])).state == pb.IMPORT_STATE_SUCCEEDED
    assert len(PROTECTED["xlsx"]) > 1000
    assert (await stack.wire.statement(PROTECTED["xlsx"], password=SECRET)).state == pb.IMPORT_STATE_SUCCEEDED
    assert (await stack.wire.refused(PROTECTED["xlsx"], size_bytes=len(PROTECTED["xlsx"]))).fields[0].field == "password"
    assert len(stack.uploads()) == 2

    stack.worker.start()
    steps = await stack.watch(pending.import_id)
    done = steps[-1].statement_import
    assert steps[0].statement_import.state == pb.IMPORT_STATE_PENDING
    assert (done.state, done.row_count, done.rejected_count) == (pb.IMPORT_STATE_SUCCEEDED, ROWS, 0), done.failure_reason
    assert not done.HasField("progress")
    ids = [step.event_id for step in steps]
    assert ids == sorted(set(ids))
    assert [step.event_id for step in await stack.watch(pending.import_id, after=ids[0])] == ids[1:]
    assert [step.event_id for step in await stack.watch(pending.import_id, after=ids[-1])] == ids[-1:]
    with pytest.raises(Exception, match="no import"):
        await stack.watch(pending.import_id, wire=stack.wire.other_user())

    failed = await stack.ended(refused.import_id)
    assert failed.state == pb.IMPORT_STATE_FAILED
    assert (failed.failure.reason, failed.failure.retryable) == ("UNREADABLE_STATEMENT", False)
    assert {problem.field for problem in failed.failure.problems}
    stack_keeps(stack, [])
    assert stack.worker.stop() == 0


def stack_keeps(stack: QueuedStack, uploads: list[Path]) -> None:
    """No other upload stays: the last is removed in the moment after its import ended."""
    until = time.monotonic() + 5
    while stack.uploads() != uploads and time.monotonic() < until:
        time.sleep(0.05)
    assert stack.uploads() == uploads


async def stage(stack: QueuedStack, import_id: str, wanted: pb.ImportStage) -> None:
    """Waits until the import has got there."""
    async with asyncio.timeout(HANGS_AFTER_S):
        while True:
            found = (await stack.wire.call("GetImport", pb.GetImportRequest(import_id=import_id))).statement_import
            if found.HasField("progress") and found.progress.stage == wanted:
                return
            await asyncio.sleep(0.05)


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.parametrize("when", ["before the ledger's commit", "between the ledger's commit and its own"])
async def test_a_worker_is_killed_in_the_middle(stack: QueuedStack, as_role: AsRole, when: str) -> None:
    """SIGKILL. Beat finds the import, another worker carries it out, and the ledger has every row once."""
    stack.beat.start()
    user_id = stack.wire.user_id
    pending = await stack.wire.statement(TEXT)
    async with as_role("ingestion", user_id) as row, as_role("accounts", user_id) as ledger:
        # Holds the ledger up, as another import of the same user would.
        await ledger.execute("SELECT pg_advisory_xact_lock(hashtextextended('accounts.append ' || $1, 0))", str(user_id))
        stack.worker.start()
        await stage(stack, pending.import_id, pb.IMPORT_STAGE_STORING)
        if when == "between the ledger's commit and its own":
            await row.execute("SELECT FROM ingestion.imports WHERE id = $1 FOR UPDATE", UUID(pending.import_id))
            await ledger.execute("ROLLBACK")
            async with asyncio.timeout(HANGS_AFTER_S):
                while await stack.ledger_size() == 0:
                    await asyncio.sleep(0.05)
        stack.worker.kill()
    stack.worker.start()
    done = await stack.ended(pending.import_id)
    assert (done.state, done.row_count, done.inserted_count) == (pb.IMPORT_STATE_SUCCEEDED, ROWS, ROWS), done.failure_reason
    assert await stack.ledger_size() == ROWS
    stack_keeps(stack, [])
    assert stack.beat.stop() == 0


async def test_the_upkeep_of_what_was_lost_or_left_behind(stack: QueuedStack) -> None:
    """Redis forgets every message; dead processes left uploads."""
    imports = [await stack.wire.statement(TEXT + "\n" * more) for more in range(2)]
    waiting = stack.uploads()
    names = (f"{uuid_utils.uuid7()}.1", f"{imports[0].import_id}.9", f"{uuid_utils.uuid7()}.2")
    orphans = [waiting[0].with_name(name) for name in names]
    for orphan in orphans:
        orphan.write_text("left behind")
    for path in (*waiting, *orphans[:2]):
        os.utime(path, (0, 0))
    Redis.from_url(stack.redis.url).flushall()
    await asyncio.sleep(1.1)
    stack.worker.start()
    stack.worker.wait_until_ready()
    await stack.upkeep(REMOVE_ORPHANED_UPLOADS)
    await stack.upkeep(REQUEUE_STALLED_IMPORTS)
    ended = [await stack.ended(one.import_id) for one in imports]
    assert sorted((one.inserted_count, one.duplicate_count) for one in ended) == [(0, ROWS), (ROWS, 0)]
    stack_keeps(stack, orphans[2:])


async def test_a_worker_that_starts_before_its_database(stack: QueuedStack, servers: LocalSystem) -> None:
    """Its child opens the database while that is away, and takes up what waits once it is there: nobody restarts it."""
    real = urlsplit(servers.service_url("ingestion"))
    port = free_port()
    elsewhere = real._replace(netloc=real.netloc.replace(f":{real.port}", f":{port}")).geturl()
    assert elsewhere != real.geturl()
    stack.worker.environment["SCALE_INGESTION_DATABASE_URL"] = elsewhere
    pending = await stack.wire.statement(TEXT)
    stack.worker.start()
    await asyncio.to_thread(stack.worker.wait_until_ready)
    await logged(stack, "database is not reachable yet")
    await asyncio.sleep(1)  # and the message of the import comes to nothing
    async with await forward(port, real.hostname, real.port):
        await logged(stack, "database is reachable")
        await stack.upkeep(REQUEUE_STALLED_IMPORTS)
        async with asyncio.timeout(HANGS_AFTER_S):
            done = await stack.ended(pending.import_id)
        assert (done.state, done.inserted_count) == (pb.IMPORT_STATE_SUCCEEDED, ROWS), done.failure_reason
        stack.worker.kill()
    log = stack.worker.log.read_text()
    assert '"error":"The database is not reachable; try again shortly."' in log
    assert "Traceback" not in log


async def logged(stack: QueuedStack, event: str) -> None:
    """Waits for a line of the worker's."""
    async with asyncio.timeout(HANGS_AFTER_S):
        while event not in stack.worker.log.read_text():
            await asyncio.sleep(0.05)


async def forward(port: int, host: str | None, to: int | None) -> asyncio.Server:
    """Whoever connects to the port talks with the other one."""

    async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while part := await source.read(65536):
            sink.write(part)
            await sink.drain()
        sink.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_there, to_there = await asyncio.open_connection(host, to)
        await asyncio.gather(pass_on(reader, to_there), pass_on(from_there, writer), return_exceptions=True)

    return await asyncio.start_server(connect, "127.0.0.1", port)


async def test_without_redis_and_with_a_full_storage_the_request_does_it(stack: QueuedStack) -> None:
    stack.storage.write_bytes(b"a file where the folder should be")
    assert (await stack.wire.statement(TEXT)).inserted_count == ROWS
    stack.redis.kill()
    assert (await stack.wire.statement(TEXT)).duplicate_count == ROWS
    for found in (await stack.wire.call("ListImports", pb.ListImportsRequest())).imports:
        assert (await stack.watch(found.import_id))[-1].statement_import == found


async def test_a_worker_may_ask_for_what_an_import_needs_and_no_more(stack: QueuedStack) -> None:
    tokens = ServiceTokens("ingestion", stack.key)

    async def ask(method: str, request: object, audience: str) -> None:
        await stack.ledger(method, request, Wire(stack.wire.stub, token=tokens.mint(stack.wire.user_id, audience=audience)))

    await ask("GetProfile", accounts.GetProfileRequest(), "accounts")
    for method, request in (
        ("UndoImport", accounts.UndoImportRequest(import_id=str(uuid_utils.uuid7()))),
        ("UpdateProfile", accounts.UpdateProfileRequest()),
    ):
        with pytest.raises(PermissionDenied):
            await ask(method, request, "accounts")
    with pytest.raises(Unauthenticated):
        await ask("GetProfile", accounts.GetProfileRequest(), "ingestion")
    # Ingestion itself does nothing for workers.
    with pytest.raises((PermissionDenied, Unauthenticated)):
        wire = Wire(stack.wire.stub, token=tokens.mint(stack.wire.user_id, audience="ingestion"))
        await wire.call("ListImports", pb.ListImportsRequest())
