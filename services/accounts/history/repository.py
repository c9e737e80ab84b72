"""Rows and sums of accounts.transactions, each stream by one COPY in bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date
from functools import partial
from uuid import UUID

import pyarrow as pa

from services.accounts.domain import UNCATEGORIZED, account_not_found, unknown_category
from services.accounts.history.columns import DAILY_SUMS, TRANSACTIONS, Sink, read_rows
from services.accounts.history.domain import DailySumsFilters, HistoryFilters
from services.accounts.repository.categories import CategoryRows
from services.kit.postgres import Connection, Database

BATCH_TEXT_BYTES = 1024 * 1024
"""Of text for one batch. As columns, rows take about twice their text at most: a message stays well below 3 MiB."""

_PLAIN_TEXTS = "SELECT set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO, YMD', true)"
_LONG_HISTORIES = "SELECT user_id FROM accounts.long_histories($1, $2, $3)"
_NOBODY = UUID(int=0)
_ACROSS_USERS_TIMEOUT_S = 60.0
_OWNS_ACCOUNT = "SELECT EXISTS (SELECT FROM accounts.accounts WHERE user_id = $1 AND id = $2)"
_SELECT_OWN_CATEGORIES = "SELECT slug, primary_slug FROM accounts.user_categories WHERE user_id = $1"

# What figures count, as accounts.counted_transactions has it. Not by that view, whose join would lose the order in which an index gives the
# rows: a million would be sorted on disk. IN asks a hash, and knows nothing of a row without a transfer.
_WHERE = """
     WHERE user_id = $1 AND transaction_date BETWEEN $2::date AND $3::date AND ($4::uuid IS NULL OR account_id = $4)
       AND ($5::boolean
            OR (transfer_id IN (SELECT id FROM accounts.transfers WHERE user_id = $1 AND state = 'confirmed')) IS NOT TRUE)
"""
SELECT_DAILY_SUMS = f"""
    SELECT transaction_date, account_id, category, currency, COALESCE(sum(amount) FILTER (WHERE amount > 0), 0),
           COALESCE(-sum(amount) FILTER (WHERE amount < 0), 0), count(*)
      FROM accounts.transactions {_WHERE} AND status = 'posted'
       AND ($6::text IS NULL OR currency = $6) AND ($7::text[] IS NULL OR category = ANY ($7)) AND (NOT $8::boolean OR category IS NULL)
     GROUP BY transaction_date, account_id, category, currency
     ORDER BY transaction_date, account_id, category NULLS FIRST, currency
"""  # nosec B608
SELECT_TRANSACTIONS = f"""
    SELECT id, account_id, transaction_date, amount, currency, description, merchant_name, category, status, created_at
      FROM accounts.transactions {_WHERE} AND status <> 'void' ORDER BY transaction_date, id
"""  # nosec B608


def transactions_arguments(user_id: UUID, filters: HistoryFilters) -> tuple[object, ...]:
    """What SELECT_TRANSACTIONS takes."""
    days = (filters.date_from or date.min, filters.date_to or date.max)
    return (user_id, *days, filters.account_id, filters.include_transfers)


def daily_sums_arguments(user_id: UUID, filters: DailySumsFilters, categories: list[str] | None) -> tuple[object, ...]:
    """What SELECT_DAILY_SUMS takes; `categories` is what the filter's category stands for."""
    return (*transactions_arguments(user_id, filters), filters.currency, categories, filters.category == UNCATEGORIZED)


class PostgresHistoryRepository(CategoryRows):
    """`HistoryRepository` as the primary knows it: an import that was answered is in. A stream is of one moment."""

    def __init__(self, database: Database, *, statement_timeout_s: float) -> None:
        """`statement_timeout_s` bounds a whole stream, the caller's reading included."""
        self._database = database
        self._statement_timeout_s = statement_timeout_s
        self._forget_taxonomy()

    async def stream_daily_sums(self, user_id: UUID, filters: DailySumsFilters, sink: Sink) -> pa.RecordBatch:
        """Batches of DAILY_SUMS, by day, account, category and currency. Hands over all but the last one, which it returns; an empty ledger
        is one without rows. Raises NotFound for an account and InvalidArgument for a category that the user does not have."""
        async with self._transaction(user_id) as connection:
            primaries = await self._begin(connection, user_id, filters.account_id)
            wanted = filters.category
            categories = _below(wanted, primaries) if wanted is not None and wanted != UNCATEGORIZED else None
            arguments = daily_sums_arguments(user_id, filters, categories)
            return await _copy(connection, SELECT_DAILY_SUMS, arguments, partial(read_rows, DAILY_SUMS, primaries), sink)

    async def stream_transactions(self, user_id: UUID, filters: HistoryFilters, sink: Sink) -> pa.RecordBatch:
        """Batches of TRANSACTIONS, the oldest day first, those of a day by id; else as `stream_daily_sums`."""
        async with self._transaction(user_id) as connection:
            primaries = await self._begin(connection, user_id, filters.account_id)
            arguments = transactions_arguments(user_id, filters)
            return await _copy(connection, SELECT_TRANSACTIONS, arguments, partial(read_rows, TRANSACTIONS, primaries), sink)

    async def long_histories(self, *, least_days: int, limit: int, after: UUID) -> Sequence[UUID]:
        """Users whose posted transactions span so many days, those after `after`, by id."""
        async with self._database.transaction(_NOBODY, read_only=True, statement_timeout_s=_ACROSS_USERS_TIMEOUT_S) as connection:
            return [record[0] for record in await connection.fetch(_LONG_HISTORIES, least_days, after, limit)]

    def _transaction(self, user_id: UUID) -> AbstractAsyncContextManager[Connection]:
        return self._database.transaction(user_id, read_only=True, snapshot=True, statement_timeout_s=self._statement_timeout_s)

    async def _begin(self, connection: Connection, user_id: UUID, account_id: UUID | None) -> dict[str, str]:
        """Slug to primary slug of all categories of the user."""
        if account_id is not None and not await connection.fetchval(_OWNS_ACCOUNT, user_id, account_id):
            raise account_not_found(account_id)
        await connection.execute(_PLAIN_TEXTS)
        return {**await self._taxonomy(connection), **dict(await connection.fetch(_SELECT_OWN_CATEGORIES, user_id))}


def _below(slug: str, primaries: Mapping[str, str]) -> list[str]:
    """The slug, and for a primary one all below it. Raises InvalidArgument."""
    if slug not in primaries:
        raise unknown_category(slug)
    return [known for known, primary in primaries.items() if primary == slug] if primaries[slug] == slug else [slug]


async def _copy(
    connection: Connection, statement: str, arguments: Sequence[object], read: Callable[[bytes], pa.RecordBatch], sink: Sink
) -> pa.RecordBatch:
    waiting = bytearray()

    async def take(rows: bytes) -> None:
        # Whole rows: each is a message of the server's, and the driver hands over whole messages.
        if waiting and len(waiting) + len(rows) > BATCH_TEXT_BYTES:
            await sink(await asyncio.to_thread(read, bytes(waiting)))
            waiting.clear()
        waiting.extend(rows)

    await connection.copy_from_query(statement, *arguments, output=take, format="csv")
    return await asyncio.to_thread(read, bytes(waiting))
