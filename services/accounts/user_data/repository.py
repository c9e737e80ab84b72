"""A user's rows of the schema `accounts`, as files and back."""

from __future__ import annotations

from uuid import UUID

from services.accounts.repository.locking import lock_user
from services.accounts.user_data.tables import EXPORTED, LEFT_OUT
from services.kit.postgres import Connection, Database
from services.kit.user_data.repository import PostgresUserDataRepository
from services.kit.user_erasure import LOCK_TIMEOUT_S

_REFRESH_FIGURES = "SELECT accounts.refresh_figures(true)"


class PostgresAccountsUserData(PostgresUserDataRepository):
    """`UserDataRepository` of the ledger."""

    def __init__(
        self,
        database: Database,
        *,
        statement_timeout_s: float,
        lock_timeout_s: float,
        erasure_lock_timeout_s: float = LOCK_TIMEOUT_S,
    ) -> None:
        """`lock_timeout_s` bounds the wait of a restore for an import."""
        super().__init__(
            database, EXPORTED, LEFT_OUT, statement_timeout_s=statement_timeout_s, erasure_lock_timeout_s=erasure_lock_timeout_s
        )
        self._lock_timeout_s = lock_timeout_s

    async def _before_restoring(self, connection: Connection, user_id: UUID) -> None:
        await lock_user(connection, user_id, timeout_s=self._lock_timeout_s)

    async def _erased(self, connection: Connection) -> None:
        # Once this is committed, no figure of the user is kept either.
        await connection.execute(_REFRESH_FIGURES)
