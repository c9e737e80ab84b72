"""A job is carried to its end, whatever dies or is away on the way, and nobody works on it in vain. With records in memory."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry, Counter

from services.kit import job_runs
from services.kit.errors import FailedPrecondition, ScaleError, Unauthenticated, Unavailable
from services.kit.job_runs import MAX_ATTEMPTS, MAX_TRIES, attempt_over
from services.kit.leases import Lease


class Kind(StrEnum):
    """What a job does."""

    DIG = "dig"


@dataclass(frozen=True)
class Job:
    """`RunningJob`, with what became of it."""

    id: UUID
    user_id: UUID
    kind: Kind = Kind.DIG
    state: str = "pending"
    attempt: int = 0
    begun: int = 0
    tries: int = 0
    in_queue: bool = True
    lease_over: bool = False
    said: tuple[str, str] = ("", "")


class Stalled(NamedTuple):
    """`StalledJob`."""

    user_id: UUID
    job_id: UUID
    kind: Kind
    in_queue: bool


@dataclass
class Records:
    """`JobRecords` of jobs by their ids."""

    jobs: dict[UUID, Job] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    renewals: int = 0

    def add(self, **more: object) -> Job:
        job = Job(uuid4(), uuid4(), **more)  # type: ignore[arg-type]
        self.jobs[job.id] = job
        return job

    def change(self, job: Job, **more: object) -> Job:
        self.jobs[job.id] = dataclasses.replace(self.jobs[job.id], **more)  # type: ignore[arg-type]
        return self.jobs[job.id]

    def _mine(self, running: Job) -> bool:
        found = self.jobs[running.id]
        return (found.state, found.attempt) == ("running", running.attempt)

    async def claim(self, user_id: UUID, job_id: UUID, *, lease_s: float) -> Job | None:
        job = self.jobs[job_id]
        if job.state != "pending" and not (job.state == "running" and job.lease_over):
            return None
        counted = {"attempt": job.attempt + 1, "begun": job.begun + 1, "tries": job.tries + 1}
        return self.change(job, state="running", in_queue=False, lease_over=False, **counted)

    async def renew(self, running: Job, *, lease_s: float) -> bool:
        self.renewals += 1
        return self._mine(running)

    async def put_back(self, running: Job, *, lease_s: float, counts: bool, in_queue: bool) -> Job | None:
        if not self._mine(running):
            return None
        self.waits.append(lease_s)
        return self.change(running, state="pending", tries=running.tries - (not counts), in_queue=in_queue)

    async def succeed(self, running: Job) -> bool:
        return self._mine(running) and self.change(running, state="succeeded") is not None

    async def fail(self, running: Job, *, message: str, reason: str) -> Job | None:
        return self.change(running, state="failed", said=(message, reason)) if self._mine(running) else None

    async def stalled(self, limit: int) -> Sequence[Stalled]:
        over = [job for job in self.jobs.values() if job.lease_over and job.state in ("pending", "running")]
        return [Stalled(job.user_id, job.id, job.kind, job.in_queue) for job in sorted(over, key=lambda job: job.in_queue)][:limit]

    async def count_in_queue(self) -> int:
        return sum(job.in_queue for job in self.jobs.values())

    async def requeue(self, stalled: Stalled, *, lease_s: float) -> bool:
        job = self.jobs[stalled.job_id]
        return job.lease_over and self.change(job, state="pending", in_queue=True, lease_over=False) is not None


@dataclass
class Messages:
    """`JobMessages`."""

    sent: list[UUID] = field(default_factory=list)

    async def enqueue(self, user_id: UUID, job_id: UUID, kind: Kind) -> None:
        self.sent.append(job_id)

    async def length(self) -> int:
        return len(self.sent)


Work = Callable[[Job], Awaitable[object]]


class Runs(job_runs.JobRuns[Job, Stalled]):
    """Those of a service: a job is done with one call."""

    def __init__(self, records: Records, messages: Messages, work: Work, lease_s: float) -> None:
        registry = CollectorRegistry()
        self.ended = Counter("ended", "", ("kind", "outcome"), registry=registry)
        self.requeued = Counter("requeued", "", ("reason",), registry=registry)
        super().__init__(records=records, messages=messages, lease_s=lease_s, message_lease_s=60, ended=self.ended, requeued=self.requeued)
        self._store, self._work = records, work

    async def _carry_on(self, running: Job, lease: Lease) -> None:
        if await self._work(running) == "too long":
            lease.conclude()
            return await self._give_way(running)
        lease.conclude()
        if not await self._store.succeed(running):
            raise attempt_over(running.id)


async def nothing(running: Job) -> None:
    """Is done at once."""


def fails(error: Exception) -> Work:
    async def work(running: Job) -> None:
        raise error

    return work


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def messages() -> Messages:
    return Messages()


@pytest.fixture
def runs(records: Records, messages: Messages) -> Callable[..., Runs]:
    def make(work: Work = nothing, *, lease_s: float = 30) -> Runs:
        return Runs(records, messages, work, lease_s)

    return make


async def test_a_job_is_carried_out_once(records: Records, runs: Callable[..., Runs]) -> None:
    done: list[UUID] = []

    async def note(running: Job) -> None:
        done.append(running.id)

    job = records.add()
    for _ in range(2):  # a message that comes twice
        await runs(note).run_job(job.user_id, job.id)
    assert (done, records.jobs[job.id].state) == ([job.id], "succeeded")


async def test_its_lease_is_kept_while_the_work_goes_on(records: Records, runs: Callable[..., Runs]) -> None:
    async def slow(running: Job) -> None:
        await asyncio.sleep(0.2)

    job = records.add()
    await runs(slow, lease_s=0.03).run_job(job.user_id, job.id)
    assert records.renewals > 3
    assert records.jobs[job.id].state == "succeeded"


async def test_a_worker_whose_attempt_is_over_stops_and_changes_nothing(records: Records, runs: Callable[..., Runs]) -> None:
    ended = asyncio.Event()

    async def until_stopped(running: Job) -> None:
        records.change(running, attempt=running.attempt + 1)
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    job = records.add()
    async with asyncio.timeout(5):
        await runs(until_stopped, lease_s=0.03).run_job(job.user_id, job.id)
    assert ended.is_set()
    assert (records.jobs[job.id].state, records.jobs[job.id].said, records.waits) == ("running", ("", ""), [])


async def test_one_that_finds_out_at_the_end_changes_nothing_either(records: Records, runs: Callable[..., Runs]) -> None:
    async def taken(running: Job) -> None:
        records.change(running, attempt=running.attempt + 1)

    job = records.add()
    await runs(taken).run_job(job.user_id, job.id)
    assert (records.jobs[job.id].state, records.waits) == ("running", [])


async def test_what_breaks_is_tried_three_times_and_given_up_without_its_secrets(records: Records, runs: Callable[..., Runs]) -> None:
    job, broken = records.add(), runs(fails(RuntimeError("a secret")))
    for tries in range(1, MAX_TRIES + 1):
        await broken.run_job(job.user_id, job.id)
        assert records.jobs[job.id].state == ("pending" if tries < MAX_TRIES else "failed")
    message, reason = records.jobs[job.id].said
    assert reason == "JOB_GIVEN_UP"
    assert "secret" not in message
    assert message.endswith("Start it again.")
    assert records.waits == [5, 10]
    assert broken.ended.labels("dig", "failed")._value.get() == 1


async def test_what_would_be_answered_again_is_not_asked_again(records: Records, runs: Callable[..., Runs]) -> None:
    job = records.add()
    await runs(fails(FailedPrecondition("There is no history.", reason="NO_HISTORY"))).run_job(job.user_id, job.id)
    found = records.jobs[job.id]
    assert (found.state, found.tries) == ("failed", 1)
    assert found.said == ("The job could not be carried out: There is no history. Start it again.", "NO_HISTORY")


async def test_what_is_away_costs_no_try_but_not_for_ever(records: Records, runs: Callable[..., Runs]) -> None:
    job = records.add()
    away = runs(fails(Unavailable("The ledger is away.", reason="LEDGER_AWAY")))
    for begun in range(1, MAX_ATTEMPTS):
        await away.run_job(job.user_id, job.id)
        found = records.jobs[job.id]
        assert (found.state, found.tries, found.begun) == ("pending", 0, begun)
    assert max(records.waits) == 300
    await away.run_job(job.user_id, job.id)
    assert (records.jobs[job.id].state, records.jobs[job.id].said[1]) == ("failed", "LEDGER_AWAY")


async def test_a_job_whose_user_erases_everything_ends_quietly(records: Records, runs: Callable[..., Runs]) -> None:
    job = records.add()
    await runs(fails(Unauthenticated("", reason="USER_ERASED"))).run_job(job.user_id, job.id)
    assert (records.jobs[job.id].said, records.waits) == (("", ""), [])


async def test_a_job_that_takes_long_goes_on_behind_the_others(records: Records, messages: Messages, runs: Callable[..., Runs]) -> None:
    async def long(running: Job) -> str:
        return "too long"

    job = records.add()
    await runs(long).run_job(job.user_id, job.id)
    found = records.jobs[job.id]
    assert (found.state, found.tries, found.in_queue, messages.sent) == ("pending", 0, True, [job.id])


async def test_the_job_of_a_dead_worker_is_queued_again_and_so_is_a_lost_message(
    records: Records, messages: Messages, runs: Callable[..., Runs]
) -> None:
    dead = records.add(state="running", in_queue=False, lease_over=True)
    lost, waiting = (records.add(lease_over=True) for _ in range(2))
    records.add()  # its message may still be on the way
    messages.sent = [waiting.id, uuid4()]
    looking = runs()
    assert await looking.requeue_stalled_jobs() == 2
    assert messages.sent[2:] == [dead.id, lost.id]
    assert [looking.requeued.labels(reason)._value.get() for reason in ("stalled", "lost")] == [1, 1]
    assert records.jobs[dead.id].state == "pending"
    # As many messages as there should be: what waits long just waits.
    assert await looking.requeue_stalled_jobs() == 0


async def test_of_two_that_look_at_once_one_queues_it(records: Records, messages: Messages, runs: Callable[..., Runs]) -> None:
    job = records.add(state="running", in_queue=False, lease_over=True)
    found = await records.stalled(1)
    assert await runs()._requeue(found[0])
    assert not await runs()._requeue(found[0])
    assert messages.sent == [job.id]


async def test_nothing_stalled_asks_no_queue(records: Records, runs: Callable[..., Runs]) -> None:
    class Away(Messages):
        async def length(self) -> int:
            raise ScaleError("asked")

    assert await Runs(records, Away(), nothing, 30).requeue_stalled_jobs() == 0
