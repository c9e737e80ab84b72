"""Exports that are brought back, as imports among the others; and what became of imports that were under way when they were exported."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from services.ingestion.domain import ImportOptions, ImportState, NewImport, UploadedFile
from services.ingestion.repository import PostgresImportsRepository
from services.ingestion.restores import EXPORT_FORMAT, Restores
from services.ingestion.user_data.repository import PostgresIngestionUserData
from services.kit.errors import AlreadyExists, InvalidArgument, NotFound
from services.kit.handover import RestoredTable
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem
from tests.support.ingestion_fakes import FakeImportsRepository
from tests.support.user_files import KeptFiles, as_incoming

HASH = "ab" * 32
TABLES = {"accounts.transactions": RestoredTable("accounts.transactions", 5, 3)}


@pytest.fixture
async def database(servers: LocalSystem) -> AsyncIterator[Database]:
    opened = Database(servers.service_url("ingestion"), DatabaseSettings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=3))
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture(params=["memory", "postgres"])
def restores(request: pytest.FixtureRequest) -> Restores:
    if request.param == "memory":
        return Restores(FakeImportsRepository(), lease_s=0.3)
    return Restores(PostgresImportsRepository(request.getfixturevalue("database"), bulk_statement_timeout_s=30), lease_s=0.3)


async def begun(restores: Restores, user_id: UUID, *, file_hash: str = HASH) -> tuple[UUID, bool]:
    found, repeated = await restores.begin_restore(user_id, request_id="key", file_name="export.zip", file_hash=file_hash, size_bytes=9)
    return found.id, repeated


async def test_a_restore_is_an_import_with_counts(restores: Restores, user_id: UUID) -> None:
    import_id, repeated = await begun(restores, user_id)
    assert not repeated
    done = await restores.finish_restore(user_id, import_id, tables=TABLES, row_count=5, inserted_count=3)
    assert (done.state, done.file_format, done.file_hash) == (ImportState.SUCCEEDED, EXPORT_FORMAT, HASH)
    assert (done.counts.rows, done.counts.inserted, done.counts.duplicates) == (5, 3, 2)
    assert done.detected["tables"] == {"accounts.transactions": {"rows": 5, "restored": 3}}
    assert await restores.finish_restore(user_id, import_id, tables={}, row_count=0, inserted_count=0) == done
    assert await begun(restores, user_id) == (import_id, True)
    with pytest.raises(AlreadyExists):
        await begun(restores, user_id, file_hash="cd" * 32)


async def test_what_went_wrong_may_be_sent_again(restores: Restores, user_id: UUID) -> None:
    import_id, _ = await begun(restores, user_id)
    failed = await restores.fail_restore(user_id, import_id, "accounts.jsonl, line 1: no.")
    assert failed.state is ImportState.FAILED
    assert failed.failure is not None
    assert (failed.failure.message, failed.failure.retryable) == ("accounts.jsonl, line 1: no.", True)
    assert await begun(restores, user_id) == (import_id, False)


async def test_a_second_click_waits_for_the_first_and_takes_over_when_it_died(restores: Restores, user_id: UUID) -> None:
    import_id, _ = await begun(restores, user_id)
    second = asyncio.create_task(begun(restores, user_id))
    await asyncio.sleep(0.1)
    assert not second.done()
    # The lease runs out.
    assert await second == (import_id, False)


async def test_somebody_elses_is_not_there(restores: Restores, user_id: UUID, other_user_id: UUID) -> None:
    import_id, _ = await begun(restores, user_id)
    with pytest.raises(NotFound):
        await restores.finish_restore(other_user_id, import_id, tables={}, row_count=0, inserted_count=0)


async def test_imports_under_way_come_back_as_interrupted(database: Database, user_id: UUID, other_user_id: UUID) -> None:
    imports = PostgresImportsRepository(database, bulk_statement_timeout_s=30)
    user_data = PostgresIngestionUserData(database, statement_timeout_s=30)
    file = UploadedFile("/nowhere", "bank.csv", HASH, 12)
    ids = [UUID(int=number) for number in range(1, 5)]
    await imports.begin(NewImport(ids[0], user_id, "one", b"h", ids[1], file, ImportOptions()), lease_s=10)
    sink = KeptFiles()
    await user_data.export_user(user_id, sink)
    restored = await user_data.restore_user(other_user_id, as_incoming(sink.files))
    assert {one.table: one.restored_count for one in restored}["imports"] == 1
    found = await imports.get(other_user_id, ids[0])
    assert found is not None
    assert (found.state, found.object_key, found.completed_at is None) == (ImportState.FAILED, "", False)
    assert found.failure is not None
    assert found.failure.retryable
    assert "Send the file again" in found.failure.message
    assert found.claimable
    line = json.loads(sink.files["imports.jsonl"])
    broken = json.dumps(line | {"file_id": str(ids[3])}).encode()
    with pytest.raises(InvalidArgument, match=r"imports.jsonl, line 1: file_id: names none of the uploaded_files"):
        await user_data.restore_user(other_user_id, as_incoming({"imports.jsonl": broken}))
