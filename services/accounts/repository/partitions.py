"""The months of a partitioned ledger (docs/partitions.md)."""

from __future__ import annotations

from uuid import UUID

from services.kit.postgres import Database

_NOBODY = UUID(int=0)
"""Months are no user's."""

_IS_PARTITIONED = "SELECT relkind = 'p' FROM pg_class WHERE oid = 'accounts.transactions'::regclass"
_CREATE = "SELECT accounts.create_monthly_partitions($1)"


class PostgresPartitionsRepository:
    """`PartitionsRepository` on PostgreSQL, in either form of the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_monthly_partitions(self, months_ahead: int) -> int:
        """Makes the months that are due and returns how many; none in the plain form. Raises DeadlineExceeded while the ledger is busy."""
        async with self._database.transaction(_NOBODY) as connection:
            if not await connection.fetchval(_IS_PARTITIONED):
                return 0
            return int(await connection.fetchval(_CREATE, months_ahead))
