"""CSV profiles: what one import teaches, what the next one takes of it, and who may see it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat
from google.protobuf import json_format

from scale.accounts.v1 import accounts_service_pb2 as accounts
from scale.ingestion.v1 import ingestion_service_pb2 as pb
from services.ingestion.app import READERS
from services.ingestion.csv_profiles import MAX_HEADER_CHARS
from services.ingestion.domain import Counts, CsvLayout, Import, ImportOptions, NewImport, Success, UploadedFile
from services.ingestion.protocols import ImportsRepository
from services.ingestion.repository import PostgresImportsRepository
from services.ingestion.repository.csv_profiles import MAX_PROFILES
from services.kit.dates import from_date_proto
from services.kit.errors import InvalidArgument, NotFound
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from tests.conftest import AsRole
from tests.ingestion.conftest import Stack
from tests.support.ingestion_fakes import FakeImportsRepository, FakeLedger, service_of

HEADER = "When,What,Gross,Net\n"
MARCH = HEADER + "03/04/2025,a,-1.00,-0.90\n05/03/2025,b,-2.00,-1.90\n"
APRIL = HEADER + "04/05/2025,c,-3.00,-2.90\n06/04/2025,d,-4.00,-3.90\n"

# --- where they are kept


@pytest.fixture(params=["fake", "postgres"])
async def repository(request: pytest.FixtureRequest) -> AsyncIterator[ImportsRepository]:
    if request.param == "fake":
        yield FakeImportsRepository()
        return
    database = Database(request.getfixturevalue("servers").service_url("ingestion"), DatabaseSettings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=3))
    await database.open()
    yield PostgresImportsRepository(database, bulk_statement_timeout_s=30)
    await database.close()


def layout(number: int = 0, **changes: Any) -> CsvLayout:
    said = {"header": ["When", "Net\x00"], "columns": {"amount": "Net"}, "date_format": "dmy", **changes}
    return CsvLayout(hashlib.sha256(str(number).encode()).hexdigest(), **said)


async def taught(repository: ImportsRepository, user_id: UUID, what: CsvLayout | None) -> Import:
    """A finished import that teaches this."""
    ids = uuid_utils.compat.uuid7(), uuid_utils.compat.uuid7()
    file = UploadedFile("/nowhere", "bank.csv", "a" * 64, 12)
    running, _ = await repository.begin(NewImport(ids[0], user_id, str(ids[0]), b"hash", ids[1], file, ImportOptions()), lease_s=10)
    done = await repository.succeed(running, Success(Counts(), "csv", {}, None, what), [])
    assert done is not None
    return done


async def test_what_an_import_teaches_is_kept_with_it(repository: ImportsRepository, user_id: UUID) -> None:
    done = await taught(repository, user_id, layout())
    await taught(repository, user_id, None)
    [kept] = await repository.list_csv_profiles(user_id)
    assert (kept.layout.header_hash, kept.layout.columns, kept.layout.date_format) == (layout().header_hash, {"amount": "Net"}, "dmy")
    assert kept.layout.header[0] == "When"
    assert kept.import_id == done.id


async def test_the_same_header_is_taught_anew(repository: ImportsRepository, user_id: UUID) -> None:
    await taught(repository, user_id, layout(1))
    await taught(repository, user_id, layout(2))
    again = await taught(repository, user_id, layout(1, columns={}, date_format="mdy"))
    kept = await repository.list_csv_profiles(user_id)
    assert [one.layout.header_hash for one in kept] == [layout(1).header_hash, layout(2).header_hash]
    assert (kept[0].layout.columns, kept[0].layout.date_format, kept[0].import_id) == ({}, "mdy", again.id)
    await taught(repository, user_id, layout(2, date_format=None))
    assert (await repository.list_csv_profiles(user_id))[0].layout.date_format is None


async def test_an_attempt_that_is_over_teaches_nothing(repository: ImportsRepository, user_id: UUID) -> None:
    done = await taught(repository, user_id, None)
    assert await repository.succeed(done, Success(Counts(), "csv", {}, None, layout()), []) is None
    assert await repository.list_csv_profiles(user_id) == []


async def test_one_is_forgotten(repository: ImportsRepository, user_id: UUID) -> None:
    await taught(repository, user_id, layout(1))
    await taught(repository, user_id, layout(2))
    assert await repository.delete_csv_profile(user_id, layout(1).header_hash)
    assert not await repository.delete_csv_profile(user_id, layout(1).header_hash)
    assert [one.layout.header_hash for one in await repository.list_csv_profiles(user_id)] == [layout(2).header_hash]


async def test_an_import_that_is_taken_back_has_taught_nothing(repository: ImportsRepository, user_id: UUID) -> None:
    done = await taught(repository, user_id, layout(1))
    await taught(repository, user_id, layout(2))
    assert await repository.undone(user_id, done.id)
    assert [one.layout.header_hash for one in await repository.list_csv_profiles(user_id)] == [layout(2).header_hash]


async def test_others_see_and_touch_none_of_it(repository: ImportsRepository, user_id: UUID, other_user_id: UUID) -> None:
    mine = await taught(repository, user_id, layout())
    await taught(repository, other_user_id, layout(date_format="mdy"))
    assert [one.import_id for one in await repository.list_csv_profiles(user_id)] == [mine.id]
    assert await repository.delete_csv_profile(other_user_id, layout().header_hash)
    assert await repository.list_csv_profiles(other_user_id) == []
    assert [one.layout.date_format for one in await repository.list_csv_profiles(user_id)] == ["dmy"]


async def test_the_oldest_go_also_when_many_come_at_once(repository: ImportsRepository, user_id: UUID, other_user_id: UUID) -> None:
    await taught(repository, other_user_id, layout())
    for number in range(MAX_PROFILES):
        await taught(repository, user_id, layout(number))
    await asyncio.gather(*(taught(repository, user_id, layout(MAX_PROFILES + number)) for number in range(8)))
    await taught(repository, user_id, layout(9))  # the next one cleans up what two at once may have left
    kept = [one.layout.header_hash for one in await repository.list_csv_profiles(user_id)]
    assert len(kept) == MAX_PROFILES
    assert kept[0] == layout(9).header_hash
    assert layout(0).header_hash not in kept
    assert len(await repository.list_csv_profiles(other_user_id)) == 1


async def test_the_database_keeps_users_apart(as_role: AsRole, user_id: UUID, other_user_id: UUID) -> None:
    add = "INSERT INTO ingestion.csv_profiles (user_id, header_hash, header, import_id) VALUES ($1, $2, '[]', $1)"
    async with as_role("ingestion", user_id) as connection:
        await connection.execute(add, user_id, "0" * 64)
        await connection.execute("SELECT set_config('app.user_id', $1, true)", str(other_user_id))
        assert await connection.fetch("SELECT * FROM ingestion.csv_profiles") == []
        assert await connection.execute("DELETE FROM ingestion.csv_profiles") == "DELETE 0"
        with pytest.raises(Exception, match="row-level security"):
            await connection.execute(add, user_id, "1" * 64)


# --- what the rules make of them


class Bench:
    """A service with its fakes and the real reader."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user_id = uuid_utils.compat.uuid7()
        self.repository, self.ledger = FakeImportsRepository(), FakeLedger()
        self.service = service_of(repository=self.repository, ledger=self.ledger, readers=READERS)

    async def send(self, text: str, key: str | None = None, user_id: UUID | None = None, **options: Any) -> Import:
        digest = hashlib.sha256(text.encode()).hexdigest()
        path = self.folder / digest
        path.write_text(text, encoding="utf-8")
        done, _ = await self.service.import_statement(
            user_id or self.user_id,
            request_id=key or str(uuid_utils.compat.uuid7()),
            file_format="csv",
            options=ImportOptions(**options),
            file=UploadedFile(str(path), "bank.csv", digest, len(text)),
        )
        return done

    async def known(self) -> list[CsvLayout]:
        return [one.layout for one in (await self.service.list_csv_profiles(self.user_id, limit=1000))[0]]

    @property
    def amounts(self) -> list[str]:
        return sorted(f"{row['transaction_date']} {row['amount']:.2f}" for row in self.ledger.transactions.values())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.service.close()


