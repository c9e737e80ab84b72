"""Rows of accounts.transactions: pages, single rows, and the lines of an import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.accounts.domain import (
    CategorySource,
    ImportLine,
    Transaction,
    TransactionChanges,
    TransactionFilters,
    TransactionPosition,
    transaction_not_found,
    unknown_category,
)
from services.accounts.edits.repository.held import hold_category
from services.accounts.filters import Expression
from services.accounts.repository.categories import CategoryRows
from services.accounts.repository.conditions import NO_MEANINGS, read_meanings
from services.accounts.repository.filters import COLUMNS, page_statement
from services.kit.postgres import Connection

_CATEGORY = 7
"""Place of the category in COLUMNS."""

SELECT_ONE = f"SELECT {COLUMNS} FROM accounts.transactions WHERE user_id = $1 AND id = $2"  # nosec B608
# Of a condition that is not leakproof the planner may not ask the statistics. It takes it for rare, and would send several processes
# through all the user's rows where the first hundred hold a page.
NOT_IN_PARALLEL = "SELECT set_config('max_parallel_workers_per_gather', '0', true)"
_UPDATE = f"""
    UPDATE accounts.transactions
       SET note = COALESCE($3, note),
           note_source = CASE WHEN $3::text IS NULL THEN note_source END,
           category = CASE WHEN $4 THEN $5 ELSE category END,
           category_source = CASE WHEN $4 THEN $6 ELSE category_source END,
           confidence = CASE WHEN $4 THEN NULL ELSE confidence END,
           updated_at = now()
     WHERE user_id = $1 AND id = $2
    RETURNING {COLUMNS}
"""  # nosec B608
_SELECT_IMPORT_LINES = """
    SELECT import_line, id FROM accounts.transactions
     WHERE user_id = $1 AND import_id = $2 AND import_line > $3
     ORDER BY import_line LIMIT $4
"""


class TransactionRows(CategoryRows):
    """The ledger's rows, each with its category's primary slug."""

    async def list_transactions(
        self,
        user_id: UUID,
        filters: TransactionFilters,
        *,
        after: TransactionPosition | None,
        limit: int,
        matching: Expression | None = None,
    ) -> list[Transaction]:
        """At most `limit` transactions after `after`, newest first, that pass both the filters' columns and `matching`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            categories = await self._slugs_below(connection, user_id, filters.category) if filters.category else []
            meanings = NO_MEANINGS
            if matching is not None:
                meanings = await read_meanings(connection, user_id, matching)
                await connection.execute(NOT_IN_PARALLEL)
            statement, arguments = page_statement(
                user_id, filters, categories=categories, after=after, limit=limit, matching=matching, meanings=meanings
            )
            return await self._complete(connection, user_id, await connection.fetch(statement, *arguments))

    async def get_transaction(self, user_id: UUID, transaction_id: UUID) -> Transaction:
        """One transaction. Raises NotFound."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            records = await connection.fetch(SELECT_ONE, user_id, transaction_id)
            if not records:
                raise transaction_not_found(transaction_id)
            return (await self._complete(connection, user_id, records))[0]

    async def update_transaction(self, user_id: UUID, transaction_id: UUID, changes: TransactionChanges) -> Transaction:
        """The transaction after the change. Raises NotFound, and InvalidArgument for a category that the user does not have."""
        async with self._database.transaction(user_id) as connection:
            if changes.category and not await self._is_known(connection, user_id, changes.category):
                raise unknown_category(changes.category)
            records = await connection.fetch(
                _UPDATE,
                user_id,
                transaction_id,
                changes.note,
                changes.category is not None,
                changes.category or None,
                CategorySource.USER.value if changes.category else None,
            )
            if not records:
                raise transaction_not_found(transaction_id)
            if changes.category is not None:
                await hold_category(connection, user_id, transaction_id)
            return (await self._complete(connection, user_id, records))[0]

    async def list_import_lines(self, user_id: UUID, import_id: UUID, *, after_line: int, limit: int) -> list[ImportLine]:
        """Lines of one import that are in the ledger, rising, after `after_line`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            records = await connection.fetch(_SELECT_IMPORT_LINES, user_id, import_id, after_line, limit)
        return [ImportLine(*record) for record in records]

    async def _complete(self, connection: Connection, user_id: UUID, records: Sequence[Sequence[Any]]) -> list[Transaction]:
        slugs = {record[_CATEGORY] for record in records} - {None}
        if not slugs:
            return [Transaction._make((*record, None)) for record in records]
        primaries = await self._primary_slugs(connection, user_id, slugs)
        return [Transaction._make((*record, primaries.get(record[_CATEGORY]))) for record in records]
