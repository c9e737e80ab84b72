"""Everything that training holds about a user, in PostgreSQL."""

from __future__ import annotations

from uuid import UUID

from services.kit.handover import ErasedTable
from services.kit.postgres import Database
from services.kit.user_data.repository import PostgresUserDataRepository
from services.training.user_data.tables import EXPORTED, LEFT_OUT

# A new attempt: whoever works on one finds that his is over.
_STOP = """
    UPDATE training.training_jobs
       SET status = 'failed', attempt = attempt + 1, lease_expires_at = NULL, completed_at = now(), updated_at = now(), in_queue = false,
           error_message = 'It was stopped, because everything of yours was to be erased.', error_reason = 'STOPPED'
     WHERE user_id = $1 AND status IN ('pending', 'processing')
"""
_JOBS = "SELECT id FROM training.training_jobs WHERE user_id = $1"


class PostgresTrainingUserData(PostgresUserDataRepository):
    """`JobsUserData` on PostgreSQL."""

    def __init__(self, database: Database, *, statement_timeout_s: float) -> None:
        super().__init__(database, EXPORTED, LEFT_OUT, statement_timeout_s=statement_timeout_s)

    async def stop_work(self, user_id: UUID) -> None:
        """See `UserDataRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_STOP, user_id)

    async def erase_jobs(self, user_id: UUID) -> tuple[list[ErasedTable], list[UUID]]:
        """See `JobsUserData`."""
        async with self._erasure(user_id) as connection:
            job_ids = [record["id"] for record in await connection.fetch(_JOBS, user_id)]
            return await self._erase(connection, user_id), job_ids
