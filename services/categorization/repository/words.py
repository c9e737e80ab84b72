"""Corrections as they were said, and the anchors: the last word on each payment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID
from weakref import WeakValueDictionary

import asyncpg

from services.categorization.domain import Anchor, Correction, Payment, Said, UserModel, Words
from services.kit.postgres import Connection, Database, affected

ANCHOR = "subject, merchant_key, category, description, merchant, amount, transaction_date, said_at"
_MOST_TURNS = 4
"""At once in this process: each holds a connection while the ledger writes, and answers need some, too."""
# One look, whether there are any or not.
SELECT_WORDS = """
    SELECT r.revision, a.subject, a.merchant_key, a.category, a.description, a.merchant, a.amount, a.transaction_date, a.said_at
      FROM categorization.revisions AS r LEFT JOIN categorization.anchors AS a ON a.user_id = $1 AND a.subject = ANY ($2)
     WHERE r.user_id = $1
"""
_REVISION = "SELECT revision FROM categorization.revisions WHERE user_id = $1"
# Models read no more of a text than so much; processes keep these rows in memory.
SELECT_ANCHORS = """
    SELECT subject, merchant_key, category, left(description, 512) AS description, left(merchant, 512) AS merchant, amount,
           transaction_date, said_at
      FROM categorization.anchors WHERE user_id = $1 ORDER BY said_at DESC, subject LIMIT $2
"""
# What a process has in memory already is not sent again with every correction.
_MODEL = """
    SELECT version, base_version, content_hash, CASE WHEN content_hash = $2 THEN '' ELSE artifact END AS artifact
      FROM categorization.user_models WHERE user_id = $1
"""
_COLUMNS = (
    "user_id, id, request_id, request_hash, transaction_id, category, previous_category, merchant_key, description, merchant, amount, "
    "currency, transaction_date, created_at"
)
_FIND = f"SELECT {_COLUMNS} FROM categorization.corrections WHERE user_id = $1 AND request_id = $2"  # nosec B608
_ADD = f"""
    INSERT INTO categorization.corrections ({_COLUMNS})
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, now())
    RETURNING {_COLUMNS}
"""  # nosec B608
# First of all in a transaction that changes anchors: two of one user come one after the other.
_REVISE = """
    INSERT INTO categorization.revisions (user_id) VALUES ($1)
    ON CONFLICT (user_id) DO UPDATE SET revision = gen_random_uuid()
"""
_REVISE_SINCE = "UPDATE categorization.revisions SET revision = gen_random_uuid() WHERE user_id = $1 AND revision = $2"
_FOLLOW = """
    UPDATE categorization.anchors AS a SET category = said.category, said_at = clock_timestamp()
      FROM unnest($2::text[], $3::text[]) AS said (subject, category)
     WHERE a.user_id = $1 AND a.subject = said.subject AND said.category <> ''
"""
_FORGET_ALL = "DELETE FROM categorization.anchors WHERE user_id = $1 AND subject = ANY ($2::text[])"
_FORGET = "DELETE FROM categorization.anchors WHERE user_id = $1 AND subject = $2"
_SAY = """
    INSERT INTO categorization.anchors
        (user_id, subject, merchant_key, category, description, merchant, amount, transaction_date, said_at)
    SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::numeric[], $8::date[]), clock_timestamp()
    ON CONFLICT (user_id, subject) DO UPDATE
       SET merchant_key = excluded.merchant_key, category = excluded.category, description = excluded.description,
           merchant = excluded.merchant, amount = excluded.amount, transaction_date = excluded.transaction_date, said_at = excluded.said_at
