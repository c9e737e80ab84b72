"""What who follows a job is told, with and without the log of its steps."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from services.kit.errors import NotFound
from services.kit.events import KEPT_EVENTS
from services.local import LocalSystem
from services.training.domain import Job, JobEvent, JobStatus
from services.training.job_events import RedisJobEvents
from services.training.protocols import JobEvents
from services.training.watch import JobWatch
from tests.support.training_fakes import BEGUN_AT, FakeJobEvents, a_job

Told = list[tuple[str, str, int]]
ENDED_AT = BEGUN_AT + timedelta(seconds=90)
ENDED_ID = f"{int(ENDED_AT.timestamp()) * 1000}-0"


class Bench:
    """One job, and who follows it."""

    def __init__(self, user_id: UUID, events: JobEvents | None) -> None:
        self.user_id = user_id
        self.events = events
        self.job = a_job(user_id)
        self.watch = JobWatch(events, poll_s=0.01, wait_s=0.02, idle_s=0.3)

    async def step(self, number: int, *, tell: bool = True) -> None:
        """One more step, noted and told."""
        await self._becomes(tell, status=JobStatus.PROCESSING, step=number, total=1000, phase="training", loss=1 / number)

    async def end(self, status: JobStatus = JobStatus.COMPLETED, *, tell: bool = True) -> None:
        await self._becomes(tell, status=status, completed_at=ENDED_AT)

    async def _becomes(self, tell: bool, **changes: object) -> None:
        self.job = dataclasses.replace(self.job, **changes)  # type: ignore[arg-type]
        if tell and self.events is not None:
            await self.events.publish(self.job)

    def follow(self, after: str = "") -> AsyncIterator[JobEvent]:
        async def find() -> Job:
            return self.job

        return self.watch.watch(find, after=after)

    async def told(self, after: str = "", *, most: int = 1000) -> Told:
        found: Told = []
        async for event in self.follow(after):
            found.append((event.id, event.job.status.value, event.job.step))
            if len(found) == most:
                break
        return found


@pytest.fixture
def log() -> FakeJobEvents:
    return FakeJobEvents()


@pytest.fixture
def bench(user_id: UUID, log: FakeJobEvents) -> Bench:
    return Bench(user_id, log)


async def test_each_step_is_told_as_it_is_made(bench: Bench) -> None:
    told = asyncio.create_task(bench.told())
    await asyncio.sleep(0.05)
    for number in (1, 2):
        await bench.step(number)
        await asyncio.sleep(0.05)
    await bench.end()
    assert await asyncio.wait_for(told, 5) == [
        ("", "pending", 0),
        ("1", "processing", 1),
        ("2", "processing", 2),
        ("3", "completed", 2),
    ]


async def test_a_step_that_is_on_record_before_it_is_in_the_log_is_told_once(bench: Bench, log: FakeJobEvents) -> None:
    bench.watch = JobWatch(log, poll_s=0.01, wait_s=0.2, idle_s=2)
    await bench.step(1)
    told = asyncio.create_task(bench.told())
    # Several times the log is read in vain just before.
    for number in (2, 3, 4):
        await asyncio.sleep(0.15)
        await bench.step(number, tell=False)
        await asyncio.sleep(0.15)
        await log.publish(bench.job)
    await bench.end()
    assert await asyncio.wait_for(told, 5) == [*((str(number), "processing", number) for number in (1, 2, 3, 4)), ("5", "completed", 4)]


async def test_who_is_new_is_told_all_that_is_kept(bench: Bench) -> None:
    for number in (1, 2, 3):
        await bench.step(number)
    await bench.end(JobStatus.FAILED)
    assert await bench.told() == [("1", "processing", 1), ("2", "processing", 2), ("3", "processing", 3), ("4", "failed", 3)]


async def test_who_comes_back_is_told_what_was_missed(bench: Bench) -> None:
    for number in (1, 2, 3):
        await bench.step(number)
    assert await bench.told("1", most=2) == [("2", "processing", 2), ("3", "processing", 3)]
    await bench.end()
    assert await bench.told("3") == [("4", "completed", 3)]


async def test_the_final_step_is_told_always(bench: Bench) -> None:
    await bench.end()
    for after in ("", "1", "2"):
        assert await bench.told(after) == [("1", "completed", 0)]


async def test_a_final_step_that_was_lost_has_an_id_to_come_back_with(bench: Bench) -> None:
    await bench.step(1)
    await bench.end(tell=False)
    assert await bench.told() == [("1", "processing", 1), (ENDED_ID, "completed", 1)]
    assert await bench.told(ENDED_ID) == [(ENDED_ID, "completed", 1)]


@pytest.mark.parametrize("configured", [True, False])
async def test_without_the_log_the_record_is_read(user_id: UUID, log: FakeJobEvents, configured: bool) -> None:
    log.down = True
    bench = Bench(user_id, log if configured else None)
    told = asyncio.create_task(bench.told())
    await asyncio.sleep(0.05)
    await bench.step(1)
    await asyncio.sleep(0.05)
    await bench.end()
    assert await asyncio.wait_for(told, 5) == [("", "pending", 0), ("", "processing", 1), (ENDED_ID, "completed", 1)]


async def test_it_ends_when_nothing_happens_for_long(bench: Bench) -> None:
    await bench.step(1)
    assert await asyncio.wait_for(bench.told(), 5) == [("1", "processing", 1)]
    assert await asyncio.wait_for(bench.told("1"), 5) == [], "who comes back is not told again what is known"


async def test_steps_keep_it_open(bench: Bench) -> None:
    told = asyncio.create_task(bench.told())
    for number in range(1, 8):
        await bench.step(number)
        await asyncio.sleep(0.1)
    await bench.end()
    assert (await asyncio.wait_for(told, 5))[-1][1] == "completed"


async def test_a_job_that_is_not_found_is_told_to_nobody(bench: Bench) -> None:
    async def find() -> Job:
        raise NotFound("no")

    await bench.step(1)
    with pytest.raises(NotFound):
        await anext(bench.watch.watch(find, after=""))


@pytest.mark.requirement("TRN-17")
async def test_a_slow_reader_misses_the_oldest_steps_and_never_the_end(user_id: UUID, servers: LocalSystem) -> None:
    """TRN-17, on Redis: ten times as many steps as are kept come while the reader looks at its first ones."""
    events = RedisJobEvents(servers.redis_url)
    bench = Bench(user_id, events)
    await bench.step(1)
    reader = bench.follow()
    first = await anext(reader)
    for number in range(2, 10 * KEPT_EVENTS):
        await bench.step(min(number, 1000))
    await bench.end()
    rest = [event async for event in reader]
    assert (first.job.step, rest[-1].job.status) == (1, JobStatus.COMPLETED)
    assert len(rest) < 2 * KEPT_EVENTS, "nothing was dropped: the reader was not slow"
    assert [event.id for event in rest] == sorted((event.id for event in rest), key=lambda text: [int(part) for part in text.split("-")])
    # Two who follow the same job, each on its own, as two gateways do.
    one, two = await asyncio.gather(bench.told(), bench.told())
    assert one == two
    assert await bench.told(one[-3][0]) == one[-2:]
    await events.forget([bench.job.id])
    assert await bench.told() == [(ENDED_ID, "completed", 1000)]
    await events.close()
