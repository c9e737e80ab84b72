"""What the rules of training need from around them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from services.training.domain import (
    Begun,
    Job,
    JobEvent,
    JobPosition,
    JobStatus,
    LiveArtifact,
    Metrics,
    ModelVersion,
    NewJob,
    OverdueJob,
    Progress,
    StalledJob,
    Trained,
)
from services.training.notifications.domain import NewNotification


class Report(Protocol):
    """Tells how far a job is."""

    async def __call__(self, progress: Progress) -> None:
        """Stores and publishes it. Raises JobCancelled when the user has given the job up and AttemptOver when another worker has it: the
        trainer lets both through, and stops. Call it once a second or so, and at every change of phase."""


class Trainer(Protocol):
    """Trains one kind of model."""

    async def train(self, job: Job, report: Report) -> Trained:
        """Collects, trains, and compares with what answers now on a part held out. Computes in a thread of its own: the event loop must
        keep the lease. Raises FailedPrecondition with reason TOO_FEW_EXAMPLES, in words for the user, where there is nothing to learn."""


class LiveModels(Protocol):
    """What answers now."""

    async def live(self, user_id: UUID, model_type: str) -> LiveArtifact | None:
        """The live version of a user's model, or of a global one, which is NOBODY's; None where none is. Raises Unavailable."""


class Registry(Protocol):
    """Keeps versions of models."""

    async def register(self, job: Job, trained: Trained) -> ModelVersion:
        """Stores the artefact and its version; one that is better goes live, and the service that answers with it is told. Harmless to
        repeat for one job. Raises Unavailable, with reason NO_STORAGE_ROOM where a disk is full."""


class JobEvents(Protocol):
    """The log of the steps of jobs. Who may read one is for the caller to decide."""

    async def publish(self, job: Job) -> None:
        """Adds the job as it is now; lost where the log is away. After one with a final status none follows."""

    async def read(self, job_id: UUID, *, after: str, wait_s: float) -> Sequence[JobEvent]:
        """Events later than `after` (empty: from the first one kept), waiting for one if there is none. Raises Unavailable."""

    async def forget(self, job_ids: Sequence[UUID]) -> None:
        """Removes all events of these jobs. Raises Unavailable."""


class JobStatuses(Protocol):
    """Copies of jobs for those who ask often. Without them, and wherever they fail, the database answers."""

    async def put(self, job: Job) -> None:
        """Keeps a copy, unless a later one, or that of a job that is over, is there. Does nothing where it cannot."""

    async def get(self, user_id: UUID, job_id: UUID) -> Job | None:
        """The copy of a job of this user, at most five seconds behind; None when there is none."""

    async def forget(self, job_ids: Sequence[UUID]) -> None:
        """Removes the copies of these jobs. Raises Unavailable."""


class JobsRepository(Protocol):
    """Where jobs are kept. Each method is one transaction of one user, unless it says otherwise."""

    async def begin(self, new: NewJob, *, lease_s: float) -> tuple[Job, Begun]:
        """Records a job, unless one is open. When the lease is over, its message is looked for."""

    async def get(self, user_id: UUID, job_id: UUID) -> Job | None:
        """One job."""

    async def find(self, user_id: UUID, request_id: str) -> tuple[Job | None, Job | None]:
        """The job that has the request id, and the one that is open."""

    async def list_jobs(
        self, user_id: UUID, *, status: JobStatus | None, model_type: str | None, limit: int, after: JobPosition | None
    ) -> Sequence[Job]:
        """Newest first."""

    async def cancel(self, user_id: UUID, job_id: UUID) -> Job | None:
        """CANCELLED where it waits, or asks its worker to stop; as it stands where it is over. None where there is no such job."""

    async def claim(self, user_id: UUID, job_id: UUID, *, lease_s: float) -> Job | None:
        """Takes a job up; None when it is over, or somebody works on it."""

    async def renew(self, running: Job, *, lease_s: float) -> Job | None:
        """Keeps the lease; None when the attempt is over."""

    async def advance(self, running: Job, progress: Progress) -> Job | None:
        """Notes how far it is; None when the attempt is over."""

    async def put_back(self, running: Job, *, lease_s: float, counts: bool) -> Job | None:
        """PENDING again, to be taken up when the lease is over; None when the attempt is over. `counts`: as one of its tries."""

    async def complete(
        self, running: Job, *, metrics: Metrics, version: str, published: bool, progress: Progress, notification: NewNotification
    ) -> Job | None:
        """It is done, and its user is told, of one of nobody's who asked for it; None when the attempt is over."""

    async def fail(
        self, running: Job, *, message: str, reason: str, notification: NewNotification, stalled: bool = False, overdue_s: float = 0
    ) -> Job | None:
        """It is given up, and that is told likewise; None when the attempt is over. `stalled`: only if its lease is over, too;
        `overdue_s`: only if it was begun so many seconds ago."""

    async def end_cancelled(self, running: Job, *, stalled: bool = False) -> Job | None:
        """CANCELLED, as its user wanted; None when the attempt is over. `stalled`: only if its lease is over, too."""

    async def while_kept(self, kept: Job | NewNotification, tell: Callable[[], Awaitable[None]]) -> None:
        """Has it told, unless it is gone, or is being erased: an erasure waits until it is told. Without the database nothing is told."""

    async def stalled(self, limit: int) -> Sequence[StalledJob]:
        """Jobs of all users whose lease is over: those first that have no message, then the longest over."""

    async def overdue(self, *, seconds: float, limit: int) -> Sequence[OverdueJob]:
        """Jobs of all users that a worker has, and that were begun so long ago."""

    async def expire(self, *, days: float, limit: int) -> int:
        """Removes jobs of all users that ended so many days ago, but for those of versions that are kept; how many."""

    async def count_in_queue(self) -> int:
        """About how many jobs, of all users, there should be a message."""

    async def requeue(self, stalled: Job, *, lease_s: float) -> Job | None:
        """PENDING, and takes note that there will be a message about it; None when its lease is not over any more."""


class JobQueue(Protocol):
    """Tells the workers which jobs to carry out. Every method raises Unavailable when it cannot be reached."""

    async def enqueue(self, user_id: UUID, job_id: UUID) -> None:
        """Adds a message."""

    async def length(self) -> int:
        """How many messages wait."""

    async def discard(self, user_id: UUID) -> None:
        """Takes back all messages about a user's jobs."""


class StartLock(Protocol):
    """Lets one start of a user at a time through, so that the others do not reach the database's index at once."""

    def hold(self, user_id: UUID) -> AbstractAsyncContextManager[bool]:
        """Whether this is the one. Without Redis everybody is: the database decides anyway."""
