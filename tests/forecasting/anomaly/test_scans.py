"""Scans from being asked for to what they leave: one at a time, one more after the last change, none doubled, whatever dies on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import polars as pl
import pytest
import uuid_utils.compat

from services.forecasting.anomaly.domain import Anomaly, AnomalyFilter, AnomalyState, Dismissed, Finding, Scan, ScanState
from services.forecasting.anomaly.service import AnomaliesService
from services.forecasting.anomaly.work import ScanWork
from services.forecasting.jobs.domain import Job, JobKind
from services.forecasting.jobs.runs import JobRuns
from services.forecasting.jobs.service import JobsService
from services.forecasting.user_data.repository import PostgresForecastingUserData
from services.forecasting.user_data.service import ForecastingUserDataService
from services.kit import context
from services.kit.auth import Identity
from services.kit.errors import FailedPrecondition, NotFound, ResourceExhausted, ScaleError, Unauthenticated, Unavailable
from tests.forecasting.anomaly.conftest import FakeStore, RealStore, Store
from tests.forecasting.anomaly.ledgers import Paid, ledger
from tests.support.anomaly_fakes import FakeLedger, finding
from tests.support.forecasting_job_fakes import FakeJobQueue

FIRST = date(2026, 1, 1)
USUAL = [Paid(FIRST + timedelta(days=2 * number), f"-{40 + number % 7}.00", "CAFE CENTRAL", category="dining") for number in range(40)]
ODD = Paid(FIRST + timedelta(days=80), "-900.00", "CAFE CENTRAL", category="dining")
DELAY_S = 10


class Desk:
    """One user, the ledger, and a worker. `pause` holds the worker while it reads."""

    def __init__(self, store: Store, user_id: UUID) -> None:
        self.store, self.user_id = store, user_id
        self.queue, self.ledger = FakeJobQueue(), HeldLedger()
        jobs = JobsService(store.jobs, self.queue, max_queued=100, max_open=9, message_lease_s=60)
        self.service = AnomaliesService(store.repository, jobs, delay_s=DELAY_S)
        self.work = ScanWork(store.repository, self.ledger, self.service)

    def runs(self, lease_s: float = 30) -> JobRuns:
        return JobRuns(
            repository=self.store.jobs, queue=self.queue, work={JobKind.SCAN: self.work}, lease_s=lease_s, message_lease_s=60, kept_days=30
        )

    async def start(self, request_id: str | None = None, *, changed: bool = False) -> Scan:
        return await self.service.start_scan(self.user_id, request_id=request_id or str(uuid_utils.compat.uuid7()), ledger_changed=changed)

    async def run(self, scan: Scan) -> Scan:
        await self.runs().run_job(self.user_id, scan.id)
        return await self.service.get_scan(self.user_id, scan.id)

    async def anomalies(self, state: AnomalyState | None = AnomalyState.OPEN) -> list[Anomaly]:
        found, _, _ = await self.service.list_anomalies(self.user_id, where=AnomalyFilter(state), limit=1000, after=None)
        return list(found)


class HeldLedger(FakeLedger):
    """`reading` is set when it is read, which ends with `go`."""

    def __init__(self) -> None:
        super().__init__(ledger(*USUAL))
        self.reading, self.go = asyncio.Event(), asyncio.Event()
        self.go.set()

    async def transactions(self) -> pl.DataFrame:
        rows = await super().transactions()
        self.reading.set()
        await self.go.wait()
        return rows


@pytest.fixture
def desk(store: Store, user_id: UUID) -> Desk:
    return Desk(store, user_id)


@pytest.fixture
def in_memory(user_id: UUID) -> Desk:
    return Desk(FakeStore(), user_id)


@pytest.fixture
def on_postgres(real: RealStore, user_id: UUID) -> Desk:
    return Desk(real, user_id)


async def test_a_scan_finds_what_is_odd_once(desk: Desk) -> None:
    desk.ledger.rows = ledger(*USUAL, ODD)
    scan = await desk.run(await desk.start())
    assert (scan.state, scan.transaction_count, scan.found_count, scan.resolved_count) == (ScanState.SUCCEEDED, 41, 1, 0)
    assert scan.completed_at is not None
    (odd,) = await desk.anomalies()
    assert "900.00 EUR" in odd.reason
    again = await desk.run(await desk.start())
    assert (again.state, again.found_count) == (ScanState.SUCCEEDED, 0)
    assert await desk.anomalies() == [odd]


async def test_an_empty_ledger_has_nothing_odd(desk: Desk) -> None:
    desk.ledger.rows = ledger()
    scan = await desk.run(await desk.start())
    assert (scan.state, scan.transaction_count, scan.found_count) == (ScanState.SUCCEEDED, 0, 0)


async def test_an_import_that_is_undone_takes_its_anomalies_along(desk: Desk) -> None:
    desk.ledger.rows = ledger(*USUAL, ODD)
    await desk.run(await desk.start())
    desk.ledger.rows = ledger(*USUAL)
    scan = await desk.run(await desk.start())
    assert scan.resolved_count == 1
    assert await desk.anomalies() == []
    (settled,) = await desk.anomalies(AnomalyState.RESOLVED)
    with pytest.raises(FailedPrecondition) as caught:
        await desk.service.reopen_anomaly(desk.user_id, settled.id)
    assert caught.value.reason == "ANOMALY_RESOLVED"
    desk.ledger.rows = ledger(*USUAL, ODD)
    assert (await desk.run(await desk.start())).found_count == 0
    assert [one.id for one in await desk.anomalies()] == [settled.id]


async def test_what_is_dismissed_stays_so_and_is_learned_from_until_it_is_taken_back(desk: Desk) -> None:
    learned: list[list[str]] = []

    def find(history: pl.DataFrame, *, dismissed: Sequence[Dismissed], **_: object) -> list[Finding]:
        learned.append([one.key for one in dismissed])
        return [finding("cafe", transaction_ids=())]

    desk.work = ScanWork(desk.store.repository, desk.ledger, desk.service, find)
    await desk.run(await desk.start())
    (odd,) = await desk.anomalies()
    for _ in range(2):
        assert (await desk.service.dismiss_anomaly(desk.user_id, odd.id)).state is AnomalyState.DISMISSED
    assert (await desk.run(await desk.start())).found_count == 0
    assert [one.state for one in await desk.anomalies(None)] == [AnomalyState.DISMISSED]
    for _ in range(2):
        assert await desk.service.reopen_anomaly(desk.user_id, odd.id) == odd
    await desk.run(await desk.start())
    assert learned == [[], [odd.key], []]
    assert await desk.anomalies() == [odd]


async def test_nobody_elses_is_told_from_none(desk: Desk, other_user_id: UUID) -> None:
    desk.ledger.rows = ledger(*USUAL, ODD)
    scan = await desk.run(await desk.start())
    (odd,) = await desk.anomalies()
    service = desk.service
    for user_id, anomaly_id in ((other_user_id, odd.id), (desk.user_id, uuid_utils.compat.uuid7())):
        for ask in (service.get_anomaly, service.dismiss_anomaly, service.reopen_anomaly):
            with pytest.raises(NotFound):
                await ask(user_id, anomaly_id)
    with pytest.raises(NotFound):
        await service.get_scan(other_user_id, scan.id)
    assert await desk.anomalies() == [odd]


async def test_the_same_request_is_the_same_scan_and_an_open_one_answers_another(desk: Desk) -> None:
    first = await desk.start("1")
    assert (await desk.start("1")).id == (await desk.start("2")).id == first.id
    assert len(desk.queue.messages) == 1
    await desk.run(first)
    assert (await desk.start("1")).state is ScanState.SUCCEEDED
    assert (await desk.start("3")).id != first.id


async def test_many_imports_in_a_row_make_one_scan(desk: Desk) -> None:
    scans = {(await desk.start(changed=True)).id for _ in range(12)}
    assert len(scans) == 1
    assert desk.queue.messages == [], "it waits for more of the kind"
    # Somebody who looks does not wait.
    asked = await desk.start()
    assert {asked.id} == scans
    assert len(desk.queue.messages) == 1
    await desk.run(asked)
    assert desk.ledger.reads == 1


async def test_changes_while_the_ledger_is_read_make_one_more_scan_after_the_last(desk: Desk) -> None:
    desk.ledger.go.clear()
    scan = await desk.start()
    running = asyncio.create_task(desk.run(scan))
    await desk.ledger.reading.wait()
    desk.ledger.rows = ledger(*USUAL, ODD)
    assert {(await desk.start(changed=True)).id for _ in range(5)} == {scan.id}
    desk.ledger.go.set()
    done = await running
    assert (done.state, done.found_count) == (ScanState.SUCCEEDED, 0)
    follower = await desk.start()
    assert follower.id != scan.id
    assert follower.created_at <= datetime.now(UTC)
    assert (await desk.run(follower)).found_count == 1
    assert desk.ledger.reads == 2
    assert (await desk.start()).id != follower.id, "nothing has changed since: nothing follows by itself"


async def test_a_scan_that_cannot_be_followed_leaves_the_ledger_due(desk: Desk) -> None:
    class Full:
        async def scan_again(self, user_id: UUID) -> None:
            raise ResourceExhausted("full", reason="QUEUE_FULL")

    desk.work = ScanWork(desk.store.repository, desk.ledger, Full())
    desk.ledger.go.clear()
    scan = await desk.start()
    running = asyncio.create_task(desk.run(scan))
    await desk.ledger.reading.wait()
    await desk.start(changed=True)
    desk.ledger.go.set()
    assert (await running).state is ScanState.SUCCEEDED
    assert desk.user_id in await desk.store.repository.due(100_000)


async def _resumed(desk: Desk, job: Job) -> Scan:
    """As another worker does when the lease of the one that died is over."""
    again = await desk.store.jobs.put_back(job, lease_s=0, counts=True, in_queue=True)
    assert again is not None
    await desk.runs().run_job(desk.user_id, job.id)
    return await desk.service.get_scan(desk.user_id, job.id)


async def test_a_scan_killed_half_way_is_repeated_without_doubling(desk: Desk) -> None:
    desk.ledger.rows = ledger(*USUAL, ODD)
    scan = await desk.start()
    claimed = await desk.store.jobs.claim(desk.user_id, scan.id, lease_s=60)
    assert claimed is not None
    # One worker reads and finds; before it stores anything, another has taken over.
    desk.ledger.go.clear()
    slow = asyncio.create_task(desk.work.carry_out(claimed))
    await desk.ledger.reading.wait()
    desk.ledger.go.set()
    done = await _resumed(desk, claimed)
    with pytest.raises(ScaleError) as caught:
        await slow
    assert caught.value.reason == "ATTEMPT_OVER"
    assert (done.state, done.found_count) == (ScanState.SUCCEEDED, 1)
    assert len(await desk.anomalies()) == 1


async def test_a_ledger_that_is_away_is_tried_again_and_what_is_told_of_a_failure_is_for_the_user(desk: Desk) -> None:
    desk.ledger.error = Unavailable("The ledger is away.", reason="LEDGER_AWAY")
    waiting = await desk.run(await desk.start())
    assert waiting.state is ScanState.PENDING
    desk.ledger.error = FailedPrecondition("No.", reason="NO")
    failed = await desk.run(waiting)
    assert (failed.state, failed.error_reason) == (ScanState.FAILED, "NO")
    assert failed.error_message == "The job could not be carried out: No. Start it again."


async def test_what_is_due_is_begun_once_a_day_as_its_user(desk: Desk, other_user_id: UUID) -> None:
    await desk.run(await desk.start())
    await desk.store.let_it_be_due(desk.user_id)
    acted: list[UUID] = []
    assert await desk.service.start_due_scans(acted.append) >= 1
    assert desk.user_id in acted
    (message,) = [message for message in desk.queue.messages[1:] if message[0] == desk.user_id]
    assert message[1] in desk.queue.behind, "people who wait come first"
    acted.clear()
    await desk.service.start_due_scans(acted.append)
    assert desk.user_id not in acted
    scan = await desk.service.get_scan(desk.user_id, message[1])
    assert (await desk.run(scan)).state is ScanState.SUCCEEDED
    assert desk.user_id not in await desk.store.repository.due(100_000)


async def test_what_is_due_leaves_half_of_the_queue_to_people(in_memory: Desk, other_user_id: UUID) -> None:
    for user_id in (in_memory.user_id, other_user_id):
        await in_memory.store.repository.note_change(user_id)
    in_memory.queue.messages = [(other_user_id, other_user_id, JobKind.FORECAST)] * 50
    assert await in_memory.service.start_due_scans(lambda user_id: None) == 0
    assert len(await in_memory.store.repository.due(10)) == 2
    assert (await in_memory.start()).state is ScanState.PENDING
    in_memory.queue.messages.clear()
    assert await in_memory.service.start_due_scans(lambda user_id: None) == 2
    assert await in_memory.store.repository.due(10) == []


async def test_one_ledger_that_cannot_be_begun_keeps_no_other_waiting(in_memory: Desk, other_user_id: UUID) -> None:
    desk, store = in_memory, in_memory.store
    users = [desk.user_id, other_user_id, uuid_utils.compat.uuid7()]
    for user_id in users:
        await store.repository.note_change(user_id)
    trouble = {
        users[0]: FailedPrecondition("broken", reason="BROKEN"),
        users[1]: Unauthenticated("gone", reason="USER_ERASED"),
    }
    find = store.jobs.find

    async def find_or_fail(user_id: UUID, request_id: str) -> Job | None:
        if user_id in trouble:
            raise trouble[user_id]
        return await find(user_id, request_id)

    store.jobs.find = find_or_fail  # type: ignore[method-assign]
    assert await desk.service.start_due_scans(lambda user_id: None) == 1
    assert [message[0] for message in desk.queue.messages] == [users[2]]
    assert await store.repository.due(10) == [users[1]], (
        "what is broken is tried again in some hours, and whose user is gone is not touched"
    )
    trouble[users[1]] = Unavailable("away", reason="DB_UNAVAILABLE")
    assert await desk.service.start_due_scans(lambda user_id: None) == 0
    assert await store.repository.due(10) == [users[1]]


@pytest.fixture
async def erasing(on_postgres: Desk, real: RealStore) -> AsyncIterator[ForecastingUserDataService]:
    yield ForecastingUserDataService(PostgresForecastingUserData(real.database, statement_timeout_s=60), on_postgres.queue, max_exports=1)
    context.bind_identity(None)


async def test_a_scan_of_somebody_who_erases_everything_writes_nothing(
    on_postgres: Desk, real: RealStore, erasing: ForecastingUserDataService
) -> None:
    desk = on_postgres
    desk.ledger.rows = ledger(*USUAL, ODD)
    scan = await desk.start(changed=True)
    since = await real.database.now()
    desk.ledger.go.clear()

    async def work() -> None:
        context.bind_identity(Identity(desk.user_id, "service", "", 0, signed_in_at=since))
        await desk.runs().run_job(desk.user_id, scan.id)

    working = asyncio.create_task(work())
    await desk.ledger.reading.wait()
    context.bind_identity(Identity(desk.user_id, "user", "", 0, signed_in_at=since))
    await erasing.erase_user(desk.user_id)
    desk.ledger.go.set()
    await working
    context.bind_identity(None)
    assert await desk.store.repository.known(desk.user_id) == []
    with pytest.raises(NotFound):
        await desk.service.get_scan(desk.user_id, scan.id)
    assert desk.user_id not in await desk.store.repository.due(100_000)
    # Nor does the clock begin one for whom it had on its list.
    context.bind_identity(Identity(desk.user_id, "service", "", 0, signed_in_at=since))
    with pytest.raises(ScaleError) as caught:
        await desk.start()
    assert caught.value.reason == "USER_ERASED"
