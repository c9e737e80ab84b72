"""What becomes of jobs that nobody works on: a dead worker held them, their message was lost, their time to be tried again has come."""

from __future__ import annotations

import asyncio

import structlog

from services.kit.errors import ScaleError
from services.kit.queue import to_send_again
from services.training.domain import Job, JobStatus, StalledJob
from services.training.endings import Endings
from services.training.metrics import JOBS_REQUEUED
from services.training.protocols import JobQueue, JobsRepository

log = structlog.get_logger()

LOOK_EVERY_S = 10
_AT_ONCE = 100
_DIED = "The process that trained the model died, {times}. Nothing has changed; start it again."


class Reaper:
    """Wherever a job stands, it goes on or ends."""

    def __init__(
        self,
        repository: JobsRepository,
        queue: JobQueue,
        endings: Endings,
        *,
        max_tries: int,
        message_lease_s: float,
        overdue_s: float,
    ) -> None:
        """`max_tries` all together, the first one included; `overdue_s`: after so long with workers a job is given up."""
        self._repository = repository
        self._queue = queue
        self._endings = endings
        self._max_tries = max_tries
        self._message_lease_s = message_lease_s
        self._overdue_s = overdue_s

    async def look(self) -> None:
        """Gives up what takes too long, and queues again what nobody works on, also when the first cannot be done just now."""
        try:
            await self.fail_overdue_jobs()
        finally:
            await self.requeue_stalled_jobs()

    async def keep_looking(self, *, every_s: float = LOOK_EVERY_S) -> None:
        """Until it is cancelled: a worker that trains hears no clock, and it may be the only one."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.look()
            except ScaleError as error:
                log.warning("nobody looks after jobs just now", reason=error.reason)

    async def requeue_stalled_jobs(self) -> int:
        """Sends a message for each job that nobody works on, and gives those up that have died too often; returns how many changed.

        A dead worker's, and those whose time to be tried again has come, at once. Others have a message in the queue; only when there are
        fewer messages than there should be, some were lost, and the oldest jobs are named again.
        """
        stalled = await self._repository.stalled(_AT_ONCE)
        if not stalled:
            return 0
        missing = 0
        if any(one.in_queue for one in stalled):
            missing = await self._repository.count_in_queue() - await self._queue.length()
        return sum([await self._requeue(one) for one in to_send_again(stalled, missing=missing)])

    async def _requeue(self, stalled: StalledJob) -> bool:
        job = await self._repository.get(stalled.user_id, stalled.job_id)
        if job is None or job.over:
            return False
        if job.cancel_requested and job.status is JobStatus.PROCESSING:
            return await self._endings.cancelled(job, stalled=True) is not None
        if job.status is JobStatus.PROCESSING and job.tries >= self._max_tries:
            times = "once" if job.tries == 1 else f"{job.tries} times"
            done = await self._endings.failed(job, message=_DIED.format(times=times), reason="WORKER_DIED", stalled=True)
            return done is not None
        return await self._send_again(job, stalled)

    async def _send_again(self, job: Job, stalled: StalledJob) -> bool:
        # Two at once: only one gets the lease.
        waiting = await self._repository.requeue(job, lease_s=self._message_lease_s)
        if waiting is None:
            return False
        await self._endings.tell(waiting)
        await self._queue.enqueue(job.user_id, job.id)
        JOBS_REQUEUED.labels("lost" if stalled.in_queue else "stalled").inc()
        log.info("a job was queued again", job_id=str(job.id), message_lost=stalled.in_queue)
        return True

    async def fail_overdue_jobs(self) -> int:
        """Gives those up that have taken too long, whoever works on them; returns how many."""
        failed = 0
        for one in await self._repository.overdue(seconds=self._overdue_s, limit=_AT_ONCE):
            job = await self._repository.get(one.user_id, one.job_id)
            if job is None:
                continue
            message = f"Training was not done within {self._overdue_s / 60:g} minutes. Nothing has changed; start it again."
            done = await self._endings.failed(job, message=message, reason="TRAINING_OVERDUE", overdue_s=self._overdue_s)
            failed += done is not None
        return failed
