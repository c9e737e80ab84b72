"""Which account the files of a layout go to that name none."""

from __future__ import annotations

from uuid import UUID

from services.ingestion.domain import LayoutAccount
from services.kit.postgres import Database

# Two imports of new layouts at once must not take the same number.
_LOCK_LAYOUTS = "SELECT pg_advisory_xact_lock(hashtextextended('layout_accounts' || $1::uuid::text || $2::text, 0))"
_GET_LAYOUT = "SELECT number, account_id FROM ingestion.layout_accounts WHERE user_id = $1 AND currency = $2 AND layout_hash = $3"
_ADD_LAYOUT = """
    INSERT INTO ingestion.layout_accounts (user_id, currency, layout_hash, number)
    SELECT $1, $2, $3, coalesce(max(number), 0) + 1 FROM ingestion.layout_accounts WHERE user_id = $1 AND currency = $2
    RETURNING number, account_id
"""
_REMEMBER_LAYOUT = """
    UPDATE ingestion.layout_accounts SET account_id = $4 WHERE user_id = $1 AND currency = $2 AND layout_hash = $3
"""


class LayoutRecords:
    """One record for each layout and currency."""

    _database: Database

    async def layout_account(self, user_id: UUID, layout_hash: str, currency: str) -> LayoutAccount:
        """See `ImportsRepository`."""
        async with self._database.transaction(user_id) as connection:
            found = await connection.fetchrow(_GET_LAYOUT, user_id, currency, layout_hash)
            if found is None:
                await connection.execute(_LOCK_LAYOUTS, user_id, currency)
                found = await connection.fetchrow(_GET_LAYOUT, user_id, currency, layout_hash)
            if found is None:
                found = await connection.fetchrow(_ADD_LAYOUT, user_id, currency, layout_hash)
        return LayoutAccount(found["number"], found["account_id"])

    async def remember_layout_account(self, user_id: UUID, layout_hash: str, currency: str, account_id: UUID) -> None:
        """See `ImportsRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_REMEMBER_LAYOUT, user_id, currency, layout_hash, account_id)
