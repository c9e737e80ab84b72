"""Everything that forecasting holds about a user, in PostgreSQL."""

from __future__ import annotations

from uuid import UUID

from services.forecasting.user_data.tables import EXPORTED, LEFT_OUT
from services.kit.postgres import Database
from services.kit.user_data.repository import PostgresUserDataRepository

# A new attempt: whoever works on one finds that his is over.
_STOP = """
    UPDATE forecasting.jobs
       SET state = 'failed', attempt = attempt + 1, lease_expires_at = NULL, completed_at = now(), in_queue = false,
           error_message = 'It was stopped, because everything of yours was to be erased.', error_reason = 'STOPPED'
     WHERE user_id = $1 AND state IN ('pending', 'running')
"""


class PostgresForecastingUserData(PostgresUserDataRepository):
    """`UserDataRepository` on PostgreSQL."""

    def __init__(self, database: Database, *, statement_timeout_s: float) -> None:
        super().__init__(database, EXPORTED, LEFT_OUT, statement_timeout_s=statement_timeout_s)

    async def stop_work(self, user_id: UUID) -> None:
        """See `UserDataRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_STOP, user_id)
