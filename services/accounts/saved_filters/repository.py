"""Rows of accounts.saved_filters."""

from __future__ import annotations

from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from services.accounts.domain import FirstRequest, request_id_reused
from services.accounts.saved_filters.domain import (
    NewSavedFilter,
    SavedFilter,
    SavedFilterChanges,
    saved_filter_exists,
    saved_filter_not_found,
)
from services.kit.postgres import Database

_COLUMNS = "id, name, filter, created_at, updated_at"
_SELECT = f"SELECT {_COLUMNS} FROM accounts.saved_filters WHERE user_id = $1 AND id = $2"  # nosec B608
_SELECT_BY_REQUEST = f"SELECT {_COLUMNS}, request_hash FROM accounts.saved_filters WHERE user_id = $1 AND request_id = $2"  # nosec B608
SELECT_PAGE = f"""
    SELECT {_COLUMNS} FROM accounts.saved_filters WHERE user_id = $1 AND name_key > lower($2) ORDER BY name_key LIMIT $3
"""  # nosec B608
_INSERT = f"""
    INSERT INTO accounts.saved_filters (user_id, id, name, filter, request_id, request_hash) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (user_id, request_id) DO NOTHING RETURNING {_COLUMNS}
"""  # nosec B608
_UPDATE = f"""
    UPDATE accounts.saved_filters SET name = COALESCE($3, name), filter = COALESCE($4, filter), updated_at = now()
     WHERE user_id = $1 AND id = $2
    RETURNING {_COLUMNS}
"""  # nosec B608
_DELETE = "DELETE FROM accounts.saved_filters WHERE user_id = $1 AND id = $2"


class PostgresSavedFiltersRepository:
    """Each user's saved filters."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_saved_filter(self, user_id: UUID, new: NewSavedFilter, request: FirstRequest) -> SavedFilter:
        """Keeps one, or returns the one that the same request kept before.

        Raises AlreadyExists for a taken name and for another request under the same id.
        """
        async with self._database.transaction(user_id) as connection:
            values = (new.name, new.filter, request.request_id, request.content_hash)
            try:
                record = await connection.fetchrow(_INSERT, user_id, uuid7(), *values)
            except asyncpg.UniqueViolationError:
                raise saved_filter_exists(new.name) from None
            if record is None:
                *columns, content_hash = await connection.fetchrow(_SELECT_BY_REQUEST, user_id, request.request_id)
                if content_hash != request.content_hash:
                    raise request_id_reused(request.request_id)
                return SavedFilter(*columns)
            return SavedFilter(*record)

    async def get_saved_filter(self, user_id: UUID, saved_filter_id: UUID) -> SavedFilter:
        """One saved filter. Raises NotFound."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            record = await connection.fetchrow(_SELECT, user_id, saved_filter_id)
        if record is None:
            raise saved_filter_not_found(saved_filter_id)
        return SavedFilter(*record)

    async def list_saved_filters(self, user_id: UUID, *, after: str, limit: int) -> list[SavedFilter]:
        """At most `limit` saved filters by name, whatever the case, after the name `after`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return [SavedFilter(*record) for record in await connection.fetch(SELECT_PAGE, user_id, after, limit)]

    async def update_saved_filter(self, user_id: UUID, saved_filter_id: UUID, changes: SavedFilterChanges) -> SavedFilter:
        """The saved filter after the change. Raises NotFound, and AlreadyExists for a taken name."""
        async with self._database.transaction(user_id) as connection:
            try:
                record = await connection.fetchrow(_UPDATE, user_id, saved_filter_id, changes.name, changes.filter)
            except asyncpg.UniqueViolationError:
                raise saved_filter_exists(changes.name or "") from None
        if record is None:
            raise saved_filter_not_found(saved_filter_id)
        return SavedFilter(*record)

    async def delete_saved_filter(self, user_id: UUID, saved_filter_id: UUID) -> None:
        """Takes one away, if it is there."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_DELETE, user_id, saved_filter_id)
