"""Taking away what a service holds about a user, table by table."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from uuid import UUID

from services.kit.handover import ErasedTable
from services.kit.postgres import Connection, affected
from services.kit.user_tables import UserTable

LOCK_TIMEOUT_S = 10.0
"""How long an erasure waits until what is just being written for the user is in, or was stopped."""

_NOTE = "SELECT auth.note_erased($1::jsonb)"


async def count_tables(connection: Connection, user_id: UUID, tables: Sequence[UserTable]) -> list[ErasedTable]:
    """How many rows of the user there are."""
    return [
        ErasedTable(
            table.short_name,
            await connection.fetchval(f"SELECT count(*) FROM {table.name} WHERE user_id = $1", user_id),  # nosec B608  # sql: a constant
        )
        for table in tables
    ]


async def erase_tables(connection: Connection, user_id: UUID, tables: Sequence[UserTable]) -> list[ErasedTable]:
    """Takes all rows of the user away, in a transaction of `Database.erasure`; the audit entry gets their numbers. First what refers to
    others: `tables` are in the order in which they are brought back."""
    erased = [ErasedTable(table.short_name, await _delete(connection, user_id, table.name)) for table in reversed(tables)]
    counts = {table.name: one.row_count for table, one in zip(reversed(tables), erased, strict=True) if one.row_count}
    await connection.execute(_NOTE, json.dumps(counts))
    return erased


async def erase_notes(connection: Connection, user_id: UUID, tables: Collection[str]) -> None:
    """The same for notes of the machine, to which it adds when the other tables change: last, and not worth counting."""
    for table in tables:
        await _delete(connection, user_id, table)


async def _delete(connection: Connection, user_id: UUID, table: str) -> int:
    return affected(await connection.execute(f"DELETE FROM {table} WHERE user_id = $1", user_id))  # nosec B608  # sql: a constant
