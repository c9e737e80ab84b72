"""Rows that users type in: the ledger's side of them, and what later imports make of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from services.accounts.domain import (
    Account,
    AppendOutcome,
    ImportLine,
    NewAccount,
    Transaction,
    TransactionFilters,
    TransferState,
    TypedTransaction,
)
from services.accounts.repository import PostgresAccountsRepository
from services.accounts.service import AccountsService
from services.kit.errors import InvalidArgument, NotFound
from tests.support.ledger_rows import batches, fingerprints, row

DAY = date(2026, 3, 2)


@pytest.fixture
async def account(service: AccountsService, user_id: UUID) -> Account:
    return (await service.ensure_account(user_id, NewAccount("Everyday", "EUR")))[0]


def typed(**values: Any) -> TypedTransaction:
    return TypedTransaction(**{"id": uuid7(), "category": None, "note": "", "allow_equal": False, **values})


async def type_in(
    service: AccountsService, user_id: UUID, account_id: UUID, by_hand: TypedTransaction | None = None, **values: Any
) -> AppendOutcome:
    one = row(account_id, 1, **{"transaction_date": DAY, "description": "Coffee", "merchant": None, "raw_data": "{}", **values})
    return await service.append_typed_transaction(user_id, by_hand or typed(), batches([one]), fingerprints)


async def bring(service: AccountsService, user_id: UUID, account_id: UUID, *rows: dict[str, Any]) -> AppendOutcome:
    """One import of these rows."""
    made = [
        row(account_id, line, **{"transaction_date": DAY, "description": "Coffee", "merchant": None, **one})
        for line, one in enumerate(rows, start=1)
    ]
    return await service.append_transactions(user_id, uuid7(), batches(made), fingerprints)


async def everything(service: AccountsService, user_id: UUID) -> list[Transaction]:
    return (await service.list_transactions(user_id, TransactionFilters(), requested_size=1000, token=""))[0]


async def test_what_was_typed_is_kept(service: AccountsService, user_id: UUID, account: Account) -> None:
    by_hand = typed(category="groceries", note="with Ann")
    outcome = await type_in(service, user_id, account.id, by_hand, merchant="Café", payment_method="cash", status="pending")
    assert (outcome.inserted_count, list(outcome.duplicates)) == (1, [])
    (found,) = await everything(service, user_id)
    assert (found.id, found.account_id, found.transaction_date) == (by_hand.id, account.id, DAY)
    assert (found.amount, found.currency, found.description) == (Decimal("-12.34"), "EUR", "Coffee")
    assert (found.merchant, found.payment_method, found.status) == ("Café", "cash", "pending")
    assert (found.category, found.category_source, found.note) == ("groceries", "user", "with Ann")
    assert found.import_id is None
    assert found.suspected_duplicate_of is None


async def test_the_same_request_again_changes_nothing(service: AccountsService, user_id: UUID, account: Account) -> None:
    by_hand = typed(allow_equal=True)
    for _ in range(3):
        assert (await type_in(service, user_id, account.id, by_hand)).inserted_count == 1
    assert len(await everything(service, user_id)) == 1


async def test_an_equal_one_is_a_duplicate_unless_it_is_said_to_be_another(
    service: AccountsService, user_id: UUID, account: Account
) -> None:
    first = typed()
    await type_in(service, user_id, account.id, first)
    again = await type_in(service, user_id, account.id, description="  COFFEE ")
    assert (again.inserted_count, list(again.duplicates)) == (0, [ImportLine(1, first.id)])
    another = await type_in(service, user_id, account.id, typed(allow_equal=True))
    assert another.inserted_count == 1
    assert [one.suspected_duplicate_of for one in await everything(service, user_id)] == [None, None]


async def test_what_an_import_brought_is_not_typed_in_twice(service: AccountsService, user_id: UUID, account: Account) -> None:
    await bring(service, user_id, account.id, {})
    (held,) = await everything(service, user_id)
    outcome = await type_in(service, user_id, account.id)
    assert list(outcome.duplicates) == [ImportLine(1, held.id)]


async def test_a_later_import_knows_what_was_typed(service: AccountsService, user_id: UUID, account: Account) -> None:
    """The second of two typed coffees, too; a third one in the file is new."""
    first, second = typed(), typed(allow_equal=True)
    await type_in(service, user_id, account.id, first)
    await type_in(service, user_id, account.id, second)
    two, three = {"occurrence": 2}, {"occurrence": 3}
    outcome = await bring(service, user_id, account.id, {"description": "COFFEE"}, two, three)
    assert outcome.inserted_count == 1
    assert {held for _, held in outcome.duplicates} == {first.id, second.id}
    assert not outcome.suspected


async def test_wrong_requests(service: AccountsService, user_id: UUID, other_user_id: UUID, account: Account) -> None:
    with pytest.raises(InvalidArgument, match="'pleasure' is none of your categories"):
        await type_in(service, user_id, account.id, typed(category="pleasure"))
    with pytest.raises(NotFound, match="no account"):
        await type_in(service, user_id, uuid7())
    with pytest.raises(NotFound, match="no account"):
        await type_in(service, other_user_id, account.id)
    two = batches([row(account.id, 1), row(account.id, 2)])
    with pytest.raises(InvalidArgument, match="holds 2 rows instead of the one"):
        await service.append_typed_transaction(user_id, typed(), two, fingerprints)
    assert await everything(service, user_id) == []


class TestSuspicions:
    """Only the database looks for what resembles."""

    @pytest.fixture
    def repository(self, postgres: PostgresAccountsRepository) -> PostgresAccountsRepository:
        return postgres

    @pytest.mark.parametrize(
        ("bank_row", "reason"),
        [
            ({"description": "SUMUP 4711 BERLIN"}, "same day and amount as a transaction that you typed in"),
            (
                {"description": "COFFEE FELLOWS MUNICH", "transaction_date": DAY + timedelta(3)},
                "same amount, and the text resembles that of a transaction that you typed in for 2026-03-02",
            ),
            ({"description": "SUMUP 4711 BERLIN", "transaction_date": DAY + timedelta(1)}, None),
            ({"description": "COFFEE FELLOWS", "transaction_date": DAY + timedelta(6)}, None),
            ({"description": "COFFEE FELLOWS", "amount": Decimal("-12.35")}, None),
        ],
    )
    async def test_an_import_asks_about_what_may_have_been_typed(
        self, service: AccountsService, user_id: UUID, account: Account, bank_row: dict[str, Any], reason: str | None
    ) -> None:
        by_hand = typed(category="groceries", note="with Ann")
        await type_in(service, user_id, account.id, by_hand)
        outcome = await bring(service, user_id, account.id, bank_row)
        assert outcome.inserted_count == 1
        assert [(one.duplicate_of, one.reason) for one in outcome.suspected] == ([(by_hand.id, reason)] if reason else [])
        if reason:
            merged = await service.merge_transaction(user_id, outcome.suspected[0].transaction_id)
            assert (merged.id, merged.category, merged.note) == (by_hand.id, "groceries", "with Ann")
            again = await bring(service, user_id, account.id, bank_row)
            assert [held for _, held in again.duplicates] == [by_hand.id]
            assert len(await everything(service, user_id)) == 1

    async def test_each_typed_row_stands_for_one_bank_row(self, service: AccountsService, user_id: UUID, account: Account) -> None:
        by_hand = typed()
        await type_in(service, user_id, account.id, by_hand)
        outcome = await bring(service, user_id, account.id, {"description": "KIOSK 1"}, {"description": "KIOSK 2"}, {})
        assert [held for _, held in outcome.duplicates] == [by_hand.id]
        assert not outcome.suspected
        # The bank's row for it is known by now.
        outcome = await bring(service, user_id, account.id, {"description": "KIOSK 3"})
        assert not outcome.suspected
        outcome = await bring(service, user_id, account.id, {})
        assert [held for _, held in outcome.duplicates] == [by_hand.id]

    async def test_once_merged_it_is_taken_for_nothing_else(self, service: AccountsService, user_id: UUID, account: Account) -> None:
        await type_in(service, user_id, account.id)
        (suspected,) = (await bring(service, user_id, account.id, {"description": "KIOSK 1"})).suspected
        await service.merge_transaction(user_id, suspected.transaction_id)
        assert not (await bring(service, user_id, account.id, {"description": "KIOSK 2"})).suspected

    async def test_what_is_typed_resembles_a_bank_row_only_by_its_text(
        self, service: AccountsService, user_id: UUID, account: Account
    ) -> None:
        await bring(service, user_id, account.id, {"description": "Coffee Fellows Munich"}, {"description": "Kiosk"})
        held = {one.description: one.id for one in await everything(service, user_id)}
        near, other, sure = typed(), typed(), typed(allow_equal=True)
        await type_in(service, user_id, account.id, near)
        await type_in(service, user_id, account.id, other, description="Lunch")
        await type_in(service, user_id, account.id, sure, description="Coffee Fellows")
        found = {one.id: one for one in await everything(service, user_id)}
        assert found[near.id].suspected_duplicate_of == held["Coffee Fellows Munich"]
        assert found[other.id].suspected_duplicate_of is None
        assert found[sure.id].suspected_duplicate_of is None

    async def test_typing_books_no_pending_row_but_a_bank_books_what_was_typed_as_pending(
        self, service: AccountsService, user_id: UUID, account: Account
    ) -> None:
        await bring(service, user_id, account.id, {"description": "Coffee Fellows", "status": "pending"})
        await type_in(service, user_id, account.id, description="Coffee Fellows Munich", transaction_date=DAY + timedelta(1))
        assert sorted(one.status for one in await everything(service, user_id)) == ["pending", "posted"]
        by_hand = typed()
        await type_in(service, user_id, account.id, by_hand, description="Rent", status="pending")
        outcome = await bring(service, user_id, account.id, {"description": "RENT MARCH 4711", "transaction_date": DAY + timedelta(2)})
        assert [held for _, held in outcome.duplicates] == [by_hand.id]
        booked = await service.get_transaction(user_id, by_hand.id)
        assert (booked.status, booked.description, booked.import_id) == ("posted", "RENT MARCH 4711", None)

    async def test_undoing_an_import_leaves_what_was_typed(self, service: AccountsService, user_id: UUID, account: Account) -> None:
        by_hand = typed()
        await type_in(service, user_id, account.id, by_hand)
        import_id = uuid7()
        rows = [row(account.id, 1, transaction_date=DAY, description="Coffee"), row(account.id, 2)]
        await service.append_transactions(user_id, import_id, batches(rows), fingerprints)
        assert (await service.undo_import(user_id, import_id)).removed_count == 1
        assert [one.id for one in await everything(service, user_id)] == [by_hand.id]

    async def test_a_typed_transfer_is_suggested(self, service: AccountsService, user_id: UUID, account: Account) -> None:
        savings, _ = await service.ensure_account(user_id, NewAccount("Savings", "EUR"))
        await bring(service, user_id, account.id, {"description": "To Savings"})
        by_hand = typed()
        await type_in(service, user_id, savings.id, by_hand, amount=Decimal("12.34"), description="From Everyday")
        (transfer,), _ = await service.list_transfers(user_id, TransferState.SUGGESTED, requested_size=10, token="")
        assert transfer.incoming.id == by_hand.id

    async def test_two_at_once_are_one(self, service: AccountsService, user_id: UUID, account: Account) -> None:
        outcomes = await asyncio.gather(*(type_in(service, user_id, account.id) for _ in range(5)))
        assert sum(one.inserted_count for one in outcomes) == 1
        assert len({held for one in outcomes for _, held in one.duplicates}) == 1

    async def test_each_users_rows_are_their_own(
        self, service: AccountsService, user_id: UUID, other_user_id: UUID, account: Account
    ) -> None:
        by_hand = typed()
        await type_in(service, user_id, account.id, by_hand)
        other, _ = await service.ensure_account(other_user_id, NewAccount("Everyday", "EUR"))
        assert (await type_in(service, other_user_id, other.id, by_hand)).inserted_count == 1
        assert [one.account_id for one in await everything(service, user_id)] == [account.id]
        assert [one.account_id for one in await everything(service, other_user_id)] == [other.id]


async def _nothing() -> AsyncIterator[Any]:
    return
    yield


async def test_no_row_at_all(service: AccountsService, user_id: UUID) -> None:
    with pytest.raises(InvalidArgument, match="holds 0 rows"):
        await service.append_typed_transaction(user_id, typed(), _nothing(), fingerprints)