async def test_a_layout_once_corrected_is_taken_for_the_next_file(bench: Bench) -> None:
    first = await bench.send(MARCH, date_format="DD/MM/YYYY", columns={"amount": "Net"})
    second = await bench.send(APRIL)
    assert bench.amounts == ["2025-03-05 -1.90", "2025-04-03 -0.90", "2025-04-06 -3.90", "2025-05-04 -2.90"]
    assert second.detected["profile"]["import_id"] == str(first.id)
    [known] = await bench.known()
    assert known.header == ["When", "What", "Gross", "Net"]
    assert (known.columns, known.date_format) == ({"amount": "Net"}, "DD/MM/YYYY")


async def test_a_file_that_was_only_read_teaches_nothing(bench: Bench) -> None:
    await bench.send(MARCH.replace("03/04", "13/04"))
    await bench.send(MARCH.replace("03/04", "13/04"), currency="CHF")
    assert await bench.known() == []


async def test_taking_a_profile_is_not_teaching_it(bench: Bench) -> None:
    first = await bench.send(MARCH, date_format="dmy")
    await bench.send(APRIL)
    assert [one.import_id for one in (await bench.service.list_csv_profiles(bench.user_id, limit=9))[0]] == [first.id]


async def test_what_the_caller_says_teaches_anew_and_the_rest_stays(bench: Bench) -> None:
    await bench.send(MARCH, date_format="dmy", columns={"amount": "Net"})
    third = await bench.send(APRIL, date_format="mdy")
    assert "2025-04-05 -2.90" in bench.amounts
    [kept], _ = await bench.service.list_csv_profiles(bench.user_id, limit=9)
    assert (kept.layout.columns, kept.layout.date_format, kept.import_id) == ({"amount": "Net"}, "mdy", third.id)


