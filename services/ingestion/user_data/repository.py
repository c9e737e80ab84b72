"""A user's rows of the schema `ingestion`, as files and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from services.ingestion.user_data.tables import EXPORTED, LEFT_OUT
from services.kit.handover import ErasedTable, ExportedFile, FileSink, IncomingFile, RestoredTable
from services.kit.postgres import Database
from services.kit.user_erasure import LOCK_TIMEOUT_S, count_tables, erase_notes, erase_tables
from services.kit.user_export import export_tables
from services.kit.user_restore import restore_tables

# A new attempt: whoever works on one finds that his is over.
_STOP = """
    UPDATE ingestion.imports
    SET state = 'failed', attempt = attempt + 1, lease_expires_at = NULL, completed_at = now(), in_queue = false, failure_reason = $2,
        failure = jsonb_build_object(
            'message', $2::text, 'reason', 'STOPPED', 'retryable', true, 'metadata', '{}'::jsonb, 'fields', '[]'::jsonb)
    WHERE user_id = $1 AND state IN ('pending', 'running')
"""
_STOPPED = "It was stopped, because everything of yours was to be erased. Send the file again with the same Idempotency-Key."
_IMPORTS = "SELECT id FROM ingestion.imports WHERE user_id = $1"


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
            return await restore_tables(connection, user_id, EXPORTED, files)

    async def count_user(self, user_id: UUID) -> list[ErasedTable]:
        """See `UserDataRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return await count_tables(connection, user_id, EXPORTED)

    async def stop_imports(self, user_id: UUID) -> None:
        """See `UserDataRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_STOP, user_id, _STOPPED)

    async def erase_user(self, user_id: UUID) -> tuple[list[ErasedTable], list[UUID]]:
        """See `UserDataRepository`."""
        async with self._database.erasure(
            user_id, lock_timeout_s=LOCK_TIMEOUT_S, statement_timeout_s=self._statement_timeout_s
        ) as connection:
            import_ids = [record["id"] for record in await connection.fetch(_IMPORTS, user_id)]
            erased = await erase_tables(connection, user_id, EXPORTED)
            await erase_notes(connection, user_id, LEFT_OUT)
            return erased, import_ids
