"""Rules of ingestion, with database and ledger in memory."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pytest
import uuid_utils.compat
from prometheus_client import REGISTRY

from services.ingestion.domain import Counts, Failure, Import, ImportOptions, ImportRow, ImportState, RowOutcome, UploadedFile
from services.ingestion.readers.statement import Batch, ReadOptions, RowError, Statement, UnreadableStatement
from services.kit.errors import Aborted, AlreadyExists, InvalidArgument, NotFound, ResourceExhausted, Unavailable
from tests.support.ingestion_fakes import FakeImportsRepository, FakeLedger, service_of
from tests.support.statements import batch_of, read_simple

FIVE = "\n".join(f"2026-05-0{day};-{day}.50;Shop {day}" for day in range(1, 6))


class Bench:
    """A service with its fakes, and a user who imports."""

    def __init__(self, folder: Path, **settings: float) -> None:
        self.folder = folder
        self.user_id = uuid_utils.compat.uuid7()
        self.repository = FakeImportsRepository()
        self.ledger = FakeLedger()
        self.reads = 0
        self.read = read_simple
        self.service = service_of(self.repository, self.ledger, {"csv": self._read}, **settings)  # type: ignore[arg-type]

    def _read(self, path: Path, options: ReadOptions) -> Statement:
        self.reads += 1
        return self.read(path, options)

    async def send(self, text: str, key: str = "key", user_id: UUID | None = None, **options: object) -> tuple[Import, bool]:
        digest = hashlib.sha256(text.encode()).hexdigest()
        path = self.folder / digest
        path.write_text(text)
        return await self.service.import_statement(
            user_id or self.user_id,
            request_id=key,
            file_format="csv",
            options=ImportOptions(**options),  # type: ignore[arg-type]
            file=UploadedFile(str(path), "bank.csv", digest, len(text)),
        )

    async def counts(self, text: str, key: str) -> Counts:
        return (await self.send(text, key))[0].counts

    async def rows(self, import_id: UUID, outcome: RowOutcome | None = None) -> list[ImportRow]:
        return (await self.service.list_import_rows(self.user_id, import_id, outcome=outcome, after_line=0, limit=100))[0]

    async def all_pages(self, import_id: UUID, outcome: RowOutcome | None, *, limit: int) -> list[ImportRow]:
        """Every row, page by page; no page is longer than asked, and each one begins later than the one before."""
        found: list[ImportRow] = []
        after: int | None = 0
        while after is not None:
            page, following = await self.service.list_import_rows(self.user_id, import_id, outcome=outcome, after_line=after, limit=limit)
            assert len(page) <= limit
            assert following is None or following > after
            found += page
            after = following
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.service.close()


async def test_import_statement_inserts_every_row(bench: Bench) -> None:
    done, repeated = await bench.send(FIVE)
    assert (done.state, repeated) == (ImportState.SUCCEEDED, False)
    assert done.counts == Counts(5, 5, 0, 0, 0, 0)
    assert len(bench.ledger.transactions) == 5
    assert done.detected["date_format"] == "%Y-%m-%d"
    assert [(row.line, row.outcome) for row in await bench.rows(done.id)] == [(line, RowOutcome.INSERTED) for line in range(1, 6)]


async def test_the_same_file_again_inserts_nothing(bench: Bench) -> None:
    first, _ = await bench.send(FIVE, "1")
    second, repeated = await bench.send(FIVE, "2")
    assert not repeated
    assert second.counts == Counts(rows=5, inserted=0, duplicates=5)
    assert second.same_file_as == first.id
    assert first.same_file_as is None
    assert len(bench.ledger.transactions) == 5
    ids = {row.transaction_id for row in await bench.rows(first.id)}
    assert {row.transaction_id for row in await bench.rows(second.id, RowOutcome.DUPLICATE)} == ids


async def test_rows_that_move_no_money_are_counted_apart(bench: Bench) -> None:
    done, _ = await bench.send("2026-05-01;0;a\n2026-05-01;0.00;b\n2026-05-01;-0.00;c\n2026-05-01;-0.01;d")
    assert done.counts == Counts(rows=4, inserted=1, zero_amount=3)
    assert [row.line for row in await bench.rows(done.id, RowOutcome.ZERO_AMOUNT)] == [1, 2, 3]


async def test_only_zero_amounts_is_a_success_without_rows(bench: Bench) -> None:
    done, _ = await bench.send("2026-05-01;0;a")
    assert done.counts == Counts(rows=1, zero_amount=1)
    assert bench.ledger.transactions == {}
    assert bench.ledger.accounts == {}


@pytest.mark.requirement("ING-08")
async def test_equal_rows_of_one_file_are_both_kept_and_stay_two(bench: Bench) -> None:
    """Also when they lie in different batches, and when an overlapping export holds them again."""
    coffee = "2026-05-01;-2.50;Coffee\n"
    others = "2026-05-02;-1;a\n2026-05-02;-1;b\n2026-05-02;-1;c\n"
    assert await bench.counts(coffee + others + coffee, "1") == Counts(5, 5)
    assert await bench.counts(coffee + coffee + "2026-05-03;-9;new", "2") == Counts(rows=3, inserted=1, duplicates=2)
    assert await bench.counts(coffee * 3, "3") == Counts(rows=3, inserted=1, duplicates=2)
    # Capitals and white space do not make another row.
    assert await bench.counts("2026-05-01;-2.50;  COFFEE ", "4") == Counts(rows=1, duplicates=1)


async def test_another_day_or_a_nearly_equal_amount_is_kept(bench: Bench) -> None:
    await bench.send(FIVE, "1")
    late = "2026-05-06;-1.50;Shop 1\n2026-05-01;-1.51;Shop 1\n2026-04-01;-1.50;Shop 1\n2026-05-01;1.50;Shop 1"
    assert await bench.counts(late, "2") == Counts(4, 4)


async def test_rejected_rows_have_line_field_and_reason(bench: Bench) -> None:
    done, _ = await bench.send("2026-05-01;-1;a\n!30 February does not exist\n2026-05-01;0;z\n2026-05-01;-2;b")
    assert done.counts == Counts(rows=4, inserted=2, zero_amount=1, rejected=1)
    assert await bench.rows(done.id, RowOutcome.REJECTED) == [ImportRow(2, RowOutcome.REJECTED, "date", "30 February does not exist")]
    assert [row.line for row in await bench.rows(done.id)] == [1, 2, 3, 4]


async def test_no_valid_row_is_refused_with_the_first_hundred_reasons(bench: Bench) -> None:
    with pytest.raises(InvalidArgument, match=r"None of the file's 150 rows.*first 100") as caught:
        await bench.send("\n".join(f"!bad {number}" for number in range(150)))
    assert caught.value.reason == "UNREADABLE_STATEMENT"
    assert [(field.line, field.field, field.reason) for field in caught.value.fields[:2]] == [(1, "date", "bad 0"), (2, "date", "bad 1")]
    assert len(caught.value.fields) == 100
    assert bench.ledger.accounts == {}


async def test_a_statement_without_a_payment_is_no_error(bench: Bench) -> None:
    done, _ = await bench.send("#Date;Amount")
    assert (done.state, done.counts) == (ImportState.SUCCEEDED, Counts())


async def test_a_wrong_password_may_be_corrected_under_the_same_key(bench: Bench) -> None:
    locked = "@secret\n" + FIVE
    for password in (None, "wrong"):
        with pytest.raises(InvalidArgument) as caught:
            await bench.send(locked, password=password)
        assert [found.field for found in caught.value.fields] == ["password"]
    done, repeated = await bench.send(locked, password="secret")
    assert (done.counts.inserted, repeated) == (5, False)
    again, repeated = await bench.send(locked, password="whatever")
    assert (again.id, repeated) == (done.id, True)
    assert "secret" not in repr(bench.repository.files)


async def test_what_the_reader_needs_is_said_and_remembered(bench: Bench) -> None:
    text = "?\n" + FIVE
    for _ in range(2):
        with pytest.raises(InvalidArgument, match="two ways") as caught:
            await bench.send(text)
        assert json.loads(caught.value.metadata["needs"]) == {"date_format": ["%d/%m/%Y", "%m/%d/%Y"]}
    assert bench.reads == 1, "the repeat is answered from memory"
    found = (await bench.service.list_imports(bench.user_id, limit=10, after=None))[0]
    assert [(one.state, one.failure and one.failure.reason) for one in found] == [(ImportState.FAILED, "UNREADABLE_STATEMENT")]
    done, _ = await bench.send(text, "another key", date_format="dmy")
    assert done.counts.inserted == 5


async def test_long_needs_stay_short_enough_for_a_trailer(tmp_path: Path) -> None:
    def read(path: Path, options: ReadOptions) -> Statement:
        raise UnreadableStatement(
            "Which column?", [RowError(0, "file", "?")], {"columns": [f"A long header number {n}" for n in range(500)]}
        )

    bench = Bench(tmp_path)
    bench.read = read
    with pytest.raises(InvalidArgument) as caught:
        await bench.send("x")
    assert len(caught.value.metadata["needs"]) <= 900
    assert len(json.loads(caught.value.metadata["needs"])["columns"]) > 10
    assert caught.value.fields[0].line is None


@pytest.mark.parametrize("when", ["opening", "reading"])
@pytest.mark.parametrize("error", [ValueError("a bug"), pl.exceptions.PanicException("a bug below")])
async def test_a_file_that_breaks_the_reader_is_refused(bench: Bench, when: str, error: BaseException) -> None:
    def batches() -> Iterator[Batch]:
        yield batch_of([{}])
        raise error

    def read(path: Path, options: ReadOptions) -> Statement:
        if when == "opening":
            raise error
        return Statement("csv", {}, None, batches())

    bench.read = read
    with pytest.raises(InvalidArgument, match="our fault") as caught:
        await bench.send(FIVE)
    assert caught.value.reason == "UNREADABLE_STATEMENT"
    assert "bug" not in caught.value.message
    assert bench.ledger.transactions == {}


async def test_a_disk_error_while_reading_is_not_the_files_fault(bench: Bench) -> None:
    def read(path: Path, options: ReadOptions) -> Statement:
        raise OSError("I/O error")

    bench.read = read
    with pytest.raises(OSError, match="I/O"):
        await bench.send(FIVE)
    found = (await bench.service.list_imports(bench.user_id, limit=1, after=None))[0][0]
    assert found.claimable
    assert found.failure is not None
    assert "I/O" not in found.failure.message


async def test_a_repeat_gets_the_first_answer(bench: Bench) -> None:
    first, _ = await bench.send(FIVE)
    again, repeated = await bench.send(FIVE)
    assert (again, repeated) == (first, True)
    assert bench.reads == 1
    assert len(bench.repository.files) == 1


async def test_the_key_of_an_undone_import_names_it_and_a_new_one_imports_anew(bench: Bench) -> None:
    first, _ = await bench.send(FIVE)
    undone, _ = await bench.service.undo_import(bench.user_id, first.id)
    assert bench.ledger.transactions == {}
    assert await bench.send(FIVE) == (undone, True)
    assert undone.state is ImportState.UNDONE
    assert bench.ledger.transactions == {}
    anew, repeated = await bench.send(FIVE, key="another")
    assert (anew.counts.inserted, repeated) == (first.counts.inserted, False)


@pytest.mark.parametrize(
    "change",
    [
        {"currency": "USD"},
        {"date_format": "dmy"},
        {"columns": {"date": "1"}},
        {"file_format": "csv"},
        {"account_id": uuid_utils.compat.uuid7()},
    ],
)
async def test_the_same_key_with_other_options_is_refused(bench: Bench, change: dict[str, Any]) -> None:
    await bench.send(FIVE)
    with pytest.raises(AlreadyExists) as caught:
        await bench.send(FIVE, **change)
    assert caught.value.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_the_same_key_with_another_file_is_refused_but_not_for_another_user(bench: Bench) -> None:
    await bench.send(FIVE)
    with pytest.raises(AlreadyExists):
        await bench.send(FIVE + "\n")
    done, repeated = await bench.send(FIVE + "\n", user_id=uuid_utils.compat.uuid7())
    assert (done.state, repeated) == (ImportState.SUCCEEDED, False)


async def test_a_second_click_waits_for_the_first_and_gets_its_answer(bench: Bench) -> None:
    hold = asyncio.Event()
    bench.ledger.before_commit = hold.wait
    clicks = [asyncio.create_task(bench.send(FIVE)) for _ in range(5)]
    await asyncio.sleep(0.3)
    assert not any(click.done() for click in clicks)
    hold.set()
    answers = await asyncio.gather(*clicks)
    assert len({found.id for found, _ in answers}) == 1
    assert sorted(repeated for _, repeated in answers) == [False, True, True, True, True]
    assert bench.reads == 1


async def test_a_failure_behind_us_can_be_tried_again(bench: Bench) -> None:
    bench.ledger.broken = Unavailable("The accounts service is not reachable.", retry_after_s=1)
    with pytest.raises(Unavailable):
        await bench.send(FIVE)
    failed = (await bench.service.list_imports(bench.user_id, limit=10, after=None))[0][0]
    assert failed.state is ImportState.FAILED
    assert failed.failure is not None
    assert "same Idempotency-Key" in failed.failure.message
    bench.ledger.broken = None
    done, repeated = await bench.send(FIVE)
    assert (done.id, done.counts, repeated) == (failed.id, Counts(5, 5), False)


async def test_a_death_after_the_ledgers_commit_gives_the_same_counts_on_retry(tmp_path: Path) -> None:
    """The ledger has the rows, the import does not know it yet: the retry counts them as inserted by this import."""
    bench = Bench(tmp_path, lease_s=0.5)

    async def database_dies() -> None:
        bench.repository.broken = Unavailable("down")

    bench.ledger.before_commit = database_dies
    with pytest.raises(Unavailable):
        await bench.send("2026-05-01;0;z\n" + FIVE)
    assert len(bench.ledger.transactions) == 5
    bench.ledger.before_commit = None
    bench.repository.broken = None
    done, _ = await bench.send("2026-05-01;0;z\n" + FIVE)  # waits until the lease has run out
    assert done.counts == Counts(rows=6, inserted=5, zero_amount=1)


async def test_a_stranger_takes_over_and_the_old_worker_gives_way(bench: Bench) -> None:
    async def lose_the_lease() -> None:
        bench.ledger.before_commit = None
        found = (await bench.repository.list_imports(bench.user_id, limit=1, after=None))[0]
        bench.repository._leases[found.id] = 0
        taken = await bench.repository.claim(await bench.service.get_import(bench.user_id, found.id), lease_s=10)
        assert taken is not None

    bench.ledger.before_commit = lose_the_lease
    with pytest.raises(Aborted):
        await bench.send(FIVE)


async def test_who_has_lost_an_import_stops_at_the_next_renewal(tmp_path: Path) -> None:
    """Not only at the end: the ledger holds back whoever waits for its transaction."""
    bench = Bench(tmp_path, lease_s=0.15)
    told: list[bool] = []

    async def lose_it_and_go_on() -> None:
        found = (await bench.repository.list_imports(bench.user_id, limit=1, after=None))[0]
        assert await bench.repository.fail(found, Failure("", "STOPPED")) is not None
        try:
            await asyncio.sleep(30)
        finally:
            told.append(True)

    bench.ledger.before_commit = lose_it_and_go_on
    with pytest.raises(Aborted) as caught:
        await asyncio.wait_for(bench.send(FIVE), 5)
    assert caught.value.reason == "IMPORT_TAKEN_OVER"
    assert told == [True]
    assert bench.ledger.transactions == {}


async def test_the_lease_is_renewed_while_the_import_runs(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lease_s=0.15)
    bench.ledger.before_commit = lambda: asyncio.sleep(0.5)
    done, _ = await bench.send(FIVE)
    assert done.state is ImportState.SUCCEEDED
    assert bench.repository.renewals >= 2


async def test_a_failed_renewal_does_not_stop_the_import(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lease_s=0.3)

    async def database_hiccup() -> None:
        bench.repository.broken = Unavailable("down")
        await asyncio.sleep(0.25)
        bench.repository.broken = None

    bench.ledger.before_commit = database_hiccup
    assert (await bench.send(FIVE))[0].counts.inserted == 5


async def test_a_caller_who_goes_away_before_the_end_leaves_nothing(bench: Bench) -> None:
    held = asyncio.Event()
    find = bench.ledger.ensure_account

    async def never(**arguments: str) -> object:
        held.set()
        await asyncio.sleep(60)
        return await find(**arguments)

    bench.ledger.ensure_account = never  # type: ignore[assignment,method-assign]
    click = asyncio.create_task(bench.send(FIVE))
    await held.wait()
    click.cancel()
    with pytest.raises(asyncio.CancelledError):
        await click
    assert bench.ledger.transactions == {}
    found = (await bench.service.list_imports(bench.user_id, limit=1, after=None))[0][0]
    assert (found.state, found.claimable) == (ImportState.FAILED, True)
    bench.ledger.ensure_account = find  # type: ignore[method-assign]
    assert (await bench.send(FIVE))[0].counts.inserted == 5


async def test_a_caller_who_goes_away_during_the_commit_still_finds_the_result(bench: Bench) -> None:
    committing, hold = asyncio.Event(), asyncio.Event()

    async def commit() -> None:
        committing.set()
        await hold.wait()

    bench.ledger.before_commit = commit
    click = asyncio.create_task(bench.send(FIVE))
    await committing.wait()
    click.cancel()
    await asyncio.sleep(0.05)
    hold.set()
    with pytest.raises(asyncio.CancelledError):
        await click
    again, repeated = await bench.send(FIVE)
    assert (again.state, again.counts, repeated) == (ImportState.SUCCEEDED, Counts(5, 5), True)


@pytest.mark.requirement("ING-20")
async def test_many_imports_queue_and_none_is_lost(tmp_path: Path) -> None:
    """ING-20: 50 at once."""
    bench = Bench(tmp_path, parallel_imports=2, queued_imports=48)
    texts = [f"2026-05-01;-1;import {number}" for number in range(50)]
    answers = await asyncio.gather(*(bench.send(text, text) for text in texts))
    assert sum(found.counts.inserted for found, _ in answers) == 50
    assert len(bench.ledger.transactions) == 50


@pytest.mark.requirement("ING-20")
async def test_more_than_the_queue_holds_is_refused_with_a_time(tmp_path: Path) -> None:
    service = Bench(tmp_path, parallel_imports=1, queued_imports=1).service
    with service.admission(), service.admission():
        with pytest.raises(ResourceExhausted) as caught, service.admission():
            raise AssertionError("admitted")
        assert caught.value.retry_after_s == 5
    with service.admission():
        pass


async def test_the_account_that_the_caller_names(bench: Bench) -> None:
    account = await bench.ledger.ensure_account(identifier="X1", name="Mine", currency="CHF")
    done, _ = await bench.send("2026-05-01;-1;a;;THEIRS\n2026-05-01;-1;b", account_id=account.id)
    assert done.account_id == account.id
    assert {row["account_id"] for row in bench.ledger.transactions.values()} == {str(account.id)}
    assert {row["currency"] for row in bench.ledger.transactions.values()} == {"CHF"}


async def test_an_unknown_account_is_the_requests_fault(bench: Bench) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await bench.send("2026-05-01;0;zero", account_id=uuid_utils.compat.uuid7())
    assert [field.field for field in caught.value.fields] == ["account_id"]


async def test_accounts_named_by_rows(bench: Bench) -> None:
    done, _ = await bench.send("2026-05-01;-1;a;EUR;DE89\n2026-05-01;-1;b;USD;GB29\n2026-05-02;-1;c;EUR;DE89\n2026-05-02;-1;d;EUR;DE89")
    assert done.counts.inserted == 4
    assert done.account_id is None
    assert sorted((entry["identifier"], entry["currency"]) for entry in done.detected["accounts"]) == [("DE89", "EUR"), ("GB29", "USD")]
    assert sorted(identifier for identifier, _, _ in bench.ledger.accounts.values()) == ["DE89", "GB29"]


async def test_a_currency_that_nobody_named_is_noted(bench: Bench) -> None:
    """Once for each currency, and never where the file or the caller says it."""
    swiss = await bench.ledger.ensure_account(identifier="X1", name="Mine", currency="CHF")
    taken = "rows without a currency are taken to be in {}, {}; send `currency` if they are not"
    assumed, _ = await bench.send(FIVE, "1")
    again, _ = await bench.send(FIVE + "\n2026-05-09;-1;a;USD", "2")
    of_account, _ = await bench.send(FIVE, "3", account_id=swiss.id)
    of_identifier, _ = await bench.send("2026-05-01;-1;a;;X1", "4")
    named, _ = await bench.send("2026-05-01;-1;a;EUR\n2026-05-01;-1;a;USD", "5")
    given, _ = await bench.send(FIVE, "6", currency="EUR")
    assert assumed.detected["notes"] == again.detected["notes"] == [taken.format("EUR", "your default")]
    assert of_account.detected["notes"] == of_identifier.detected["notes"] == [taken.format("CHF", "that of their account")]
    assert named.detected["notes"] == given.detected["notes"] == []


async def test_a_file_that_is_not_what_its_sender_said_is_noted(bench: Bench) -> None:
    done, _ = await bench.send(FIVE, "1", currency="EUR", file_format="xlsx")
    assert done.detected["notes"] == ["sent as xlsx, but its content is csv: read as that"]


async def test_imported_account_per_layout_and_currency(bench: Bench) -> None:
    await bench.send("#Datum;Betrag\n2026-05-01;-1;a", "1")
    await bench.send("#Datum;Betrag\n2026-05-01;-1;a\n2026-05-02;-1;b", "2")
    await bench.send("#Date;Amount\n2026-05-01;-1;a", "3")
    await bench.send("#Date;Amount\n2026-05-01;-1;a;USD", "4")
    assert sorted((name, currency) for _, name, currency in bench.ledger.accounts.values()) == [
        ("Imported", "EUR"),
        ("Imported", "USD"),
        ("Imported (2)", "EUR"),
    ]
    assert len(bench.ledger.transactions) == 4


async def test_an_imported_account_that_was_renamed_is_found_again(bench: Bench) -> None:
    first, _ = await bench.send(FIVE, "1")
    assert first.account_id is not None
    bench.ledger.accounts[first.account_id] = ("", "My bank", "EUR")
    second, _ = await bench.send(FIVE, "2")
    assert second.account_id == first.account_id
    assert second.counts == Counts(rows=5, duplicates=5)


async def test_an_imported_account_that_is_gone_is_opened_anew(bench: Bench) -> None:
    first, _ = await bench.send(FIVE, "1")
    bench.ledger.accounts.clear()
    second, _ = await bench.send(FIVE, "2")
    assert second.account_id != first.account_id
    assert (await bench.send(FIVE, "3"))[0].counts.duplicates == 5


@pytest.mark.parametrize(
    ("line", "options", "currency"),
    [
        ("2026-05-01;-1;a;USD", {"currency": "CHF"}, "CHF"),
        ("2026-05-01;-1;a;USD", {}, "USD"),
        ("2026-05-01;-1;a;USD;GB29", {}, "USD"),
        ("2026-05-01;-1;a;;GB29", {}, "EUR"),
        ("2026-05-01;-1;a", {}, "EUR"),
    ],
)
async def test_currency_from_request_then_file_then_account_then_profile(
    bench: Bench, line: str, options: dict[str, Any], currency: str
) -> None:
    await bench.send(line, **options)
    assert [row["currency"] for row in bench.ledger.transactions.values()] == [currency]


async def test_rows_are_listed_in_pages_from_both_sources(bench: Bench) -> None:
    await bench.send("2026-05-01;-1;old", "1")
    done, _ = await bench.send("2026-05-01;0;z\n2026-05-01;-1;old\n!bad\n2026-05-01;-2;new\n2026-05-01;-3;new", "2")
    lines = [(row.line, row.outcome) for row in await bench.all_pages(done.id, None, limit=2)]
    assert lines == [
        (1, RowOutcome.ZERO_AMOUNT),
        (2, RowOutcome.DUPLICATE),
        (3, RowOutcome.REJECTED),
        (4, RowOutcome.INSERTED),
        (5, RowOutcome.INSERTED),
    ]
    assert [row.line for row in await bench.rows(done.id, RowOutcome.INSERTED)] == [4, 5]
    assert await bench.rows(done.id, RowOutcome.SUSPECTED_DUPLICATE) == []


@pytest.mark.parametrize(("count", "limits"), [(30, (1, 5, 29, 30, 31, 100)), (1100, (100, 1000)), (3, (2,))])
async def test_no_page_size_loses_rows_behind_suspected_ones(bench: Bench, count: int, limits: tuple[int, ...]) -> None:
    lines = [f"2026-05-01;-{number + 1};{'again' if number < count else 'new'}" for number in range(2 * count)]
    done, _ = await bench.send("\n".join(lines))
    expected = {
        None: list(range(1, 2 * count + 1)),
        RowOutcome.SUSPECTED_DUPLICATE: list(range(1, count + 1)),
        RowOutcome.INSERTED: list(range(count + 1, 2 * count + 1)),
    }
    for limit in limits:
        for outcome, wanted in expected.items():
            assert [row.line for row in await bench.all_pages(done.id, outcome, limit=limit)] == wanted


async def test_an_import_of_suspected_rows_only_is_paged_to_its_end(bench: Bench) -> None:
    lines = [f"2026-05-01;-{number};again" for number in range(1, 3_101)]
    done, _ = await bench.send("\n".join([*lines, "2026-05-01;-1;new"]))
    page, following = await bench.service.list_import_rows(bench.user_id, done.id, outcome=RowOutcome.INSERTED, after_line=0, limit=1000)
    assert (page, following) == ([], 3_000)
    assert [row.line for row in await bench.all_pages(done.id, RowOutcome.INSERTED, limit=1000)] == [3_101]


async def test_others_imports_are_unknown(bench: Bench) -> None:
    done, _ = await bench.send(FIVE)
    stranger = uuid_utils.compat.uuid7()
    with pytest.raises(NotFound):
        await bench.service.get_import(stranger, done.id)
    with pytest.raises(NotFound):
        await bench.service.list_import_rows(stranger, done.id, outcome=None, after_line=0, limit=10)


def _value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


@pytest.mark.requirement("ING-21")
async def test_imports_are_counted(bench: Bench) -> None:
    """ING-21."""
    before = {name: _value("scale_imports_total", outcome=name) for name in ("succeeded", "rejected", "failed", "repeated")}
    rows = {name: _value("scale_import_rows_total", outcome=name) for name in ("inserted", "duplicate", "zero_amount", "rejected")}
    durations = _value("scale_import_duration_seconds_count")
    await bench.send(FIVE + "\n2026-05-01;0;z\n!bad", "1")
    await bench.send(FIVE, "2")
    await bench.send(FIVE, "2")
    with pytest.raises(InvalidArgument):
        await bench.send("!bad", "3")
    bench.ledger.broken = Unavailable("down")
    with pytest.raises(Unavailable):
        await bench.send(FIVE, "4")
    after = {name: _value("scale_imports_total", outcome=name) - count for name, count in before.items()}
    assert after == {"succeeded": 2, "rejected": 1, "failed": 1, "repeated": 1}
    added = {name: _value("scale_import_rows_total", outcome=name) - count for name, count in rows.items()}
    assert added == {"inserted": 5, "duplicate": 5, "zero_amount": 1, "rejected": 1}
    assert _value("scale_import_duration_seconds_count") - durations == 4
