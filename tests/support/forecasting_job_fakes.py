"""Jobs of forecasting in memory: their records, their queue, and work that does as it is told."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import uuid_utils.compat

from services.forecasting.jobs.domain import Begun, Job, JobKind, JobState, NewJob, StalledJob
from services.kit.errors import Unavailable
from services.kit.job_runs import attempt_over


def new_job(user_id: UUID, kind: JobKind = JobKind.FORECAST, *, request_id: str = "1", body: bytes = b"b") -> NewJob:
    """One that nobody has begun."""
    return NewJob(uuid_utils.compat.uuid7(), user_id, kind, request_id, body.ljust(32, b"\x00"))


@dataclass
class _Row:
    job: Job
    in_queue: bool
    lease_until: datetime | None


@dataclass
class FakeJobsRepository:
    """`JobsRepository`, and what `jobs.repository` does in other repositories' transactions."""

    rows: dict[tuple[UUID, UUID], _Row] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def begin(self, new: NewJob, *, lease_s: float, most_open: int, delay_s: float = 0) -> tuple[Job, Begun]:
        """`Record`: nothing was asked beside."""
        if found := await self.find(new.user_id, new.request_id):
            return found, Begun.REPEATED
        jobs = sorted((row.job for (user_id, _), row in self.rows.items() if user_id == new.user_id), key=lambda job: job.id)
        open_ones = [job for job in jobs if job.kind is new.kind and not job.over]
        if open_ones and new.kind is JobKind.SCAN:
            row = self.rows[new.user_id, open_ones[0].id]
            if delay_s or row.in_queue or row.job.state is JobState.RUNNING:
                return row.job, Begun.ANOTHER_OPEN
            row.in_queue, row.lease_until = True, self._in(lease_s)
            return row.job, Begun.WOKEN
        if len(open_ones) >= most_open:
            return open_ones[most_open - 1], Begun.TOO_MANY_OPEN
        self.rows[new.user_id, new.id] = _Row(self._fresh(new), not delay_s, self._in(delay_s or lease_s))
        begun = Begun.NEW_DELAYED if delay_s else Begun.NEW_BEHIND if open_ones else Begun.NEW
        return self.rows[new.user_id, new.id].job, begun

    async def record_done(self, new: NewJob) -> tuple[Job, Begun]:
        """One that there is nothing left to do for."""
        if found := await self.find(new.user_id, new.request_id):
            return found, Begun.REPEATED
        job = dataclasses.replace(self._fresh(new), state=JobState.SUCCEEDED, completed_at=self.now)
        self.rows[new.user_id, new.id] = _Row(job, False, None)
        return job, Begun.NEW

    async def succeed(self, running: Job) -> bool:
        """It is done; False when the attempt is over."""
        return self._end(running, JobState.SUCCEEDED) is not None

    def _fresh(self, new: NewJob) -> Job:
        return Job(new.id, new.user_id, new.kind, new.request_id, new.request_hash, JobState.PENDING, 0, 0, 0, "", "", self.now, None)

    def _in(self, seconds: float) -> datetime:
        return self.now + timedelta(seconds=seconds)

    def _mine(self, running: Job) -> _Row | None:
        row = self.rows.get((running.user_id, running.id))
        same = row is not None and (row.job.state, row.job.attempt) == (JobState.RUNNING, running.attempt)
        return row if same else None

    def _end(self, running: Job, state: JobState, message: str = "", reason: str = "") -> Job | None:
        row = self._mine(running)
        if row is None:
            return None
        row.in_queue, row.lease_until = False, None
        row.job = dataclasses.replace(row.job, state=state, completed_at=self.now, error_message=message, error_reason=reason)
        return row.job

    async def get(self, user_id: UUID, job_id: UUID) -> Job | None:
        """See `JobsRepository`."""
        row = self.rows.get((user_id, job_id))
        return row.job if row is not None else None

    async def find(self, user_id: UUID, request_id: str) -> Job | None:
        """See `JobsRepository`."""
        found = (row.job for row in self.rows.values() if (row.job.user_id, row.job.request_id) == (user_id, request_id))
        return next(found, None)

    async def claim(self, user_id: UUID, job_id: UUID, *, lease_s: float) -> Job | None:
        """See `JobsRepository`."""
        row = self.rows.get((user_id, job_id))
        if row is None or row.lease_until is None or (row.job.state is JobState.RUNNING and row.lease_until >= self.now):
            return None
        job = row.job
        row.in_queue, row.lease_until = False, self._in(lease_s)
        row.job = dataclasses.replace(job, state=JobState.RUNNING, attempt=job.attempt + 1, begun=job.begun + 1, tries=job.tries + 1)
        return row.job

    async def renew(self, running: Job, *, lease_s: float) -> bool:
        """See `JobsRepository`."""
        row = self._mine(running)
        if row is not None:
            row.lease_until = self._in(lease_s)
            return True
        found = await self.get(running.user_id, running.id)
        return found is not None and (found.state, found.attempt) == (JobState.SUCCEEDED, running.attempt)

    async def put_back(self, running: Job, *, lease_s: float, counts: bool, in_queue: bool) -> Job | None:
        """See `JobsRepository`."""
        row = self._mine(running)
        if row is None:
            return None
        row.in_queue, row.lease_until = in_queue, self._in(lease_s)
        row.job = dataclasses.replace(row.job, state=JobState.PENDING, tries=row.job.tries - (not counts))
        return row.job

    async def fail(self, running: Job, *, message: str, reason: str) -> Job | None:
        """See `JobsRepository`."""
        return self._end(running, JobState.FAILED, message, reason)

    async def stalled(self, limit: int) -> Sequence[StalledJob]:
        """See `JobsRepository`."""
        over = [row for row in self.rows.values() if row.lease_until is not None and row.lease_until < self.now]
        over.sort(key=lambda row: (row.in_queue, row.lease_until))
        return [StalledJob(row.job.user_id, row.job.id, row.job.kind, row.in_queue) for row in over[:limit]]

    async def count_in_queue(self) -> int:
        """See `JobsRepository`."""
        return sum(row.in_queue for row in self.rows.values())

    async def requeue(self, stalled: StalledJob, *, lease_s: float) -> bool:
        """See `JobsRepository`."""
        row = self.rows.get((stalled.user_id, stalled.job_id))
        if row is None or row.lease_until is None or row.lease_until >= self.now:
            return False
        row.in_queue, row.lease_until = True, self._in(lease_s)
        row.job = dataclasses.replace(row.job, state=JobState.PENDING)
        return True

    async def expire(self, *, days: float, limit: int) -> int:
        """See `JobsRepository`."""
        before = self.now - timedelta(days=days)
        old = [key for key, row in self.rows.items() if row.job.completed_at is not None and row.job.completed_at < before]
        for key in old[:limit]:
            del self.rows[key]
        return len(old[:limit])


