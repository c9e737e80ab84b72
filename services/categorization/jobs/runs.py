"""What a worker does with jobs: carries them out step by step, and picks up what a dead one held or a lost message named."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Protocol
from uuid import UUID

import structlog

from services.categorization.jobs.domain import AttemptOver, Job, JobKind, Progress, StalledJob, attempt_over
from services.categorization.jobs.protocols import JobQueue, JobsRepository
from services.categorization.metrics import JOBS, JOBS_REQUEUED
from services.kit.errors import (
    ERASED,
    Aborted,
    AlreadyExists,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ScaleError,
    Unavailable,
)
from services.kit.leases import Lease, keep_lease
from services.kit.queue import to_send_again

log = structlog.get_logger()

MAX_TRIES = 3
"""That died, or failed in a way that waiting does not mend: the first, and the two repeats of the queue's rules."""
MAX_ATTEMPTS = 20
"""All together: what is away may be so for more than an hour."""
SLICE_S = 200.0
"""After so long a job gives way to others, and goes on behind them: the queue's time limit is not one of a ledger's size."""
_FIRST_WAIT_S = 5.0
_LONGEST_WAIT_S = 300.0
_STALLED_AT_ONCE = 100
_EXPIRED_AT_ONCE = 100
_AWAY = (Aborted, DeadlineExceeded, ResourceExhausted, Unavailable)
_HOPELESS = (AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied)
"""What would be answered again."""


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


class JobRuns:
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
        self._repository = repository
        self._queue = queue
        self._work = work
        self._lease_s = lease_s
        self._message_lease_s = message_lease_s
        self._results_days = results_days
        self._slice_s = slice_s

    async def run_job(self, user_id: UUID, job_id: UUID) -> None:
        """Carries a job on, unless it is over or somebody else does. Its failures are stored, not raised."""
        try:
            running = await self._repository.claim(user_id, job_id, lease_s=self._lease_s)
            if running is None:
                log.info("nothing to do for a job", job_id=str(job_id))
                return
            await self._run(running)
        except AttemptOver:
            log.info("a job is carried on by another worker", job_id=str(job_id))
        except ScaleError as error:
            if error.reason not in ERASED:
                raise
            log.info("a job ends: its user has erased everything", job_id=str(job_id))

    async def _run(self, running: Job) -> None:
        try:
            renew = partial(self._repository.renew, running, lease_s=self._lease_s)
            over = partial(attempt_over, running.id)
            async with keep_lease(renew, every_s=self._lease_s / 3, over=over, work=f"job {running.id}") as lease:
                await self._carry_on(running, lease)
        except AttemptOver:
            raise
        except Exception as error:
            if isinstance(error, ScaleError) and error.reason in ERASED:
                raise
            if not isinstance(error, ScaleError) or type(error) is ScaleError:
                log.error("a job failed unexpectedly", job_id=str(running.id), exc_info=error)
            await self._try_again_later(running, error)

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

    async def _give_way(self, running: Job) -> None:
        """Puts it behind what waits. That it has taken long is none of its failures."""
        if await self._repository.put_back(running, lease_s=self._message_lease_s, counts=False, in_queue=True) is None:
            raise attempt_over(running.id)
        await self._queue.enqueue(running.user_id, running.id, running.kind)

    async def _try_again_later(self, running: Job, error: Exception) -> None:
        """What is away for a while costs no try; after the last one the job has failed."""
        away = isinstance(error, _AWAY)
        if isinstance(error, _HOPELESS) or running.begun >= MAX_ATTEMPTS or (running.tries >= MAX_TRIES and not away):
            known = isinstance(error, ScaleError) and type(error) is not ScaleError
            why = str(error).rstrip(".") if known else "something broke on our side"
            reason = error.reason if known and isinstance(error, ScaleError) else "JOB_GIVEN_UP"
            JOBS.labels(running.kind.value, "failed").inc()
            await self._repository.fail(running, message=f"The job could not be carried out: {why}. Start it again.", reason=reason)
            return
        wait_s = min(_FIRST_WAIT_S * 2 ** (running.begun - 1), _LONGEST_WAIT_S)
        log.warning("a job will be tried again", job_id=str(running.id), tries=running.tries, wait_s=wait_s, error=str(error))
        await self._repository.put_back(running, lease_s=wait_s, counts=not away, in_queue=False)

    async def requeue_stalled_jobs(self) -> int:
        """Sends a message for each job that nobody works on; returns how many.

        A dead worker's, and those whose time to be tried again has come, at once. Others have a message in the queue; only when there are
        fewer messages than there should be, some were lost, and the oldest jobs are named again.
        """
        stalled = await self._repository.stalled(_STALLED_AT_ONCE)
        if not stalled:
            return 0
        missing = await self._repository.count_in_queue() - await self._queue.length()
        return sum([await self._requeue(one) for one in to_send_again(stalled, missing=missing)])

    async def _requeue(self, stalled: StalledJob) -> bool:
        # Two at once: only one gets the lease.
        if not await self._repository.requeue(stalled, lease_s=self._message_lease_s):
            return False
        await self._queue.enqueue(stalled.user_id, stalled.job_id, stalled.kind)
        JOBS_REQUEUED.labels("lost" if stalled.in_queue else "stalled").inc()
        log.info("a job was queued again", job_id=str(stalled.job_id), message_lost=stalled.in_queue)
        return True

    async def expire_results(self) -> int:
        """Removes what jobs were asked and answered days ago; returns how many chunks."""
        return await self._repository.expire_chunks(days=self._results_days, limit=_EXPIRED_AT_ONCE)
