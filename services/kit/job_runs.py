"""What a worker does with jobs whose records stand in PostgreSQL: takes one up under a lease, tries again what waiting may mend, says how
it ended, and picks up what a dead worker held or a lost message named.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import structlog
from prometheus_client import Counter

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
from services.kit.queue import Stalled, to_send_again

log = structlog.get_logger()

MAX_TRIES = 3
"""That died, or failed in a way that waiting does not mend: the first, and the two repeats of the queue's rules."""
MAX_ATTEMPTS = 20
"""All together: what is away may be so for more than an hour."""
_FIRST_WAIT_S = 5.0
_LONGEST_WAIT_S = 300.0
_STALLED_AT_ONCE = 100
_AWAY = (Aborted, DeadlineExceeded, ResourceExhausted, Unavailable)
_HOPELESS = (AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied)
"""What would be answered again."""


class AttemptOver(Aborted):
    """Somebody else works on the job now, or it is over."""


def attempt_over(job_id: UUID) -> AttemptOver:
    """The worker that finds this out stops, and changes nothing."""
    return AttemptOver(f"Job {job_id} is carried on by another worker.", reason="ATTEMPT_OVER", metadata={"job_id": str(job_id)})


class RunningJob(Protocol):
    """A job that a worker has taken up."""

    @property
    def id(self) -> UUID:
        """Its own."""

    @property
    def user_id(self) -> UUID:
        """Whose it is."""

    @property
    def kind(self) -> Any:
        """What it does: an enumeration of the service's."""

    @property
    def begun(self) -> int:
        """How often a worker has taken it up."""

    @property
    def tries(self) -> int:
        """How many of these count against it."""


class StalledJob(Stalled, Protocol):
    """A job that nobody works on."""

    @property
    def user_id(self) -> UUID:
        """Whose it is."""

    @property
    def job_id(self) -> UUID:
        """Which."""

    @property
    def kind(self) -> Any:
        """As that of a job."""


OwnJob = TypeVar("OwnJob", bound=RunningJob)
OwnStalled = TypeVar("OwnStalled", bound=StalledJob)


class JobRecords(Protocol[OwnJob, OwnStalled]):
    """Where jobs are kept. Each method is one transaction of one user, unless it says otherwise."""

    async def claim(self, user_id: UUID, job_id: UUID, *, lease_s: float) -> OwnJob | None:
        """Takes a job up; None when it is over, or somebody works on it."""

    async def renew(self, running: OwnJob, *, lease_s: float) -> bool:
        """Keeps the lease; False when the attempt is over."""

    async def put_back(self, running: OwnJob, *, lease_s: float, counts: bool, in_queue: bool) -> OwnJob | None:
        """Waits for a worker again; None when the attempt is over. `counts`: as one of its tries. Not `in_queue`: taken up when the lease
        is over."""

    async def fail(self, running: OwnJob, *, message: str, reason: str) -> OwnJob | None:
        """It is given up; None when the attempt is over."""

    async def stalled(self, limit: int) -> Sequence[OwnStalled]:
        """Jobs of all users whose lease is over: those first that have no message, then the longest over."""

    async def count_in_queue(self) -> int:
        """About how many jobs, of all users, there should be a message."""

    async def requeue(self, stalled: OwnStalled, *, lease_s: float) -> bool:
        """Takes note that there will be a message about it; False when its lease is not over any more."""


class JobMessages(Protocol):
    """The queue. Every method raises Unavailable when it cannot be reached."""

    async def enqueue(self, user_id: UUID, job_id: UUID, kind: Any) -> None:
        """Adds a message."""

    async def length(self) -> int:
        """How many messages wait."""


class JobRuns(ABC, Generic[OwnJob, OwnStalled]):
    """Jobs, from the message to their end. Whatever dies on the way, each is carried to its end."""

    def __init__(
        self,
        *,
        records: JobRecords[OwnJob, OwnStalled],
        messages: JobMessages,
        lease_s: float,
        message_lease_s: float,
        ended: Counter,
        requeued: Counter,
    ) -> None:
        """`message_lease_s`: after how long a message is looked for. `ended` counts by kind and outcome, `requeued` by reason: stalled,
        lost."""
        self._records = records
        self._messages = messages
        self._lease_s = lease_s
        self._message_lease_s = message_lease_s
        self._ended = ended
        self._requeued = requeued

    @abstractmethod
    async def _carry_on(self, running: OwnJob, lease: Lease) -> None:
        """Does the work, and stores that it is done. Raises what `attempt_over` makes when it finds that the attempt is over."""

    async def run_job(self, user_id: UUID, job_id: UUID) -> None:
        """Carries a job on, unless it is over or somebody else does. Its failures are stored, not raised."""
        try:
            running = await self._records.claim(user_id, job_id, lease_s=self._lease_s)
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

    async def _run(self, running: OwnJob) -> None:
        try:
            renew = partial(self._records.renew, running, lease_s=self._lease_s)
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

    async def _give_way(self, running: OwnJob) -> None:
        """Puts it behind what waits. That it has taken long is none of its failures."""
        if await self._records.put_back(running, lease_s=self._message_lease_s, counts=False, in_queue=True) is None:
            raise attempt_over(running.id)
        await self._messages.enqueue(running.user_id, running.id, running.kind)

    async def _try_again_later(self, running: OwnJob, error: Exception) -> None:
        """What is away for a while costs no try; after the last one the job has failed."""
        away = isinstance(error, _AWAY)
        if isinstance(error, _HOPELESS) or running.begun >= MAX_ATTEMPTS or (running.tries >= MAX_TRIES and not away):
            known = isinstance(error, ScaleError) and type(error) is not ScaleError
            why = str(error).rstrip(".") if known else "something broke on our side"
            reason = error.reason if known and isinstance(error, ScaleError) else "JOB_GIVEN_UP"
            self._ended.labels(running.kind.value, "failed").inc()
            await self._records.fail(running, message=f"The job could not be carried out: {why}. Start it again.", reason=reason)
            return
        wait_s = min(_FIRST_WAIT_S * 2 ** (running.begun - 1), _LONGEST_WAIT_S)
        log.warning("a job will be tried again", job_id=str(running.id), tries=running.tries, wait_s=wait_s, error=str(error))
        await self._records.put_back(running, lease_s=wait_s, counts=not away, in_queue=False)

    async def requeue_stalled_jobs(self) -> int:
        """Sends a message for each job that nobody works on; returns how many.

        A dead worker's, and those whose time to be tried again has come, at once. Others have a message in the queue; only when there are
        fewer messages than there should be, some were lost, and the oldest jobs are named again.
        """
        stalled = await self._records.stalled(_STALLED_AT_ONCE)
        if not stalled:
            return 0
        missing = await self._records.count_in_queue() - await self._messages.length()
        return sum([await self._requeue(one) for one in to_send_again(stalled, missing=missing)])

    async def _requeue(self, stalled: OwnStalled) -> bool:
        # Two at once: only one gets the lease.
        if not await self._records.requeue(stalled, lease_s=self._message_lease_s):
            return False
        await self._messages.enqueue(stalled.user_id, stalled.job_id, stalled.kind)
        self._requeued.labels("lost" if stalled.in_queue else "stalled").inc()
        log.info("a job was queued again", job_id=str(stalled.job_id), message_lost=stalled.in_queue)
        return True
