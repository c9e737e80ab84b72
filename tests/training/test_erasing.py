"""What is told of jobs while, and after, everything of their user is erased: nothing of it is left, whoever was in the middle of it."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from services.kit.errors import Unavailable
from services.kit.storage import ObjectStorage
from services.training.domain import FORECASTER_GLOBAL, NOBODY, Caller, Job, Progress
from services.training.endings import Endings
from services.training.registry.artifacts import Artifacts
from services.training.registry.repository import PostgresVersionsRepository
from services.training.report import JobReport
from services.training.repository import PostgresJobsRepository
from services.training.user_data.leftovers import TrainingLeftovers
from services.training.user_data.repository import PostgresTrainingUserData
from services.training.user_data.service import TrainingUserDataService
from tests.conftest import AsRole
from tests.support.training_run_fakes import FakeEvents, FakeStatuses
from tests.training.conftest import Bench

MakeUserData = Callable[[Bench], TrainingUserDataService]


class Held:
    """A place at which somebody is held."""

    def __init__(self) -> None:
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()

    async def pass_by(self) -> None:
        self.reached.set()
        await self.go_on.wait()


class SlowStatuses(FakeStatuses):
    """Holds who puts a copy, before it is there."""

    def __init__(self, held: Held) -> None:
        super().__init__()
        self._held = held

    async def put(self, job: Job) -> None:
        await self._held.pass_by()
        await super().put(job)


class SlowEvents(FakeEvents):
    """Holds who adds an event, before it is there."""

    def __init__(self, held: Held) -> None:
        super().__init__()
        self._held = held

    async def publish(self, job: Job) -> None:
        await self._held.pass_by()
        await super().publish(job)


class SlowReader(PostgresJobsRepository):
    """Holds who has read a job, before it is handed over."""

    held: Held

    async def get(self, user_id: UUID, job_id: UUID) -> Job | None:
        found = await super().get(user_id, job_id)
        await self.held.pass_by()
        return found


@pytest.fixture
def user_data(tmp_path: Path) -> MakeUserData:
    """What erases on a bench."""

    def make(bench: Bench) -> TrainingUserDataService:
        leftovers = TrainingLeftovers(
            queue=bench.queue,
            events=bench.events,
            statuses=bench.statuses,
            notification_events=bench.told,
            artifacts=Artifacts(ObjectStorage(tmp_path.as_uri()), PostgresVersionsRepository(bench.database)),
        )
        return TrainingUserDataService(PostgresTrainingUserData(bench.database, statement_timeout_s=30), leftovers, max_exports=1)

    return make


async def _of(asked: Callable[[], Awaitable[object]]) -> None:
    await asked()


def left(bench: Bench) -> list[object]:
    """What is still told."""
    return [*bench.statuses.copies.values(), *bench.events.logs.values(), *bench.queue.messages, *bench.told.told]


async def rows(bench: Bench, as_role: AsRole, table: str) -> int:
    async with as_role("migrator", None) as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM training.{table} WHERE user_id = $1", bench.user_id))


@pytest.mark.parametrize("down", ["statuses", "events", "queue"])
async def test_what_redis_still_holds_when_it_is_back_goes_with_the_repeat(
    bench: Bench, user_data: MakeUserData, as_role: AsRole, down: str
) -> None:
    """Its own file brings back what it held; only the ids of jobs find it."""
    await bench.run(await bench.start())
    assert bench.statuses.copies
    assert bench.events.logs
    assert await rows(bench, as_role, "notifications") == 1
    place: FakeStatuses | FakeEvents = getattr(bench, down)
    place.down = True
    with pytest.raises(Unavailable):
        await user_data(bench).erase_user(bench.user_id)
    assert await rows(bench, as_role, "notifications") == 0
    place.down = False
    await user_data(bench).erase_user(bench.user_id)
    assert left(bench) == []
    assert await rows(bench, as_role, "training_jobs") == 0


@pytest.mark.parametrize("place", ["statuses", "events"])
@pytest.mark.parametrize("teller", ["worker", "service"])
async def test_an_erasure_waits_for_what_is_being_told_and_removes_it(
    bench: Bench, user_data: MakeUserData, place: str, teller: str
) -> None:
    job = await bench.start()
    held = Held()
    tell: Callable[[], Awaitable[object]]
    if place == "statuses":
        slow = dataclasses.replace(bench, statuses=SlowStatuses(held))
    else:
        slow = dataclasses.replace(bench, events=SlowEvents(held))
    running = await bench.repository.claim(job.user_id, job.id, lease_s=30)
    assert running is not None
    if teller == "worker":
        tell = partial(JobReport(running, slow.repository, slow.endings), Progress(1, 2, None, "training"))
    else:
        tell = partial(slow.service.cancel_training_job, bench.caller, job.id)
    async with asyncio.TaskGroup() as both:
        both.create_task(_of(tell))
        await held.reached.wait()
        erasing = both.create_task(user_data(slow).erase_user(bench.user_id))
        # One that did not wait would be done.
        await asyncio.wait([erasing], timeout=0.5)
        held.go_on.set()
    assert left(slow) == []


async def test_of_a_job_that_is_gone_nothing_is_told(bench: Bench, user_data: MakeUserData) -> None:
    """By a worker that has yet to learn it, between two looks at its record."""
    job = await bench.start()
    running = await bench.repository.claim(job.user_id, job.id, lease_s=30)
    assert running is not None
    report = JobReport(running, bench.repository, bench.endings)
    await report(Progress(1, 9, None, "training"))
    assert left(bench)
    await user_data(bench).erase_user(bench.user_id)
    assert left(bench) == []
    begun = time.monotonic()
    await report(Progress(2, 9, None, "training"))
    assert time.monotonic() - begun < 1, "it looked at the record: this shows nothing"
    assert left(bench) == []


async def test_while_everything_is_being_erased_nothing_is_told_and_nobody_waits(bench: Bench) -> None:
    job = await bench.start()
    bench.events.logs.clear()
    async with bench.database.erasure(bench.user_id, lock_timeout_s=5, statement_timeout_s=5):
        begun = time.monotonic()
        await bench.endings.tell(job)
        assert time.monotonic() - begun < 2
    assert bench.events.logs == {}


async def test_who_has_read_a_job_before_it_went_leaves_no_copy(bench: Bench, user_data: MakeUserData) -> None:
    job = await bench.start()
    bench.statuses.copies.clear()
    SlowReader.held = held = Held()
    bench.repository = SlowReader(bench.database)
    reading = asyncio.create_task(bench.make_service().get_training_job(bench.caller, job.id))
    await held.reached.wait()
    await user_data(bench).erase_user(bench.user_id)
    held.go_on.set()
    assert (await reading).id == job.id
    assert left(bench) == []


async def test_a_notification_that_is_gone_is_not_told(bench: Bench, user_data: MakeUserData) -> None:
    """Nor that of a job of nobody's, which stays."""
    async with bench.database.transaction(NOBODY) as connection:
        await connection.execute("DELETE FROM training.training_jobs WHERE user_id = $1", NOBODY)
    job = await bench.service.start_training_job(Caller(bench.user_id, admin=True), FORECASTER_GLOBAL, request_id="1")
    running = await bench.repository.claim(NOBODY, job.id, lease_s=30)
    assert running is not None

    async def erase(_: UUID) -> None:
        await user_data(bench).erase_user(bench.user_id)

    # The last moment before it is told.
    endings = Endings(bench.repository, events=bench.events, statuses=bench.statuses, notification_events=bench.told, clear_away=erase)
    assert await endings.failed(running, message="It broke.", reason="BROKEN") is not None
    assert bench.told.told == []
