"""Rules of large files: into the queue, out of it, and whatever dies or is lost on the way. Everything around them is in memory."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat

from services.ingestion.domain import Counts, Import, ImportOptions, ImportStage, ImportState, Progress, UploadedFile
from services.ingestion.import_handover import ImportHandover
from services.ingestion.import_run import ImportRuns
from services.ingestion.import_watch import ImportWatch
from services.ingestion.queued_imports import MAX_ATTEMPTS, MAX_TRIES, QueuedImports
from services.ingestion.service import IngestionService
from services.ingestion.stored_uploads import StoredUploads
from services.ingestion.upload import UploadSpool
from services.kit.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidArgument, ResourceExhausted, Unavailable
from tests.support.ingestion_fakes import FakeImportsRepository, FakeLedger
from tests.support.queue_fakes import FakeImportEvents, FakeImportQueue, FakeUploadStorage
from tests.support.statements import read_simple

LARGE = "\n".join(f"2026-05-0{1 + row % 9};-{row}.50;Shop {row}" for row in range(1, 21))
FULL = Unavailable("No room.", reason="NO_STORAGE_ROOM")


class Bench:
    """The service and a worker, with their fakes, and a user who imports. Files above 100 bytes are queued, at most 2."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user_id = uuid_utils.compat.uuid7()
        self.repository, self.ledger = FakeImportsRepository(), FakeLedger()
        self.queue, self.storage, self.events = FakeImportQueue(), FakeUploadStorage(), FakeImportEvents()
        uploads = StoredUploads(self.repository, self.storage)
        self.runs = ImportRuns(
            repository=self.repository,
            ledger=self.ledger,
            readers={"csv": read_simple},
            lease_s=0.3,
            parallel_imports=4,
            events=self.events,
        )
        parts: dict[str, Any] = {
            "repository": self.repository,
            "runs": self.runs,
            "uploads": uploads,
            "queue": self.queue,
            "lease_s": 0.3,
            "message_lease_s": 0.3,
        }
        self.handover = ImportHandover(**parts, above_bytes=100, max_queued=2)
        self.worker = QueuedImports(**parts, spool=UploadSpool(max_bytes=10_000, directory=folder))
        self.service = IngestionService(
            repository=self.repository,
            ledger=self.ledger,
            runs=self.runs,
            watch=ImportWatch(self.repository, self.events, poll_s=0.01, wait_s=0.01),
            handover=self.handover,
            lease_s=0.3,
        )

    async def send(self, text: str = LARGE, key: str = "key", *, may_be_encrypted: bool = False, **options: Any) -> tuple[Import, bool]:
        digest = hashlib.sha256(text.encode()).hexdigest()
        path = self.folder / digest
        path.write_text(text)
        file = UploadedFile(str(path), "bank.csv", digest, len(text), text.count("\n"), may_be_encrypted)
        return await self.service.import_statement(
            self.user_id, request_id=key, file_format="csv", options=ImportOptions(**options), file=file
        )

    async def pending(self, text: str = LARGE, key: str = "key", **options: Any) -> Import:
        found, _ = await self.send(text, key, **options)
        assert found.state is ImportState.PENDING
        return found

    async def work(self) -> None:
        """A worker takes every message."""
        while self.queue.messages:
            await self.worker.run_queued_import(*self.queue.messages.pop(0))

    async def get(self, found: Import) -> Import:
        return await self.service.get_import(self.user_id, found.id)

    def expire(self, found: Import) -> None:
        """Its lease is over."""
        self.repository._leases[found.id] = 0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.service.close()


async def test_a_large_file_waits_for_a_worker_and_is_carried_out_by_it(bench: Bench) -> None:
    pending = await bench.pending()
    assert pending.progress == Progress(ImportStage.WAITING)
    assert bench.queue.messages == [(bench.user_id, pending.id)]
    assert [stored.content for stored in bench.storage.objects.values()] == [LARGE.encode()]
    assert bench.ledger.transactions == {}
    await bench.work()
    done = await bench.get(pending)
    assert (done.state, done.counts, done.progress) == (ImportState.SUCCEEDED, Counts(20, 20), None)
    assert (bench.storage.objects, done.object_key) == ({}, "")


