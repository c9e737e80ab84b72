"""Each job is carried to its end, and what comes of it is stored once, whatever dies on the way. In memory and on PostgreSQL."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from services.forecasting.jobs.domain import Job, JobKind, JobState
from services.forecasting.jobs.runs import JobRuns
from services.kit.errors import FailedPrecondition, Unavailable
from services.kit.job_runs import MAX_TRIES
from tests.forecasting.jobs.conftest import FakeStore, Store
from tests.support.forecasting_job_fakes import FakeJobQueue, ToldWork, new_job


class Bench:
    """Jobs of one user, and who works on them."""

    def __init__(self, store: Store, user_id: UUID) -> None:
        self.store, self.user_id = store, user_id
        self.queue, self.work = FakeJobQueue(), ToldWork(store.succeed)

    def runs(self, *, lease_s: float = 30) -> JobRuns:
        return JobRuns(
            repository=self.store.repository,
            queue=self.queue,
            work={JobKind.FORECAST: self.work, JobKind.SCAN: self.work},
            lease_s=lease_s,
            message_lease_s=60,
            kept_days=30,
        )

    async def begin(self, kind: JobKind = JobKind.FORECAST) -> Job:
        return (await self.store.begin(new_job(self.user_id, kind)))[0]

    async def run(self, job: Job, *, lease_s: float = 30) -> Job:
        await self.runs(lease_s=lease_s).run_job(self.user_id, job.id)
        return await self.now(job)

    async def now(self, job: Job) -> Job:
        found = await self.store.repository.get(self.user_id, job.id)
        assert found is not None
        return found


@pytest.fixture
def bench(store: Store, user_id: UUID) -> Bench:
    return Bench(store, user_id)


@pytest.fixture
def in_memory(user_id: UUID) -> Bench:
    return Bench(FakeStore(), user_id)


@pytest.mark.parametrize("kind", list(JobKind))
async def test_a_job_is_carried_out_once_however_often_it_is_named(bench: Bench, kind: JobKind) -> None:
    job = await bench.begin(kind)
    assert (await bench.run(job)).state is JobState.SUCCEEDED
    assert (await bench.run(job)).attempt == 1
    assert [call.id for call in bench.work.calls] == [job.id]


async def gone() -> None:
    """The process is gone: nothing is caught, nothing put back."""
    raise asyncio.CancelledError


async def test_a_job_whose_worker_died_is_done_by_the_next_one(bench: Bench) -> None:
    job = await bench.begin()
    bench.work.then = [gone]
    with pytest.raises(asyncio.CancelledError):
        await bench.run(job)
    # As long as its lease holds nobody else takes it, and nobody looks for it.
    assert (await bench.run(job)).state is JobState.RUNNING
    await bench.store.let_lease_run_out(job)
    await bench.runs().requeue_stalled_jobs()
    assert bench.queue.messages.count((bench.user_id, job.id, JobKind.FORECAST)) == 1
    done = await bench.run(job)
    assert (done.state, done.attempt, done.tries) == (JobState.SUCCEEDED, 2, 2)


async def test_a_worker_that_was_taken_for_dead_stores_nothing(bench: Bench) -> None:
    job = await bench.begin()
    going, slow = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        going.set()
        await slow.wait()

    bench.work.then = [wait]
    first = asyncio.create_task(bench.run(job, lease_s=3600))
    await going.wait()
    await bench.store.let_lease_run_out(job)
    assert (await bench.run(job)).state is JobState.SUCCEEDED
    slow.set()
    assert (await first).attempt == 2


async def test_a_renewal_that_comes_with_the_end_takes_nothing_back(bench: Bench) -> None:
    """The success is stored within the work: until that returns, the lease is still looked after."""
    job = await bench.begin()
    succeed = bench.work.succeed

    async def stored_and_slow(running: Job) -> bool:
        stored = await succeed(running)
        await asyncio.sleep(0.3)
        return stored

    bench.work.succeed = stored_and_slow
    done = await bench.run(job, lease_s=0.1)
    assert (done.state, done.attempt, done.error_reason) == (JobState.SUCCEEDED, 1, "")


@pytest.mark.requirement("FCT-05")
async def test_a_process_that_dies_each_time_is_not_tried_for_ever(bench: Bench) -> None:
    """FCT-05: two repeats. Killed at the time limit, or for its memory: nobody is left to say that it failed."""
    job = await bench.begin()
    bench.work.then += [gone] * MAX_TRIES
    for _ in range(MAX_TRIES):
        with pytest.raises(asyncio.CancelledError):
            await bench.run(job)
        await bench.store.let_lease_run_out(job)
    given_up = await bench.run(job)
    assert (given_up.state, given_up.error_reason) == (JobState.FAILED, "WORKER_DIED")
    assert given_up.error_message == ("The job could not be carried out: The process that worked on it died, 3 times. Start it again.")
    assert len(bench.work.calls) == MAX_TRIES


async def test_what_is_away_costs_no_try_and_what_never_works_is_not_tried_again(in_memory: Bench) -> None:
    async def away() -> None:
        raise Unavailable("The ledger is away.")

    async def hopeless() -> None:
        raise FailedPrecondition("There is nothing to go by.", reason="NO_HISTORY")

    job = await in_memory.begin()
    in_memory.work.then += [away] * (MAX_TRIES + 1) + [hopeless]
    for _ in range(MAX_TRIES + 1):
        assert (await in_memory.run(job)).tries == 0
    failed = await in_memory.run(job)
    assert (failed.state, failed.error_reason) == (JobState.FAILED, "NO_HISTORY")


async def test_what_ended_weeks_ago_goes_however_much_it_is(in_memory: Bench) -> None:
    for number in range(1001):
        job, _ = await in_memory.store.record_done(new_job(in_memory.user_id, request_id=str(number)))
    await in_memory.store.let_days_go_by(job, 31)
    kept, _ = await in_memory.store.record_done(new_job(in_memory.user_id, request_id="new"))
    assert await in_memory.runs().expire_jobs() == 1001
    assert await in_memory.runs().expire_jobs() == 0
    assert (await in_memory.now(kept)).over
