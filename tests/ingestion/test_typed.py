"""Transactions that users type in: the rules with everything in memory, and the whole way to the ledger."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat
from google.type import date_pb2, money_pb2

from scale.accounts.v1 import accounts_service_pb2 as accounts_pb
from scale.ingestion.v1 import ingestion_service_pb2 as pb
from services.ingestion.fingerprint import generate_fingerprint
from services.ingestion.typed.domain import NewTransaction
from services.ingestion.typed.service import TypedTransactions
from services.kit.errors import AlreadyExists, InvalidArgument, NotFound, ScaleError, Unavailable
from tests.conftest import AsRole
from tests.ingestion.conftest import Stack, Wire
from tests.support.typed_fakes import FakeTypedLedger, FakeTypedRequests

uuid7 = uuid_utils.compat.uuid7


@pytest.fixture
def ledger() -> FakeTypedLedger:
    return FakeTypedLedger()


@pytest.fixture
def new(ledger: FakeTypedLedger) -> NewTransaction:
    account = uuid7()
    ledger.accounts[account] = "JPY"
    return NewTransaction(account, date(2026, 3, 2), Decimal("-3.5"), "EUR", " Coffee\tto go ", category="dining", note="with Ann")


@pytest.fixture
def typed(ledger: FakeTypedLedger) -> TypedTransactions:
    return TypedTransactions(FakeTypedRequests(), ledger)


@pytest.mark.requirement("ACC-17", "ING-01")
async def test_the_row_has_the_fingerprint_of_an_imported_one(
    typed: TypedTransactions, ledger: FakeTypedLedger, new: NewTransaction, user_id: UUID
) -> None:
    made, repeated = await typed.create_transaction(user_id, new, request_id="1")
    assert not repeated
    row = ledger.rows[made]
    assert row["fingerprint"] == generate_fingerprint(
        account_id=str(new.account_id),
        transaction_date=new.transaction_date,
        amount=Decimal("-3.50"),
        currency="EUR",
        description="COFFEE TO GO",
        occurrence=1,
    )
    assert (row["description"], row["description_key"]) == (" Coffee\tto go ", "coffee to go")
    assert (row["amount"], row["category"], row["note"], row["source_id"]) == (Decimal("-3.5"), "dining", "with Ann", None)


async def test_without_a_currency_it_is_the_accounts(
    typed: TypedTransactions, ledger: FakeTypedLedger, new: NewTransaction, user_id: UUID
) -> None:
    made, _ = await typed.create_transaction(user_id, replace(new, currency=""), request_id="1")
    assert ledger.rows[made]["currency"] == "JPY"
    with pytest.raises(NotFound):
        await typed.create_transaction(user_id, replace(new, currency="", account_id=uuid7()), request_id="2")


async def test_a_repeat_gets_the_first_answer(
    typed: TypedTransactions, ledger: FakeTypedLedger, new: NewTransaction, user_id: UUID, other_user_id: UUID
) -> None:
    made, _ = await typed.create_transaction(user_id, new, request_id="1")
    assert await typed.create_transaction(user_id, new, request_id="1") == (made, True)
    # Also when the user has merged it away since.
    del ledger.rows[made]
    assert await typed.create_transaction(user_id, new, request_id="1") == (made, True)
    assert not ledger.rows
    with pytest.raises(AlreadyExists, match="another transaction") as caught:
        await typed.create_transaction(user_id, replace(new, note=""), request_id="1")
    assert caught.value.reason == "IDEMPOTENCY_KEY_REUSED"
    other, repeated = await typed.create_transaction(other_user_id, replace(new, note=""), request_id="1")
    assert other != made
    assert not repeated


async def test_an_equal_one_is_named_and_its_key_is_free_again(
    typed: TypedTransactions, ledger: FakeTypedLedger, new: NewTransaction, user_id: UUID
) -> None:
    made, _ = await typed.create_transaction(user_id, new, request_id="1")
    for _ in range(2):
        with pytest.raises(AlreadyExists, match=str(made)) as caught:
            await typed.create_transaction(user_id, new, request_id="2")
        assert (caught.value.reason, caught.value.metadata) == ("TRANSACTION_EXISTS", {"transaction_id": str(made)})
    another, _ = await typed.create_transaction(user_id, replace(new, allow_equal=True), request_id="2")
    assert set(ledger.rows) == {made, another}


@pytest.mark.parametrize("late", [False, True])
async def test_what_broke_off_is_finished_by_a_repeat(
    typed: TypedTransactions, ledger: FakeTypedLedger, new: NewTransaction, user_id: UUID, late: bool
) -> None:
    """Whether the ledger had taken it or not, and although an equal one is allowed."""
    ledger.broken, ledger.breaks_late = Unavailable("gone"), late
    allowed = replace(new, allow_equal=True)
    with pytest.raises(Unavailable):
        await typed.create_transaction(user_id, allowed, request_id="1")
    made, repeated = await typed.create_transaction(user_id, allowed, request_id="1")
    assert not repeated
    assert set(ledger.rows) == {made}


def request(account: str, **values: Any) -> pb.CreateTransactionRequest:
    return pb.CreateTransactionRequest(
        **{
            "request_id": str(uuid7()),
            "account_id": account,
            "transaction_date": date_pb2.Date(year=2026, month=3, day=2),
            "amount": money_pb2.Money(currency_code="EUR", units=-3, nanos=-500_000_000),
            "description": "Coffee",
            **values,
        }
    )


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"request_id": ""}, "request_id: is required"),
    ({"request_id": "x" * 37}, "request_id: has 37 characters"),
    ({"account_id": "mine"}, "account_id: 'mine' is not a UUID"),
    ({"transaction_date": None}, "transaction_date: is required"),
    ({"transaction_date": date_pb2.Date(year=2026, month=2, day=30)}, "transaction_date: 2026-2-30"),
    ({"transaction_date": date_pb2.Date(year=1, month=1, day=1)}, "transaction_date: 0001-01-01 lies outside the years 1900 to 2100"),
    ({"transaction_date": date_pb2.Date(year=1899, month=12, day=31)}, "transaction_date: 1899-12-31"),
    ({"transaction_date": date_pb2.Date(year=2101, month=1, day=1)}, "transaction_date: 2101-01-01"),
    ({"amount": None}, "amount: must not be zero"),
    ({"amount": money_pb2.Money(currency_code="EUR")}, "amount: must not be zero"),
    ({"amount": money_pb2.Money(currency_code="EUR", nanos=1)}, "amount: has more than four decimals"),
    ({"amount": money_pb2.Money(currency_code="XXX", units=1)}, "currency_code: 'XXX'"),
    ({"description": " "}, "description: is required"),
    ({"description": "x" * 2001}, "description: has 2001 characters"),
    ({"merchant": "a\x00b"}, "merchant: must not hold the NUL"),
    ({"merchant": "x" * 201}, "merchant: has 201"),
    ({"note": "x" * 2001}, "note: has 2001"),
    ({"payment_method": "x" * 101}, "payment_method: has 101"),
    ({"status": "gone"}, "status: 'gone' is none of posted, pending, void"),
    ({"category": "pleasure"}, "category: 'pleasure' is none of your categories"),
]


async def test_what_is_wrong_is_named(stack: Stack) -> None:
    account = await open_account(stack)
    for values, problem in WRONG:
        with pytest.raises(InvalidArgument) as caught:
            await stack.wire.call("CreateTransaction", request(account, **values))
        assert caught.value.message.startswith(problem)


async def open_account(stack: Stack, wire: Wire | None = None) -> str:
    opened = accounts_pb.CreateAccountRequest(request_id=str(uuid7()), name="Giro", currency="EUR")
    return str((await stack.ledger("CreateAccount", opened, wire)).account.account_id)


@pytest.mark.requirement("ACC-17")
async def test_from_the_wire_to_the_ledger_and_an_import_after_it(stack: Stack, as_role: AsRole) -> None:
    account = await open_account(stack)
    asked = request(account, merchant="Café", category="dining", payment_method="cash", status="pending", note="with Ann")
    first, second = await asyncio.gather(*(stack.wire.call("CreateTransaction", asked) for _ in range(2)))
    assert first.transaction_id == second.transaction_id
    assert (await stack.wire.call("CreateTransaction", asked)).repeated_request
    wanted = accounts_pb.GetTransactionRequest(transaction_id=first.transaction_id)
    found = (await stack.ledger("GetTransaction", wanted)).transaction
    assert (found.description, found.merchant, found.category, found.note) == ("Coffee", "Café", "dining", "with Ann")
    assert (found.payment_method, found.import_id, found.amount) == ("cash", "", asked.amount)
    # In the account's own currency, and the next of two equal ones: its fingerprint is asked for while the ledger waits.
    equal = request(account, amount=money_pb2.Money(units=-3, nanos=-500_000_000))
    with pytest.raises(AlreadyExists) as caught:
        await stack.wire.call("CreateTransaction", equal)
    assert caught.value.metadata["transaction_id"] == first.transaction_id
    equal.allow_equal = True
    another = await stack.wire.call("CreateTransaction", equal)
    assert another.transaction_id != first.transaction_id
    # Both are in the bank's file.
    statement = b"Date,Amount,Description\n2026-03-02,-3.50,COFFEE\n2026-03-02,-3.50,coffee\n2026-03-03,-9.00,Lunch\n"
    imported = (await stack.wire.send(statement, account_id=account, currency="EUR")).statement_import
    assert (imported.inserted_count, imported.duplicate_count, imported.suspected_duplicate_count) == (1, 2, 0)
    async with as_role("ingestion", stack.wire.user_id) as connection:
        assert await connection.fetchval("SELECT count(*) FROM ingestion.typed_transactions WHERE is_done") == 2


async def test_blank_is_nothing_and_the_calendars_ends_are_in(stack: Stack) -> None:
    account = await open_account(stack)
    for day in (date(1900, 1, 1), date(2100, 12, 31)):
        asked = request(
            account, merchant=" ", payment_method="\t", transaction_date=date_pb2.Date(year=day.year, month=day.month, day=day.day)
        )
        made = await stack.wire.call("CreateTransaction", asked)
        wanted = accounts_pb.GetTransactionRequest(transaction_id=made.transaction_id)
        found = (await stack.ledger("GetTransaction", wanted)).transaction
        assert (found.merchant, found.payment_method, found.transaction_date.year) == ("", "", day.year)


async def test_users_are_apart(stack: Stack) -> None:
    account = await open_account(stack)
    other = stack.wire.other_user()
    with pytest.raises(NotFound):
        await other.call("CreateTransaction", request(account))
    asked = request(account)
    made = await stack.wire.call("CreateTransaction", asked)
    theirs = request(await open_account(stack, other), request_id=asked.request_id)
    assert (await other.call("CreateTransaction", theirs)).transaction_id != made.transaction_id


async def test_an_import_being_written_is_not_waited_for_long(stack: Stack, as_role: AsRole) -> None:
    account = await open_account(stack)
    async with as_role("accounts", stack.wire.user_id) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('accounts.append ' || $1, 0))", str(stack.wire.user_id))
        asked = request(account)
        with pytest.raises(ScaleError) as caught:
            await stack.wire.call("CreateTransaction", asked)
        assert caught.value.reason == "IMPORT_IN_PROGRESS"
    assert (await stack.wire.call("CreateTransaction", asked)).transaction_id
