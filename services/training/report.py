"""How a job that runs says how far it is."""

from __future__ import annotations

import dataclasses
import time

import structlog

from services.kit.errors import ERASED, ScaleError
from services.training.domain import AttemptOver, Job, JobCancelled, Progress, attempt_over, job_cancelled
from services.training.endings import Endings
from services.training.protocols import JobsRepository

log = structlog.get_logger()

_STORE_EVERY_S = 1.0


class JobReport:
    """`Report` of one attempt: each step is told to those who watch, and once a second one is stored."""

    def __init__(self, running: Job, repository: JobsRepository, endings: Endings) -> None:
        self._job = running
        self._repository = repository
        self._endings = endings
        self._stored_at = float("-inf")
        self._closed = False
        self.last = Progress(0, 0)
        """What was told last."""

    async def __call__(self, progress: Progress) -> None:
        """See `Report`."""
        if self._closed:
            raise attempt_over(self._job.id)
        changed_phase = progress.phase != self.last.phase
        self.last = progress
        if changed_phase or time.monotonic() - self._stored_at >= _STORE_EVERY_S:
            await self._store(progress)
        else:
            self._job = dataclasses.replace(self._job, **dataclasses.asdict(progress))
        await self._endings.tell(self._job)

    async def _store(self, progress: Progress) -> None:
        self._stored_at = time.monotonic()
        try:
            found = await self._repository.advance(self._job, progress)
        except (AttemptOver, JobCancelled):
            raise
        except ScaleError as error:
            if error.reason in ERASED:
                raise
            # The lease says for how long it may be away.
            log.warning("how far a job is cannot be stored", job_id=str(self._job.id), error=str(error))
            self._job = dataclasses.replace(self._job, **dataclasses.asdict(progress))
            return
        if found is None:
            raise attempt_over(self._job.id)
        self._job = found
        if found.cancel_requested:
            raise job_cancelled(found.id)

    def close(self) -> None:
        """The attempt is over, however it ended: who still works on it stops."""
        self._closed = True
