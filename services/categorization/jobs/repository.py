"""Jobs in PostgreSQL: the record is the truth, a message in the queue only says where to look."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from services.categorization.domain import Alternative, Classification, Payment, Source
from services.categorization.jobs.domain import Begun, Job, JobKind, JobState, NewJob, Progress, StalledJob
from services.kit.postgres import Connection, Database, affected

_COLUMNS = (
    "id, user_id, kind, request_id, request_hash, state, attempt, begun, tries, cursor, input_count, done_count, changed_count, "
    "error_message, error_reason, model_version, created_at, completed_at"
)
_LEASE = "now() + $4::float8 * interval '1 second'"
# One at a time of a user: how many are open, and that no other walk is, holds until the job is there.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('categorization.jobs ' || $1, 0))"
_ADD = f"""
    INSERT INTO categorization.jobs (user_id, id, lease_expires_at, kind, request_id, request_hash, input_count)
    VALUES ($1, $2, now() + $3::float8 * interval '1 second', $4, $5, $6, $7)
    ON CONFLICT DO NOTHING
    RETURNING {_COLUMNS}
"""  # nosec B608
_ADD_CHUNKS = """
    INSERT INTO categorization.job_chunks (user_id, job_id, number, inputs)
    SELECT $1, $2, number - 1, inputs::jsonb FROM unnest($3::text[]) WITH ORDINALITY AS chunk (inputs, number)
"""
_GET = f"SELECT {_COLUMNS} FROM categorization.jobs WHERE user_id = $1 AND id = $2"  # nosec B608
_FIND = f"SELECT {_COLUMNS} FROM categorization.jobs WHERE user_id = $1 AND request_id = $2"  # nosec B608
_OPEN = f"""
    SELECT {_COLUMNS} FROM categorization.jobs
     WHERE user_id = $1 AND kind = $2 AND kind <> 'classification' AND state IN ('pending', 'running')
"""  # nosec B608
# The one with which there are so many.
_MOST_OPEN = f"""
    SELECT {_COLUMNS}
      FROM (SELECT *, row_number() OVER (ORDER BY created_at, id) AS place
              FROM categorization.jobs WHERE user_id = $1 AND state IN ('pending', 'running')) AS open
     WHERE place = $2
"""  # nosec B608
_CLAIM = f"""
    UPDATE categorization.jobs
       SET state = 'running', attempt = attempt + 1, begun = begun + 1, tries = tries + 1, in_queue = false,
           lease_expires_at = now() + $3::float8 * interval '1 second'
     WHERE user_id = $1 AND id = $2 AND (state = 'pending' OR (state = 'running' AND lease_expires_at < now()))
    RETURNING {_COLUMNS}
"""  # nosec B608
_MINE = "user_id = $1 AND id = $2 AND attempt = $3 AND state = 'running'"
_RENEW = f"UPDATE categorization.jobs SET lease_expires_at = {_LEASE} WHERE {_MINE}"  # nosec B608
_ADVANCE = f"UPDATE categorization.jobs SET done_count = $4, changed_count = $5, cursor = $6 WHERE {_MINE}"  # nosec B608
_PUT_BACK = f"""
    UPDATE categorization.jobs SET state = 'pending', in_queue = $6, tries = tries - $5, lease_expires_at = {_LEASE}
     WHERE {_MINE} RETURNING {_COLUMNS}
"""  # nosec B608
_SUCCEED = f"""
    UPDATE categorization.jobs
       SET state = 'succeeded', lease_expires_at = NULL, completed_at = now(), cursor = '', in_queue = false,
           done_count = $4, changed_count = $5, input_count = greatest(input_count, $4), model_version = $6
     WHERE {_MINE} RETURNING {_COLUMNS}
"""  # nosec B608
_FAIL = f"""
    UPDATE categorization.jobs
       SET state = 'failed', lease_expires_at = NULL, completed_at = now(), in_queue = false, error_message = $4, error_reason = $5
     WHERE {_MINE} RETURNING {_COLUMNS}
"""  # nosec B608
_RESULTS = "SELECT results FROM categorization.job_chunks WHERE user_id = $1 AND job_id = $2 AND number = $3"
_NEXT_CHUNK = """
    SELECT number, inputs FROM categorization.job_chunks
     WHERE user_id = $1 AND job_id = $2 AND results IS NULL ORDER BY number LIMIT 1