"""


async def revise(connection: Connection, user_id: UUID) -> None:
    """Tells all processes that what they have of the user in memory holds no more."""
    await connection.execute(_REVISE, user_id)


async def say(connection: Connection, user_id: UUID, anchors: Sequence[Anchor]) -> None:
    """The last word on each, in a transaction that has called `revise`."""
    columns = [list(column) for column in zip(*(anchor[:-1] for anchor in anchors), strict=True)]
    if columns:
        await connection.execute(_SAY, user_id, *columns)


class PostgresWordsRepository:
    """`WordsRepository` on PostgreSQL, schema `categorization`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connections = asyncio.Semaphore(_MOST_TURNS)
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def words(self, user_id: UUID, subjects: Sequence[str]) -> Words:
        """See `WordsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            found = await connection.fetch(SELECT_WORDS, user_id, list(subjects))
        said = (anchor_of(record) for record in found if record["subject"] is not None)
        return Words(found[0]["revision"] if found else None, {anchor.subject: anchor for anchor in said})

    async def said(self, user_id: UUID, *, limit: int, known_hash: str = "") -> Said:
        """See `WordsRepository`."""
        async with self._database.transaction(user_id, read_only=True, snapshot=True) as connection:
            revision = await connection.fetchval(_REVISION, user_id)
            found = await connection.fetch(SELECT_ANCHORS, user_id, limit)
            model = await connection.fetchrow(_MODEL, user_id, known_hash)
        return Said(revision, [anchor_of(record) for record in reversed(found)], UserModel(*model) if model is not None else None)

    async def find_correction(self, user_id: UUID, request_id: str) -> Correction | None:
        """See `WordsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            found = await connection.fetchrow(_FIND, user_id, request_id)
        return _correction(found) if found else None

    async def follow(self, user_id: UUID, revision: UUID, said: Mapping[str, str]) -> bool:
        """See `WordsRepository`."""
        async with self._database.transaction(user_id) as connection:
            if not affected(await connection.execute(_REVISE_SINCE, user_id, revision)):
                return False
            await connection.execute(_FOLLOW, user_id, list(said), list(said.values()))
            await connection.execute(_FORGET_ALL, user_id, [subject for subject, category in said.items() if not category])
        return True

    @asynccontextmanager
    async def turn(self, user_id: UUID) -> AsyncIterator[PostgresWordsTurn]:
        """See `WordsRepository`."""
        own = self._turns.setdefault(user_id, asyncio.Lock())
        # Who waits for another of the same user holds no connection meanwhile, at least not in this process.
        async with own, self._connections, self._database.transaction(user_id) as connection:
            await revise(connection, user_id)
            yield PostgresWordsTurn(connection, user_id)


class PostgresWordsTurn:
    """`WordsTurn` in a transaction that has called `revise`."""

    def __init__(self, connection: Connection, user_id: UUID) -> None:
        self._connection = connection
        self._user_id = user_id

    async def find_correction(self, request_id: str) -> Correction | None:
        """See `WordsTurn`."""
        found = await self._connection.fetchrow(_FIND, self._user_id, request_id)
        return _correction(found) if found else None

    async def record(self, correction: Correction, anchor: Anchor | None, *, subject: str) -> Correction:
        """See `WordsTurn`."""
        payment = correction.payment
        added = await self._connection.fetchrow(
            _ADD,
            self._user_id,
            correction.id,
            correction.request_id,
            correction.request_hash,
            payment.transaction_id,
            correction.category,
            correction.previous_category,
            correction.merchant_key,
            payment.description,
            payment.merchant,
            payment.amount,
            payment.currency,
            payment.transaction_date,
        )
        if anchor is None:
            await self._connection.execute(_FORGET, self._user_id, subject)
        else:
            await say(self._connection, self._user_id, [anchor])
        return _correction(added)


def anchor_of(record: asyncpg.Record) -> Anchor:
    return Anchor(*(record[name] for name in Anchor._fields))


def _correction(record: asyncpg.Record) -> Correction:
    payment = Payment(
        record["description"],
        record["merchant"],
        record["amount"],
        record["currency"],
        record["transaction_date"],
        record["transaction_id"],
    )
    return Correction(
        record["id"],
        record["user_id"],
        record["request_id"],
        record["request_hash"],
        payment,
        record["category"],
        record["previous_category"],
        record["merchant_key"],
        record["created_at"],
    )
