"""What a worker does with jobs: carries each out under its lease, and says how it ended, whatever becomes of it."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import structlog

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
from services.training.domain import (
    AttemptOver,
    Job,
    JobCancelled,
    ModelVersion,
    Progress,
    Stage,
    Trained,
    attempt_over,
    job_cancelled,
    model_unknown,
)
from services.training.endings import Endings
from services.training.metrics import JOB_DURATION
from services.training.protocols import JobsRepository, Registry, Trainer
from services.training.report import JobReport

log = structlog.get_logger()

MAX_BEGUN = 20
"""All together: what is away may be so for a while."""
_FIRST_WAIT_S = 5.0
_LONGEST_WAIT_S = 300.0
_WRITE_PAUSE_S = 0.5
_AWAY = (Aborted, DeadlineExceeded, ResourceExhausted, Unavailable)
_HOPELESS = (AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied)
"""What would be answered again."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class JobRuns:
    """Jobs, from the message to their end. Whatever dies on the way, each ends, and is trained once at a time."""

    def __init__(
        self,
        *,
        repository: JobsRepository,
        trainers: Mapping[str, Trainer],
        registry: Registry,
        endings: Endings,
        lease_s: float,
        max_tries: int,
        time_limit_s: float,
    ) -> None:
        """`trainers` by model; `max_tries` all together, the first one included; `time_limit_s`: what one try may take."""
        self._repository = repository
        self._trainers = trainers
        self._registry = registry
        self._endings = endings
        self._lease_s = lease_s
        self._max_tries = max_tries
        self._time_limit_s = time_limit_s

    async def run_job(self, user_id: UUID, job_id: UUID) -> None:
        """Carries a job out, unless it is over or somebody else does. Its failures are stored, not raised."""
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
        """A renewal that finds the user's wish to stop ends the work as well as one that finds the attempt over."""
        cancelled = running.cancel_requested

        async def renew() -> bool:
            nonlocal cancelled
            found = await self._repository.renew(running, lease_s=self._lease_s)
            cancelled = found is not None and found.cancel_requested
            return found is not None and not cancelled

        def over() -> ScaleError:
            return job_cancelled(running.id) if cancelled else attempt_over(running.id)

        report = JobReport(running, self._repository, self._endings)
        try:
            await self._endings.tell(running)
            if cancelled:
                raise job_cancelled(running.id)
            async with keep_lease(renew, every_s=self._lease_s / 3, over=over, work=f"training job {running.id}") as lease:
                await self._carry_out(running, report, lease)
        except AttemptOver:
            raise
        except JobCancelled:
            await self._patiently(lambda: self._endings.cancelled(running))
        except asyncio.CancelledError:
            # The worker is told to end: none of the job's failures, and another need not wait until the lease is over.
            await self._endings.put_back(running, wait_s=_FIRST_WAIT_S, counts=False)
            raise
        except Exception as error:
            if isinstance(error, ScaleError) and error.reason in ERASED:
                raise
            await self._end_or_try_again(running, error)
        finally:
            # A thread that still computes learns it at its next step.
            report.close()

    async def _carry_out(self, running: Job, report: JobReport, lease: Lease) -> None:
        trainer = self._trainers.get(running.model_type)
        if trainer is None:
            raise model_unknown(running.model_type)
        started = time.monotonic()
        async with asyncio.timeout(self._time_limit_s) as limit:
            try:
                trained = await trainer.train(running, report)
                version = await self._register(running, report, trained)
            except TimeoutError as error:
                if limit.expired():
                    raise
                raise ScaleError(str(error) or "something took too long") from error
        lease.conclude()
        # One that was better, and could not answer after all, is not live.
        published = version.stage is Stage.LIVE
        done = await self._patiently(
            lambda: self._endings.completed(running, trained.metrics, version=version.version, published=published, progress=report.last)
        )
        if done is None:
            raise attempt_over(running.id)
        JOB_DURATION.labels(running.model_type).observe(time.monotonic() - started)

    async def _register(self, running: Job, report: JobReport, trained: Trained) -> ModelVersion:
        await report(Progress(report.last.total, report.last.total, report.last.loss, "publishing"))
        return await self._registry.register(running, trained)

    async def _end_or_try_again(self, running: Job, error: Exception) -> None:
        """What is away for a while costs no try; after the last one the job has failed."""
        message, reason = _cause(error, self._time_limit_s)
        away = isinstance(error, _AWAY) and reason != "NO_STORAGE_ROOM"
        final = reason in ("NO_STORAGE_ROOM", "TRAINING_TIME_LIMIT") or isinstance(error, _HOPELESS)
        if not _known(error) and not final:
            log.error("training failed unexpectedly", job_id=str(running.id), exc_info=error)
        if final or running.begun >= MAX_BEGUN or (running.tries >= self._max_tries and not away):
            await self._patiently(lambda: self._endings.failed(running, message=message, reason=reason))
            return
        wait_s = min(_FIRST_WAIT_S * 2 ** (running.begun - 1), _LONGEST_WAIT_S)
        log.warning("training will be tried again", job_id=str(running.id), tries=running.tries, wait_s=wait_s, error=str(error))
        await self._patiently(lambda: self._endings.put_back(running, wait_s=wait_s, counts=not away))

    async def _patiently(self, write: Callable[[], Awaitable[Job | None]]) -> Job | None:
        """Minutes of training are not lost because the database restarts just now: for the time of a lease it is tried again."""
        until = time.monotonic() + self._lease_s
        while True:
            try:
                return await write()
            except _AWAY as error:
                if time.monotonic() > until:
                    raise
                log.warning("what became of a job cannot be stored yet", error=str(error))
                await asyncio.sleep(_WRITE_PAUSE_S)


def _known(error: Exception) -> bool:
    return isinstance(error, ScaleError) and type(error) is not ScaleError


def _cause(error: Exception, time_limit_s: float) -> tuple[str, str]:
    """In words for the user, and its stable name."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return "There is no room on the disk for what training keeps. Nothing has changed; start it again later.", "NO_STORAGE_ROOM"
    if isinstance(error, TimeoutError):
        return f"Training took longer than {time_limit_s / 60:g} minutes, and was ended. Nothing has changed.", "TRAINING_TIME_LIMIT"
    if isinstance(error, ScaleError) and _known(error):
        return f"{error.message.rstrip('.')}. Nothing has changed.", error.reason
    return "Something broke on our side while the model was trained. Nothing has changed; start it again.", "TRAINING_BROKEN"