"""
_ANSWER_CHUNK = "UPDATE categorization.job_chunks SET results = $4::jsonb WHERE user_id = $1 AND job_id = $2 AND number = $3"
_STALLED = "SELECT user_id, job_id, kind, in_queue FROM categorization.stalled_jobs($1)"
_COUNT_IN_QUEUE = "SELECT categorization.count_in_queue()"
_REQUEUE = """
    UPDATE categorization.jobs SET state = 'pending', in_queue = true, lease_expires_at = now() + $3::float8 * interval '1 second'
     WHERE user_id = $1 AND id = $2 AND state IN ('pending', 'running') AND lease_expires_at < now()
    RETURNING id
"""
_EXPIRE = "SELECT categorization.expire_job_chunks($1, $2)"
_NOBODY = UUID(int=0)


class PostgresJobsRepository:
    """`JobsRepository` on PostgreSQL, schema `categorization`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, new: NewJob, chunks: Sequence[Sequence[Payment]], *, lease_s: float, most_open: int) -> tuple[Job, Begun]:
        """See `JobsRepository`."""
        user_id = new.user_id
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_LOCK, str(user_id))
            while True:
                if found := await connection.fetchrow(_FIND, user_id, new.request_id):
                    return _job(found), Begun.REPEATED
                if found := await connection.fetchrow(_OPEN, user_id, new.kind.value):
                    return _job(found), Begun.ANOTHER_OPEN
                if found := await connection.fetchrow(_MOST_OPEN, user_id, most_open):
                    return _job(found), Begun.TOO_MANY_OPEN
                added = await connection.fetchrow(
                    _ADD, user_id, new.id, lease_s, new.kind.value, new.request_id, new.request_hash, new.input_count
                )
                # Else an export that was brought back meanwhile has the request id.
                if added is not None:
                    break
            if chunks:
                await connection.execute(_ADD_CHUNKS, user_id, new.id, [_payments_text(chunk) for chunk in chunks])
            is_only_one = await connection.fetchrow(_MOST_OPEN, user_id, 2) is None
            return _job(added), Begun.NEW if is_only_one else Begun.NEW_BEHIND

    async def get(self, user_id: UUID, job_id: UUID) -> Job | None:
        """See `JobsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return _job_or_none(await connection.fetchrow(_GET, user_id, job_id))

    async def find(self, user_id: UUID, request_id: str) -> Job | None:
        """See `JobsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return _job_or_none(await connection.fetchrow(_FIND, user_id, request_id))

    async def results(self, user_id: UUID, job_id: UUID, number: int) -> Sequence[Classification] | None:
        """See `JobsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            found = await connection.fetchval(_RESULTS, user_id, job_id, number)
        return [_classification(one) for one in json.loads(found)] if found is not None else None

    async def claim(self, user_id: UUID, job_id: UUID, *, lease_s: float) -> Job | None:
        """See `JobsRepository`."""
        async with self._database.transaction(user_id) as connection:
            return _job_or_none(await connection.fetchrow(_CLAIM, user_id, job_id, lease_s))

    async def next_chunk(self, running: Job) -> tuple[int, Sequence[Payment]] | None:
        """See `JobsRepository`."""
        async with self._database.transaction(running.user_id, read_only=True) as connection:
            found = await connection.fetchrow(_NEXT_CHUNK, running.user_id, running.id)
        return (found["number"], [_payment(one) for one in json.loads(found["inputs"])]) if found else None

    async def answer_chunk(self, running: Job, number: int, answers: Sequence[Classification], progress: Progress) -> bool:
        """See `JobsRepository`."""
        async with self._database.transaction(running.user_id) as connection:
            # First the record, whose lock keeps a second worker out until the answers are in.
            if not await _advance(connection, running, progress):
                return False
            text = json.dumps([_classification_record(answer) for answer in answers], ensure_ascii=False)
            await connection.execute(_ANSWER_CHUNK, running.user_id, running.id, number, text)
        return True

    async def renew(self, running: Job, *, lease_s: float) -> bool:
        """See `JobsRepository`."""
        async with self._database.transaction(running.user_id) as connection:
            return affected(await connection.execute(_RENEW, *_attempt(running), lease_s)) == 1

    async def advance(self, running: Job, progress: Progress) -> bool:
        """See `JobsRepository`."""
        async with self._database.transaction(running.user_id) as connection:
            return await _advance(connection, running, progress)

    async def put_back(self, running: Job, *, lease_s: float, counts: bool, in_queue: bool) -> Job | None:
        """See `JobsRepository`."""
        async with self._database.transaction(running.user_id) as connection:
            return _job_or_none(await connection.fetchrow(_PUT_BACK, *_attempt(running), lease_s, 0 if counts else 1, in_queue))

    async def succeed(self, running: Job, progress: Progress, *, model_version: str) -> Job | None:
        """See `JobsRepository`."""
        async with self._database.transaction(running.user_id) as connection:
            return _job_or_none(
                await connection.fetchrow(_SUCCEED, *_attempt(running), progress.done_count, progress.changed_count, model_version[:200])
            )

    async def fail(self, running: Job, *, message: str, reason: str) -> Job | None:
        """See `JobsRepository`."""
        async with self._database.transaction(running.user_id) as connection:
            return _job_or_none(await connection.fetchrow(_FAIL, *_attempt(running), message.replace("\x00", "")[:2000], reason))

    async def stalled(self, limit: int) -> Sequence[StalledJob]:
        """See `JobsRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            found = await connection.fetch(_STALLED, limit)
        return [StalledJob(user_id, job_id, JobKind(kind), in_queue) for user_id, job_id, kind, in_queue in found]

    async def count_in_queue(self) -> int:
        """See `JobsRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            return int(await connection.fetchval(_COUNT_IN_QUEUE))

    async def requeue(self, stalled: StalledJob, *, lease_s: float) -> bool:
        """See `JobsRepository`."""
        async with self._database.transaction(stalled.user_id) as connection:
            return await connection.fetchval(_REQUEUE, stalled.user_id, stalled.job_id, lease_s) is not None

    async def expire_chunks(self, *, days: float, limit: int) -> int:
        """See `JobsRepository`."""
        async with self._database.transaction(_NOBODY) as connection:
            return int(await connection.fetchval(_EXPIRE, days, limit))


async def _advance(connection: Connection, running: Job, progress: Progress) -> bool:
    done = await connection.execute(_ADVANCE, *_attempt(running), progress.done_count, progress.changed_count, progress.cursor)
    return affected(done) == 1


def _attempt(running: Job) -> tuple[UUID, UUID, int]:
    return running.user_id, running.id, running.attempt


def _job(record: asyncpg.Record) -> Job:
    found = dict(record)
    return Job(**{**found, "kind": JobKind(found["kind"]), "state": JobState(found["state"])})


def _job_or_none(record: asyncpg.Record | None) -> Job | None:
    return _job(record) if record is not None else None


def _payments_text(payments: Sequence[Payment]) -> str:
    return json.dumps([_payment_record(payment) for payment in payments], ensure_ascii=False)


def _payment_record(payment: Payment) -> list[str | None]:
    day, transaction_id = payment.transaction_date, payment.transaction_id
    return [
        payment.description,
        payment.merchant,
        f"{payment.amount:f}",
        payment.currency,
        day.isoformat() if day is not None else None,
        str(transaction_id) if transaction_id is not None else None,
    ]


def _payment(record: Sequence[Any]) -> Payment:
    description, merchant, amount, currency, day, transaction_id = record
    return Payment(
        description,
        merchant,
        Decimal(amount),
        currency,
        date.fromisoformat(day) if day else None,
        UUID(transaction_id) if transaction_id else None,
    )


def _classification_record(answer: Classification) -> dict[str, object]:
    return {
        "category": answer.category,
        "primary_category": answer.primary_category,
        "confidence": answer.confidence,
        "source": answer.source.value,
        "reasons": list(answer.reasons),
        "model_version": answer.model_version,
        "abstained": answer.abstained,
        "alternatives": [[one.category, one.primary_category, one.confidence] for one in answer.alternatives],
        "degraded": answer.degraded,
    }


def _classification(record: Mapping[str, Any]) -> Classification:
    alternatives = [Alternative(*one) for one in record["alternatives"]]
    return Classification(**{**record, "source": Source(record["source"]), "alternatives": alternatives})
