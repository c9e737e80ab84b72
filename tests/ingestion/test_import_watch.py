"""What a watcher is told, with and without the log of steps."""

from __future__ import annotations

import asyncio
import dataclasses
from uuid import UUID

import pytest

from services.ingestion.domain import Counts, Failure, Import, ImportStage, ImportState, ImportStep, Progress, Success
from services.ingestion.import_watch import ImportWatch
from services.kit.errors import NotFound
from tests.ingestion.test_repository import new_import
from tests.support.ingestion_fakes import FakeImportsRepository
from tests.support.queue_fakes import FakeImportEvents

SUCCESS = Success(Counts(3, 3), "csv", {}, None)
Told = list[tuple[str, ImportState, int | None]]


class Bench:
    """One queued import, and who follows it."""

    def __init__(self, user_id: UUID) -> None:
        self.user_id = user_id
        self.repository, self.events = FakeImportsRepository(), FakeImportEvents()
        self.watch = ImportWatch(self.repository, self.events, poll_s=0.01, wait_s=0.02, idle_s=0.5)
        self.running: Import

    async def begin(self) -> None:
        begun, _ = await self.repository.begin(new_import(self.user_id), lease_s=10)
        pending = await self.repository.enqueue(begun, object_key="uploads/x", lease_s=10)
        assert pending is not None
        await self.events.publish(pending)
        claimed = await self.repository.claim_queued(self.user_id, begun.id, lease_s=10)
        assert claimed is not None
        self.running = claimed

    async def step(self, rows: int) -> None:
        """One more step, noted and told."""
        progress = Progress(ImportStage.READING, rows)
        await self.repository.renew(self.running, lease_s=10, progress=progress)
        await self.events.publish(dataclasses.replace(self.running, progress=progress))

    async def end(self) -> None:
        done = await self.repository.succeed(self.running, SUCCESS, [])
        assert done is not None
        await self.events.publish(done)

    async def told(self, after: str = "", *, most: int = 1000) -> Told:
        found: Told = []
        async for step in self.watch.watch(self.user_id, self.running.id, after=after):
            found.append(brief(step))
            if len(found) == most:
                break
        return found


def brief(step: ImportStep) -> tuple[str, ImportState, int | None]:
    return step.event_id, step.found.state, step.found.progress.row_count if step.found.progress else None


@pytest.fixture
async def bench(user_id: UUID) -> Bench:
    bench = Bench(user_id)
    await bench.begin()
    return bench


async def test_each_step_is_told_as_it_is_made(bench: Bench) -> None:
    told = asyncio.create_task(bench.told())
    await asyncio.sleep(0.05)
    await bench.step(10)
    await asyncio.sleep(0.05)
    await bench.step(20)
    await asyncio.sleep(0.05)
    await bench.end()
    assert await told == [
        ("1", ImportState.RUNNING, 0),
        ("2", ImportState.RUNNING, 10),
        ("3", ImportState.RUNNING, 20),
        ("4", ImportState.SUCCEEDED, None),
    ]


async def test_who_comes_back_is_told_what_was_missed(bench: Bench) -> None:
    await bench.step(10)
    assert (await bench.told(most=1)) == [("2", ImportState.RUNNING, 10)], "who has seen nothing is told how it stands"
    await bench.step(20)
    await bench.step(30)
    assert await bench.told("2", most=2) == [("3", ImportState.RUNNING, 20), ("4", ImportState.RUNNING, 30)]
    await bench.end()
    assert await bench.told("3") == [("4", ImportState.RUNNING, 30), ("5", ImportState.SUCCEEDED, None)]


async def test_the_final_state_is_told_always(bench: Bench) -> None:
    await bench.end()
    for after in ("", "1", "2"):
        assert await bench.told(after) == [("2", ImportState.SUCCEEDED, None)]


async def test_a_final_event_that_was_lost(bench: Bench) -> None:
    told = asyncio.create_task(bench.told())
    await asyncio.sleep(0.05)
    bench.events.down = True
    await bench.end()
    bench.events.down = False
    assert await told == [("1", ImportState.RUNNING, 0), ("", ImportState.SUCCEEDED, None)]
    assert await bench.told("1") == [("", ImportState.SUCCEEDED, None)], "it has seen the last event, but not the end"


async def test_without_the_log_the_record_is_read(bench: Bench) -> None:
    bench.events.down = True
    told = asyncio.create_task(bench.told())
    await asyncio.sleep(0.05)
    await bench.step(10)
    await asyncio.sleep(0.05)
    await bench.end()
    assert await told == [("", ImportState.RUNNING, 0), ("", ImportState.RUNNING, 10), ("", ImportState.SUCCEEDED, None)]


async def test_an_import_that_is_read_within_its_request_can_be_watched(user_id: UUID) -> None:
    bench = Bench(user_id)
    bench.running, _ = await bench.repository.begin(new_import(user_id), lease_s=10)
    told = asyncio.create_task(bench.told())
    await asyncio.sleep(0.05)
    await bench.repository.fail(bench.running, Failure("no", "UNREADABLE_STATEMENT"))
    assert await told == [("", ImportState.RUNNING, 0), ("", ImportState.FAILED, None)]


async def test_it_ends_when_nothing_happens_for_long(bench: Bench) -> None:
    assert await asyncio.wait_for(bench.told(), 5) == [("1", ImportState.RUNNING, 0)]


async def test_others_imports_are_unknown(bench: Bench, other_user_id: UUID) -> None:
    with pytest.raises(NotFound):
        await anext(bench.watch.watch(other_user_id, bench.running.id, after=""))