async def test_a_small_file_does_not_wait(bench: Bench) -> None:
    done, _ = await bench.send("2026-05-01;-1;a")
    assert done.state is ImportState.SUCCEEDED
    assert (bench.queue.messages, bench.storage.ever) == ([], [])


async def test_the_worker_reads_with_the_options_of_the_request(bench: Bench) -> None:
    account = await bench.ledger.ensure_account(identifier="X", name="Mine", currency="CHF")
    pending = await bench.pending("?\n" + LARGE, account_id=account.id, currency="USD", date_format="dmy", columns={"date": "1"})
    await bench.work()
    done = await bench.get(pending)
    assert (done.state, done.account_id, done.detected["date_format"]) == (ImportState.SUCCEEDED, account.id, "dmy")
    assert {row["currency"] for row in bench.ledger.transactions.values()} == {"USD"}


async def test_a_second_click_gets_the_waiting_import_at_once(bench: Bench) -> None:
    pending = await bench.pending()
    again, repeated = await asyncio.wait_for(bench.send(), 1)
    assert (again.id, again.state, repeated) == (pending.id, ImportState.PENDING, True)
    with pytest.raises(AlreadyExists):
        await bench.send(LARGE + "\n")
    assert len(bench.queue.messages) == 1
    running = await bench.repository.claim_queued(bench.user_id, pending.id, lease_s=10)
    assert running is not None
    again, repeated = await asyncio.wait_for(bench.send(), 1)
    assert (again.state, repeated) == (ImportState.RUNNING, True)


async def test_without_redis_a_large_file_is_read_within_its_request(bench: Bench) -> None:
    bench.queue.down = True
    done, _ = await bench.send()
    assert (done.state, done.counts) == (ImportState.SUCCEEDED, Counts(20, 20))
    assert bench.storage.ever == []


@pytest.mark.parametrize("error", [FULL, Unavailable("Away.", reason="STORAGE_UNAVAILABLE")])
async def test_without_a_storage_a_large_file_is_read_within_its_request(bench: Bench, error: Unavailable) -> None:
    bench.storage.broken = error
    done, _ = await bench.send()
    assert (done.state, done.counts) == (ImportState.SUCCEEDED, Counts(20, 20))
    assert bench.queue.messages == []


@pytest.mark.parametrize("got_through", [False, True])
async def test_redis_goes_while_the_message_is_sent(bench: Bench, got_through: bool) -> None:
    """Whether or not the message got through: one of the two carries it out, and the upload does not stay."""
    bench.queue.deaf = True
    done, _ = await bench.send()
    assert (done.state, done.counts) == (ImportState.SUCCEEDED, Counts(20, 20))
    assert len(bench.storage.ever) == 1
    assert bench.storage.objects == {}
    if got_through:
        await bench.worker.run_queued_import(bench.user_id, done.id)
        assert (await bench.get(done)).attempt == done.attempt
    assert len(bench.ledger.transactions) == 20


async def test_a_refused_file_that_came_back_from_the_queue_is_removed_too(bench: Bench) -> None:
    bench.queue.deaf = True
    with pytest.raises(InvalidArgument):
        await bench.send("?\n" + LARGE)
    assert len(bench.storage.ever) == 1
    assert bench.storage.objects == {}


async def test_a_full_queue_refuses_with_a_time_and_leaves_nothing(bench: Bench) -> None:
    await bench.pending(key="1")
    await bench.pending(LARGE + "\n", key="2")
    early = bench.service.check_queue(bench.user_id, request_id="3", size_bytes=101, options=ImportOptions())
    for refused in (early, bench.send(LARGE + "\n\n", "3")):
        with pytest.raises(ResourceExhausted) as caught:
            await refused
        assert (caught.value.reason, caught.value.retry_after_s) == ("QUEUE_FULL", 30)
    assert len((await bench.service.list_imports(bench.user_id, limit=10, after=None))[0]) == 2
    # Who asks again for what waits already gets it, and small files need no place.
    assert (await bench.send(key="1"))[1]
    await bench.service.check_queue(bench.user_id, request_id="1", size_bytes=101, options=ImportOptions())
    await bench.service.check_queue(bench.user_id, request_id="4", size_bytes=100, options=ImportOptions())
    await bench.service.check_queue(bench.user_id, request_id="4", size_bytes=101, options=ImportOptions(password="x"))
    bench.queue.down = True
    await bench.service.check_queue(bench.user_id, request_id="4", size_bytes=101, options=ImportOptions())


