"""What a worker does with jobs: carries them out step by step."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

import structlog

from services.categorization.jobs.domain import Job, JobKind, Progress, StalledJob
from services.categorization.jobs.protocols import JobQueue, JobsRepository
from services.categorization.metrics import JOBS, JOBS_REQUEUED
from services.kit import job_runs
from services.kit.job_runs import attempt_over
from services.kit.leases import Lease

log = structlog.get_logger()

SLICE_S = 200.0
"""After so long a job gives way to others, and goes on behind them: the queue's time limit is not one of a ledger's size."""
_EXPIRED_AT_ONCE = 100


class Step(Protocol):
    """How far a job is after one of its steps."""

    @property
    def progress(self) -> Progress:
        """All together."""

    @property
    def model_version(self) -> str:
        """The model that did it."""


class JobWork(Protocol):
    """What one kind of job does."""

    def steps(self, running: Job) -> AsyncIterator[Step]:
        """Goes on where `running` says. Each step is stored, and takes seconds at most; the last one is the end."""


class JobRuns(job_runs.JobRuns[Job, StalledJob]):
    """Jobs, from the message to their end. Whatever dies on the way, each is carried to its end, and no step counts twice."""

    def __init__(
        self,
        *,
        repository: JobsRepository,
        queue: JobQueue,
        work: Mapping[JobKind, JobWork],
        lease_s: float,
        message_lease_s: float,
        results_days: float,
        slice_s: float = SLICE_S,
    ) -> None:
        """`message_lease_s`: after how long a message is looked for."""
        super().__init__(
            records=repository, messages=queue, lease_s=lease_s, message_lease_s=message_lease_s, ended=JOBS, requeued=JOBS_REQUEUED
        )
        self._repository = repository
        self._work = work
        self._results_days = results_days
        self._slice_s = slice_s

    async def _carry_on(self, running: Job, lease: Lease) -> None:
        started = time.monotonic()
        last: Step | None = None
        async for step in self._work[running.kind].steps(running):
            last = step
            if time.monotonic() - started > self._slice_s:
                lease.conclude()
                await self._give_way(running)
                return
        progress = last.progress if last is not None else Progress(running.done_count, running.changed_count)
        version = last.model_version if last is not None else ""
        lease.conclude()
        if await self._repository.succeed(running, progress, model_version=version) is None:
            raise attempt_over(running.id)
        JOBS.labels(running.kind.value, "succeeded").inc()
        log.info("job done", job_id=str(running.id), kind=running.kind.value, done=progress.done_count, changed=progress.changed_count)

    async def expire_results(self) -> int:
        """Removes what jobs were asked and answered days ago; returns how many chunks."""
        return await self._repository.expire_chunks(days=self._results_days, limit=_EXPIRED_AT_ONCE)
