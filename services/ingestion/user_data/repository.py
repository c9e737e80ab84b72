"""A user's rows of the schema `ingestion`, as files and back."""

from __future__ import annotations

from uuid import UUID

from services.ingestion.user_data.tables import EXPORTED, LEFT_OUT
from services.kit.handover import ErasedTable
from services.kit.postgres import Database
from services.kit.user_data.repository import PostgresUserDataRepository

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


class PostgresIngestionUserData(PostgresUserDataRepository):
    """`ImportsUserData` on PostgreSQL."""

    def __init__(self, database: Database, *, statement_timeout_s: float) -> None:
        super().__init__(database, EXPORTED, LEFT_OUT, statement_timeout_s=statement_timeout_s)

    async def stop_work(self, user_id: UUID) -> None:
        """See `UserDataRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_STOP, user_id, _STOPPED)

    async def erase_imports(self, user_id: UUID) -> tuple[list[ErasedTable], list[UUID]]:
        """See `ImportsUserData`."""
        async with self._erasure(user_id) as connection:
            import_ids = [record["id"] for record in await connection.fetch(_IMPORTS, user_id)]
            return await self._erase(connection, user_id), import_ids
