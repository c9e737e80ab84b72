"""Everything that training holds about a user, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from services.kit.errors import Unavailable
from services.kit.handover import ErasedTable
from services.kit.postgres import Database
from services.kit.user_data.repository import PostgresUserDataRepository
from services.training.user_data.tables import EXPORTED, JOBS, LEFT_OUT

# A new attempt: whoever works on one finds that his is over.
_STOP = """
    UPDATE training.training_jobs
       SET status = 'failed', attempt = attempt + 1, lease_expires_at = NULL, completed_at = now(), updated_at = now(), in_queue = false,
           error_message = 'It was stopped, because everything of yours was to be erased.', error_reason = 'STOPPED'
     WHERE user_id = $1 AND status IN ('pending', 'processing')
"""
# Jobs of nobody's stay, and no longer say who asked for them.
_FORGET = "SELECT training.forget_requester()"
_JOBS = "SELECT id FROM training.training_jobs WHERE user_id = $1"


class PostgresTrainingUserData(PostgresUserDataRepository):
    """`JobsUserData` on PostgreSQL."""

    def __init__(self, database: Database, *, statement_timeout_s: float) -> None:
        super().__init__(database, EXPORTED, LEFT_OUT, statement_timeout_s=statement_timeout_s)

    async def stop_work(self, user_id: UUID) -> None:
        """See `UserDataRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_STOP, user_id)

    async def erase_jobs(self, user_id: UUID, *, forget: Callable[[Sequence[UUID]], Awaitable[None]]) -> list[ErasedTable]:
        """See `JobsUserData`."""
        away: Unavailable | None = None
        async with self._erasure(user_id) as connection:
            await connection.execute(_FORGET)
            try:
                # Here, where nobody tells anything about them: who does holds the user's lock.
                await forget([record["id"] for record in await connection.fetch(_JOBS, user_id)])
            except Unavailable as error:
                away = error
            erased = await self._erase(connection, user_id, spared=() if away is None else (JOBS,))
        if away is not None:
            raise away
        return erased
