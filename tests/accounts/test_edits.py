"""Edits of many transactions: what they change, what taking them back restores, and what it leaves. In PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from services.accounts.domain import (
    Account,
    NewAccount,
    Transaction,
    TransactionChanges,
    TransactionFilters,
    TransactionStatus,
    TransferState,
)
from services.accounts.edits.domain import EditChanges, Undone
from services.accounts.edits.expiry import EditsExpiry
from services.accounts.edits.repository.edits import PostgresEditsRepository
from services.accounts.edits.repository.expired import PostgresExpiredEdits
from services.accounts.edits.service import EditsService
from services.accounts.repository import PostgresAccountsRepository
from services.accounts.service import AccountsService
from services.kit.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Unavailable
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from tests.conftest import AsRole
from tests.support.ledger_rows import batches, fingerprints, row

TOKENS = PageTokens(b"a page token key for tests only!")
TRAVEL = EditChanges(category="travel")
ALL = "amount < 0"


@pytest.fixture
def service(postgres: PostgresAccountsRepository) -> AccountsService:
    return AccountsService(postgres, TOKENS)


@pytest.fixture
def edits(database: Database) -> EditsService:
    return EditsService(PostgresEditsRepository(database, bulk_statement_timeout_s=30, lifetime=timedelta(days=30)), TOKENS)


@pytest.fixture
async def account(service: AccountsService, user_id: UUID) -> Account:
    return (await service.ensure_account(user_id, NewAccount("Everyday", "EUR")))[0]


async def fill(service: AccountsService, user_id: UUID, account: Account, count: int = 3, **values: object) -> UUID:
    import_id = uuid7()
    await service.append_transactions(
        user_id, import_id, batches([row(account.id, line, **values) for line in range(1, count + 1)]), fingerprints
    )
    return import_id


async def ledger(service: AccountsService, user_id: UUID) -> dict[str, Transaction]:
    found, _ = await service.list_transactions(user_id, TransactionFilters(), requested_size=1000, token="")
    return {one.description: one for one in found}


async def test_edit_is_the_users_own_word_and_undo_restores_every_field(
    service: AccountsService, edits: EditsService, user_id: UUID, account: Account
) -> None:
    await fill(service, user_id, account, category="groceries")
    before = await ledger(service, user_id)
    changes = EditChanges(category="travel", note="Trip", status=TransactionStatus.VOID)
    edit = await edits.edit_transactions(user_id, 'description:"groceries 1" OR description:"groceries 2"', changes, "one")
    assert (edit.matched_count, edit.changed_count, edit.undone_at) == (2, 2, None)
    after = await ledger(service, user_id)
    for name in ("Groceries 1", "Groceries 2"):
        one = after[name]
        assert (one.category, one.category_source, one.confidence, one.note, one.status) == ("travel", "user", None, "Trip", "void")
    assert after["Groceries 3"] == before["Groceries 3"]
    assert edit.id is not None
    undone_edit, undone = await edits.undo_edit(user_id, edit.id)
    assert undone == Undone(2, 0)
    assert undone_edit.undone_at is not None
    assert await ledger(service, user_id) == before
    # A second click.
    assert await edits.undo_edit(user_id, edit.id) == (undone_edit, undone)
    assert await edits.get_edit(user_id, edit.id) == undone_edit


async def test_empty_values_take_away(service: AccountsService, edits: EditsService, user_id: UUID, account: Account) -> None:
    await fill(service, user_id, account, category="groceries")
    await edits.edit_transactions(user_id, ALL, EditChanges(note="x"), "one")
    edit = await edits.edit_transactions(user_id, ALL, EditChanges(category="", note=""), "two")
    assert {(one.category, one.category_source, one.note) for one in (await ledger(service, user_id)).values()} == {(None, None, "")}
    assert edit.id is not None
    assert (await edits.undo_edit(user_id, edit.id))[1] == Undone(3, 0)
    assert {(one.category, one.category_source, one.note) for one in (await ledger(service, user_id)).values()} == {
        ("groceries", "file", "x")
    }


async def test_only_what_differs_is_changed(service: AccountsService, edits: EditsService, user_id: UUID, account: Account) -> None:
    await fill(service, user_id, account, category="travel")
    # The file said so; now the user does.
    assert (await edits.edit_transactions(user_id, ALL, TRAVEL, "one")).changed_count == 3
    again = await edits.edit_transactions(user_id, ALL, TRAVEL, "two")
    assert (again.matched_count, again.changed_count) == (3, 0)
    nothing = await edits.edit_transactions(user_id, "merchant = Nobody", TRAVEL, "three")
    assert (nothing.matched_count, nothing.changed_count) == (0, 0)


async def test_dry_run_counts_and_changes_nothing(service: AccountsService, edits: EditsService, user_id: UUID, account: Account) -> None:
    await fill(service, user_id, account)
    before = await ledger(service, user_id)
    tried = await edits.edit_transactions(user_id, ALL, TRAVEL, "one", dry_run=True)
    assert (tried.id, tried.matched_count, tried.changed_count) == (None, 3, 3)
    assert await ledger(service, user_id) == before
    assert await edits.list_edits(user_id, requested_size=0, token="") == ([], "")


async def test_the_same_request_is_one_edit(service: AccountsService, edits: EditsService, user_id: UUID, account: Account) -> None:
    await fill(service, user_id, account)
    results = await asyncio.gather(*(edits.edit_transactions(user_id, ALL, TRAVEL, "one") for _ in range(4)))
    assert len({edit.id for edit in results}) == 1
    with pytest.raises(AlreadyExists) as caught:
        await edits.edit_transactions(user_id, ALL, EditChanges(category="housing"), "one")
    assert caught.value.reason == "REQUEST_ID_REUSED"


async def test_undo_leaves_what_was_changed_since(service: AccountsService, edits: EditsService, user_id: UUID, account: Account) -> None:
    await fill(service, user_id, account)
    first = await edits.edit_transactions(user_id, ALL, TRAVEL, "one")
    changed = (await ledger(service, user_id))["Groceries 2"]
    await service.update_transaction(user_id, changed.id, TransactionChanges(category="housing"))
    assert first.id is not None
    assert (await edits.undo_edit(user_id, first.id))[1] == Undone(2, 1)
    after = await ledger(service, user_id)
    assert [after[f"Groceries {n}"].category for n in (1, 2, 3)] == [None, "housing", None]


async def test_an_edit_below_a_later_one(service: AccountsService, edits: EditsService, user_id: UUID, account: Account) -> None:
    await fill(service, user_id, account)
    first = await edits.edit_transactions(user_id, ALL, TRAVEL, "one")
    second = await edits.edit_transactions(user_id, 'description = "groceries 1"', EditChanges(category="housing"), "two")
    assert first.id is not None
    assert second.id is not None
    assert (await edits.undo_edit(user_id, first.id))[1] == Undone(2, 1)
    assert (await edits.undo_edit(user_id, second.id))[1] == Undone(1, 0)
    assert (await ledger(service, user_id))["Groceries 1"].category == "travel"
    # What lay below the later edit is as the first one made it again.
    assert (await edits.undo_edit(user_id, first.id))[1] == Undone(3, 0)
    assert {one.category for one in (await ledger(service, user_id)).values()} == {None}


async def test_an_edit_below_later_ones_that_set_the_same_again(
    service: AccountsService, edits: EditsService, user_id: UUID, account: Account
) -> None:
    await fill(service, user_id, account, 2)

    async def change(text: str, changes: EditChanges) -> UUID:
        edit = await edits.edit_transactions(user_id, text, changes, str(uuid7()))
        assert edit.id is not None
        return edit.id

    async def categories() -> list[str | None]:
        found = await ledger(service, user_id)
        return [found[f"Groceries {n}"].category for n in (1, 2)]

    first = await change(ALL, TRAVEL)
    second = await change('description = "groceries 1"', EditChanges(category="housing"))
    third = await change('description = "groceries 1"', TRAVEL)
    # Another field holds nothing of the category.
    await change(ALL, EditChanges(note="x"))
    assert (await edits.undo_edit(user_id, second))[1] == Undone(0, 1)
    assert (await edits.undo_edit(user_id, first))[1] == Undone(1, 1)
    assert await categories() == ["travel", None]
    # From the latest to the first, all is as before.
    assert (await edits.undo_edit(user_id, third))[1] == Undone(1, 0)
    assert await categories() == ["housing", None]
    assert (await edits.undo_edit(user_id, first))[1] == Undone(1, 1)
    assert (await edits.undo_edit(user_id, second))[1] == Undone(1, 0)
    assert (await edits.undo_edit(user_id, first))[1] == Undone(2, 0)
    assert await categories() == [None, None]


async def test_what_the_user_sets_again_by_hand_is_not_taken_back_by_a_second_undo(
    service: AccountsService, edits: EditsService, user_id: UUID, account: Account
) -> None:
    await fill(service, user_id, account, 1)
    edit = await edits.edit_transactions(user_id, ALL, TRAVEL, "one")
    assert edit.id is not None
    await edits.undo_edit(user_id, edit.id)
    one = (await ledger(service, user_id))["Groceries 1"]
    await service.update_transaction(user_id, one.id, TransactionChanges(category="travel"))
    assert (await edits.undo_edit(user_id, edit.id))[1] == Undone(1, 0)
    assert (await ledger(service, user_id))["Groceries 1"].category == "travel"


async def test_transactions_that_are_gone_are_neither_restored_nor_left(
    service: AccountsService, edits: EditsService, user_id: UUID, account: Account
) -> None:
    import_id = await fill(service, user_id, account)
    edit = await edits.edit_transactions(user_id, ALL, EditChanges(note="x"), "one")
    one = (await ledger(service, user_id))["Groceries 1"]
    await service.update_transaction(user_id, one.id, TransactionChanges(note=""))
    assert (await service.undo_import(user_id, import_id)).removed_count == 1
    assert edit.id is not None
    assert (await edits.undo_edit(user_id, edit.id))[1] == Undone(2, 0)


async def test_undo_of_an_import_leaves_what_an_edit_changed_until_that_is_taken_back(
    service: AccountsService, edits: EditsService, user_id: UUID, account: Account
) -> None:
    import_id = await fill(service, user_id, account, 4)
    wanted = [
        await edits.edit_transactions(user_id, f'description = "groceries {n}"', changes, str(n))
        for n, changes in enumerate((TRAVEL, EditChanges(note="x"), EditChanges(status=TransactionStatus.VOID)), start=1)
    ]
    outcome = await service.undo_import(user_id, import_id)
    reasons = ["you set its category", "you wrote a note on it", "you set its status"]
    assert (outcome.removed_count, [one.reason for one in outcome.kept]) == (1, reasons)
    for edit in wanted:
        assert edit.id is not None
        await edits.undo_edit(user_id, edit.id)
    assert (await service.undo_import(user_id, import_id)).removed_count == 3


async def test_only_posted_transactions_stay_sides_of_a_suggested_transfer(
    service: AccountsService, edits: EditsService, user_id: UUID, account: Account
) -> None:
    savings, _ = await service.ensure_account(user_id, NewAccount("Savings", "EUR", identifier="DE02120300000000202051"))
    out = row(account.id, 1, amount=Decimal(-500), description="To DE02120300000000202051", transaction_date=date(2026, 1, 2))
    back = row(savings.id, 2, amount=Decimal(500), description="Savings plan", transaction_date=date(2026, 1, 2))
    await service.append_transactions(user_id, uuid7(), batches([out, back]), fingerprints)

    async def transfers() -> list[TransferState]:
        found, _ = await service.list_transfers(user_id, None, requested_size=0, token="")
        return [one.state for one in found]

    assert await transfers() == [TransferState.SUGGESTED]
    edit = await edits.edit_transactions(user_id, ALL, EditChanges(status=TransactionStatus.VOID), "one")
    assert await transfers() == []
    assert {one.transfer_id for one in (await ledger(service, user_id)).values()} == {None}
    assert edit.id is not None
    await edits.undo_edit(user_id, edit.id)
    assert await transfers() == [TransferState.SUGGESTED]


async def test_an_edit_too_old_is_forgotten(
    service: AccountsService, database: Database, user_id: UUID, account: Account, as_role: AsRole
) -> None:
    short_lived = EditsService(PostgresEditsRepository(database, bulk_statement_timeout_s=30, lifetime=timedelta(0)), TOKENS)
    await fill(service, user_id, account)
    edit = await short_lived.edit_transactions(user_id, ALL, TRAVEL, "one")
    assert edit.id is not None
    for _ in range(2):
        with pytest.raises(FailedPrecondition) as caught:
            await short_lived.undo_edit(user_id, edit.id)
        assert caught.value.reason == "EDIT_EXPIRED"
        # The second time after the clock has struck.
        await EditsExpiry(PostgresExpiredEdits(database, statement_timeout_s=30)).expire_edits()
    async with as_role("migrator", None) as connection:
        assert await connection.fetchval("SELECT count(*) FROM accounts.edit_rows WHERE user_id = $1", user_id) == 0
    assert (await short_lived.get_edit(user_id, edit.id)).changed_count == 3


async def test_an_edit_still_young_survives_the_clock(
    service: AccountsService, edits: EditsService, database: Database, user_id: UUID, account: Account
) -> None:
    await fill(service, user_id, account)
    edit = await edits.edit_transactions(user_id, ALL, TRAVEL, "one")
    await EditsExpiry(PostgresExpiredEdits(database, statement_timeout_s=30)).expire_edits()
    assert edit.id is not None
    assert (await edits.undo_edit(user_id, edit.id))[1] == Undone(3, 0)


async def test_an_edit_does_not_wait_long_for_an_import(database: Database, user_id: UUID) -> None:
    repository = PostgresEditsRepository(database, bulk_statement_timeout_s=30, lifetime=timedelta(days=30), lock_timeout_s=0.05)
    edits = EditsService(repository, TOKENS)
    async with database.transaction(user_id) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('accounts.append ' || $1, 0))", str(user_id))
        with pytest.raises(Unavailable) as caught:
            await edits.edit_transactions(user_id, ALL, TRAVEL, "one")
    assert caught.value.reason == "IMPORT_IN_PROGRESS"


async def test_what_the_user_changes_at_that_moment_is_kept_as_they_leave_it(
    service: AccountsService, edits: EditsService, database: Database, user_id: UUID, account: Account
) -> None:
    await fill(service, user_id, account, 1)
    async with database.transaction(user_id) as connection:
        await connection.execute("UPDATE accounts.transactions SET note = 'by hand' WHERE user_id = $1", user_id)
        editing = asyncio.create_task(edits.edit_transactions(user_id, ALL, EditChanges(note="by edit"), "one"))
        await asyncio.sleep(0.2)
        assert not editing.done()
    edit = await editing
    assert edit.id is not None
    await edits.undo_edit(user_id, edit.id)
    assert (await ledger(service, user_id))["Groceries 1"].note == "by hand"


async def test_edits_of_others_are_not_there(
    service: AccountsService, edits: EditsService, user_id: UUID, other_user_id: UUID, account: Account, as_role: AsRole
) -> None:
    await fill(service, user_id, account)
    edit = await edits.edit_transactions(user_id, ALL, TRAVEL, "one")
    assert edit.id is not None
    for call in (edits.get_edit(other_user_id, edit.id), edits.undo_edit(other_user_id, edit.id)):
        with pytest.raises(NotFound):
            await call
    stranger = await edits.edit_transactions(other_user_id, ALL, EditChanges(category="housing"), "one")
    assert stranger.matched_count == 0
    assert [one.category for one in (await ledger(service, user_id)).values()] == ["travel"] * 3
    async with as_role("accounts", other_user_id) as connection:
        for table in ("edits", "edit_rows"):
            assert await connection.fetchval(f"SELECT count(*) FROM accounts.{table} WHERE user_id = $1", user_id) == 0


async def test_edits_are_listed_newest_first_by_pages(edits: EditsService, user_id: UUID) -> None:
    made = [await edits.edit_transactions(user_id, ALL, TRAVEL, str(n)) for n in range(5)]
    seen, token = [], ""
    while True:
        page, token = await edits.list_edits(user_id, requested_size=2, token=token)
        seen += page
        if not token:
            break
    assert seen == made[::-1]


@pytest.mark.parametrize(
    ("filter_text", "changes", "field"),
    [
        (ALL, EditChanges(), "category"),
        ("amount <", TRAVEL, "filter"),
        (ALL, EditChanges(category="nowhere"), "category"),
    ],
)
async def test_wrong_requests_say_which_field(
    edits: EditsService, user_id: UUID, filter_text: str, changes: EditChanges, field: str
) -> None:
    for dry_run in (True, False):
        with pytest.raises(InvalidArgument) as caught:
            await edits.edit_transactions(user_id, filter_text, changes, "one", dry_run=dry_run)
        assert [one.field for one in caught.value.fields] == [field]
