"""What the user types in: one row, by the steps of an import but for what only a bank's file has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import polars as pl

from services.accounts.domain import (
    AppendOutcome,
    FingerprintSource,
    ImportLines,
    TypedTransaction,
    unknown_category,
)
from services.accounts.repository.append import AppendedRows
from services.accounts.repository.locking import lock_user
from services.accounts.repository.matching import match_typed
from services.accounts.repository.suggesting import suggest_transfers
from services.accounts.rules.repository.importing import ImportRules
from services.kit.errors import invalid

# What the user says of its category is their own word; without one, what was predicted stays.
_TYPE_IN = """
    UPDATE incoming
       SET id = $1, category = COALESCE($2, category), category_source = CASE WHEN $2::text IS NULL THEN category_source ELSE 'user' END,
           confidence = CASE WHEN $2::text IS NULL THEN confidence END, note = $3
"""
_IS_THERE = "SELECT EXISTS (SELECT FROM accounts.transactions WHERE user_id = $1 AND id = $2)"
_SUSPECT = "UPDATE accounts.transactions SET suspected_duplicate_of = $3, suspicion = $4 WHERE user_id = $1 AND id = $2"
_SELECT_DAY = "SELECT transaction_date FROM incoming"


class TypedRows(AppendedRows):
    """Transactions without an import."""

    async def append_typed_transaction(
        self, user_id: UUID, typed: TypedTransaction, batches: AsyncIterator[pl.DataFrame], fingerprints: FingerprintSource
    ) -> AppendOutcome:
        """Adds the one row of `batches` as transaction `typed.id`, or names as its duplicate the one that the ledger holds.

        Raises NotFound for an account that is not the user's, InvalidArgument for a category that the user does not have, Unavailable
        while an import of the user is being written, and whatever `batches` raises.
        """
        async with self._database.transaction(user_id) as connection:
            if typed.category and not await self._is_known(connection, user_id, typed.category):
                raise unknown_category(typed.category)
            row_count, _ = await self._stage(connection, user_id, batches)
            if row_count != 1:
                raise invalid("record_batch", f"holds {row_count} rows instead of the one that was typed in")
            await connection.execute(_TYPE_IN, typed.id, typed.category, typed.note)
            await lock_user(connection, user_id)
            if await connection.fetchval(_IS_THERE, user_id, typed.id):
                return AppendOutcome(1, ImportLines())
            suspicion = await match_typed(connection, allow_equal=typed.allow_equal)
            await self._renumber(connection, fingerprints)
            rules = await ImportRules.load(connection, user_id, None, self._edit_lifetime)
            await rules.change_incoming()
            inserted = await self._insert(connection, user_id, None)
            if not inserted:
                await self._claim_conflicts(connection, user_id, None)
                return AppendOutcome(0, await self._duplicates(connection))
            await rules.keep_edits()
            if suspicion is not None:
                await connection.execute(_SUSPECT, user_id, typed.id, suspicion.transaction_id, suspicion.reason)
            day = await connection.fetchval(_SELECT_DAY)
            await suggest_transfers(connection, user_id, day, day)
            return AppendOutcome(1, ImportLines())
