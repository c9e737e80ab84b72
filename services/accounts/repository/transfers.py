"""Rows of accounts.transfers, and what the user decides about them."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import asyncpg

from services.accounts.domain import Transfer, TransferState, transfer_not_found, transfer_side_taken
from services.accounts.repository.filters import columns_of
from services.accounts.repository.locking import lock_user
from services.accounts.repository.suggesting import suggest_transfers
from services.accounts.repository.transactions import TransactionRows
from services.kit.postgres import Connection, affected

_OWN_COLUMNS = 5
_SIDE_COLUMNS = len(columns_of("t").split(", "))
# One statement, so that a side that goes meanwhile takes its transfer with it.
_SELECT = f"""
    SELECT transfers.id, state, reason, transfers.created_at, decided_at, {columns_of("outgoing")}, {columns_of("incoming")}
      FROM accounts.transfers
      JOIN accounts.transactions AS outgoing ON outgoing.user_id = transfers.user_id AND outgoing.id = outgoing_id
      JOIN accounts.transactions AS incoming ON incoming.user_id = transfers.user_id AND incoming.id = incoming_id
     WHERE transfers.user_id = $1
"""  # nosec B608 - only constants
_SELECT_ONE = f"{_SELECT} AND transfers.id = $2"
_SELECT_PAGE = f"""
    {_SELECT} AND state = ANY ($2) AND ($3::uuid IS NULL OR transfers.id < $3)
     ORDER BY transfers.id DESC LIMIT $4
"""
_CONFIRM = """
    UPDATE accounts.transfers SET state = 'confirmed', decided_at = now()
     WHERE user_id = $1 AND id = $2 AND state <> 'confirmed'
"""
_TAKE_SIDES = """
    UPDATE accounts.transactions AS t SET transfer_id = transfers.id, updated_at = now()
      FROM accounts.transfers
     WHERE transfers.user_id = $1 AND transfers.id = $2 AND t.user_id = $1 AND t.id IN (transfers.outgoing_id, transfers.incoming_id)
"""
_UNDO = """
    UPDATE accounts.transfers SET state = 'undone', decided_at = now()
     WHERE user_id = $1 AND id = $2 AND state <> 'undone'
"""
_FREE_SIDES = """
    UPDATE accounts.transactions SET transfer_id = NULL, updated_at = now()
     WHERE user_id = $1 AND transfer_id = $2 RETURNING transaction_date
"""


class TransferRows(TransactionRows):
    """Transfers, each with both of its sides."""

    async def list_transfers(self, user_id: UUID, states: Collection[TransferState], *, after: UUID | None, limit: int) -> list[Transfer]:
        """At most `limit` transfers in one of these states after `after`, the newest suggestion first."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            records = await connection.fetch(_SELECT_PAGE, user_id, [state.value for state in states], after, limit)
            return await self._transfers(connection, user_id, records)

    async def get_transfer(self, user_id: UUID, transfer_id: UUID) -> Transfer:
        """One transfer. Raises NotFound."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return await self._transfer(connection, user_id, transfer_id)

    async def confirm_transfer(self, user_id: UUID, transfer_id: UUID) -> Transfer:
        """The transfer, confirmed. Raises NotFound, and FailedPrecondition when a side is part of another one by now."""
        async with self._database.transaction(user_id) as connection:
            await lock_user(connection, user_id)
            try:
                changed = await connection.execute(_CONFIRM, user_id, transfer_id)
            except asyncpg.UniqueViolationError:
                raise transfer_side_taken(transfer_id) from None
            if affected(changed):
                await connection.execute(_TAKE_SIDES, user_id, transfer_id)
            return await self._transfer(connection, user_id, transfer_id)

    async def undo_transfer(self, user_id: UUID, transfer_id: UUID) -> Transfer:
        """The transfer, undone; its sides may find others. Raises NotFound."""
        async with self._database.transaction(user_id) as connection:
            await lock_user(connection, user_id)
            if affected(await connection.execute(_UNDO, user_id, transfer_id)):
                days = [record[0] for record in await connection.fetch(_FREE_SIDES, user_id, transfer_id)]
                await suggest_transfers(connection, user_id, min(days), max(days))
            return await self._transfer(connection, user_id, transfer_id)

    async def _transfer(self, connection: Connection, user_id: UUID, transfer_id: UUID) -> Transfer:
        records = await connection.fetch(_SELECT_ONE, user_id, transfer_id)
        if not records:
            raise transfer_not_found(transfer_id)
        return (await self._transfers(connection, user_id, records))[0]

    async def _transfers(self, connection: Connection, user_id: UUID, records: list[asyncpg.Record]) -> list[Transfer]:
        sides_from, incoming_from = _OWN_COLUMNS, _OWN_COLUMNS + _SIDE_COLUMNS
        sides = [tuple(record[sides_from:incoming_from]) for record in records] + [tuple(record[incoming_from:]) for record in records]
        whole = await self._complete(connection, user_id, sides)
        transfers = []
        for record, outgoing, incoming in zip(records, whole[: len(records)], whole[len(records) :], strict=True):
            transfer_id, state, reason, created_at, decided_at = record[:sides_from]
            transfers.append(Transfer(transfer_id, TransferState(state), reason, created_at, decided_at, outgoing, incoming))
        return transfers
