"""What any `ImportsRepository` promises, asked of the one in memory and of the one on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import uuid_utils.compat

from services.ingestion.domain import (
    Counts,
    Failure,
    Import,
    ImportOptions,
    ImportPosition,
    ImportRow,
    ImportStage,
    ImportState,
    NewImport,
    Progress,
    RowOutcome,
    StalledImport,
    Success,
    UploadedFile,
)
from services.ingestion.protocols import QueuedImportsRepository
from services.ingestion.repository import PostgresImportsRepository
from services.kit.errors import FieldError
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem
from tests.conftest import AsRole
from tests.support.ingestion_fakes import FakeImportsRepository

READING = Progress(ImportStage.READING, 7, 0.5)
SUCCESS = Success(Counts(3, 1, 1, 0, 1, 0), "csv", {"encoding": "utf-8", "notes": ["a\x00b"]}, None)


@pytest.fixture(params=["fake", "postgres"])
async def repository(request: pytest.FixtureRequest) -> AsyncIterator[QueuedImportsRepository]:
    if request.param == "fake":
        yield FakeImportsRepository()
        return
    database = Database(request.getfixturevalue("servers").service_url("ingestion"), DatabaseSettings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=3))
    await database.open()
    yield PostgresImportsRepository(database, bulk_statement_timeout_s=30)
    await database.close()


def new_import(user_id: UUID, request_id: str = "key", sha256: str = "a" * 64, **options: object) -> NewImport:
    file = UploadedFile("/nowhere", "bank.csv", sha256, 12)
    ids = uuid_utils.compat.uuid7(), uuid_utils.compat.uuid7()
    return NewImport(ids[0], user_id, request_id, b"hash", ids[1], file, ImportOptions(**options))  # type: ignore[arg-type]


async def start(repository: QueuedImportsRepository, user_id: UUID, request_id: str = "key", lease_s: float = 10) -> Import:
    begun, mine = await repository.begin(new_import(user_id, request_id), lease_s=lease_s)
    assert mine
    return begun


async def test_a_begun_import_runs(repository: QueuedImportsRepository, user_id: UUID) -> None:
    new = new_import(user_id, account_id=uuid_utils.compat.uuid7(), currency="EUR", columns={"date": "Datum"}, date_format="dmy")
    begun, mine = await repository.begin(new, lease_s=10)
    assert mine
    assert (begun.id, begun.state, begun.attempt, begun.abandoned) == (new.id, ImportState.RUNNING, 1, False)
    assert (begun.file_name, begun.file_hash, begun.request_hash) == ("bank.csv", "a" * 64, b"hash")
    assert begun.account_id == new.options.account_id
    assert await repository.get(user_id, new.id) == begun


async def test_one_import_per_request_id_and_user(repository: QueuedImportsRepository, user_id: UUID, other_user_id: UUID) -> None:
    first = await start(repository, user_id)
    again, mine = await repository.begin(new_import(user_id), lease_s=10)
    assert (again.id, mine) == (first.id, False)
    assert (await start(repository, other_user_id)).id != first.id


async def test_the_same_request_at_the_same_moment(repository: QueuedImportsRepository, user_id: UUID) -> None:
    begun = await asyncio.gather(*(repository.begin(new_import(user_id), lease_s=10) for _ in range(4)))
    assert len({found.id for found, _ in begun}) == 1
    assert sum(mine for _, mine in begun) == 1


async def test_imports_of_others_are_unknown(repository: QueuedImportsRepository, user_id: UUID, other_user_id: UUID) -> None:
    theirs = await start(repository, other_user_id)
    assert await repository.get(user_id, theirs.id) is None
    assert await repository.list_imports(user_id, limit=10, after=None) == []


async def test_success_is_stored_whole(repository: QueuedImportsRepository, user_id: UUID) -> None:
    running = await start(repository, user_id)
    there_before = uuid_utils.compat.uuid7()
    rows = [[ImportRow(4, RowOutcome.DUPLICATE, transaction_id=there_before)], [ImportRow(2, RowOutcome.ZERO_AMOUNT)]]
    done = await repository.succeed(running, SUCCESS, rows)
    assert done is not None
    assert (done.state, done.counts, done.file_format) == (ImportState.SUCCEEDED, SUCCESS.counts, "csv")
    assert done.detected["encoding"] == "utf-8"
    assert done.completed_at is not None
    assert not done.abandoned
    stored = await repository.list_rows(user_id, running.id, outcome=None, after_line=0, limit=10)
    assert stored == [ImportRow(2, RowOutcome.ZERO_AMOUNT), ImportRow(4, RowOutcome.DUPLICATE, transaction_id=there_before)]
    by_outcome = await repository.list_rows(user_id, running.id, outcome=RowOutcome.DUPLICATE, after_line=0, limit=10)
    assert [row.line for row in by_outcome] == [4]
    assert [row.line for row in await repository.list_rows(user_id, running.id, outcome=None, after_line=2, limit=10)] == [4]
    assert len(await repository.list_rows(user_id, running.id, outcome=None, after_line=0, limit=1)) == 1


@pytest.mark.requirement("ING-15")
async def test_same_file_as_names_the_first_success(repository: QueuedImportsRepository, user_id: UUID, other_user_id: UUID) -> None:
    await repository.succeed(await start(repository, other_user_id), SUCCESS, [])
    failed = await start(repository, user_id, "0")
    await repository.fail(failed, Failure("no", "UNREADABLE_STATEMENT"))
    done = [await repository.succeed(await start(repository, user_id, key), SUCCESS, []) for key in "123"]
    ids = [found.id if found else None for found in done]
    assert [found and found.same_file_as for found in done] == [None, ids[0], ids[0]]


async def test_failure_comes_back_as_it_was(repository: QueuedImportsRepository, user_id: UUID) -> None:
    running = await start(repository, user_id)
    failure = Failure("no date", "UNREADABLE_STATEMENT", False, {"needs": "{}"}, [FieldError("date", "missing", 3), FieldError("x", "y")])
    assert await repository.fail(running, failure) is not None
    found = await repository.get(user_id, running.id)
    assert found is not None
    assert (found.state, found.claimable) == (ImportState.FAILED, False)
    assert found.failure == failure
    assert await repository.claim(found, lease_s=10) is None


async def test_a_retryable_failure_can_be_claimed_once(repository: QueuedImportsRepository, user_id: UUID) -> None:
    running = await start(repository, user_id)
    failed = await repository.fail(running, Failure("down", "UNAVAILABLE", True))
    assert failed is not None
    assert failed.claimable
    claims = await asyncio.gather(*(repository.claim(failed, lease_s=10) for _ in range(3)))
    claimed = [claim for claim in claims if claim]
    assert [(claim.state, claim.attempt, claim.failure) for claim in claimed] == [(ImportState.RUNNING, 2, None)]


async def test_a_live_lease_keeps_others_away(repository: QueuedImportsRepository, user_id: UUID) -> None:
    running = await start(repository, user_id)
    assert await repository.claim(running, lease_s=10) is None


async def test_a_lease_that_ran_out_is_taken_over(repository: QueuedImportsRepository, user_id: UUID) -> None:
    dead = await start(repository, user_id, lease_s=0.05)
    await asyncio.sleep(0.1)
    found = await repository.get(user_id, dead.id)
    assert found is not None
    assert found.abandoned
    assert found.claimable
    taken = await repository.claim(found, lease_s=10)
    assert taken is not None
    assert taken.attempt == 2
    # Whoever was presumed dead can change nothing any more.
    assert not await repository.renew(dead, lease_s=10, progress=READING)
    assert await repository.succeed(dead, SUCCESS, []) is None
    assert await repository.fail(dead, Failure("late", "LATE")) is None
    assert await repository.renew(taken, lease_s=10, progress=READING)


async def test_renewing_keeps_a_lease(repository: QueuedImportsRepository, user_id: UUID) -> None:
    running = await start(repository, user_id, lease_s=0.05)
    assert await repository.renew(running, lease_s=10, progress=READING)
    await asyncio.sleep(0.1)
    found = await repository.get(user_id, running.id)
    assert found is not None
    assert not found.abandoned


async def test_imports_are_listed_newest_first_in_pages(repository: QueuedImportsRepository, user_id: UUID) -> None:
    begun = [await start(repository, user_id, str(number)) for number in range(5)]
    seen: list[UUID] = []
    after: ImportPosition | None = None
    while page := await repository.list_imports(user_id, limit=2, after=after):
        seen += [found.id for found in page]
        after = ImportPosition(page[-1].created_at, page[-1].id)
    assert seen == [found.id for found in reversed(begun)]


async def test_each_layout_and_currency_has_a_number(repository: QueuedImportsRepository, user_id: UUID, other_user_id: UUID) -> None:
    one, two = "1" * 64, "2" * 64
    assert (await repository.layout_account(user_id, one, "EUR")).name == "Imported"
    assert (await repository.layout_account(user_id, two, "EUR")).name == "Imported (2)"
    assert (await repository.layout_account(user_id, one, "EUR")).number == 1
    assert (await repository.layout_account(user_id, two, "USD")).number == 1
    assert (await repository.layout_account(other_user_id, two, "EUR")).number == 1
    account_id = uuid_utils.compat.uuid7()
    await repository.remember_layout_account(user_id, two, "EUR", account_id)
    assert await repository.layout_account(user_id, two, "EUR") == (2, account_id)


async def test_layouts_at_the_same_moment_take_different_numbers(repository: QueuedImportsRepository, user_id: UUID) -> None:
    places = await asyncio.gather(*(repository.layout_account(user_id, f"{number % 4}" * 64, "EUR") for number in range(8)))
    assert sorted({place.number for place in places}) == [1, 2, 3, 4]
    assert [place.number for place in places[:4]] == [place.number for place in places[4:]]


@pytest.mark.requirement("ING-14")
async def test_uploads_are_recorded(as_role: AsRole, servers: LocalSystem, user_id: UUID) -> None:
    """ING-14: each upload, also of the same bytes, but not the repeat of a request."""
    database = Database(servers.service_url("ingestion"), DatabaseSettings(DB_POOL_SIZE=1))
    await database.open()
    repository = PostgresImportsRepository(database, bulk_statement_timeout_s=30)
    for request_id in ("1", "2", "2"):
        await repository.begin(new_import(user_id, request_id), lease_s=10)
    await database.close()
    async with as_role("ingestion", user_id) as connection:
        rows = await connection.fetch("SELECT file_hash, filename, upload_type, size_bytes FROM ingestion.uploaded_files")
    assert [tuple(row) for row in rows] == [("a" * 64, "bank.csv", "statement", 12)] * 2


# --- imports that a worker carries out


async def queue(repository: QueuedImportsRepository, user_id: UUID, request_id: str = "key", lease_s: float = 10) -> Import:
    running = await start(repository, user_id, request_id)
    pending = await repository.enqueue(running, object_key=f"uploads/{running.id}", lease_s=lease_s)
    assert pending is not None
    return pending


async def ours(repository: QueuedImportsRepository, user_id: UUID) -> list[StalledImport]:
    """Of the stalled imports those of this user: a database has others."""
    return [one for one in await repository.stalled(10_000) if one.user_id == user_id]


async def test_a_queued_import_waits(repository: QueuedImportsRepository, user_id: UUID) -> None:
    before = await repository.count_in_queue()
    pending = await queue(repository, user_id)
    assert (pending.state, pending.progress, pending.queued) == (ImportState.PENDING, Progress(ImportStage.WAITING), True)
    assert await repository.get(user_id, pending.id) == pending
    assert await repository.find_request(user_id, "key") == pending
    assert await repository.find_request(user_id, "other") is None
    assert await repository.count_in_queue() == before + 1
    assert await repository.enqueue(pending, object_key="again", lease_s=10) is None
    assert await ours(repository, user_id) == []


async def test_what_was_said_of_the_file_comes_back(repository: QueuedImportsRepository, user_id: UUID) -> None:
    options: dict[str, Any] = {
        "account_id": uuid_utils.compat.uuid7(),
        "currency": "EUR",
        "date_format": "dmy",
        "columns": {"date": "Datum"},
        "file_format": "csv",
    }
    running, _ = await repository.begin(new_import(user_id, password="secret", **options), lease_s=10)
    assert await repository.enqueue(running, object_key="x", lease_s=10) is not None
    claimed = await repository.claim_queued(user_id, running.id, lease_s=10)
    assert claimed is not None
    assert claimed.options == ImportOptions(**options)  # and no password


async def test_a_queued_import_is_claimed_once(repository: QueuedImportsRepository, user_id: UUID, other_user_id: UUID) -> None:
    before = await repository.count_in_queue()
    pending = await queue(repository, user_id)
    assert await repository.claim_queued(other_user_id, pending.id, lease_s=10) is None
    claims = await asyncio.gather(*(repository.claim_queued(user_id, pending.id, lease_s=10) for _ in range(3)))
    claimed = [claim for claim in claims if claim]
    assert [(one.state, one.attempt, one.tries) for one in claimed] == [(ImportState.RUNNING, 2, 1)]
    assert await repository.count_in_queue() == before
    assert await repository.renew(claimed[0], lease_s=10, progress=READING)
    found = await repository.get(user_id, pending.id)
    assert found is not None
    assert found.progress == READING
    done = await repository.succeed(claimed[0], SUCCESS, [])
    assert done is not None
    assert (done.progress, done.queued, done.object_key) == (None, False, pending.object_key)
    assert await repository.claim_queued(user_id, pending.id, lease_s=10) is None
    await repository.forget_upload(done)
    found = await repository.get(user_id, pending.id)
    assert found is not None
    assert found.object_key == ""


async def test_an_import_that_is_not_queued_is_no_workers_business(repository: QueuedImportsRepository, user_id: UUID) -> None:
    running = await start(repository, user_id, lease_s=0.01)
    await asyncio.sleep(0.05)
    assert await repository.claim_queued(user_id, running.id, lease_s=10) is None
    assert await repository.put_back(running, lease_s=10, counts=True) is None
    assert await ours(repository, user_id) == []


async def test_a_queued_import_is_no_requests_business(repository: QueuedImportsRepository, user_id: UUID) -> None:
    pending = await queue(repository, user_id, lease_s=0.01)
    await asyncio.sleep(0.05)
    found = await repository.get(user_id, pending.id)
    assert found is not None
    assert (found.abandoned, found.claimable) == (False, False)
    assert await repository.claim(found, lease_s=10) is None


async def test_a_dead_workers_import_is_stalled_and_queued_again_once(repository: QueuedImportsRepository, user_id: UUID) -> None:
    pending = await queue(repository, user_id)
    dead = await repository.claim_queued(user_id, pending.id, lease_s=0.05)
    assert dead is not None
    assert await ours(repository, user_id) == []
    await asyncio.sleep(0.1)
    stalled = StalledImport(user_id, pending.id, False)
    assert await ours(repository, user_id) == [stalled]
    again = await asyncio.gather(*(repository.requeue(stalled, lease_s=10) for _ in range(3)))
    assert sorted(again) == [False, False, True]
    assert await ours(repository, user_id) == []
    # Whoever was presumed dead can change nothing any more.
    assert not await repository.renew(dead, lease_s=10, progress=READING)
    assert await repository.succeed(dead, SUCCESS, []) is None
    assert await repository.put_back(dead, lease_s=10, counts=True) is None
    taken = await repository.claim_queued(user_id, pending.id, lease_s=10)
    assert taken is not None
    assert (taken.attempt, taken.begun, taken.tries) == (3, 2, 2)


async def test_what_was_put_back_is_due_when_its_lease_is_over(repository: QueuedImportsRepository, user_id: UUID) -> None:
    pending = await queue(repository, user_id)
    running = await repository.claim_queued(user_id, pending.id, lease_s=10)
    assert running is not None
    back = await repository.put_back(running, lease_s=10, counts=True)
    assert back is not None
    assert (back.state, back.tries) == (ImportState.PENDING, 1)
    running = await repository.claim_queued(user_id, pending.id, lease_s=10)
    assert running is not None
    back = await repository.put_back(running, lease_s=0.1, counts=False)
    assert back is not None
    assert (back.state, back.tries) == (ImportState.PENDING, 1)
    assert await ours(repository, user_id) == []
    await asyncio.sleep(0.15)
    assert await ours(repository, user_id) == [StalledImport(user_id, pending.id, False)]


async def test_a_message_that_may_be_lost_is_stalled_as_such(repository: QueuedImportsRepository, user_id: UUID) -> None:
    waiting = [await queue(repository, user_id, request_id, lease_s=0.01) for request_id in "abc"]
    await asyncio.sleep(0.05)
    assert await ours(repository, user_id) == [StalledImport(user_id, found.id, True) for found in waiting]
    assert len(await repository.stalled(2)) == 2


async def test_a_dead_workers_import_is_found_before_all_that_wait(repository: QueuedImportsRepository, user_id: UUID) -> None:
    waiting = [await queue(repository, user_id, request_id, lease_s=0.01) for request_id in "abc"]
    dead = await repository.claim_queued(user_id, waiting[2].id, lease_s=0.02)
    assert dead is not None
    await asyncio.sleep(0.06)
    assert [one.import_id for one in await ours(repository, user_id)] == [dead.id, waiting[0].id, waiting[1].id]


async def test_a_failed_queued_import_begins_anew(repository: QueuedImportsRepository, user_id: UUID) -> None:
    pending = await queue(repository, user_id)
    running = await repository.claim_queued(user_id, pending.id, lease_s=10)
    assert running is not None
    failed = await repository.fail(running, Failure("given up", "IMPORT_GIVEN_UP", True))
    assert failed is not None
    # Its upload is still there: forgotten only when it was removed.
    await repository.forget_upload(pending)
    again = await repository.claim(failed, lease_s=10)
    assert again is not None
    assert (again.state, again.object_key, again.begun, again.tries) == (ImportState.RUNNING, "", 0, 0)


@pytest.mark.parametrize("call", ["SELECT * FROM ingestion.stalled_imports(10)", "SELECT ingestion.count_in_queue()"])
async def test_only_ingestion_may_look_across_users(as_role: AsRole, call: str) -> None:
    async with as_role("accounts", None) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(call)
    async with as_role("ingestion", None) as connection:
        await connection.fetch(call)


async def test_across_users_there_are_ids_of_what_is_stuck_and_nothing_else(as_role: AsRole) -> None:
    async with as_role("ingestion", None) as connection:
        assert await connection.fetchval("SELECT count(*) FROM ingestion.imports") == 0
        stuck = await connection.prepare("SELECT * FROM ingestion.stalled_imports(10)")
        assert [column.name for column in stuck.get_attributes()] == ["user_id", "import_id", "in_queue"]
