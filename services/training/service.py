"""Rules of training jobs as callers see them: one at a time for each user, begun once per request id, told how far they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from uuid import UUID

import structlog
import uuid_utils.compat

from services.kit.errors import Unavailable
from services.training.domain import (
    MODELS,
    NOBODY,
    Begun,
    Caller,
    Job,
    JobEvent,
    JobPosition,
    JobStatus,
    NewJob,
    Trigger,
    job_ended,
    job_not_found,
    job_open,
    model_unknown,
    queue_full,
    queue_missing,
    request_reused,
)
from services.training.metrics import JOBS
from services.training.protocols import JobEvents, JobQueue, JobsRepository, JobStatuses, StartLock
from services.training.watch import JobWatch

log = structlog.get_logger()

_LOCK_LOOKS = 40
"""At another start of the same user that goes on, before the database alone decides."""
_LOCK_PAUSE_S = 0.05
_EXPIRED_AT_ONCE = 1000


class TrainingService:
    """Every call names the caller, from the verified token."""

    def __init__(
        self,
        repository: JobsRepository,
        queue: JobQueue | None,
        *,
        lock: StartLock | None,
        events: JobEvents | None,
        statuses: JobStatuses,
        max_queued: int,
        message_lease_s: float,
        watch_idle_s: float = 300,
    ) -> None:
        """Without a queue no job is begun. `message_lease_s`: after how long a message is looked for."""
        self._repository = repository
        self._queue = queue
        self._lock = lock
        self._events = events
        self._statuses = statuses
        self._max_queued = max_queued
        self._message_lease_s = message_lease_s
        self._watch = JobWatch(events, idle_s=watch_idle_s)

    async def start_training_job(self, caller: Caller, model: str, *, request_id: str, trigger: Trigger = Trigger.USER) -> Job:
        """Trains in the background. The same request id is the same job.

        Raises InvalidArgument for a model that is none, PermissionDenied for one that is not the caller's to train, AlreadyExists while
        another job is open, with its id, and ResourceExhausted when too many wait.
        """
        if model not in MODELS:
            raise model_unknown(model)
        if self._queue is None:
            raise queue_missing()
        owner = caller.owner_of(model)
        asked_by = caller.user_id if owner == NOBODY != caller.user_id else None
        new = NewJob(uuid_utils.compat.uuid7(), owner, request_id, model, trigger, asked_by)
        job, begun = await self._begin(new, self._queue)
        if begun is Begun.ANOTHER_OPEN:
            raise job_open(job)
        if job.model_type != model:
            raise request_reused()
        if begun is Begun.NEW:
            JOBS.labels(model, "queued").inc()
            log.info("training begins", job_id=str(job.id), model=model, trigger=trigger.value)
            await self._tell(job)
            await self._send(job, self._queue)
        return job

    async def _begin(self, new: NewJob, queue: JobQueue) -> tuple[Job, Begun]:
        for _ in range(_LOCK_LOOKS):
            same, another = await self._repository.find(new.user_id, new.request_id)
            if same is not None:
                return same, Begun.REPEATED
            if another is not None:
                return another, Begun.ANOTHER_OPEN
            if self._lock is None:
                break
            async with self._lock.hold(new.user_id) as mine:
                if mine:
                    await self._check_room(queue)
                    return await self._repository.begin(new, lease_s=self._message_lease_s)
            await asyncio.sleep(_LOCK_PAUSE_S)
        await self._check_room(queue)
        return await self._repository.begin(new, lease_s=self._message_lease_s)

    async def _check_room(self, queue: JobQueue) -> None:
        try:
            waiting = await queue.length()
        except Unavailable:
            # The job is recorded, and its message is sent when the queue is back.
            return
        if waiting >= self._max_queued:
            raise queue_full()

    async def _send(self, job: Job, queue: JobQueue) -> None:
        try:
            await queue.enqueue(job.user_id, job.id)
        except Unavailable as error:
            log.warning("a job waits for the queue", job_id=str(job.id), reason=error.reason)

    async def get_training_job(self, caller: Caller, job_id: UUID) -> Job:
        """One job, at most five seconds behind. Raises NotFound."""
        for owner in _owners(caller):
            if (kept := await self._statuses.get(owner, job_id)) is not None:
                return kept
        found = await self._find(caller, job_id)
        await self._repository.while_kept(found, partial(self._statuses.put, found))
        return found

    async def _find(self, caller: Caller, job_id: UUID) -> Job:
        for owner in _owners(caller):
            if (found := await self._repository.get(owner, job_id)) is not None:
                return found
        raise job_not_found(job_id)

    async def list_training_jobs(
        self, caller: Caller, *, status: JobStatus | None, model: str, limit: int, after: JobPosition | None
    ) -> tuple[Sequence[Job], bool]:
        """A page, the newest first, and whether there are more; of a global model those that belong to nobody. Raises PermissionDenied."""
        if model and model not in MODELS:
            raise model_unknown(model)
        owner = caller.owner_of(model)
        found = await self._repository.list_jobs(owner, status=status, model_type=model or None, limit=limit + 1, after=after)
        return found[:limit], len(found) > limit

    async def cancel_training_job(self, caller: Caller, job_id: UUID) -> Job:
        """Gives it up: at once while it waits, at its next step while it runs. Raises NotFound, and FailedPrecondition for one
        that has ended otherwise."""
        found = await self._find(caller, job_id)
        job = await self._repository.cancel(found.user_id, job_id)
        if job is None:
            raise job_not_found(job_id)
        if job.over and job.status is not JobStatus.CANCELLED:
            raise job_ended(job)
        if not found.over:
            if job.over:
                JOBS.labels(job.model_type, job.status.value).inc()
            await self._tell(job)
        return job

    async def watch_training_job(self, caller: Caller, job_id: UUID, *, after: str) -> AsyncIterator[JobEvent]:
        """The steps after the event `after`, or all that are kept; then each further one; the final one last. Raises NotFound."""
        found = await self._find(caller, job_id)
        owner = Caller(found.user_id)
        async for event in self._watch.watch(lambda: self._find(owner, job_id), after=after):
            yield event

    async def expire_jobs(self, *, days: float) -> int:
        """Removes jobs of all users that ended so long ago, but for those that made a version which is still kept; returns how many."""
        expired = 0
        while (gone := await self._repository.expire(days=days, limit=_EXPIRED_AT_ONCE)) > 0:
            expired += gone
            if gone < _EXPIRED_AT_ONCE:
                break
        return expired

    async def _tell(self, job: Job) -> None:
        async def told() -> None:
            await self._statuses.put(job)
            if self._events is not None:
                await self._events.publish(job)

        await self._repository.while_kept(job, told)


def _owners(caller: Caller) -> tuple[UUID, ...]:
    return (caller.user_id, NOBODY) if caller.admin else (caller.user_id,)