async def test_what_has_or_may_have_a_password_is_kept_nowhere(bench: Bench) -> None:
    done, _ = await bench.send("@secret\n" + LARGE, "1", password="secret")
    assert done.state is ImportState.SUCCEEDED
    done, _ = await bench.send(LARGE, "2", may_be_encrypted=True)
    assert done.state is ImportState.SUCCEEDED
    assert (bench.storage.ever, bench.queue.messages, bench.events.logs) == ([], [], {})
    assert "secret" not in repr(bench.repository._imports)


async def test_a_file_that_is_no_good_fails_with_all_that_a_request_would_have_been_told(bench: Bench) -> None:
    pending = await bench.pending("?\n" + LARGE)
    await bench.work()
    failed = await bench.get(pending)
    assert failed.state is ImportState.FAILED
    assert failed.failure is not None
    assert (failed.failure.reason, failed.failure.retryable) == ("UNREADABLE_STATEMENT", False)
    assert "date_format" in failed.failure.metadata["needs"]
    assert bench.storage.objects == {}
    with pytest.raises(InvalidArgument, match="two ways"):
        await bench.send("?\n" + LARGE)


async def test_rejected_rows_name_their_lines(bench: Bench) -> None:
    pending = await bench.pending("\n".join(f"!bad number {number}" for number in range(20)))
    await bench.work()
    failed = (await bench.get(pending)).failure
    assert failed is not None
    assert [(found.line, found.reason) for found in failed.fields[:2]] == [(1, "bad number 0"), (2, "bad number 1")]


async def test_what_is_away_is_waited_for_longer_and_longer(bench: Bench) -> None:
    pending = await bench.pending()
    bench.ledger.broken = Unavailable("The accounts service is not reachable.")
    waits = []
    for _ in range(8):
        await bench.work()
        again = await bench.get(pending)
        assert (again.state, again.tries) == (ImportState.PENDING, 0), "that is no fault of this import"
        waits.append(round(bench.repository._leases[pending.id] - time.monotonic()))
        assert await bench.worker.requeue_stalled_imports() == 0, "not before its time"
        bench.expire(pending)
        assert await bench.worker.requeue_stalled_imports() == 1
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]
    bench.ledger.broken = None
    await bench.work()
    assert (await bench.get(pending)).counts == Counts(20, 20)


async def fail_until_the_end(bench: Bench, pending: Import) -> int:
    """How many attempts it took."""
    while bench.queue.messages:
        await bench.work()
        bench.expire(pending)
        await bench.worker.requeue_stalled_imports()
    return (await bench.get(pending)).attempt - pending.attempt


@pytest.mark.parametrize(
    ("error", "tries", "says"),
    [
        (Unavailable("The accounts service is not reachable."), MAX_ATTEMPTS, "not reachable"),
        (Aborted("The ledger gave up."), MAX_TRIES, "gave up"),
        (RuntimeError("a bug"), MAX_TRIES, "something broke on our side"),
    ],
)
async def test_after_the_last_try_it_has_failed_and_may_be_sent_again(bench: Bench, error: Exception, tries: int, says: str) -> None:
    async def fail() -> None:
        raise error

    pending = await bench.pending()
    bench.ledger.before_commit = fail
    assert await fail_until_the_end(bench, pending) == tries
    failed = await bench.get(pending)
    assert failed.state is ImportState.FAILED
    assert failed.failure is not None
    assert failed.failure.retryable
    assert f"{says}. Send the file again" in failed.failure.message
    assert (bench.storage.objects, bench.queue.messages) == ({}, [])
    again = await bench.pending()
    assert (again.id, again.begun, again.tries) == (pending.id, 0, 0)
    assert await fail_until_the_end(bench, again) == tries, "with as much patience as before"
    again = await bench.pending()
    await bench.work()
    assert 9 < bench.repository._leases[pending.id] - time.monotonic() <= 10
    bench.ledger.before_commit = None
    bench.expire(again)
    assert await bench.worker.requeue_stalled_imports() == 1
    await bench.work()
    assert (await bench.get(pending)).counts == Counts(20, 20)


