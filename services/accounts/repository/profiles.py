"""Rows of accounts.profiles."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from services.accounts.domain import Profile
from services.accounts.repository.locking import lock_user
from services.kit.postgres import Connection, Database

_COLUMNS = "user_id, display_name, default_currency, locale, time_zone, created_at, updated_at, transfer_suggestions"
_SELECT = f"SELECT {_COLUMNS} FROM accounts.profiles WHERE user_id = $1"  # nosec B608
_SELECT_FOR_UPDATE = f"{_SELECT} FOR UPDATE"  # nosec B608
# Two first calls at once are fine: the second one's insert does nothing.
_INSERT = "INSERT INTO accounts.profiles (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING"
_UPDATE = f"""
    UPDATE accounts.profiles
       SET display_name = $2, default_currency = $3, locale = $4, time_zone = $5, transfer_suggestions = $6, updated_at = clock_timestamp()
     WHERE user_id = $1
    RETURNING {_COLUMNS}
"""  # nosec B608
_FORGET_SUGGESTIONS = "DELETE FROM accounts.transfers WHERE user_id = $1 AND state = 'suggested'"


class ProfileRows:
    """Each user's settings; a row is made on first sight."""

    _database: Database

    async def get_profile(self, user_id: UUID) -> Profile:
        """The profile, made with the defaults when there is none."""
        async with self._database.transaction(user_id) as connection:
            return await _see(connection, user_id, _SELECT)

    async def change_profile(self, user_id: UUID, change: Callable[[Profile], Profile]) -> Profile:
        """Stores what `change` makes of the profile, and returns it."""
        async with self._database.transaction(user_id) as connection:
            before = await _see(connection, user_id, _SELECT_FOR_UPDATE)
            changed = change(before)
            if before.transfer_suggestions and not changed.transfer_suggestions:
                # An import in hand may be about to suggest some.
                await lock_user(connection, user_id)
                await connection.execute(_FORGET_SUGGESTIONS, user_id)
            values = (changed.display_name, changed.default_currency, changed.locale, changed.time_zone, changed.transfer_suggestions)
            return Profile(*await connection.fetchrow(_UPDATE, user_id, *values))


async def _see(connection: Connection, user_id: UUID, select: str) -> Profile:
    record = await connection.fetchrow(select, user_id)
    if record is None:
        await connection.execute(_INSERT, user_id)
        record = await connection.fetchrow(select, user_id)
    return Profile(*record)
