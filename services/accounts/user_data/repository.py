"""A user's rows of the schema `accounts`, as files and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from services.accounts.repository.locking import lock_user
from services.accounts.user_data.tables import EXPORTED, LEFT_OUT
from services.kit.handover import ErasedTable, ExportedFile, FileSink, IncomingFile, RestoredTable
from services.kit.postgres import Database
from services.kit.user_erasure import LOCK_TIMEOUT_S, count_tables, erase_notes, erase_tables
from services.kit.user_export import export_tables
from services.kit.user_restore import restore_tables

_REFRESH_FIGURES = "SELECT accounts.refresh_figures(true)"


class PostgresUserDataRepository:
    """`UserDataRepository` on PostgreSQL."""

    def __init__(self, database: Database, *, statement_timeout_s: float, lock_timeout_s: float) -> None:
        """`statement_timeout_s` bounds one table, and with it how slowly it may be taken; `lock_timeout_s` the wait for an import."""
        self._database = database
        self._statement_timeout_s = statement_timeout_s
        self._lock_timeout_s = lock_timeout_s

    async def export_user(self, user_id: UUID, sink: FileSink) -> list[ExportedFile]:
        """See `UserDataRepository`."""
        async with self._database.transaction(
            user_id, read_only=True, snapshot=True, statement_timeout_s=self._statement_timeout_s
        ) as connection:
            return await export_tables(connection, user_id, EXPORTED, sink)

    async def restore_user(self, user_id: UUID, files: AsyncIterator[IncomingFile]) -> list[RestoredTable]:
        """See `UserDataRepository`."""
        async with self._database.transaction(user_id, statement_timeout_s=self._statement_timeout_s) as connection:

            async def lock() -> None:
                await lock_user(connection, user_id, timeout_s=self._lock_timeout_s)

            return await restore_tables(connection, user_id, EXPORTED, files, before_writing=lock)

    async def count_user(self, user_id: UUID) -> list[ErasedTable]:
        """See `UserDataRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return await count_tables(connection, user_id, EXPORTED)

    async def erase_user(self, user_id: UUID) -> list[ErasedTable]:
        """See `UserDataRepository`."""
        async with self._database.erasure(
            user_id, lock_timeout_s=LOCK_TIMEOUT_S, statement_timeout_s=self._statement_timeout_s
        ) as connection:
            erased = await erase_tables(connection, user_id, EXPORTED)
            if any(one.row_count for one in erased):
                # Once this is committed, no figure of the user is kept either.
                await connection.execute(_REFRESH_FIGURES)
            await erase_notes(connection, user_id, LEFT_OUT)
            return erased
