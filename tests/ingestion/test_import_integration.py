"""A bank's CSV file to the ledger: real reader, real database, both services, each behind its own channel."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest
import uuid_utils.compat
from google.protobuf import json_format

from scale.accounts.v1 import accounts_service_pb2 as accounts
from scale.accounts.v1.transaction_pb2 import Transaction
from scale.ingestion.v1 import ingestion_service_pb2 as pb
from services.ingestion.fingerprint import generate_fingerprint
from services.kit.dates import from_date_proto
from services.kit.errors import InvalidArgument
from services.kit.money import from_money
from tests.conftest import AsRole
from tests.ingestion.conftest import Stack, Wire

BANK = """Date;Amount;Currency;Description;Merchant;Category;Payment method;Reference
2026-03-01;-12,34;EUR;Card payment BAKERY 4711;Bäckerei Müller;groceries;Card;R1
2026-03-02;1.234,56;EUR;Salary March;ACME Inc;Income;Transfer;R2
2026-03-02;-3,00;USD;Coffee "to go"; ;;Card;R3
"""
FIVE = "Date,Amount,Description\n" + "".join(f"2026-05-{day:02},-{day}.50,Shop {day}\n" for day in range(13, 18))


async def transactions(stack: Stack, wire: Wire | None = None) -> list[Transaction]:
    response = await stack.ledger("ListTransactions", accounts.ListTransactionsRequest(page_size=1000), wire)
    return list(response.transactions)


@pytest.mark.requirement("ING-05", "ING-12")
async def test_import_valid_csv(stack: Stack, as_role: AsRole) -> None:
    """ING-05, ING-12: every column arrives."""
    found = await stack.wire.statement(BANK)
    assert (found.state, found.row_count, found.inserted_count, found.rejected_count) == (pb.IMPORT_STATE_SUCCEEDED, 3, 3, 0)
    rows = await transactions(stack)
    by_text = {row.description: row for row in rows}
    salary, bakery = by_text["Salary March"], by_text["Card payment BAKERY 4711"]
    assert from_money(salary.amount) == (Decimal("1234.56"), "EUR")
    assert from_money(bakery.amount) == (Decimal("-12.34"), "EUR")
    assert from_date_proto(bakery.transaction_date) == date(2026, 3, 1)
    assert (bakery.merchant, bakery.payment_method, bakery.category) == ("Bäckerei Müller", "Card", "groceries")
    assert [from_money(row.amount)[1] for row in rows if "Coffee" in row.description] == ["USD"]
    assert {row.import_id for row in rows} == {found.import_id}
    async with as_role("accounts", stack.wire.user_id) as connection:
        record = await connection.fetchrow("SELECT * FROM accounts.transactions WHERE description = $1", bakery.description)
    assert record["user_id"] == stack.wire.user_id
    assert (record["type"], record["status"], record["import_line"]) == ("debit", "posted", 2)
    assert json.loads(record["raw_data"])["Amount"] == "-12,34"
    assert record["fingerprint"] == generate_fingerprint(
        account_id=bakery.account_id,
        transaction_date=date(2026, 3, 1),
        amount=Decimal("-12.34"),
        currency="EUR",
        description=bakery.description,
        occurrence=1,
    )


@pytest.mark.requirement("ING-07", "REL-18")
async def test_import_dedup_skips(stack: Stack) -> None:
    """ING-07: the same file again inserts nothing; each skipped row names the one that was there."""
    first = await stack.wire.statement(FIVE)
    second = await stack.wire.statement(FIVE)
    assert (first.inserted_count, first.duplicate_count, first.same_file_as) == (5, 0, "")
    assert (second.inserted_count, second.duplicate_count, second.same_file_as) == (0, 5, first.import_id)
    held = {row.transaction_id for row in await transactions(stack)}
    assert len(held) == 5
    rows = await stack.wire.rows(second.import_id)
    assert [(row.line, row.outcome) for row in rows] == [(line, pb.ROW_OUTCOME_DUPLICATE) for line in range(2, 7)]
    assert {row.transaction_id for row in rows} == held


@pytest.mark.requirement("ING-09")
async def test_import_zero_amount_skipped(stack: Stack) -> None:
    """ING-09."""
    text = "Date,Amount,Description\n2026-05-13,0,None\n2026-05-14,0.00,Nothing\n2026-05-15,-0.00,Naught\n2026-05-16,-0.01,Something\n"
    found = await stack.wire.statement(text)
    assert (found.row_count, found.zero_amount_count, found.inserted_count) == (4, 3, 1)
    assert [row.description for row in await transactions(stack)] == ["Something"]
    zero = await stack.wire.rows(found.import_id, pb.ROW_OUTCOME_ZERO_AMOUNT)
    assert [row.line for row in zero] == [2, 3, 4]


async def test_the_six_promises_about_duplicates(stack: Stack) -> None:
    """decisions, section 4: (1) to (6)."""
    head = "Date,Amount,Description\n"
    march = head + "2026-03-17,-2.50,Coffee\n2026-03-17,-2.50,Coffee\n2026-03-18,-40.00,Shoes\n"
    first = await stack.wire.statement(march)
    assert first.inserted_count == 3
    assert (await stack.wire.statement(march)).inserted_count == 0
    overlap = head + "2026-03-17,-2.50,coffee\n2026-03-17,-2.50, COFFEE \n2026-03-18,-40.00,Shoes\n"
    late = "2026-03-25,-40.00,Shoes\n2026-03-18,-40.01,Shoes\n2026-03-14,-7.00,Posted late\n2026-03-17,-2.50,Tea\n"
    second = await stack.wire.statement(overlap + late)
    assert (second.inserted_count, second.duplicate_count) == (4, 3)
    assert len(await transactions(stack)) == 7


@pytest.mark.requirement("ING-14")
async def test_uploads_are_recorded_by_hash(stack: Stack, as_role: AsRole) -> None:
    """ING-14, and Q-26: nothing of the file itself is kept."""
    await stack.wire.statement(FIVE, file_name="may.csv")
    async with as_role("ingestion", stack.wire.user_id) as connection:
        record = await connection.fetchrow("SELECT * FROM ingestion.uploaded_files")
    assert record["file_hash"] == hashlib.sha256(FIVE.encode()).hexdigest()
    assert (record["filename"], record["upload_type"], record["size_bytes"]) == ("may.csv", "statement", len(FIVE))
    assert record["created_at"]


@pytest.mark.requirement("ING-17")
async def test_raw_data_can_be_queried(stack: Stack, as_role: AsRole) -> None:
    """ING-17."""
    await stack.wire.statement(BANK)
    async with as_role("accounts", stack.wire.user_id) as connection:
        found = await connection.fetch("""SELECT description FROM accounts.transactions WHERE raw_data @> '{"Reference": "R2"}'""")
    assert [row["description"] for row in found] == ["Salary March"]


@pytest.mark.requirement("ING-23")
async def test_two_users_never_meet(stack: Stack) -> None:
    """ING-23."""
    other = stack.wire.other_user()
    mine = await stack.wire.statement(FIVE)
    theirs = await other.statement(FIVE)
    assert (mine.inserted_count, theirs.inserted_count) == (5, 5)
    assert theirs.same_file_as == ""
    assert {row.import_id for row in await transactions(stack)} == {mine.import_id}
    assert {row.import_id for row in await transactions(stack, other)} == {theirs.import_id}
    error = await other.refused(FIVE, account_id=mine.account_id)
    assert isinstance(error, InvalidArgument)
    assert [field.field for field in error.fields] == ["account_id"]


async def test_an_account_by_its_number_in_the_file(stack: Stack) -> None:
    text = "Account,Date,Amount,Description\n" + "".join(
        f"{iban},2026-05-{day},-1.00,Shop {day}\n" for iban in ("DE89370400440532013000", "GB29NWBK60161331926819") for day in (17, 18)
    )
    found = await stack.wire.statement(text)
    assert found.inserted_count == 4
    listed = (await stack.ledger("ListAccounts", accounts.ListAccountsRequest())).accounts
    assert sorted(account.identifier for account in listed) == ["DE89370400440532013000", "GB29NWBK60161331926819"]
    assert found.account_id == ""
    named = {entry["account_id"] for entry in json_format.MessageToDict(found.detected)["accounts"]}
    assert named == {account.account_id for account in listed}


async def test_files_of_different_layouts_have_their_own_imported_account(stack: Stack) -> None:
    await stack.wire.statement(FIVE)
    await stack.wire.statement(FIVE.replace("Date,Amount", "Booking date,Amount"))
    again = await stack.wire.statement(FIVE)
    listed = (await stack.ledger("ListAccounts", accounts.ListAccountsRequest())).accounts
    assert [(account.name, account.currency) for account in listed] == [("Imported", "EUR"), ("Imported (2)", "EUR")]
    assert again.duplicate_count == 5
    assert again.account_id == listed[0].account_id


@pytest.mark.requirement("ING-18")
async def test_a_later_batch_that_fails_leaves_nothing(stack: Stack) -> None:
    """ING-18: an error in a later batch undoes the earlier ones. The ledger refuses what ingestion would never send: an unknown account."""
    many = "Date,Amount,Description\n" + "".join(f"2026-05-{13 + row % 15},-1.00,Row {row}\n" for row in range(17_000))
    ledger = stack.app.ledger
    append, taken = ledger.append_transactions, []

    def with_an_error(import_id: UUID, batches):
        async def broken():
            async for batch in batches:
                taken.append(batch)
                if len(taken) == 3:
                    raise RuntimeError("torn")
                yield batch

        return append(import_id, broken())

    ledger.append_transactions = with_an_error  # type: ignore[method-assign]
    with pytest.raises(Exception, match="Internal error"):
        await stack.wire.statement(many, request_id="r")
    assert len(taken) == 3
    assert await transactions(stack) == []
    ledger.append_transactions = append  # type: ignore[method-assign]
    found = await stack.wire.statement(many, request_id="r")
    assert found.inserted_count == 17_000
    assert len(await stack.wire.rows(found.import_id)) == 17_000


@pytest.mark.requirement("ING-18", "REL-19")
async def test_the_next_read_sees_the_import(stack: Stack) -> None:
    """ING-18: read after write."""
    for number in range(5):
        await stack.wire.statement(f"Date,Amount,Description\n2026-05-17,-{number + 1}.00,Import {number}\n")
        assert len(await transactions(stack)) == number + 1


@pytest.mark.requirement("ING-20")
async def test_fifty_imports_at_once(stack: Stack) -> None:
    """ING-20: of five users, all taken in, no row lost."""
    users = [stack.wire.other_user() for _ in range(5)]
    texts = [
        "Date,Amount,Description\n" + "".join(f"2026-05-{13 + row % 15},-1.00,Import {n} row {row}\n" for row in range(20))
        for n in range(50)
    ]
    done = await asyncio.gather(*(users[n % 5].statement(text) for n, text in enumerate(texts)))
    assert {found.inserted_count for found in done} == {20}
    assert [len(await transactions(stack, user)) for user in users] == [200] * 5


async def test_an_ambiguous_file_says_what_it_needs_and_is_taken_with_it(stack: Stack) -> None:
    text = "Date,Amount,Description\n03/04/2025,-1.00,a\n05/03/2025,-2.00,b\n04/05/2025,-2.00,c\n"
    error = await stack.wire.refused(text)
    assert isinstance(error, InvalidArgument)
    assert error.reason == "UNREADABLE_STATEMENT"
    assert set(json.loads(error.metadata["needs"])) == {"date_format"}
    found = await stack.wire.statement(text, date_format="DD/MM/YYYY")
    assert found.inserted_count == 3
    assert {from_date_proto(row.transaction_date) for row in await transactions(stack)} == {
        date(2025, 4, 3),
        date(2025, 3, 5),
        date(2025, 5, 4),
    }


async def test_wrong_files_are_refused_and_leave_no_account(stack: Stack) -> None:
    for text in ("", "Date,Amount,Description\n", "hello world\n", "Date,Amount,Description\nx,y,z\n", "\x00\x01\x02"):
        error = await stack.wire.refused(text)
        assert isinstance(error, InvalidArgument), text
    assert list((await stack.ledger("ListAccounts", accounts.ListAccountsRequest(include_inactive=True))).accounts) == []


async def test_an_import_of_an_unknown_user_is_listed_for_nobody(stack: Stack) -> None:
    assert list((await stack.wire.call("ListImports", pb.ListImportsRequest())).imports) == []
    with pytest.raises(Exception, match="no import"):
        await stack.wire.call("GetImport", pb.GetImportRequest(import_id=str(uuid_utils.compat.uuid7())))