async def test_a_file_that_kills_every_worker_fails_in_the_end(bench: Bench) -> None:
    pending = await bench.pending()
    for _ in range(MAX_TRIES):
        assert await bench.repository.claim_queued(bench.user_id, pending.id, lease_s=0) is not None
        bench.expire(pending)
    bench.queue.messages.clear()
    assert await bench.worker.requeue_stalled_imports() == 1
    await bench.work()
    failed = await bench.get(pending)
    assert failed.state is ImportState.FAILED
    assert failed.failure is not None
    assert "died each time" in failed.failure.message
    assert bench.ledger.transactions == {}


async def test_a_worker_that_died_after_it_began_is_replaced(bench: Bench) -> None:
    pending = await bench.pending()
    bench.queue.messages.clear()
    dead = await bench.repository.claim_queued(bench.user_id, pending.id, lease_s=0.05)
    assert dead is not None
    assert await bench.worker.requeue_stalled_imports() == 0, "its lease is not over"
    await asyncio.sleep(0.1)
    shown = await bench.get(pending)
    assert (shown.state, shown.abandoned) == (ImportState.RUNNING, False), "a worker will take it up: nobody need send it again"
    assert await bench.worker.requeue_stalled_imports() == 1
    assert await bench.worker.requeue_stalled_imports() == 0, "a second clock"
    await bench.work()
    assert (await bench.get(pending)).counts == Counts(20, 20)
    # The dead one wakes up: it can change nothing any more.
    assert await bench.repository.put_back(dead, lease_s=1, counts=True) is None


async def test_a_worker_that_died_between_the_ledgers_commit_and_its_own_doubles_nothing(bench: Bench) -> None:
    pending = await bench.pending()

    async def database_dies() -> None:
        bench.repository.broken = Unavailable("down")

    bench.ledger.before_commit = database_dies
    with pytest.raises(Unavailable):
        await bench.work()
    assert len(bench.ledger.transactions) == 20
    bench.repository.broken, bench.ledger.before_commit = None, None
    bench.expire(pending)
    assert await bench.worker.requeue_stalled_imports() == 1
    await bench.work()
    done = await bench.get(pending)
    assert (done.state, done.counts) == (ImportState.SUCCEEDED, Counts(20, 20))
    assert len(bench.ledger.transactions) == 20


async def test_two_workers_with_the_same_message(bench: Bench) -> None:
    pending = await bench.pending()
    message = bench.queue.messages.pop()
    await asyncio.gather(*(bench.worker.run_queued_import(*message) for _ in range(3)))
    done = await bench.get(pending)
    assert (done.counts, done.tries) == (Counts(20, 20), 1)
    # And one that comes when all is over.
    await bench.worker.run_queued_import(*message)
    assert await bench.get(pending) == done


async def test_a_message_about_nothing_or_somebody_elses_import_does_nothing(bench: Bench) -> None:
    pending = await bench.pending()
    await bench.worker.run_queued_import(bench.user_id, uuid_utils.compat.uuid7())
    await bench.worker.run_queued_import(uuid_utils.compat.uuid7(), pending.id)
    assert (await bench.get(pending)).state is ImportState.PENDING


async def test_lost_messages_are_sent_again_and_no_more_than_those(bench: Bench) -> None:
    waiting = [await bench.pending(key=str(number), text=LARGE + "\n" * number) for number in range(2)]
    bench.queue.messages.clear()
    waiting.append(await bench.pending(key="2", text=LARGE + "\n" * 2))
    assert await bench.worker.requeue_stalled_imports() == 0, "they are on their way"
    for found in waiting:
        bench.expire(found)
    assert await bench.worker.requeue_stalled_imports() == 2
    assert [import_id for _, import_id in bench.queue.messages] == [waiting[2].id, waiting[0].id, waiting[1].id]
    for found in waiting:
        bench.expire(found)
    assert await bench.worker.requeue_stalled_imports() == 0, "a queue that is long loses nothing"
    await bench.work()
    assert [(await bench.get(found)).state for found in waiting] == [ImportState.SUCCEEDED] * 3


async def test_an_upload_that_is_gone_or_damaged(bench: Bench) -> None:
    gone, damaged = await bench.pending(key="1"), await bench.pending(LARGE + "\n", key="2")
    del bench.storage.objects[gone.object_key]
    bench.storage.put(damaged.object_key, b"something else", datetime.now(UTC))
    await bench.work()
    failed = (await bench.get(gone)).failure
    assert failed is not None
    assert failed.retryable
    assert "no longer there" in failed.message
    assert (await bench.get(damaged)).state is ImportState.PENDING
    assert bench.ledger.transactions == {}


