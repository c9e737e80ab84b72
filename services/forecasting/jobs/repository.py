"""Jobs in PostgreSQL: the record is the truth, a message in the queue only says where to look."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from services.forecasting.jobs.domain import Begun, Job, JobKind, JobState, NewJob, StalledJob
from services.kit.postgres import Connection, Database, affected

_COLUMNS = (
    "id, user_id, kind, request_id, request_hash, state, attempt, begun, tries, error_message, error_reason, created_at, completed_at"
)
_LEASE = "now() + $4::float8 * interval '1 second'"
# One at a time of a user: how many are open, and that no other scan is, holds until the job is there.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('forecasting.jobs ' || $1, 0))"
_ADD = f"""
    INSERT INTO forecasting.jobs (user_id, id, lease_expires_at, kind, request_id, request_hash, in_queue)
    VALUES ($1, $2, now() + $3::float8 * interval '1 second', $4, $5, $6, $7)
    ON CONFLICT (user_id, request_id) DO NOTHING
    RETURNING {_COLUMNS}
"""  # nosec B608
_ADD_DONE = f"""
    INSERT INTO forecasting.jobs (user_id, id, kind, request_id, request_hash, state, in_queue, completed_at)
    VALUES ($1, $2, $3, $4, $5, 'succeeded', false, now())
    ON CONFLICT (user_id, request_id) DO NOTHING
    RETURNING {_COLUMNS}
"""  # nosec B608
_GET = f"SELECT {_COLUMNS} FROM forecasting.jobs WHERE user_id = $1 AND id = $2"  # nosec B608
_FIND = f"SELECT {_COLUMNS} FROM forecasting.jobs WHERE user_id = $1 AND request_id = $2"  # nosec B608
_OPEN_SCAN = f"""
    SELECT {_COLUMNS} FROM forecasting.jobs WHERE user_id = $1 AND kind = 'scan' AND kind = $2 AND state IN ('pending', 'running')
"""  # nosec B608
_WAKE = f"""
    UPDATE forecasting.jobs SET in_queue = true, lease_expires_at = now() + $3::float8 * interval '1 second'
     WHERE user_id = $1 AND id = $2 AND state = 'pending' AND NOT in_queue
    RETURNING {_COLUMNS}
"""  # nosec B608
# The one with which there are so many.
_MOST_OPEN = f"""
    SELECT {_COLUMNS}
      FROM (SELECT *, row_number() OVER (ORDER BY created_at, id) AS place
              FROM forecasting.jobs WHERE user_id = $1 AND kind = $2 AND state IN ('pending', 'running')) AS open
     WHERE place = $3
"""  # nosec B608
_CLAIM = f"""
    UPDATE forecasting.jobs
       SET state = 'running', attempt = attempt + 1, begun = begun + 1, tries = tries + 1, in_queue = false,
           lease_expires_at = now() + $3::float8 * interval '1 second'
     WHERE user_id = $1 AND id = $2 AND (state = 'pending' OR (state = 'running' AND lease_expires_at < now()))
    RETURNING {_COLUMNS}
"""  # nosec B608
_MINE = "user_id = $1 AND id = $2 AND attempt = $3 AND state = 'running'"
_RENEW = f"UPDATE forecasting.jobs SET lease_expires_at = {_LEASE} WHERE {_MINE}"  # nosec B608
_ENDED_WELL = "SELECT EXISTS (SELECT FROM forecasting.jobs WHERE user_id = $1 AND id = $2 AND attempt = $3 AND state = 'succeeded')"
_PUT_BACK = f"""
    UPDATE forecasting.jobs SET state = 'pending', in_queue = $6, tries = tries - $5, lease_expires_at = {_LEASE}
     WHERE {_MINE} RETURNING {_COLUMNS}
"""  # nosec B608
_SUCCEED = f"""
    UPDATE forecasting.jobs SET state = 'succeeded', lease_expires_at = NULL, completed_at = now(), in_queue = false WHERE {_MINE}
"""  # nosec B608
_FAIL = f"""
    UPDATE forecasting.jobs
       SET state = 'failed', lease_expires_at = NULL, completed_at = now(), in_queue = false, error_message = $4, error_reason = $5
     WHERE {_MINE} RETURNING {_COLUMNS}
"""  # nosec B608
_STALLED = "SELECT user_id, job_id, kind, in_queue FROM forecasting.stalled_jobs($1)"
_COUNT_IN_QUEUE = "SELECT forecasting.count_in_queue()"
_REQUEUE = """
    UPDATE forecasting.jobs SET state = 'pending', in_queue = true, lease_expires_at = now() + $3::float8 * interval '1 second'
     WHERE user_id = $1 AND id = $2 AND state IN ('pending', 'running') AND lease_expires_at < now()
    RETURNING id