async def test_a_refused_file_teaches_nothing(bench: Bench) -> None:
    with pytest.raises(InvalidArgument):
        await bench.send(MARCH, date_format="%Y-%m-%d")
    with pytest.raises(InvalidArgument, match="date_format"):
        await bench.send(MARCH)
    assert await bench.known() == []


async def test_a_file_without_header_teaches_nothing(bench: Bench) -> None:
    """Other banks' files look the same: what was said of one must not decide about another."""
    await bench.send("03/04/2025,a,-1.00\n05/03/2025,b,-2.00\n", date_format="dmy", columns={"amount": "3"})
    assert await bench.known() == []


async def test_other_users_are_asked_as_ever(bench: Bench) -> None:
    await bench.send(MARCH, date_format="dmy")
    with pytest.raises(InvalidArgument, match="date_format"):
        await bench.send(APRIL, user_id=uuid_utils.compat.uuid7())


async def test_a_repeat_gets_the_first_answer_whatever_was_taught_since(bench: Bench) -> None:
    with pytest.raises(InvalidArgument, match="date_format"):
        await bench.send(APRIL, "a")
    await bench.send(MARCH, "b", date_format="dmy")
    with pytest.raises(InvalidArgument, match="date_format"):
        await bench.send(APRIL, "a")
    done = await bench.send(APRIL, "c")
    await bench.service.delete_csv_profile(bench.user_id, (await bench.known())[0].header_hash)
    assert await bench.send(APRIL, "c") == done


async def test_the_same_rows_with_and_without_a_profile_are_the_same(bench: Bench) -> None:
    """Fingerprints know what was read, not how."""
    await bench.send(MARCH, date_format="dmy")
    again = await bench.send(MARCH)
    assert "profile" in again.detected
    assert again.counts == Counts(rows=2, inserted=0, duplicates=2)


async def test_an_undone_import_is_forgotten_with_what_it_taught(bench: Bench) -> None:
    """Whoever takes a misread file back must not have it misread again."""
    wrong = await bench.send(MARCH, date_format="mdy")
    await bench.service.undo_import(bench.user_id, wrong.id)
    with pytest.raises(InvalidArgument, match="date_format"):
        await bench.send(MARCH)


