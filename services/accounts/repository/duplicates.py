"""What the user decides about suspected duplicates, and taking a whole import back."""

from __future__ import annotations

from uuid import UUID

from services.accounts.domain import KeptRow, Transaction, UndoOutcome, not_suspected, transaction_not_found
from services.accounts.repository.filters import COLUMNS, columns_of
from services.accounts.repository.locking import lock_user, try_lock_user
from services.accounts.repository.suggesting import suggest_transfers
from services.accounts.repository.transactions import SELECT_ONE, TransactionRows
from services.kit.postgres import Connection, affected

_SELECT_SUSPECT = "SELECT suspected_duplicate_of FROM accounts.transactions WHERE user_id = $1 AND id = $2 FOR UPDATE"
# From now on the row in the file is the earlier transaction.
_ALIAS = """
    INSERT INTO accounts.transaction_aliases (user_id, id, transaction_id, account_id, transaction_date, amount, currency,
                                              description_key, occurrence, import_id)
    SELECT user_id, id, $3, account_id, transaction_date, amount, currency, description_key, occurrence, import_id
      FROM accounts.transactions WHERE user_id = $1 AND id = $2
"""
_MOVE_ALIASES = "UPDATE accounts.transaction_aliases SET transaction_id = $3 WHERE user_id = $1 AND transaction_id = $2"
_MOVE_SOURCE_IDS = """
    INSERT INTO accounts.source_ids (user_id, account_id, source_id, transaction_id, import_id)
    SELECT user_id, account_id, source_id, $3, import_id FROM accounts.source_ids WHERE user_id = $1 AND transaction_id = $2
    ON CONFLICT DO NOTHING
"""
_DROP_SOURCE_IDS = "DELETE FROM accounts.source_ids WHERE user_id = $1 AND transaction_id = $2"
_MOVE_SUSPICIONS = """
    UPDATE accounts.transactions SET suspected_duplicate_of = $3 WHERE user_id = $1 AND suspected_duplicate_of = $2 AND id <> $3
"""
# What the user said of the later one is not lost: their category and note, where the earlier one has none of theirs.
_INHERIT = f"""
    UPDATE accounts.transactions AS t
       SET note = CASE WHEN takes_note THEN later.note ELSE t.note END,
           note_source = CASE WHEN takes_note THEN later.note_source ELSE t.note_source END,
           category = CASE WHEN takes_category THEN later.category ELSE t.category END,
           category_source = CASE WHEN takes_category THEN later.category_source ELSE t.category_source END,
           confidence = CASE WHEN takes_category THEN later.confidence ELSE t.confidence END,
           merchant_name = COALESCE(t.merchant_name, later.merchant_name),
           raw_data = CASE WHEN t.import_id IS NULL AND t.raw_data = '{{}}' THEN later.raw_data ELSE t.raw_data END,
           duplicate_decision = 'merged', updated_at = now()
      FROM (SELECT later.*,
                   later.category_source = 'user' AND later.confidence IS NULL
                       AND (earlier.category_source IS DISTINCT FROM 'user' OR earlier.confidence IS NOT NULL) AS takes_category,
                   earlier.note = '' OR (earlier.note_source = 'rule' AND later.note <> '' AND later.note_source IS NULL) AS takes_note
              FROM accounts.transactions AS later, accounts.transactions AS earlier
             WHERE (later.user_id, later.id) = ($1, $2) AND (earlier.user_id, earlier.id) = ($1, $3)) AS later
     WHERE t.user_id = $1 AND t.id = $3
    RETURNING {columns_of("t")}
"""  # nosec B608 - only constants
_DELETE = "DELETE FROM accounts.transactions WHERE user_id = $1 AND id = $2"
_KEEP = f"""
    UPDATE accounts.transactions
       SET duplicate_decision = CASE WHEN suspected_duplicate_of IS NULL THEN duplicate_decision ELSE 'kept' END,
           suspected_duplicate_of = NULL, suspicion = NULL, updated_at = now()
     WHERE user_id = $1 AND id = $2
    RETURNING {COLUMNS}
"""  # nosec B608
# What is true of a row of which the user, or a later import, has said something. A category of the user's with a confidence was worked
# out from what they said of others.
_IS_CHANGED = """
    ((category_source IS NOT DISTINCT FROM 'user' AND confidence IS NULL) OR (note <> '' AND note_source IS NULL)
     OR status_source IS NOT NULL OR duplicate_decision IS NOT NULL
     OR (transfer_id IS NOT NULL AND transfer_id IN (SELECT id FROM accounts.transfers WHERE user_id = $1 AND state = 'confirmed')))
"""
_SELECT_CHANGED = f"""
    SELECT id, CASE WHEN category_source = 'user' AND confidence IS NULL THEN 'you set its category'
                    WHEN note <> '' AND note_source IS NULL THEN 'you wrote a note on it'
                    WHEN status_source = 'user' THEN 'you set its status'
                    WHEN duplicate_decision = 'kept' THEN 'you decided to keep it'
                    WHEN duplicate_decision = 'merged' THEN 'you merged another row into it'
                    WHEN duplicate_decision = 'booked' THEN 'a later import booked it'
                    ELSE 'you confirmed it as one side of a transfer' END
      FROM accounts.transactions
     WHERE user_id = $1 AND import_id = $2 AND {_IS_CHANGED}
     ORDER BY import_line
"""  # nosec B608 - only constants
_REMOVE = f"DELETE FROM accounts.transactions WHERE user_id = $1 AND import_id = $2 AND NOT {_IS_CHANGED}"  # nosec B608
_REMOVE_ALIASES = "DELETE FROM accounts.transaction_aliases WHERE user_id = $1 AND import_id = $2"
# Also those that later imports gave to rows that are gone now.
_REMOVE_SOURCE_IDS = """
    DELETE FROM accounts.source_ids AS ids
     WHERE user_id = $1
       AND NOT EXISTS (SELECT FROM accounts.transactions AS t
                        WHERE t.user_id = $1 AND t.id = ids.transaction_id AND (t.import_id = $2 OR ids.import_id IS DISTINCT FROM $2))
"""


