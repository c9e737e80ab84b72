"""Everything of a user out of `accounts` and back, and what a file that was tampered with is told."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import secrets
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from services.accounts.domain import NewAccount, ProfileChanges, TransactionChanges, TransactionFilters
from services.accounts.repository import PostgresAccountsRepository
from services.accounts.service import AccountsService
from services.accounts.user_data.repository import PostgresAccountsUserData
from services.accounts.user_data.tables import EXPORTED
from services.kit.errors import Aborted, AlreadyExists, InvalidArgument
from services.kit.handover import IncomingFile
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from tests.support.ledger_rows import batches, fingerprints, row
from tests.support.user_files import KeptFiles, as_incoming

NASTY = [
    'a "b", c\n\td\\N\\.',
    "\\.\n\\.",
    "  blanks on both sides  ",
    "=SUM(A1:A9)",
    "+1 -1 @x",
    "Ünïcödé 😀 \u2028 \x01\x02\x1f",
    "\r\n\r",
    '""',
    "NULL",
    ",",
]


@pytest.fixture
def user_data(database: Database) -> PostgresAccountsUserData:
    return PostgresAccountsUserData(database, statement_timeout_s=30, lock_timeout_s=0.5)


@pytest.fixture
def ledger(postgres: PostgresAccountsRepository) -> AccountsService:
    return AccountsService(postgres, PageTokens(b"a page token key for tests only!"))


async def exported(user_data: PostgresAccountsUserData, user_id: UUID) -> dict[str, bytes]:
    sink = KeptFiles()
    files = await user_data.export_user(user_id, sink)
    assert [one.file_name for one in files] == list(sink.files) == [table.file for table in EXPORTED]
    for one in files:
        if one.file_name.endswith(".jsonl"):
            assert one.row_count == len(sink.files[one.file_name].splitlines()) == sink.files[one.file_name].count(b"\n")
    return sink.files


async def fill(ledger: AccountsService, user_id: UUID, texts: list[str]) -> UUID:
    account, _ = await ledger.ensure_account(user_id, NewAccount("Everyday", "EUR", identifier="DE02120300000000202051"))
    rows = [
        row(
            account.id,
            line,
            transaction_date=date(2026, 1, 31),
            description=text,
            merchant=text[:50] or None,
            amount=Decimal(-line) / 10000,
            raw_data=json.dumps({"text": text}),
        )
        for line, text in enumerate(texts, start=1)
    ]
    await ledger.append_transactions(user_id, uuid7(), batches(rows), fingerprints)
    return account.id


async def test_export_and_restore_keep_every_byte(
    ledger: AccountsService, user_data: PostgresAccountsUserData, user_id: UUID, other_user_id: UUID
) -> None:
    await fill(ledger, user_id, NASTY)
    await ledger.get_profile(user_id)
    files = await exported(user_data, user_id)
    assert str(user_id).encode() not in b"".join(files.values())
    header, *lines = csv.reader(io.StringIO(files["transactions.csv"].decode(), newline=""))
    assert header[:6] == ["date", "amount", "currency", "type", "description", "merchant"]
    assert [line[4] for line in lines] == NASTY
    restored = await user_data.restore_user(other_user_id, as_incoming(files, chunk_bytes=7))
    assert {one.table: (one.row_count, one.restored_count) for one in restored}["transactions"] == (len(NASTY), len(NASTY))
    assert await exported(user_data, other_user_id) == files
    again = await user_data.restore_user(other_user_id, as_incoming(files))
    assert sum(one.restored_count for one in again if one.table != "profiles") == 0
    assert await exported(user_data, other_user_id) == files


async def test_what_is_there_already_stays_as_it_is(ledger: AccountsService, user_data: PostgresAccountsUserData, user_id: UUID) -> None:
    await fill(ledger, user_id, ["Rent", "Groceries"])
    before = await exported(user_data, user_id)
    found, _ = await ledger.list_transactions(user_id, TransactionFilters(), requested_size=10, token="")
    await ledger.update_transaction(user_id, found[0].id, TransactionChanges(note="mine", category="housing"))
    await ledger.update_profile(user_id, ProfileChanges(default_currency="CHF"))
    changed = await exported(user_data, user_id)
    assert changed["transactions.csv"] != before["transactions.csv"]
    await user_data.restore_user(user_id, as_incoming(before | {"profile.jsonl": changed["profile.jsonl"].replace(b"CHF", b"SEK")}))
    assert await exported(user_data, user_id) == changed


async def test_a_profile_made_on_first_sight_gives_way(
    ledger: AccountsService, user_data: PostgresAccountsUserData, user_id: UUID, other_user_id: UUID
) -> None:
    await ledger.get_profile(user_id)
    await ledger.update_profile(user_id, ProfileChanges(default_currency="CHF", display_name="Ada"))
    files = await exported(user_data, user_id)
    await ledger.get_profile(other_user_id)
    await user_data.restore_user(other_user_id, as_incoming(files))
    profile = await ledger.get_profile(other_user_id)
    assert (profile.default_currency, profile.display_name) == ("CHF", "Ada")


async def test_an_account_under_another_id_stands_in_the_way(
    ledger: AccountsService, user_data: PostgresAccountsUserData, user_id: UUID, other_user_id: UUID
) -> None:
    await fill(ledger, user_id, ["Rent"])
    files = await exported(user_data, user_id)
    await fill(ledger, other_user_id, ["Rent"])
    before = await exported(user_data, other_user_id)
    with pytest.raises(AlreadyExists, match=r"accounts.jsonl, line 1: .* already, under another id") as refused:
        await user_data.restore_user(other_user_id, as_incoming(files))
    assert refused.value.reason == "RESTORE_CONFLICT"
    assert await exported(user_data, other_user_id) == before


TAMPERED = [
    ("transactions.csv", b"-0.0002", b"-1e40", 3, "amount"),
    ("transactions.csv", b"-0.0002", b"0", 3, "amount"),
    ("transactions.csv", b",EUR,", b",eur,", 2, "currency"),
    ("transactions.csv", b"v1:", b"v1;", 2, "fingerprint"),
    ("transactions.csv", b"2026-01-31,", b"2026-02-31,", 2, "date"),
    ("transactions.csv", b"date,amount", b"date,user_id", 1, "header"),
    ("transactions.csv", b"date,amount", b"date,date", 1, "header"),
    ("transactions.csv", b"Second", b"Sec\xffond", 3, "transactions"),
    ("transactions.csv", b"Second", b'Sec"ond', 4, "row"),
    ("accounts.jsonl", b'"currency":"EUR"', b'"currency":"EU"', 1, "currency"),
    ("accounts.jsonl", b'"currency":"EUR"', b'"currency":null', 1, "currency"),
    ("accounts.jsonl", b'"currency":"EUR"', b'"currency":"EUR","user_id":"x"', 1, "user_id"),
    ("accounts.jsonl", b'"opening_balance":"0.0000"', b'"opening_balance":"lots"', 1, "opening_balance"),
    ("accounts.jsonl", b'{"id"', b'["id"', 1, "row"),
    ("accounts.jsonl", b'"name":"Everyday"', b'"name":"\\u0000"', 1, "row"),
    ("profile.jsonl", b'"time_zone":"UTC"', b'"time_zone":"\'; DROP"', 1, "time_zone"),
]


def budget(**values: object) -> bytes:
    fields = {
        "id": str(uuid7()),
        "category": "groceries",
        "amount": "10",
        "currency": "EUR",
        "period_start": "2026-01-01",
        "period_end": "2026-01-31",
        "roll_over": False,
        "is_active": True,
        "request_id": str(uuid7()),
        "request_hash": "\\x00",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
    }
    return json.dumps(fields | values).encode() + b"\n"


UNREADABLE = [
    ("transactions.csv", b"2026-01-31,", b"300000-01-05,", 2, "date"),
    ("transactions.csv", b"2026-01-31,", b"0044-01-05 BC,", 2, "date"),
    ("transactions.csv", b"2026-01-31,", b"infinity,", 2, "date"),
    ("transactions.csv", b",EUR,", b",QQQ,", 2, "currency"),
    ("transactions.csv", b"Second", b"x" * 10_001, 3, "description"),
    ("transactions.csv", b'{""text"": ""Second""}', b'{""text"": 1e400}', 3, "raw_data"),
    ("transactions.csv", b'{""text"": ""Second""}', b'{""text"": ' + b"[" * 1500 + b"]" * 1500 + b"}", 3, "raw_data"),
    ("accounts.jsonl", b'"opening_balance":"0.0000"', b'"opening_balance":"NaN"', 1, "opening_balance"),
    ("accounts.jsonl", b'"opening_balance":"0.0000"', b'"opening_balance":"922337203685477.5808"', 1, "opening_balance"),
    ("accounts.jsonl", b'"created_at":"2', b'"created_at":"20002', 1, "created_at"),
    ("accounts.jsonl", b'"currency":"EUR"', b'"currency":"QQQ"', 1, "currency"),
    ("profile.jsonl", b'"default_currency":"EUR"', b'"default_currency":"QQQ"', 1, "default_currency"),
    ("budgets.jsonl", b"", budget(amount="NaN"), 1, "amount"),
    ("budgets.jsonl", b"", budget(amount="999999999999999.9999"), 1, "amount"),
    ("budgets.jsonl", b"", budget().replace(b'"10"', b"1e400"), 1, "amount"),
    ("budgets.jsonl", b"", budget(period_start="0044-01-01 BC"), 1, "period_start"),
    ("budgets.jsonl", b"", budget() + budget(period_end="infinity"), 2, "period_end"),
    ("budgets.jsonl", b"", budget(updated_at="infinity"), 1, "updated_at"),
    ("budgets.jsonl", b"", budget(category="x" * 501), 1, "category"),
    ("budgets.jsonl", b"", b'{"id":' + b"[" * 1500 + b"]" * 1500 + b"}\n", 1, "id"),
]


@pytest.fixture
async def small(ledger: AccountsService, user_data: PostgresAccountsUserData, user_id: UUID) -> dict[str, bytes]:
    await ledger.get_profile(user_id)
    await fill(ledger, user_id, ["First", "Second"])
    return await exported(user_data, user_id)


async def test_what_was_tampered_with_is_named_and_nothing_is_stored(
    user_data: PostgresAccountsUserData, small: dict[str, bytes], other_user_id: UUID
) -> None:
    for file, old, new, line, field in TAMPERED + UNREADABLE:
        assert old in small[file], (file, old)
        with pytest.raises(InvalidArgument) as refused:
            await user_data.restore_user(other_user_id, as_incoming(small | {file: small[file].replace(old, new)}))
        (wrong,) = refused.value.fields
        assert (wrong.line, wrong.field.split(": ")[0]) == (line, file), refused.value.message
        assert field in wrong.field or field in refused.value.message, refused.value.message
    assert not any(content.count(b"\n") > file.endswith(".csv") for file, content in (await exported(user_data, other_user_id)).items())


async def test_what_no_index_can_hold_is_a_fault_of_the_file(
    user_data: PostgresAccountsUserData, small: dict[str, bytes], other_user_id: UUID
) -> None:
    long = budget(request_id=secrets.token_hex(6000))
    with pytest.raises(InvalidArgument, match=r"budgets.jsonl: row: index row ") as refused:
        await user_data.restore_user(other_user_id, as_incoming(small | {"budgets.jsonl": long}))
    assert refused.value.reason == "EXPORT_INVALID"
    # A key is in an index as soon as the file is in.
    name = b'{"account_id":"%b","source_id":"%b","transaction_id":"%b"}\n'
    ids = name % (str(uuid7()).encode(), secrets.token_hex(6000).encode(), str(uuid7()).encode())
    with pytest.raises(InvalidArgument, match=r"source_ids.jsonl: row: index row "):
        await user_data.restore_user(other_user_id, as_incoming(small | {"source_ids.jsonl": ids}))


async def test_the_first_and_the_last_day_come_back_and_figures_are_made(
    user_data: PostgresAccountsUserData, small: dict[str, bytes], database: Database, other_user_id: UUID
) -> None:
    rows = small["transactions.csv"].replace(b"2026-01-31,", b"0001-01-01,", 1).replace(b"2026-01-31,", b"9999-12-31,", 1)
    await user_data.restore_user(other_user_id, as_incoming(small | {"transactions.csv": rows}))
    async with database.transaction(other_user_id) as connection:
        await connection.execute("SELECT accounts.refresh_figures(true)")
    assert (await exported(user_data, other_user_id))["transactions.csv"] == rows
    await user_data.erase_user(other_user_id)


async def test_rows_that_name_nothing_are_refused_by_their_line(
    user_data: PostgresAccountsUserData, ledger: AccountsService, user_id: UUID, other_user_id: UUID
) -> None:
    account_id = await fill(ledger, user_id, ["over\nthree\nlines", "Second"])
    files = await exported(user_data, user_id)
    with pytest.raises(InvalidArgument, match=r"transactions.csv, line 2: account_id: names none of the accounts"):
        await user_data.restore_user(other_user_id, as_incoming(files | {"accounts.jsonl": b""}))
    rows = files["transactions.csv"]
    at = rows.rindex(str(account_id).encode())
    last = rows.count(b"\n", 0, at) + 1
    wrong = rows[:at] + str(uuid7()).encode() + rows[at + 36 :]
    with pytest.raises(InvalidArgument, match=rf"transactions.csv, line {last}: account_id"):
        await user_data.restore_user(other_user_id, as_incoming(files | {"transactions.csv": wrong}))
    doubled = rows + rows[rows.rindex(b"\n", 0, -1) + 1 :]
    with pytest.raises(InvalidArgument, match=rf"transactions.csv, line {last + 1}: id: is there twice"):
        await user_data.restore_user(other_user_id, as_incoming(files | {"transactions.csv": doubled}))
    with pytest.raises(InvalidArgument, match=r"passwords.csv: file: is no file of this service"):
        await user_data.restore_user(other_user_id, as_incoming(files | {"passwords.csv": b""}))


async def test_another_users_rows_stay_theirs(
    user_data: PostgresAccountsUserData, small: dict[str, bytes], user_id: UUID, other_user_id: UUID
) -> None:
    # The same ids as somebody else's: keys begin with the user.
    await user_data.restore_user(other_user_id, as_incoming(small))
    assert await exported(user_data, user_id) == await exported(user_data, other_user_id) == small


async def test_the_bad_line_among_many_is_found(user_data: PostgresAccountsUserData, other_user_id: UUID) -> None:
    line = '{{"id":"{}","name":"{}","account_type":"cash","currency":"EUR","opening_balance":"{}"}}'
    lines = [line.format(uuid7(), f"Purse {number}", "1e99" if number == 777 else "0.0001") for number in range(1, 2001)]
    with pytest.raises(InvalidArgument, match=r"accounts.jsonl, line 777: opening_balance: "):
        await user_data.restore_user(other_user_id, as_incoming({"accounts.jsonl": "\n".join(lines).encode()}))
    lines[776] = line.format(uuid7(), "", "0")
    with pytest.raises(InvalidArgument, match=r"accounts.jsonl, line 777: name: does not satisfy CHECK"):
        await user_data.restore_user(other_user_id, as_incoming({"accounts.jsonl": "\n".join(lines).encode()}))


TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, min_size=1, max_size=150, unique=True))
async def test_any_text_survives(ledger: AccountsService, user_data: PostgresAccountsUserData, texts: list[str]) -> None:
    user_id, other_user_id = uuid7(), uuid7()
    await fill(ledger, user_id, texts)
    files = await exported(user_data, user_id)
    await user_data.restore_user(other_user_id, as_incoming(files))
    assert await exported(user_data, other_user_id) == files
    found, _ = await ledger.list_transactions(other_user_id, TransactionFilters(), requested_size=100, token="")
    assert {one.description for one in found} == set(texts)


async def test_whoever_goes_away_in_the_middle_leaves_no_transaction_open(
    database: Database, ledger: AccountsService, user_data: PostgresAccountsUserData, user_id: UUID, other_user_id: UUID
) -> None:
    await fill(ledger, user_id, [f"{number} {'x' * 5000}" for number in range(200)])

    class Stuck(KeptFiles):
        async def write(self, chunk: bytes) -> None:
            await super().write(chunk)
            if "transactions.csv" in self.files:
                stuck.set()
                await asyncio.sleep(60)

    stuck = asyncio.Event()
    exporting = asyncio.create_task(user_data.export_user(user_id, Stuck()))
    await stuck.wait()
    exporting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exporting
    assert database.figures()["checked_out"] == 0
    files = await exported(user_data, user_id)

    async def breaks_off() -> AsyncIterator[IncomingFile]:
        async for file in as_incoming(files):
            yield file
            if file.name == "transactions.csv":
                raise Aborted("gone")

    with pytest.raises(Aborted):
        await user_data.restore_user(other_user_id, breaks_off())
    assert database.figures()["checked_out"] == 0
    assert (await exported(user_data, other_user_id))["accounts.jsonl"] == b""
