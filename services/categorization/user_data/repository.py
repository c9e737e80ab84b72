"""Everything that categorization holds about a user, in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from services.categorization.repository.words import revise
from services.categorization.user_data.tables import EXPORTED, LEFT_OUT
from services.kit.handover import ErasedTable, ExportedFile, FileSink, IncomingFile, RestoredTable
from services.kit.postgres import Database
from services.kit.user_erasure import LOCK_TIMEOUT_S, count_tables, erase_notes, erase_tables
from services.kit.user_export import export_tables
from services.kit.user_restore import restore_tables

# A new attempt: whoever works on one finds that his is over.
_STOP = """
    UPDATE categorization.jobs
       SET state = 'failed', attempt = attempt + 1, lease_expires_at = NULL, completed_at = now(), in_queue = false,
           error_message = 'It was stopped, because everything of yours was to be erased.', error_reason = 'STOPPED'
     WHERE user_id = $1 AND state IN ('pending', 'running')
"""


class PostgresUserDataRepository:
    """`UserDataRepository` on PostgreSQL."""

    def __init__(self, database: Database, *, statement_timeout_s: float) -> None:
        """`statement_timeout_s` bounds one table, and with it how slowly it may be taken."""
        self._database = database
        self._statement_timeout_s = statement_timeout_s

    async def export_user(self, user_id: UUID, sink: FileSink) -> list[ExportedFile]:
        """See `UserDataRepository`."""
        async with self._database.transaction(
            user_id, read_only=True, snapshot=True, statement_timeout_s=self._statement_timeout_s
        ) as connection:
            return await export_tables(connection, user_id, EXPORTED, sink)

    async def restore_user(self, user_id: UUID, files: AsyncIterator[IncomingFile]) -> list[RestoredTable]:
        """See `UserDataRepository`."""
        async with self._database.transaction(user_id, statement_timeout_s=self._statement_timeout_s) as connection:
            restored = await restore_tables(connection, user_id, EXPORTED, files)
            await revise(connection, user_id)
            return restored

    async def count_user(self, user_id: UUID) -> list[ErasedTable]:
        """See `UserDataRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return await count_tables(connection, user_id, EXPORTED)

    async def stop_jobs(self, user_id: UUID) -> None:
        """See `UserDataRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_STOP, user_id)

    async def erase_user(self, user_id: UUID) -> list[ErasedTable]:
        """See `UserDataRepository`."""
        async with self._database.erasure(
            user_id, lock_timeout_s=LOCK_TIMEOUT_S, statement_timeout_s=self._statement_timeout_s
        ) as connection:
            erased = await erase_tables(connection, user_id, EXPORTED)
            await erase_notes(connection, user_id, LEFT_OUT)
            return erased
