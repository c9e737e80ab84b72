"""Suggested categories in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from services.categorization.domain import Anchor
from services.categorization.jobs.domain import Job
from services.categorization.repository.words import revise, say
from services.categorization.suggestions.domain import EarlierSuggestion, NewSuggestion, Suggestion, SuggestionPosition, SuggestionState
from services.kit.postgres import Connection, Database

MOST_SHOWN = 100
_MOST_DECISIONS = 3
"""At once in this process: each holds a connection while the ledger writes."""
_COLUMNS = "id, state, name, primary_slug, category, score, transaction_count, examples, reason, created_at"
_SHOWN = f"""
    ARRAY(SELECT transaction_id FROM categorization.suggestion_members AS m
           WHERE m.user_id = $1 AND m.suggestion_id = s.id AND position < {MOST_SHOWN} ORDER BY position) AS transaction_ids
"""  # nosec B608
_GET = f"SELECT {_COLUMNS}, {_SHOWN} FROM categorization.suggestions AS s WHERE user_id = $1 AND id = $2"  # nosec B608
_LOCK = "SELECT true FROM categorization.suggestions WHERE user_id = $1 AND id = $2 FOR NO KEY UPDATE"
SELECT_PAGE = f"""
    SELECT {_COLUMNS}, {_SHOWN} FROM categorization.suggestions AS s
     WHERE user_id = $1 AND state = $2 AND ($4::timestamptz IS NULL OR (created_at, id) < ($4, $5::uuid))
     ORDER BY created_at DESC, id DESC LIMIT $3
"""  # nosec B608
_EARLIER = "SELECT name, state, merchant_keys FROM categorization.suggestions WHERE user_id = $1 AND job_id <> $2"
_MINE = "SELECT true FROM categorization.jobs WHERE user_id = $1 AND id = $2 AND attempt = $3 AND state = 'running' FOR NO KEY UPDATE"
# Of an earlier attempt at the same job.
_CLEAR = "DELETE FROM categorization.suggestions WHERE user_id = $1 AND job_id = $2 AND state = 'open'"
_ADD = """
    INSERT INTO categorization.suggestions
        (user_id, id, job_id, name, primary_slug, score, transaction_count, examples, merchant_keys, reason)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_ADD_MEMBERS = """
    INSERT INTO categorization.suggestion_members
        (user_id, suggestion_id, position, transaction_id, merchant_key, description, merchant, amount, transaction_date)
    SELECT $1, $2, number - 1, transaction_id, merchant_key, description, merchant, amount, transaction_date
      FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::numeric[], $8::date[])
           WITH ORDINALITY AS m (transaction_id, merchant_key, description, merchant, amount, transaction_date, number)
"""
_MEMBER_IDS = """
    SELECT transaction_id FROM categorization.suggestion_members WHERE user_id = $1 AND suggestion_id = $2 ORDER BY position
"""
_TYPICAL = """
    SELECT transaction_id::text AS subject, merchant_key, $3::text AS category, description, merchant, amount, transaction_date,
           now() AS said_at
      FROM categorization.suggestion_members WHERE user_id = $1 AND suggestion_id = $2 AND transaction_id = ANY ($4::uuid[])
     ORDER BY position
"""
_DECIDE = """
    UPDATE categorization.suggestions SET state = $3, decided_at = now(), name = coalesce($4, name),
           primary_slug = coalesce($5, primary_slug), category = coalesce($6, category)
     WHERE user_id = $1 AND id = $2 AND state <> 'accepted'
"""