@dataclass
class FakeJobQueue:
    """`JobQueue`."""

    messages: list[tuple[UUID, UUID, JobKind]] = field(default_factory=list)
    behind: list[UUID] = field(default_factory=list)
    """Jobs, of those."""
    down: bool = False

    async def enqueue(self, user_id: UUID, job_id: UUID, kind: JobKind, *, behind: bool = False) -> None:
        """See `JobQueue`."""
        self._ask()
        self.messages.append((user_id, job_id, kind))
        self.behind += [job_id] if behind else []

    async def length(self) -> int:
        """See `JobQueue`."""
        self._ask()
        return len(self.messages)

    async def discard(self, user_id: UUID) -> None:
        """See `JobQueue`."""
        self._ask()
        self.messages = [message for message in self.messages if message[0] != user_id]

    def _ask(self) -> None:
        if self.down:
            raise Unavailable("down", reason="QUEUE_UNAVAILABLE")


@dataclass
class ToldWork:
    """`JobWork` whose whole result is that it is done: each call is noted, and does what stands next in `then` before."""

    succeed: Callable[[Job], Awaitable[bool]]
    then: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    calls: list[Job] = field(default_factory=list)

    async def carry_out(self, running: Job) -> None:
        """See `JobWork`."""
        self.calls.append(running)
        if self.then:
            await self.then.pop(0)()
        await asyncio.sleep(0)
        if not await self.succeed(running):
            raise attempt_over(running.id)
