"""A user's rows of a service's schema, as files and back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from uuid import UUID

from services.kit.handover import ErasedTable, ExportedFile, FileSink, IncomingFile, RestoredTable
from services.kit.postgres import Connection, Database
from services.kit.user_erasure import LOCK_TIMEOUT_S, count_tables, erase_notes, erase_tables
from services.kit.user_export import export_tables
from services.kit.user_restore import restore_tables
from services.kit.user_tables import UserTable


class PostgresUserDataRepository:
    """`UserDataRepository` on PostgreSQL. What tables need beyond COPY and DELETE is said in `stop_work` and what comes last."""

    def __init__(
        self,
        database: Database,
        exported: Sequence[UserTable],
        left_out: Collection[str],
        *,
        statement_timeout_s: float,
        erasure_lock_timeout_s: float = LOCK_TIMEOUT_S,
    ) -> None:
        """`exported` in the order in which they come back; `left_out` are erased only. `statement_timeout_s` bounds one table, and with it
        how slowly it may be taken."""
        self._database = database
        self._exported = exported
        self._left_out = left_out
        self._statement_timeout_s = statement_timeout_s
        self._erasure_lock_timeout_s = erasure_lock_timeout_s

    async def export_user(self, user_id: UUID, sink: FileSink) -> list[ExportedFile]:
        """See `UserDataRepository`."""
        async with self._database.transaction(
            user_id, read_only=True, snapshot=True, statement_timeout_s=self._statement_timeout_s
        ) as connection:
            return await export_tables(connection, user_id, self._exported, sink)

    async def restore_user(self, user_id: UUID, files: AsyncIterator[IncomingFile]) -> list[RestoredTable]:
        """See `UserDataRepository`."""
        async with self._database.transaction(user_id, statement_timeout_s=self._statement_timeout_s) as connection:
            lock = partial(self._before_restoring, connection, user_id)
            restored = await restore_tables(connection, user_id, self._exported, files, before_writing=lock)
            await self._restored(connection, user_id)
            return restored

    async def count_user(self, user_id: UUID) -> list[ErasedTable]:
        """See `UserDataRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return await count_tables(connection, user_id, self._exported)

    async def stop_work(self, user_id: UUID) -> None:
        """See `UserDataRepository`. Without work in the background there is nothing to stop."""

    async def erase_user(self, user_id: UUID) -> list[ErasedTable]:
        """See `UserDataRepository`."""
        async with self._erasure(user_id) as connection:
            return await self._erase(connection, user_id)

    def _erasure(self, user_id: UUID) -> AbstractAsyncContextManager[Connection]:
        return self._database.erasure(user_id, lock_timeout_s=self._erasure_lock_timeout_s, statement_timeout_s=self._statement_timeout_s)

    async def _erase(self, connection: Connection, user_id: UUID, *, spared: Collection[str] = ()) -> list[ErasedTable]:
        erased = await erase_tables(connection, user_id, [table for table in self._exported if table.name not in spared])
        if any(one.row_count for one in erased):
            await self._erased(connection)
        await erase_notes(connection, user_id, self._left_out)
        return erased

    # What a service adds

    async def _before_restoring(self, connection: Connection, user_id: UUID) -> None:
        """Once all files are in, and before anything is written: what must not be held for longer."""

    async def _restored(self, connection: Connection, user_id: UUID) -> None:
        """Before what was brought back is committed."""

    async def _erased(self, connection: Connection) -> None:
        """Before it is committed that rows are gone."""