"""
_EXPIRE = "SELECT forecasting.expire_jobs($1, $2)"
_NOBODY = UUID(int=0)


async def begin(connection: Connection, new: NewJob, *, lease_s: float, most_open: int, delay_s: float = 0) -> tuple[Job, Begun]:
    """Records a job, in the caller's transaction, unless the request id is known, the user has an open scan and wants another one, or
    `most_open` open ones of its kind. When the lease is over, its message is looked for. With `delay_s` there is none to begin with: it is
    taken up after so long, or when it is asked for again without."""
    user_id, kind = new.user_id, new.kind.value
    await connection.execute(_LOCK, str(user_id))
    while True:
        if found := await connection.fetchrow(_FIND, user_id, new.request_id):
            return _job(found), Begun.REPEATED
        if found := await connection.fetchrow(_OPEN_SCAN, user_id, kind):
            woken = await connection.fetchrow(_WAKE, user_id, found["id"], lease_s) if not delay_s else None
            return _job(woken or found), Begun.WOKEN if woken else Begun.ANOTHER_OPEN
        if found := await connection.fetchrow(_MOST_OPEN, user_id, kind, most_open):
            return _job(found), Begun.TOO_MANY_OPEN
        added = await connection.fetchrow(_ADD, user_id, new.id, delay_s or lease_s, kind, new.request_id, new.request_hash, not delay_s)
        # Else an export that was brought back meanwhile has the request id.
        if added is not None:
            break
    if delay_s:
        return _job(added), Begun.NEW_DELAYED
    is_only_one = await connection.fetchrow(_MOST_OPEN, user_id, kind, 2) is None
    return _job(added), Begun.NEW if is_only_one else Begun.NEW_BEHIND


async def record_done(connection: Connection, new: NewJob) -> tuple[Job, Begun]:
    """Records, in the caller's transaction, a job that there is nothing left to do for: NEW, or REPEATED with the one that has the
    request id."""
    while True:
        if added := await connection.fetchrow(_ADD_DONE, new.user_id, new.id, new.kind.value, new.request_id, new.request_hash):
            return _job(added), Begun.NEW
        if found := await connection.fetchrow(_FIND, new.user_id, new.request_id):
            return _job(found), Begun.REPEATED


async def succeed(connection: Connection, running: Job) -> bool:
    """It is done, in the caller's transaction; False when the attempt is over. First of all that the transaction writes: from here on
    nobody else takes it up."""
    return affected(await connection.execute(_SUCCEED, *_attempt(running))) == 1


class PostgresJobsRepository:
    """`JobsRepository` on PostgreSQL, schema `forecasting`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user_id: UUID, job_id: UUID) -> Job | None:
        """See `JobsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return _job_or_none(await connection.fetchrow(_GET, user_id, job_id))

    async def find(self, user_id: UUID, request_id: str) -> Job | None:
        """See `JobsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return _job_or_none(await connection.fetchrow(_FIND, user_id, request_id))

    async def claim(self, user_id: UUID, job_id: UUID, *, lease_s: float) -> Job | None:
        """See `JobsRepository`."""
        async with self._database.transaction(user_id) as connection:
            return _job_or_none(await connection.fetchrow(_CLAIM, user_id, job_id, lease_s))

    async def renew(self, running: Job, *, lease_s: float) -> bool:
        """See `JobsRepository`."""
        async with self._database.transaction(running.user_id) as connection:
            if affected(await connection.execute(_RENEW, *_attempt(running), lease_s)) == 1:
                return True
            return bool(await connection.fetchval(_ENDED_WELL, *_attempt(running)))

    async def put_back(self, running: Job, *, lease_s: float, counts: bool, in_queue: bool) -> Job | None:
        """See `JobsRepository`."""
        async with self._database.transaction(running.user_id) as connection:
            return _job_or_none(await connection.fetchrow(_PUT_BACK, *_attempt(running), lease_s, 0 if counts else 1, in_queue))

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

    async def expire(self, *, days: float, limit: int) -> int:
        """See `JobsRepository`."""
        async with self._database.transaction(_NOBODY) as connection:
            return int(await connection.fetchval(_EXPIRE, days, limit))


def _attempt(running: Job) -> tuple[UUID, UUID, int]:
    return running.user_id, running.id, running.attempt


def _job(record: asyncpg.Record) -> Job:
    found = dict(record)
    return Job(**{**found, "kind": JobKind(found["kind"]), "state": JobState(found["state"])})


def _job_or_none(record: asyncpg.Record | None) -> Job | None:
    return _job(record) if record is not None else None