async def test_an_import_that_runs_cannot_be_undone(bench: Bench) -> None:
    pending = await bench.pending()
    for _ in range(2):
        with pytest.raises(FailedPrecondition):
            await bench.service.undo_import(bench.user_id, pending.id)
        await bench.repository.claim_queued(bench.user_id, pending.id, lease_s=0)
    bench.expire(pending)
    await bench.work()
    undone, outcome = await bench.service.undo_import(bench.user_id, pending.id)
    assert (undone.state, outcome.removed_count) == (ImportState.UNDONE, 20)


async def test_uploads_that_no_import_waits_for_are_removed(bench: Bench) -> None:
    pending = await bench.pending()
    done = await bench.pending(LARGE + "\n", key="2")
    old = datetime.now(UTC) - timedelta(hours=2)
    await bench.worker.run_queued_import(bench.user_id, done.id)
    keys = {
        "of no import": f"uploads/{bench.user_id}/{uuid_utils.compat.uuid7()}.1",
        "of an earlier attempt": f"uploads/{bench.user_id}/{pending.id}.7",
        "of an import that is over": done.object_key,
        "not ours": "uploads/readme.txt",
    }
    for key in (*keys.values(), pending.object_key):
        bench.storage.put(key, LARGE.encode(), old)
    young = f"uploads/{bench.user_id}/{uuid_utils.compat.uuid7()}.1"
    bench.storage.put(young, b"", datetime.now(UTC))
    assert await bench.worker.remove_orphaned_uploads() == 3
    assert set(bench.storage.objects) == {pending.object_key, young, keys["not ours"]}
    await bench.work()
    assert (await bench.get(pending)).counts.rows == 20


async def test_an_upload_that_cannot_be_removed_stays_known_until_it_is(bench: Bench) -> None:
    pending = await bench.pending()

    async def storage_dies() -> None:
        bench.storage.broken = Unavailable("away")

    bench.ledger.before_commit = storage_dies
    await bench.work()
    done = await bench.get(pending)
    assert (done.state, done.object_key) == (ImportState.SUCCEEDED, pending.object_key)
    bench.storage.broken = None
    stored = bench.storage.objects[pending.object_key]
    bench.storage.put(stored.key, stored.content, datetime.now(UTC) - timedelta(hours=2))
    assert await bench.worker.remove_orphaned_uploads() == 1
    assert (await bench.get(pending)).object_key == ""


async def test_its_progress_is_noted_and_told(bench: Bench) -> None:
    hold = asyncio.Event()
    bench.ledger.before_commit = hold.wait
    pending = await bench.pending()
    working = asyncio.create_task(bench.work())
    await asyncio.sleep(0.3)
    running = await bench.get(pending)
    assert running.progress == Progress(ImportStage.STORING, 20, 1.0)
    hold.set()
    await working
    told = [(event.state, event.progress and event.progress.stage) for event in bench.events.logs[pending.id]]
    assert told[0] == (ImportState.PENDING, ImportStage.WAITING)
    assert told[1] == (ImportState.RUNNING, ImportStage.READING)
    assert (ImportState.RUNNING, ImportStage.STORING) in told
    assert told[-1] == (ImportState.SUCCEEDED, None)


async def test_half_of_the_lines_is_half_of_the_file(bench: Bench) -> None:
    reached, hold = asyncio.Event(), asyncio.Event()
    append = bench.ledger.append_transactions

    def slowly(import_id: UUID, batches: Any) -> Any:
        async def some() -> Any:
            async for batch in batches:
                yield batch
                reached.set()
                await hold.wait()

        return append(import_id, some())

    bench.ledger.append_transactions = slowly  # type: ignore[method-assign]
    pending = await bench.pending()
    working = asyncio.create_task(bench.work())
    await reached.wait()
    await asyncio.sleep(0.2)
    progress = (await bench.get(pending)).progress
    assert progress is not None
    # One batch of three is sent, one is ready for the ledger, and it is asked what the rows of one more are for.
    assert (progress.stage, progress.row_count, progress.fraction) == (ImportStage.READING, 9, 9 / 19)
    hold.set()
    await working
