"""Transfers in the ledger: suggested as imports come, decided by the user, never dangling."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from services.accounts.domain import NewAccount, ProfileChanges, Transaction, TransactionFilters, Transfer, TransferState
from services.accounts.repository import PostgresAccountsRepository
from services.accounts.repository.locking import lock_user
from services.accounts.service import AccountsService
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from tests.conftest import AsRole
from tests.support.ledger_rows import batches, fingerprints, row

DAY = date(2026, 3, 2)
NO_DAYS = timedelta(0)
SAVINGS_IBAN = "DE02500105170137075030"


class Household:
    """A user with three accounts."""

    def __init__(self, service: AccountsService, user_id: UUID, accounts: Sequence[UUID]) -> None:
        self.service = service
        self.user_id = user_id
        self.giro, self.savings, self.joint = accounts

    async def add(self, *rows: tuple[Any, ...], import_id: UUID | None = None) -> UUID:
        """One import. A row: account, amount, days after DAY, text, and what else differs."""
        made = []
        for line, (account, amount, days, text, *more) in enumerate(rows, start=2):
            values = {"amount": Decimal(amount), "transaction_date": DAY + timedelta(days), "description": text, "merchant": None}
            made.append(row(account, line, **values, **(more[0] if more else {})))
        import_id = import_id or uuid7()
        await self.service.append_transactions(self.user_id, import_id, batches(made), fingerprints)
        return import_id

    async def transfers(self, state: TransferState | None = None) -> list[Transfer]:
        found, _ = await self.service.list_transfers(self.user_id, state, requested_size=0, token="")
        return found

    async def texts(self) -> set[tuple[str, str]]:
        return {(one.outgoing.description, one.incoming.description) for one in await self.transfers()}

    async def row(self, text: str) -> Transaction:
        found, _ = await self.service.list_transactions(self.user_id, TransactionFilters(), requested_size=1000, token="")
        return next(one for one in found if one.description == text)


async def household_of(postgres: PostgresAccountsRepository, user_id: UUID) -> Household:
    service = AccountsService(postgres, PageTokens(b"a page token key for tests only!"))
    new = (NewAccount("Giro", "EUR"), NewAccount("Savings", "EUR", SAVINGS_IBAN), NewAccount("Joint", "EUR"))
    accounts = [(await service.ensure_account(user_id, one))[0].id for one in new]
    return Household(service, user_id, accounts)


@pytest.fixture
async def house(postgres: PostgresAccountsRepository, user_id: UUID) -> Household:
    return await household_of(postgres, user_id)


async def one_transfer(house: Household) -> Transfer:
    await house.add((house.giro, "-500", 0, "To savings"))
    await house.add((house.savings, "500", 1, "Credit"))
    (found,) = await house.transfers()
    return found


async def test_two_imports_make_a_suggestion_with_a_reason(house: Household) -> None:
    await house.add((house.giro, "-1234.50", 0, f"Savings plan {SAVINGS_IBAN}"), (house.giro, "-20", 0, "Lunch"))
    assert await house.transfers() == []
    await house.add((house.savings, "1234.50", 1, "Credit"), (house.savings, "3", 1, "Interest"))
    (found,) = await house.transfers()
    assert found.state is TransferState.SUGGESTED
    assert found.reason == (
        "1234.50 EUR left Giro on 2 March 2026 and reached Savings a day later; the text names the other account's number"
    )
    assert (found.outgoing.account_id, found.incoming.account_id) == (house.giro, house.savings)
    assert (found.outgoing.amount, found.incoming.amount) == (Decimal("-1234.50"), Decimal("1234.50"))
    assert (found.outgoing.transfer_id, found.incoming.transfer_id, found.decided_at) == (found.id, found.id, None)
    assert await house.service.get_transfer(house.user_id, found.id) == found
    assert (await house.row("Lunch")).transfer_id is None


@pytest.mark.parametrize("turn", [1, -1])
async def test_which_account_comes_first_does_not_matter(house: Household, turn: int) -> None:
    files = [[(house.giro, "-500", 0, "Out")], [(house.savings, "500", 1, "In")]][::turn]
    for file in files:
        await house.add(*file)
    assert await house.texts() == {("Out", "In")}


async def test_two_accounts_in_one_file(house: Household) -> None:
    await house.add((house.giro, "-500", 0, "Out"), (house.savings, "500", 0, "In"), (house.joint, "500", 30, "Later"))
    assert await house.texts() == {("Out", "In")}


async def test_the_banks_own_columns_are_read_too(house: Household) -> None:
    await house.add(
        (house.savings, "500", 0, "In"), (house.joint, "500", 0, "Other"),
        (house.giro, "-500", 0, "Out", {"raw_data": '{"Gegenkonto": "DE02 5001 0517 0137 0750 30"}'}),
    )  # fmt: skip
    assert await house.texts() == {("Out", "In")}


async def test_the_same_file_again_suggests_nothing_anew(house: Household) -> None:
    transfer = await one_transfer(house)
    await house.add((house.giro, "-500", 0, "To savings"))
    await house.add((house.savings, "500", 1, "Credit"))
    assert await house.transfers() == [transfer]
    await house.service.undo_transfer(house.user_id, transfer.id)
    await house.add((house.savings, "500", 1, "Credit"))
    assert await house.transfers() == []


async def test_rows_that_take_no_part(house: Household) -> None:
    await house.add((house.giro, "-500", 0, "Void", {"status": "void"}), (house.giro, "-600", 0, "Rent"))
    await house.add((house.giro, "-600", 0, "Rent and more"))
    suspect = await house.row("Rent and more")
    assert suspect.suspected_duplicate_of is not None
    await house.add((house.savings, "500", 0, "In"), (house.savings, "600", 0, "First"), (house.savings, "600", 0, "Second"))
    # One debit is in doubt itself, so of the two credits neither is clear.
    assert await house.transfers() == []
    # As a payment of its own it makes two for two.
    kept = await house.service.keep_transaction(house.user_id, suspect.id)
    (found,) = await house.transfers()
    assert (found.outgoing.id, kept.transfer_id) == (suspect.id, found.id)


async def test_a_pending_row_takes_part_once_it_is_booked(house: Household) -> None:
    await house.add((house.savings, "500", 0, "In"))
    await house.add((house.giro, "-500", 0, "Payment", {"status": "pending"}))
    assert await house.transfers() == []
    await house.add((house.giro, "-500", 1, "Payment booked"))
    assert await house.texts() == {("Payment booked", "In")}
    # One that is posted unchanged, too.
    await house.add((house.giro, "-7", 0, "Tea", {"status": "pending"}), (house.savings, "7", 0, "Seven"))
    await house.add((house.giro, "-7", 0, "Tea"))
    assert ("Tea", "Seven") in await house.texts()


async def test_confirm_and_undo_are_harmless_to_repeat(house: Household) -> None:
    transfer = await one_transfer(house)
    confirmed = await house.service.confirm_transfer(house.user_id, transfer.id)
    assert (confirmed.state, confirmed.outgoing.transfer_id) == (TransferState.CONFIRMED, transfer.id)
    assert confirmed.decided_at is not None
    assert await house.service.confirm_transfer(house.user_id, transfer.id) == confirmed
    assert await house.transfers(TransferState.CONFIRMED) == [confirmed]
    undone = await house.service.undo_transfer(house.user_id, transfer.id)
    assert (undone.state, undone.outgoing.transfer_id, undone.incoming.transfer_id) == (TransferState.UNDONE, None, None)
    assert await house.service.undo_transfer(house.user_id, transfer.id) == undone
    assert await house.transfers() == []
    assert await house.transfers(TransferState.UNDONE) == [undone]
    # On second thoughts it is one.
    again = await house.service.confirm_transfer(house.user_id, transfer.id)
    assert (again.state, again.incoming.transfer_id) == (TransferState.CONFIRMED, transfer.id)


async def test_after_an_undo_the_sides_find_others_and_cannot_be_in_two(house: Household) -> None:
    await house.add((house.giro, "-500", 0, "Out"))
    await house.add((house.savings, "500", 0, "Wrong"), (house.joint, "500", 2, "Right"))
    (wrong,) = await house.transfers()
    assert wrong.incoming.description == "Wrong"
    undone = await house.service.undo_transfer(house.user_id, wrong.id)
    (right,) = await house.transfers()
    assert right.incoming.description == "Right"
    assert undone.outgoing.transfer_id == right.id
    with pytest.raises(FailedPrecondition) as caught:
        await house.service.confirm_transfer(house.user_id, wrong.id)
    assert caught.value.reason == "TRANSFER_SIDE_TAKEN"
    assert await house.transfers() == [right]
    await house.service.undo_transfer(house.user_id, right.id)
    assert await house.transfers() == []


async def test_switched_off_open_suggestions_go_and_confirmed_ones_stay(house: Household) -> None:
    await house.add((house.giro, "-500", 0, "A"), (house.savings, "500", 0, "B"), (house.giro, "-60", 0, "C"), (house.joint, "60", 0, "D"))
    sure, unsure = sorted(await house.transfers(), key=lambda one: one.outgoing.description)
    await house.service.confirm_transfer(house.user_id, sure.id)
    off = await house.service.update_profile(house.user_id, ProfileChanges(transfer_suggestions=False))
    assert off.transfer_suggestions is False
    assert [one.id for one in await house.transfers()] == [sure.id]
    assert (await house.row("C")).transfer_id is None
    with pytest.raises(NotFound):
        await house.service.get_transfer(house.user_id, unsure.id)
    await house.add((house.giro, "-70", 0, "E"), (house.joint, "70", 0, "F"))
    assert len(await house.transfers()) == 1
    # Back from the next import on: what came meanwhile is left alone.
    assert (await house.service.update_profile(house.user_id, ProfileChanges(transfer_suggestions=True))).transfer_suggestions
    assert len(await house.transfers()) == 1
    await house.add((house.giro, "-80", 0, "G"), (house.joint, "80", 0, "H"))
    assert await house.texts() == {("A", "B"), ("G", "H")}


async def test_undo_of_an_import_takes_its_suggestions_and_leaves_what_was_confirmed(house: Household) -> None:
    await house.add((house.giro, "-500", 0, "A"), (house.giro, "-60", 0, "B"))
    import_id = await house.add((house.savings, "500", 0, "C"), (house.savings, "60", 0, "D"), (house.savings, "3", 0, "Interest"))
    sure = next(one for one in await house.transfers() if one.incoming.description == "C")
    await house.service.confirm_transfer(house.user_id, sure.id)
    undone = await house.service.undo_import(house.user_id, import_id)
    assert (undone.removed_count, [one.transaction_id for one in undone.kept]) == (2, [sure.incoming.id])
    assert "transfer" in undone.kept[0].reason
    assert await house.texts() == {("A", "C")}
    assert (await house.row("B")).transfer_id is None
    # It may come again, and is paired again.
    await house.add((house.savings, "500", 0, "C"), (house.savings, "60", 0, "D"))
    assert await house.texts() == {("A", "C"), ("B", "D")}


async def test_merge_leaves_the_transfer_of_the_row_that_stays(house: Household) -> None:
    transfer = await one_transfer(house)
    await house.add((house.savings, "500", 1, "Credit from Ann"))
    later = await house.row("Credit from Ann")
    merged = await house.service.merge_transaction(house.user_id, later.id)
    assert (merged.id, merged.transfer_id) == (transfer.incoming.id, transfer.id)
    assert await house.texts() == {("To savings", "Credit")}


async def test_pages_and_states(house: Household) -> None:
    for number in range(1, 8):
        await house.add((house.giro, f"-{number}", number, f"Out {number}"), (house.savings, f"{number}", number, f"In {number}"))
    first, token = await house.service.list_transfers(house.user_id, None, requested_size=4, token="")
    second, end = await house.service.list_transfers(house.user_id, None, requested_size=4, token=token)
    assert ([one.outgoing.description[-1] for one in first + second], end) == (list("7654321"), "")
    with pytest.raises(InvalidArgument):
        await house.service.list_transfers(house.user_id, TransferState.SUGGESTED, requested_size=4, token=token)


async def test_a_page_with_long_texts_fits_into_a_message(house: Household) -> None:
    long = "x" * 10_000
    rows = [
        (account, f"{sign}{number}", 0, f"{sign}{number} {long}")
        for number in range(1, 61)
        for account, sign in ((house.giro, "-"), (house.joint, ""))
    ]
    await house.add(*rows)
    page, token = await house.service.list_transfers(house.user_id, None, requested_size=1000, token="")
    assert 0 < len(page) < 60
    rest, end = await house.service.list_transfers(house.user_id, None, requested_size=1000, token=token)
    assert (len({one.id for one in page + rest}), end) == (60, "")


async def test_another_user_sees_and_decides_nothing(
    house: Household, postgres: PostgresAccountsRepository, other_user_id: UUID, as_role: AsRole
) -> None:
    transfer = await one_transfer(house)
    stranger = await household_of(postgres, other_user_id)
    # Nor does the stranger's row find a partner among somebody else's.
    await stranger.add((stranger.savings, "500", 0, "In"), (stranger.giro, "-500", 30, "Out"))
    assert await stranger.transfers() == []
    for decide in (stranger.service.get_transfer, stranger.service.confirm_transfer, stranger.service.undo_transfer):
        with pytest.raises(NotFound):
            await decide(other_user_id, transfer.id)
    await stranger.service.update_profile(other_user_id, ProfileChanges(transfer_suggestions=False))
    assert await house.transfers() == [transfer]
    for user, visible in ((house.user_id, 1), (other_user_id, 0), (None, 0)):
        async with as_role("accounts", user) as connection:
            assert await connection.fetchval("SELECT count(*) FROM accounts.transfers WHERE id = $1", transfer.id) == visible
            if user != house.user_id:
                assert await connection.execute("UPDATE accounts.transfers SET state = 'undone'") == "UPDATE 0"
                assert await connection.execute("DELETE FROM accounts.transfers") == "DELETE 0"
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(
                        "INSERT INTO accounts.transfers (user_id, id, outgoing_id, incoming_id, reason) VALUES ($1, $2, $3, $4, '')",
                        house.user_id, uuid7(), transfer.incoming.id, transfer.outgoing.id,
                    )  # fmt: skip


async def test_imports_at_once_pair_each_row_once(database: Database, user_id: UUID) -> None:
    house = await household_of(PostgresAccountsRepository(database, bulk_statement_timeout_s=30, lock_timeout_s=30), user_id)
    outs = [[(house.giro, f"-{amount}", 0, f"Out {amount}") for amount in range(1, 30)]] * 2
    ins = [[(house.savings, f"{amount}", 1, f"In {amount}") for amount in range(1, 30)]] * 2
    await asyncio.gather(*(house.add(*file) for file in outs + ins))
    found = await house.transfers()
    assert {(one.outgoing.description, one.incoming.description) for one in found} == {(f"Out {n}", f"In {n}") for n in range(1, 30)}
    assert len(found) == 29


async def test_switching_off_during_an_import_leaves_no_suggestion(house: Household) -> None:
    await house.add((house.giro, "-500", 0, "Out"))
    await asyncio.gather(
        house.add((house.savings, "500", 0, "In")),
        house.service.update_profile(house.user_id, ProfileChanges(transfer_suggestions=False)),
    )
    assert await house.transfers() == []


async def test_an_import_in_hand_keeps_decisions_waiting_and_says_so(house: Household, as_role: AsRole) -> None:
    transfer = await one_transfer(house)
    await house.add((house.giro, "-500", 0, "To savings and more"))
    suspect = await house.row("To savings and more")
    decisions = (
        house.service.confirm_transfer(house.user_id, transfer.id),
        house.service.undo_transfer(house.user_id, transfer.id),
        house.service.update_profile(house.user_id, ProfileChanges(transfer_suggestions=False)),
        house.service.merge_transaction(house.user_id, suspect.id),
    )
    async with as_role("accounts", house.user_id) as connection:
        await lock_user(connection, house.user_id)
        for answer in await asyncio.gather(*decisions, return_exceptions=True):
            assert isinstance(answer, Unavailable)
            assert (answer.reason, answer.retry_after_s) == ("IMPORT_IN_PROGRESS", 5)
        # These need not wait.
        assert (await house.service.update_profile(house.user_id, ProfileChanges(locale="de"))).transfer_suggestions
        assert (await house.service.keep_transaction(house.user_id, suspect.id)).suspected_duplicate_of is None
    assert await house.transfers() == [transfer]


async def test_each_side_points_at_its_transfer_whatever_happened(house: Household, as_role: AsRole) -> None:
    for number in range(1, 6):
        await house.add((house.giro, f"-{number}", 0, f"Out {number}"))
        last = await house.add((house.savings, f"{number}", 0, f"In {number}"))
    for number, one in enumerate(await house.transfers()):
        await (house.service.confirm_transfer if number % 2 else house.service.undo_transfer)(house.user_id, one.id)
    await house.service.undo_import(house.user_id, last)
    async with as_role("accounts", house.user_id) as connection:
        wrong = await connection.fetch("""
            SELECT t.id FROM accounts.transactions AS t
              FULL JOIN (SELECT id, unnest(ARRAY[outgoing_id, incoming_id]) AS side FROM accounts.transfers WHERE state <> 'undone') AS live
                ON live.side = t.id
             WHERE (t.id IS NOT NULL OR live.id IS NOT NULL) AND t.transfer_id IS DISTINCT FROM live.id
        """)
    assert wrong == []
