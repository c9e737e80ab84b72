"""What a worker does with jobs: has each carried out, and forgets them after some weeks."""

from __future__ import annotations

import time
from collections.abc import Mapping

import structlog

from services.forecasting.jobs.domain import Job, JobKind, StalledJob, worker_died
from services.forecasting.jobs.protocols import JobQueue, JobsRepository, JobWork
from services.forecasting.metrics import JOBS, JOBS_REQUEUED
from services.kit import job_runs
from services.kit.leases import Lease

log = structlog.get_logger()

_EXPIRED_AT_ONCE = 1000


class JobRuns(job_runs.JobRuns[Job, StalledJob]):
    """Jobs, from the message to their end. Whatever dies on the way, what comes of each is stored once."""

    def __init__(
        self,
        *,
        repository: JobsRepository,
        queue: JobQueue,
        work: Mapping[JobKind, JobWork],
        lease_s: float,
        message_lease_s: float,
        kept_days: float,
    ) -> None:
        """`message_lease_s`: after how long a message is looked for."""
        super().__init__(
            records=repository, messages=queue, lease_s=lease_s, message_lease_s=message_lease_s, ended=JOBS, requeued=JOBS_REQUEUED
        )
        self._repository = repository
        self._work = work
        self._kept_days = kept_days

    async def _carry_on(self, running: Job, lease: Lease) -> None:
        if running.tries > job_runs.MAX_TRIES:
            raise worker_died(running.tries - 1)
        started = time.monotonic()
        await self._work[running.kind].carry_out(running)
        JOBS.labels(running.kind.value, "succeeded").inc()
        log.info("job done", job_id=str(running.id), kind=running.kind.value, seconds=round(time.monotonic() - started, 2))

    async def expire_jobs(self) -> int:
        """Removes what ended weeks ago, with what came of it; returns how many jobs."""
        removed = 0
        while (now := await self._repository.expire(days=self._kept_days, limit=_EXPIRED_AT_ONCE)) > 0:
            removed += now
            if now < _EXPIRED_AT_ONCE:
                break
        return removed