async def test_delete_csv_profile(bench: Bench) -> None:
    await bench.send(MARCH, date_format="dmy")
    [known] = await bench.known()
    await bench.service.delete_csv_profile(bench.user_id, known.header_hash)
    with pytest.raises(NotFound, match="no CSV profile"):
        await bench.service.delete_csv_profile(bench.user_id, known.header_hash)
    with pytest.raises(InvalidArgument, match="date_format"):
        await bench.send(APRIL)


async def test_a_very_wide_header_is_known_whole_and_shown_in_part(bench: Bench) -> None:
    names = [f"{'x' * 60} {number}" for number in range(200)]
    empty = "," * len(names)
    rows = f"03/04/2025,-1.00{empty}\n05/03/2025,-2.00{empty}\n"
    head = f"Date,Amount,{','.join(names)}\n"
    await bench.send(head + rows, date_format="dmy")
    [known] = await bench.known()
    assert known.header[:2] == ["Date", "Amount"]
    assert sum(map(len, known.header)) <= MAX_HEADER_CHARS
    assert "profile" in (await bench.send(head + rows)).detected
    with pytest.raises(InvalidArgument):
        await bench.send(head.replace("x 199", "y 199") + rows)


# --- the whole way


async def _latest(stack: Stack) -> pb.CsvProfile:
    return (await stack.wire.call("ListCsvProfiles", pb.ListCsvProfilesRequest())).profiles[0]


async def test_profiles_through_the_services(stack: Stack) -> None:
    first = await stack.wire.statement(MARCH, date_format="dmy", columns={"amount": "Net"})
    second = await stack.wire.statement(APRIL)
    assert json_format.MessageToDict(second.detected)["profile"]["import_id"] == first.import_id
    rows = (await stack.ledger("ListTransactions", accounts.ListTransactionsRequest())).transactions
    days = {str(from_date_proto(row.transaction_date)) for row in rows if row.import_id == second.import_id}
    assert days == {"2025-04-06", "2025-05-04"}
    [profile] = (await stack.wire.call("ListCsvProfiles", pb.ListCsvProfilesRequest())).profiles
    assert (profile.import_id, profile.date_format, dict(profile.columns)) == (first.import_id, "dmy", {"amount": "Net"})
    assert list(profile.header) == ["When", "What", "Gross", "Net"]
    assert profile.update_time.seconds > 0
    other_layout = await stack.wire.statement(MARCH.replace("What", "Text"), date_format="dmy")
    assert other_layout.state == pb.IMPORT_STATE_SUCCEEDED
    page = await stack.wire.call("ListCsvProfiles", pb.ListCsvProfilesRequest(page_size=1))
    assert page.profiles[0].import_id == other_layout.import_id
    page = await stack.wire.call("ListCsvProfiles", pb.ListCsvProfilesRequest(page_size=1, page_token=page.next_page_token))
    assert (list(page.profiles), page.next_page_token) == ([profile], "")
    await stack.wire.call("DeleteCsvProfile", pb.DeleteCsvProfileRequest(header_hash=(await _latest(stack)).header_hash))
    other = stack.wire.other_user()
    assert not (await other.call("ListCsvProfiles", pb.ListCsvProfilesRequest())).profiles
    with pytest.raises(NotFound):
        await other.call("DeleteCsvProfile", pb.DeleteCsvProfileRequest(header_hash=profile.header_hash))
    for wrong in ("", "a" * 63, "A" * 64, profile.header_hash + "\n"):
        with pytest.raises(InvalidArgument, match="header_hash"):
            await stack.wire.call("DeleteCsvProfile", pb.DeleteCsvProfileRequest(header_hash=wrong))
    await stack.wire.call("DeleteCsvProfile", pb.DeleteCsvProfileRequest(header_hash=profile.header_hash))
    assert not (await stack.wire.call("ListCsvProfiles", pb.ListCsvProfilesRequest())).profiles
    assert "date_format" in (await stack.wire.refused(APRIL.replace("c", "e"))).message
