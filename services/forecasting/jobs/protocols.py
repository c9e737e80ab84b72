"""What jobs need from what lies around them: their records, a queue, and whoever does the work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from services.forecasting.jobs.domain import Begun, Job, JobKind, NewJob, StalledJob


class JobsRepository(Protocol):
    """Where jobs are kept. Each method is one transaction of one user, unless it says otherwise."""

    async def get(self, user_id: UUID, job_id: UUID) -> Job | None:
        """One job."""

    async def find(self, user_id: UUID, request_id: str) -> Job | None:
        """The job that has the request id."""

    async def claim(self, user_id: UUID, job_id: UUID, *, lease_s: float) -> Job | None:
        """Takes a job up; None when it is over, or somebody works on it."""

    async def renew(self, running: Job, *, lease_s: float) -> bool:
        """Keeps the lease; False when the attempt is over, and it was not this attempt that ended well just now."""

    async def put_back(self, running: Job, *, lease_s: float, counts: bool, in_queue: bool) -> Job | None:
        """PENDING again; None when the attempt is over. `counts`: as one of its tries. Not `in_queue`: taken up when the lease is over."""

    async def fail(self, running: Job, *, message: str, reason: str) -> Job | None:
        """It is given up; None when the attempt is over."""

    async def stalled(self, limit: int) -> Sequence[StalledJob]:
        """Jobs of all users whose lease is over: those first that have no message, then the longest over."""

    async def count_in_queue(self) -> int:
        """About how many jobs, of all users, there should be a message."""

    async def requeue(self, stalled: StalledJob, *, lease_s: float) -> bool:
        """Takes note that there will be a message about it; False when its lease is not over any more."""

    async def expire(self, *, days: float, limit: int) -> int:
        """Removes jobs of all users that ended so long ago, with what they made; how many jobs."""


class JobQueue(Protocol):
    """Tells the workers which jobs to carry out. Every method raises Unavailable when it cannot be reached."""

    async def enqueue(self, user_id: UUID, job_id: UUID, kind: JobKind, *, behind: bool = False) -> None:
        """Adds a message; `behind` all those that are not."""

    async def length(self) -> int:
        """How many messages wait."""

    async def discard(self, user_id: UUID) -> None:
        """Takes back all messages about a user's jobs."""


class Record(Protocol):
    """Records a job, and in the same transaction what was asked of it: with `begin` of `jobs.repository`."""

    async def __call__(self, new: NewJob, *, lease_s: float, most_open: int) -> tuple[Job, Begun]:
        """The job, and what became of the request; when the lease is over, its message is looked for. Only with a new job is anything
        stored beside it."""


class JobWork(Protocol):
    """What one kind of job does."""

    async def carry_out(self, running: Job) -> None:
        """Does all of it, and stores what came of it together with the job's success, in one transaction: with `succeed` of
        `jobs.repository`; where that says that the attempt is over, it raises `kit.job_runs.attempt_over`. Any other error is what became
        of the job: one that waiting does not mend is told to the user in its words, others are tried again. Another worker may begin anew
        whenever this one dies."""