class PostgresSuggestionsRepository:
    """`SuggestionsRepository` on PostgreSQL, schema `categorization`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connections = asyncio.Semaphore(_MOST_DECISIONS)

    async def get(self, user_id: UUID, suggestion_id: UUID) -> Suggestion | None:
        """See `SuggestionsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            found = await connection.fetchrow(_GET, user_id, suggestion_id)
        return _suggestion(found) if found else None

    async def list_suggestions(
        self, user_id: UUID, *, state: SuggestionState, limit: int, after: SuggestionPosition | None
    ) -> Sequence[Suggestion]:
        """See `SuggestionsRepository`."""
        created_at, last_id = after or (None, None)
        async with self._database.transaction(user_id, read_only=True) as connection:
            found = await connection.fetch(SELECT_PAGE, user_id, state.value, limit, created_at, last_id)
        return [_suggestion(record) for record in found]

    async def earlier(self, running: Job) -> Sequence[EarlierSuggestion]:
        """See `SuggestionsRepository`."""
        async with self._database.transaction(running.user_id, read_only=True) as connection:
            found = await connection.fetch(_EARLIER, running.user_id, running.id)
        return [EarlierSuggestion(name, SuggestionState(state), keys) for name, state, keys in found]

    async def add(self, running: Job, found: Sequence[NewSuggestion]) -> bool:
        """See `SuggestionsRepository`."""
        async with self._database.transaction(running.user_id) as connection:
            if not await connection.fetchval(_MINE, running.user_id, running.id, running.attempt):
                return False
            await connection.execute(_CLEAR, running.user_id, running.id)
            for one in found:
                await _add(connection, running, one)
        return True

    @asynccontextmanager
    async def decision(self, user_id: UUID, suggestion_id: UUID) -> AsyncIterator[PostgresDecision]:
        """See `SuggestionsRepository`."""
        async with self._connections, self._database.transaction(user_id) as connection:
            await connection.execute(_LOCK, user_id, suggestion_id)
            found = await connection.fetchrow(_GET, user_id, suggestion_id)
            yield PostgresDecision(connection, user_id, suggestion_id, _suggestion(found) if found else None)

    async def dismiss(self, user_id: UUID, suggestion_id: UUID) -> None:
        """See `SuggestionsRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_DECIDE, user_id, suggestion_id, SuggestionState.DISMISSED.value, None, None, None)


class PostgresDecision:
    """`Decision` in a transaction that has locked the suggestion."""

    def __init__(self, connection: Connection, user_id: UUID, suggestion_id: UUID, suggestion: Suggestion | None) -> None:
        self.suggestion = suggestion
        self._connection = connection
        self._key = user_id, suggestion_id

    async def member_ids(self) -> Sequence[UUID]:
        """See `Decision`."""
        return [record[0] for record in await self._connection.fetch(_MEMBER_IDS, *self._key)]

    async def take_turn(self) -> None:
        """See `Decision`."""
        await revise(self._connection, self._key[0])

    async def accept(self, typical: Collection[UUID], *, name: str, primary_slug: str, category: str) -> None:
        """See `Decision`."""
        await self._connection.execute(_DECIDE, *self._key, SuggestionState.ACCEPTED.value, name, primary_slug, category)
        found = await self._connection.fetch(_TYPICAL, *self._key, category, list(typical))
        await say(self._connection, self._key[0], [Anchor(*record) for record in found])


async def _add(connection: Connection, running: Job, one: NewSuggestion) -> None:
    await connection.execute(
        _ADD,
        running.user_id,
        one.id,
        running.id,
        one.name,
        one.primary_slug,
        one.score,
        len(one.members),
        list(one.examples),
        list(one.merchant_keys),
        one.reason,
    )
    payments = [member.payment for member in one.members]
    await connection.execute(
        _ADD_MEMBERS,
        running.user_id,
        one.id,
        [payment.transaction_id for payment in payments],
        [member.merchant_key for member in one.members],
        [payment.description for payment in payments],
        [payment.merchant for payment in payments],
        [payment.amount for payment in payments],
        [payment.transaction_date for payment in payments],
    )


def _suggestion(record: asyncpg.Record) -> Suggestion:
    found = dict(record)
    return Suggestion(**{**found, "state": SuggestionState(found["state"])})
