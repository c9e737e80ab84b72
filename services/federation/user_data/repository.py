"""Everything that federation holds about a user, in PostgreSQL."""

from __future__ import annotations

from uuid import UUID

from services.federation.user_data.tables import EXPORTED, LEFT_OUT
from services.kit.postgres import Connection, Database
from services.kit.user_data.repository import PostgresUserDataRepository

_STAGED = "SELECT to_regclass('pg_temp.staged_devices') IS NOT NULL AND to_regclass('pg_temp.staged_contributions') IS NOT NULL"
# A key that was enrolled again since the export belongs to a device with another id. What it had spent is the same device's.
_MOVE_SPENT = """
    UPDATE staged_contributions AS spent SET device_id = there.id
      FROM staged_devices AS came JOIN federation.devices AS there ON there.user_id = $1 AND there.public_key = came.public_key
     WHERE spent.device_id = came.id AND there.id <> came.id
"""


class PostgresFederationUserData(PostgresUserDataRepository):
    """`UserDataRepository` on PostgreSQL."""

    def __init__(self, database: Database, *, statement_timeout_s: float) -> None:
        super().__init__(database, EXPORTED, LEFT_OUT, statement_timeout_s=statement_timeout_s)

    async def _before_restoring(self, connection: Connection, user_id: UUID) -> None:
        if await connection.fetchval(_STAGED):
            await connection.execute(_MOVE_SPENT, user_id)
