"""Rules of jobs as callers see them: begun once per request id, no more at a time than there is room for."""

from __future__ import annotations

from uuid import UUID

import structlog

from services.forecasting.jobs.domain import Begun, Job, NewJob, queue_full, queue_missing, request_reused, too_many_open
from services.forecasting.jobs.protocols import JobQueue, JobsRepository, Record
from services.forecasting.metrics import JOBS
from services.kit.errors import Unavailable

log = structlog.get_logger()


class JobsService:
    """Every call names the user, from the verified token."""

    def __init__(
        self, repository: JobsRepository, queue: JobQueue | None, *, max_queued: int, max_open: int, message_lease_s: float
    ) -> None:
        """Without a queue no job is begun. `max_open` of one user and kind go on at the same time. `message_lease_s`: after how long a
        message is looked for."""
        self._repository = repository
        self._queue = queue
        self._max_queued = max_queued
        self._max_open = max_open
        self._message_lease_s = message_lease_s

    async def get(self, user_id: UUID, job_id: UUID) -> Job | None:
        """One job, of whichever kind."""
        return await self._repository.get(user_id, job_id)

    async def find(self, new: NewJob) -> Job | None:
        """The job that the same request began before. Raises AlreadyExists where the request id came with another body."""
        found = await self._repository.find(new.user_id, new.request_id)
        if found is not None:
            check_same_request(found, new)
        return found

    async def start(self, new: NewJob, record: Record, *, behind: bool = False) -> Job:
        """Begins a job, once per request id; for a scan, while another one of the user is open, that one. `record` stores it with what was
        asked. `behind`: it waits for everybody who waits for an answer.

        Raises AlreadyExists for a request id with another body, ResourceExhausted when too many wait, or are the user's and open, and
        FailedPrecondition without a queue. While the queue is away the job is recorded, and its message is sent later.
        """
        if self._queue is None:
            raise queue_missing()
        if (found := await self.find(new)) is not None:
            return found
        await self._check_room(self._queue, behind=behind)
        job, begun = await record(new, lease_s=self._message_lease_s, most_open=self._max_open)
        if begun is Begun.TOO_MANY_OPEN:
            raise too_many_open(job, self._max_open)
        if begun is Begun.REPEATED:
            check_same_request(job, new)
        if begun in (Begun.NEW, Begun.NEW_BEHIND, Begun.NEW_DELAYED):
            JOBS.labels(job.kind.value, "queued").inc()
        if begun in (Begun.NEW, Begun.NEW_BEHIND, Begun.WOKEN):
            # The first jobs of all users come before the second one of any.
            await self._send(job, self._queue, behind=behind or begun is Begun.NEW_BEHIND)
        return job

    async def _check_room(self, queue: JobQueue, *, behind: bool) -> None:
        try:
            waiting = await queue.length()
        except Unavailable:
            # The job is recorded, and its message is sent when the queue is back.
            return
        # What nobody waits for leaves half of it to those who do.
        if waiting >= (self._max_queued // 2 if behind else self._max_queued):
            raise queue_full()

    async def _send(self, job: Job, queue: JobQueue, *, behind: bool) -> None:
        try:
            await queue.enqueue(job.user_id, job.id, job.kind, behind=behind)
        except Unavailable as error:
            log.warning("a job waits for the queue", job_id=str(job.id), reason=error.reason)


def check_same_request(found: Job, new: NewJob) -> None:
    """Raises AlreadyExists where the request id of a job came again with another body."""
    if (found.kind, found.request_hash) != (new.kind, new.request_hash):
        raise request_reused(found.kind)
