"""What jobs need from what lies around them: their records, and a queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from services.categorization.domain import Classification, Payment
from services.categorization.jobs.domain import Begun, Job, JobKind, NewJob, Progress, StalledJob


class JobsRepository(Protocol):
    """Where jobs are kept. Each method is one transaction of one user, unless it says otherwise."""

    async def begin(self, new: NewJob, chunks: Sequence[Sequence[Payment]], *, lease_s: float, most_open: int) -> tuple[Job, Begun]:
        """Records a job with its payments, each chunk up to MOST_INPUTS, unless the user has `most_open` open ones. When the lease is over,
        its message is looked for."""

    async def get(self, user_id: UUID, job_id: UUID) -> Job | None:
        """One job."""

    async def find(self, user_id: UUID, request_id: str) -> Job | None:
        """The job that has the request id."""

    async def results(self, user_id: UUID, job_id: UUID, number: int) -> Sequence[Classification] | None:
        """The answers to one chunk, in input order; None for a chunk that is not there, or not answered."""

    async def claim(self, user_id: UUID, job_id: UUID, *, lease_s: float) -> Job | None:
        """Takes a job up; None when it is over, or somebody works on it."""

    async def next_chunk(self, running: Job) -> tuple[int, Sequence[Payment]] | None:
        """The first chunk without answers: its number and payments; None when all have theirs."""

    async def answer_chunk(self, running: Job, number: int, answers: Sequence[Classification], progress: Progress) -> bool:
        """Stores the answers to a chunk; False when the attempt is over."""

    async def renew(self, running: Job, *, lease_s: float) -> bool:
        """Keeps the lease; False when the attempt is over."""

    async def advance(self, running: Job, progress: Progress) -> bool:
        """Notes how far it is; False when the attempt is over."""

    async def put_back(self, running: Job, *, lease_s: float, counts: bool, in_queue: bool) -> Job | None:
        """PENDING again; None when the attempt is over. `counts`: as one of its tries. Not `in_queue`: taken up when the lease is over."""

    async def succeed(self, running: Job, progress: Progress, *, model_version: str) -> Job | None:
        """It is done; None when the attempt is over."""

    async def fail(self, running: Job, *, message: str, reason: str) -> Job | None:
        """It is given up; None when the attempt is over."""

    async def stalled(self, limit: int) -> Sequence[StalledJob]:
        """Jobs of all users whose lease is over: those first that have no message, then the longest over."""

    async def count_in_queue(self) -> int:
        """About how many jobs, of all users, there should be a message."""

    async def requeue(self, stalled: StalledJob, *, lease_s: float) -> bool:
        """Takes note that there will be a message about it; False when its lease is not over any more."""

    async def expire_chunks(self, *, days: float, limit: int) -> int:
        """Removes what jobs of all users that ended so long ago were asked and answered; how many chunks."""


class JobQueue(Protocol):
    """Tells the workers which jobs to carry out. Every method raises Unavailable when it cannot be reached."""

    async def enqueue(self, user_id: UUID, job_id: UUID, kind: JobKind, *, behind: bool = False) -> None:
        """Adds a message; `behind` all those that are not."""

    async def length(self) -> int:
        """How many messages wait."""

    async def discard(self, user_id: UUID) -> None:
        """Takes back all messages about a user's jobs."""
