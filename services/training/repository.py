"""Training jobs in PostgreSQL: the record is the truth, a message in the queue only says where to look."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import asyncpg

from services.kit.postgres import Database
from services.training.domain import (
    NOBODY,
    Begun,
    Job,
    JobPosition,
    JobStatus,
    Metrics,
    NewJob,
    OverdueJob,
    Progress,
    StalledJob,
    Trigger,
)
from services.training.notifications.domain import NewNotification
from services.training.notifications.repository import add_notification, tell_requester

_COLUMNS = (
    "id, user_id, request_id, model_type, trigger, status, cancel_requested, attempt, begun, tries, step, total, loss, phase, metrics, "
    "checkpoint_path, model_version, published, error_message, error_reason, created_at, started_at, updated_at, completed_at, requested_by"
)
_TABLE = "training.training_jobs"
_IN = "now() + {}::float8 * interval '1 second'"
_OVER = "lease_expires_at = NULL, in_queue = false, completed_at = now(), updated_at = now()"
# Neither the request id nor another open job may be in the way.
_ADD = f"""
    INSERT INTO {_TABLE} (user_id, id, lease_expires_at, request_id, model_type, trigger, requested_by)
    VALUES ($1, $2, {_IN.format("$3")}, $4, $5, $6, $7)
    ON CONFLICT DO NOTHING
    RETURNING {_COLUMNS}
"""  # nosec B608
_GET = f"SELECT {_COLUMNS} FROM {_TABLE} WHERE user_id = $1 AND id = $2"  # nosec B608
_FIND = f"SELECT {_COLUMNS} FROM {_TABLE} WHERE user_id = $1 AND request_id = $2"  # nosec B608
_FIND_OPEN = f"SELECT {_COLUMNS} FROM {_TABLE} WHERE user_id = $1 AND status IN ('pending', 'processing')"  # nosec B608
# Ids grow with time, so that the primary key has the newest first.
SELECT_PAGE = f"""
    SELECT {_COLUMNS} FROM {_TABLE}
     WHERE user_id = $1 AND ($3::text IS NULL OR model_type = $3) AND ($4::uuid IS NULL OR id < $4)
     ORDER BY id DESC LIMIT $2
"""  # nosec B608
SELECT_PAGE_OF_STATUS = f"""
    SELECT {_COLUMNS} FROM {_TABLE}
     WHERE user_id = $1 AND status = $6 AND ($3::text IS NULL OR model_type = $3)
       AND ($5::timestamptz IS NULL OR (created_at, id) < ($5, $4::uuid))
     ORDER BY created_at DESC, id DESC LIMIT $2
"""  # nosec B608
_CANCEL = f"""
    UPDATE {_TABLE} SET status = 'cancelled', cancel_requested = true, {_OVER}
     WHERE user_id = $1 AND id = $2 AND status = 'pending' RETURNING {_COLUMNS}
"""  # nosec B608
_ASK_TO_STOP = f"""
    UPDATE {_TABLE} SET cancel_requested = true, updated_at = now()
     WHERE user_id = $1 AND id = $2 AND status = 'processing' RETURNING {_COLUMNS}
"""  # nosec B608
_CLAIM = f"""
    UPDATE {_TABLE}
       SET status = 'processing', attempt = attempt + 1, begun = begun + 1, tries = tries + 1, in_queue = false,
           lease_expires_at = {_IN.format("$3")}, started_at = coalesce(started_at, now()), updated_at = now(),
           step = 0, total = 0, loss = NULL, phase = ''
     WHERE user_id = $1 AND id = $2 AND status = 'pending'
    RETURNING {_COLUMNS}
"""  # nosec B608
_MINE = "user_id = $1 AND id = $2 AND attempt = $3 AND status = 'processing'"
_IF_STALLED = "(NOT $4::boolean OR lease_expires_at < now())"
_RENEW = f"UPDATE {_TABLE} SET lease_expires_at = {_IN.format('$4')} WHERE {_MINE} RETURNING {_COLUMNS}"  # nosec B608
_ADVANCE = f"""
    UPDATE {_TABLE} SET step = $4, total = $5, loss = $6, phase = $7, updated_at = now() WHERE {_MINE} RETURNING {_COLUMNS}
"""  # nosec B608
_PUT_BACK = f"""
    UPDATE {_TABLE} SET status = 'pending', in_queue = false, tries = tries - $5, lease_expires_at = {_IN.format("$4")}, updated_at = now()
     WHERE {_MINE} RETURNING {_COLUMNS}
