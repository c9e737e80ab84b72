"""What every service grants a user over the own data, from a list of tables alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat

from services.kit.errors import ResourceExhausted, ScaleError, Unauthenticated
from services.kit.handover import ErasedTable, ExportedFile, FileSink, IncomingFile, RestoredTable
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.kit.user_data.repository import PostgresUserDataRepository
from services.kit.user_data.service import UserDataService
from services.kit.user_tables import UserTable
from services.local import LocalSystem
from tests.support.user_files import KeptFiles, as_incoming

TABLE = UserTable("accounts.saved_filters", "saved_filters.jsonl", key=("id",))
NOTES = "accounts.ledger_changes"
_ADD = """
    INSERT INTO accounts.saved_filters (user_id, id, name, filter, request_id, request_hash)
    VALUES ($1, $2, 'Money out', 'amount < 0', '1', '')
"""
_NOTE = f"INSERT INTO {NOTES} (user_id) VALUES ($1)"


@pytest.fixture
async def database(servers: LocalSystem) -> AsyncIterator[Database]:
    opened = Database(servers.service_url("accounts"), DatabaseSettings(DB_POOL_SIZE=2, DB_MAX_OVERFLOW=2))
    await opened.open()
    yield opened
    await opened.close()


async def test_a_list_of_tables_is_all_that_a_service_adds(database: Database, user_id: UUID, other_user_id: UUID) -> None:
    service = UserDataService(PostgresUserDataRepository(database, [TABLE], [NOTES], statement_timeout_s=30), max_exports=1)
    for user in (user_id, other_user_id):
        async with database.transaction(user) as connection:
            await connection.execute(_ADD, user, uuid_utils.compat.uuid7())
    sink = KeptFiles()
    assert await service.export_user(user_id, sink) == [ExportedFile("saved_filters.jsonl", 1)]
    assert await service.count_user(user_id) == await service.erase_user(user_id) == [ErasedTable("saved_filters", 1)]
    assert await service.erase_user(user_id) == [ErasedTable("saved_filters", 0)]
    assert await service.count_user(other_user_id) == [ErasedTable("saved_filters", 1)]
    for restored in (1, 0):
        assert await service.restore_user(user_id, as_incoming(sink.files)) == [RestoredTable("saved_filters", 1, restored)]


async def test_what_is_left_out_of_exports_is_erased_all_the_same(database: Database, user_id: UUID) -> None:
    repository = PostgresUserDataRepository(database, [], [NOTES], statement_timeout_s=30)
    async with database.transaction(user_id) as connection:
        await connection.execute(_NOTE, user_id)
    assert await repository.erase_user(user_id) == []
    async with database.transaction(user_id, read_only=True) as connection:
        assert await connection.fetchval(f"SELECT count(*) FROM {NOTES}") == 0


class Rows:
    """A repository that notes what it is asked, and whose exports wait."""

    def __init__(self, stop_error: ScaleError | None = None) -> None:
        self.asked: list[str] = []
        self.go_on = asyncio.Event()
        self._stop_error = stop_error

    async def export_user(self, user_id: UUID, sink: FileSink) -> list[ExportedFile]:
        await self.go_on.wait()
        return []

    async def restore_user(self, user_id: UUID, files: AsyncIterator[IncomingFile]) -> list[RestoredTable]:
        return []

    async def count_user(self, user_id: UUID) -> list[ErasedTable]:
        return []

    async def stop_work(self, user_id: UUID) -> None:
        self.asked.append("stop")
        if self._stop_error is not None:
            raise self._stop_error

    async def erase_user(self, user_id: UUID) -> list[ErasedTable]:
        self.asked.append("erase")
        return []


@pytest.mark.parametrize(
    ("stop_error", "asked"),
    [
        (None, ["stop", "erase"]),
        (Unauthenticated("", reason="USER_ERASED"), ["stop", "erase"]),
        (Unauthenticated("", reason="TOKEN_EXPIRED"), ["stop"]),
    ],
)
async def test_work_is_stopped_before_it_is_erased(user_id: UUID, stop_error: ScaleError | None, asked: list[str]) -> None:
    rows = Rows(stop_error)
    erasing: Any = UserDataService(rows, max_exports=1).erase_user(user_id)
    if asked[-1] == "erase":
        await erasing
    else:
        with pytest.raises(Unauthenticated):
            await erasing
    assert rows.asked == asked


async def test_exports_and_restores_share_their_places(user_id: UUID) -> None:
    rows = Rows()
    service = UserDataService(rows, max_exports=1)
    exporting = asyncio.create_task(service.export_user(user_id, KeptFiles()))
    await asyncio.sleep(0)
    with pytest.raises(ResourceExhausted):
        await service.restore_user(user_id, as_incoming({}))
    rows.go_on.set()
    await exporting
    assert await service.restore_user(user_id, as_incoming({})) == []
