"""Edits that can no longer be taken back, of all users: the worker acts for nobody."""

from __future__ import annotations

from uuid import UUID

from services.kit.postgres import Database

_EXPIRE = "SELECT accounts.expire_edits($1)"
_NOBODY = UUID(int=0)


class PostgresExpiredEdits:
    """`ExpiringEdits` on PostgreSQL."""

    def __init__(self, database: Database, *, statement_timeout_s: float) -> None:
        self._database = database
        self._statement_timeout_s = statement_timeout_s

    async def expire_edits(self, limit: int) -> int:
        """Forgets what the transactions of at most `limit` expired edits were before; how many edits."""
        async with self._database.transaction(_NOBODY, statement_timeout_s=self._statement_timeout_s) as connection:
            return int(await connection.fetchval(_EXPIRE, limit))