"""  # nosec B608
_COMPLETE = f"""
    UPDATE {_TABLE}
       SET status = 'completed', {_OVER}, metrics = $4::jsonb, model_version = $5, published = $6, step = $7, total = $8, loss = $9,
           phase = ''
     WHERE {_MINE} RETURNING {_COLUMNS}
"""  # nosec B608
_FAIL = f"""
    UPDATE {_TABLE} SET status = 'failed', {_OVER}, error_message = $5, error_reason = $6
     WHERE {_MINE} AND {_IF_STALLED} AND started_at <= now() - $7::float8 * interval '1 second' RETURNING {_COLUMNS}
"""  # nosec B608
_END_CANCELLED = f"UPDATE {_TABLE} SET status = 'cancelled', {_OVER} WHERE {_MINE} AND {_IF_STALLED} RETURNING {_COLUMNS}"  # nosec B608
_REQUEUE = f"""
    UPDATE {_TABLE} SET status = 'pending', in_queue = true, lease_expires_at = {_IN.format("$4")}, updated_at = now()
     WHERE user_id = $1 AND id = $2 AND attempt = $3 AND status IN ('pending', 'processing') AND lease_expires_at < now()
    RETURNING {_COLUMNS}
"""  # nosec B608
_KEPT = f"SELECT true FROM {_TABLE} WHERE user_id = $1 AND id = $2"  # nosec B608
_KEPT_NOTIFICATION = "SELECT true FROM training.notifications WHERE user_id = $1 AND kind = $2 AND subject_id = $3"
_STALLED = "SELECT user_id, job_id, in_queue FROM training.stalled_jobs($1)"
_OVERDUE = "SELECT user_id, job_id FROM training.overdue_jobs($1, $2)"
_EXPIRE = "SELECT training.expire_jobs($1, $2)"
_COUNT_IN_QUEUE = "SELECT training.count_in_queue()"


class PostgresJobsRepository:
    """`JobsRepository` on PostgreSQL, schema `training`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, new: NewJob, *, lease_s: float) -> tuple[Job, Begun]:
        """See `JobsRepository`."""
        while True:
            async with self._database.transaction(new.user_id) as connection:
                values = (new.request_id, new.model_type, new.trigger.value, new.requested_by)
                added = await connection.fetchrow(_ADD, new.user_id, new.id, lease_s, *values)
                if added is not None:
                    return _job(added), Begun.NEW
                if found := await connection.fetchrow(_FIND, new.user_id, new.request_id):
                    return _job(found), Begun.REPEATED
                if found := await connection.fetchrow(_FIND_OPEN, new.user_id):
                    return _job(found), Begun.ANOTHER_OPEN
                # The one that was in the way has ended just now.

    async def get(self, user_id: UUID, job_id: UUID) -> Job | None:
        """See `JobsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return _job_or_none(await connection.fetchrow(_GET, user_id, job_id))

    async def find(self, user_id: UUID, request_id: str) -> tuple[Job | None, Job | None]:
        """See `JobsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            same = await connection.fetchrow(_FIND, user_id, request_id)
            return _job_or_none(same), _job_or_none(await connection.fetchrow(_FIND_OPEN, user_id))

    async def list_jobs(
        self, user_id: UUID, *, status: JobStatus | None, model_type: str | None, limit: int, after: JobPosition | None
    ) -> Sequence[Job]:
        """See `JobsRepository`."""
        created_at, last_id = after or (None, None)
        arguments = (user_id, limit, model_type, last_id)
        async with self._database.transaction(user_id, read_only=True) as connection:
            if status is None:
                found = await connection.fetch(SELECT_PAGE, *arguments)
            else:
                found = await connection.fetch(SELECT_PAGE_OF_STATUS, *arguments, created_at, status.value)
        return [_job(record) for record in found]

    async def cancel(self, user_id: UUID, job_id: UUID) -> Job | None:
        """See `JobsRepository`."""
        async with self._database.transaction(user_id) as connection:
            # A job may go from waiting to running and back between two statements.
            for statement in (_CANCEL, _ASK_TO_STOP, _CANCEL):
                if found := await connection.fetchrow(statement, user_id, job_id):
                    return _job(found)
            return _job_or_none(await connection.fetchrow(_GET, user_id, job_id))

    async def claim(self, user_id: UUID, job_id: UUID, *, lease_s: float) -> Job | None:
        """See `JobsRepository`."""
        async with self._database.transaction(user_id) as connection:
            return _job_or_none(await connection.fetchrow(_CLAIM, user_id, job_id, lease_s))

    async def renew(self, running: Job, *, lease_s: float) -> Job | None:
        """See `JobsRepository`."""
        return await self._write(running, _RENEW, lease_s)

    async def advance(self, running: Job, progress: Progress) -> Job | None:
        """See `JobsRepository`."""
        return await self._write(running, _ADVANCE, *_progress(progress), progress.phase[:63])

    async def put_back(self, running: Job, *, lease_s: float, counts: bool) -> Job | None:
        """See `JobsRepository`."""
        return await self._write(running, _PUT_BACK, lease_s, 0 if counts else 1)

    async def complete(
        self, running: Job, *, metrics: Metrics, version: str, published: bool, progress: Progress, notification: NewNotification
    ) -> Job | None:
        """See `JobsRepository`."""
        arguments = (_metrics_text(metrics), version[:200], published, *_progress(progress))
        return await self._write(running, _COMPLETE, *arguments, notification=notification)

    async def fail(
        self, running: Job, *, message: str, reason: str, notification: NewNotification, stalled: bool = False, overdue_s: float = 0
    ) -> Job | None:
        """See `JobsRepository`."""
        arguments = (stalled, message.replace("\x00", "")[:2000], reason[:63], overdue_s)
        return await self._write(running, _FAIL, *arguments, notification=notification)

    async def end_cancelled(self, running: Job, *, stalled: bool = False) -> Job | None:
        """See `JobsRepository`."""
        return await self._write(running, _END_CANCELLED, stalled)

    async def while_kept(self, kept: Job | NewNotification, tell: Callable[[], Awaitable[None]]) -> None:
        """See `JobsRepository`."""
        if isinstance(kept, Job):
            await self._database.while_kept(tell, kept.user_id, _KEPT, kept.user_id, kept.id)
        else:
            known = (kept.user_id, kept.kind, kept.subject_id)
            await self._database.while_kept(tell, kept.user_id, _KEPT_NOTIFICATION, *known)

    async def stalled(self, limit: int) -> Sequence[StalledJob]:
        """See `JobsRepository`."""
        async with self._database.transaction(NOBODY, read_only=True) as connection:
            return [StalledJob(*record) for record in await connection.fetch(_STALLED, limit)]

    async def overdue(self, *, seconds: float, limit: int) -> Sequence[OverdueJob]:
        """See `JobsRepository`."""
        async with self._database.transaction(NOBODY, read_only=True) as connection:
            return [OverdueJob(*record) for record in await connection.fetch(_OVERDUE, seconds, limit)]

    async def expire(self, *, days: float, limit: int) -> int:
        """See `JobsRepository`."""
        async with self._database.transaction(NOBODY) as connection:
            return int(await connection.fetchval(_EXPIRE, days, limit))

    async def count_in_queue(self) -> int:
        """See `JobsRepository`."""
        async with self._database.transaction(NOBODY, read_only=True) as connection:
            return int(await connection.fetchval(_COUNT_IN_QUEUE))

    async def requeue(self, stalled: Job, *, lease_s: float) -> Job | None:
        """See `JobsRepository`."""
        return await self._write(stalled, _REQUEUE, lease_s)

    async def _write(self, running: Job, statement: str, *arguments: object, notification: NewNotification | None = None) -> Job | None:
        async with self._database.transaction(running.user_id) as connection:
            changed = await connection.fetchrow(statement, running.user_id, running.id, running.attempt, *arguments)
            if changed is not None and notification is not None:
                tell = tell_requester if running.user_id == NOBODY else add_notification
                await tell(connection, notification)
            return _job_or_none(changed)


def _progress(progress: Progress) -> tuple[int, int, float | None]:
    """Within what the table takes: no step beyond the last, and no loss that JSON has no word for."""
    total = max(0, progress.total)
    loss = progress.loss if progress.loss is not None and math.isfinite(progress.loss) else None
    return min(max(0, progress.step), total), total, loss


def _metrics_text(metrics: Metrics) -> str:
    known = {name: value for name, value in metrics.items() if not isinstance(value, float) or math.isfinite(value)}
    return json.dumps(known)


def _job(record: asyncpg.Record) -> Job:
    found = dict(record)
    return Job(
        **{
            **found,
            "trigger": Trigger(found["trigger"]),
            "status": JobStatus(found["status"]),
            "metrics": json.loads(found["metrics"]),
        }
    )


def _job_or_none(record: asyncpg.Record | None) -> Job | None:
    return _job(record) if record is not None else None
