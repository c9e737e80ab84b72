"""One change at a time to what a user's imports brought: whoever makes one holds the user's lock until its transaction ends.

Two imports that bring the same rows in different order would wait for each other for ever, and a decision would miss what comes in
meanwhile.
"""

from __future__ import annotations

from uuid import UUID

import asyncpg

from services.kit.errors import Unavailable
from services.kit.postgres import Connection

DECISION_TIMEOUT_S = 3.0
"""A person who decides is told to come back rather than kept waiting until an import is in."""

_SET_LOCK_TIMEOUT = "SELECT set_config('lock_timeout', $1, true)"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('accounts.append ' || $1, 0))"
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('accounts.append ' || $1, 0))"


async def lock_user(connection: Connection, user_id: UUID, *, timeout_s: float = DECISION_TIMEOUT_S) -> None:
    """Waits for the user's lock. Raises Unavailable when that takes longer than `timeout_s`."""
    await connection.execute(_SET_LOCK_TIMEOUT, f"{int(timeout_s * 1000)}ms")
    try:
        await connection.execute(_LOCK, str(user_id))
    except asyncpg.LockNotAvailableError as error:
        raise Unavailable(
            "Another import of yours is still being written; try again shortly.", reason="IMPORT_IN_PROGRESS", retry_after_s=5
        ) from error


async def try_lock_user(connection: Connection, user_id: UUID) -> bool:
    """Takes the user's lock if it is free, and returns whether it was."""
    return bool(await connection.fetchval(_TRY_LOCK, str(user_id)))