class DuplicateRows(TransactionRows):
    """Decisions about rows that imports brought."""

    _bulk_statement_timeout_s: float
    _lock_timeout_s: float

    async def merge_transaction(self, user_id: UUID, transaction_id: UUID) -> Transaction:
        """The earlier transaction. Raises NotFound, and FailedPrecondition when nothing is suspected."""
        async with self._database.transaction(user_id) as connection:
            await lock_user(connection, user_id)
            earlier = await self._suspected(connection, user_id, transaction_id)
            ids = (user_id, transaction_id, earlier)
            for statement in (_ALIAS, _MOVE_ALIASES, _MOVE_SOURCE_IDS, _MOVE_SUSPICIONS):
                await connection.execute(statement, *ids)
            records = await connection.fetch(_INHERIT, *ids)
            for statement in (_DROP_SOURCE_IDS, _DELETE):
                await connection.execute(statement, user_id, transaction_id)
            return (await self._complete(connection, user_id, records))[0]

    async def _suspected(self, connection: Connection, user_id: UUID, transaction_id: UUID) -> UUID:
        record = await connection.fetchrow(_SELECT_SUSPECT, user_id, transaction_id)
        if record is None:
            raise transaction_not_found(transaction_id)
        earlier: UUID | None = record[0]
        if earlier is None:
            raise not_suspected(transaction_id)
        return earlier

    async def keep_transaction(self, user_id: UUID, transaction_id: UUID) -> Transaction:
        """The transaction, no longer suspected. Raises NotFound."""
        async with self._database.transaction(user_id) as connection:
            records = await connection.fetch(_KEEP, user_id, transaction_id)
            if not records:
                raise transaction_not_found(transaction_id)
            # As a payment of its own it may be one side of a transfer. An import in hand is not waited for.
            day = records[0]["transaction_date"]
            if await try_lock_user(connection, user_id) and await suggest_transfers(connection, user_id, day, day):
                records = await connection.fetch(SELECT_ONE, user_id, transaction_id)
            return (await self._complete(connection, user_id, records))[0]

    async def undo_import(self, user_id: UUID, import_id: UUID) -> UndoOutcome:
        """Deletes the import's rows that the user has not touched, and what it said of other imports' rows."""
        async with self._database.transaction(user_id, statement_timeout_s=self._bulk_statement_timeout_s) as connection:
            await lock_user(connection, user_id, timeout_s=self._lock_timeout_s)
            kept = [KeptRow(*record) for record in await connection.fetch(_SELECT_CHANGED, user_id, import_id)]
            removed = affected(await connection.execute(_REMOVE, user_id, import_id))
            await connection.execute(_REMOVE_ALIASES, user_id, import_id)
            await connection.execute(_REMOVE_SOURCE_IDS, user_id, import_id)
            return UndoOutcome(removed, kept)
