"""Whose word a category is: predictions that come with rows or for them, rules, edits, and the user's own. In PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from services.accounts.categorizing.domain import WorkedOut, WorkedOutCategory
from services.accounts.categorizing.repository import PostgresCategorizingRepository
from services.accounts.categorizing.service import MAX_CATEGORIES, CategorizingService
from services.accounts.domain import (
    Account,
    CategorySource,
    NewAccount,
    Transaction,
    TransactionChanges,
    TransactionFilters,
    TypedTransaction,
)
from services.accounts.edits.domain import EditChanges, Undone
from services.accounts.edits.repository.edits import PostgresEditsRepository
from services.accounts.edits.service import EditsService
from services.accounts.repository import PostgresAccountsRepository
from services.accounts.rules.domain import NewRule
from services.accounts.rules.repository.rules import PostgresRulesRepository
from services.accounts.rules.service import RulesService
from services.accounts.service import AccountsService
from services.kit.errors import InvalidArgument, NotFound, Unavailable
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from tests.support.ledger_rows import batches, fingerprints, predicted, row

TOKENS = PageTokens(b"a page token key for tests only!")
MONTH = timedelta(days=30)
USER, MODEL, FALLBACK = CategorySource.USER, CategorySource.MODEL, CategorySource.FALLBACK
Held = tuple[str | None, str | None, float | None]
NOTHING: Held = (None, None, None)


@pytest.fixture
def service(postgres: PostgresAccountsRepository) -> AccountsService:
    return AccountsService(postgres, TOKENS)


@pytest.fixture
def categorizing(database: Database) -> CategorizingService:
    return CategorizingService(PostgresCategorizingRepository(database))


@pytest.fixture
def rules(database: Database) -> RulesService:
    return RulesService(PostgresRulesRepository(database, bulk_statement_timeout_s=30, edit_lifetime=MONTH), TOKENS)


@pytest.fixture
def edits(database: Database) -> EditsService:
    return EditsService(PostgresEditsRepository(database, bulk_statement_timeout_s=30, lifetime=MONTH), TOKENS)


@pytest.fixture
async def account(service: AccountsService, user_id: UUID) -> Account:
    return (await service.ensure_account(user_id, NewAccount("Everyday", "EUR")))[0]


async def bring(service: AccountsService, user_id: UUID, account: Account, **rows: dict[str, Any]) -> UUID:
    """One import; a row for each description."""
    import_id = uuid7()
    made = [row(account.id, line, description=text, **values) for line, (text, values) in enumerate(rows.items(), start=1)]
    await service.append_transactions(user_id, import_id, batches(made), fingerprints)
    return import_id


async def ledger(service: AccountsService, user_id: UUID) -> dict[str, Transaction]:
    found, _ = await service.list_transactions(user_id, TransactionFilters(), requested_size=1000, token="")
    return {one.description: one for one in found}


async def held(service: AccountsService, user_id: UUID) -> dict[str, Held]:
    return {text: (one.category, one.category_source, one.confidence) for text, one in (await ledger(service, user_id)).items()}


async def test_a_rule_wins_over_every_prediction_and_gives_way_when_it_is_taken_back(
    service: AccountsService, rules: RulesService, user_id: UUID, account: Account
) -> None:
    rule = await rules.create_rule(user_id, NewRule("Trains", "train", category="travel"), "one")
    predictions = {"Train 1": predicted("shopping", 0.5), "Train 2": predicted("shopping", 0.9, "user"), "Bus": predicted("shopping", 0.5)}
    await bring(service, user_id, account, **predictions)
    bus: Held = ("shopping", "model", 0.5)
    assert await held(service, user_id) == {"Train 1": ("travel", "rule", None), "Train 2": ("travel", "rule", None), "Bus": bus}
    assert await rules.undo_rule(user_id, rule.id) == Undone(2, 0)
    before: dict[str, Held] = {"Train 1": ("shopping", "model", 0.5), "Train 2": ("shopping", "user", 0.9), "Bus": bus}
    assert await held(service, user_id) == before
    # So it does where it is applied to the past.
    await rules.apply_rule(user_id, rule.id, "two")
    assert (await held(service, user_id))["Train 2"] == ("travel", "rule", None)
    assert await rules.undo_rule(user_id, rule.id) == Undone(4, 0)
    assert await held(service, user_id) == before


async def test_a_prediction_is_no_word_of_the_user(service: AccountsService, user_id: UUID, account: Account) -> None:
    """From what they said of others: an import that is taken back takes it along."""
    import_id = await bring(service, user_id, account, One=predicted("travel", 0.9, "user"), Two=predicted("travel", 0.9, "user"))
    one = (await ledger(service, user_id))["One"]
    await service.update_transaction(user_id, one.id, TransactionChanges(category="travel"))
    outcome = await service.undo_import(user_id, import_id)
    assert (outcome.removed_count, [kept.reason for kept in outcome.kept]) == (1, ["you set its category"])


@pytest.mark.parametrize(
    ("earlier", "later", "merged"),
    [
        (predicted("travel", 0.5), predicted("dining", 0.9, "user"), ("travel", "model", 0.5)),
        (predicted("travel", 0.9, "user"), "dining", ("dining", "user", None)),
        ("travel", "dining", ("travel", "user", None)),
    ],
)
async def test_what_two_rows_become_that_are_one(
    service: AccountsService,
    categorizing: CategorizingService,
    user_id: UUID,
    account: Account,
    earlier: dict[str, Any] | str,
    later: dict[str, Any] | str,
    merged: Held,
) -> None:
    """The user's own word goes over, where the other one has none; a prediction does not."""
    for text, given in (("Bakery", earlier), ("Bakery north", later)):
        await bring(service, user_id, account, **{text: given if isinstance(given, dict) else {}})
        one = (await ledger(service, user_id))[text]
        if isinstance(given, str):
            await categorizing.set_category(user_id, one.id, given)
    await service.merge_transaction(user_id, one.id)
    assert await held(service, user_id) == {"Bakery": merged}


async def test_an_edit_makes_a_prediction_the_users_own_word(
    service: AccountsService, edits: EditsService, user_id: UUID, account: Account
) -> None:
    await bring(service, user_id, account, One=predicted("travel", 0.9, "user"))
    edit = await edits.edit_transactions(user_id, "one", EditChanges(category="travel"), "one")
    assert edit.changed_count == 1
    assert await held(service, user_id) == {"One": ("travel", "user", None)}
    assert edit.id is not None
    assert (await edits.undo_edit(user_id, edit.id))[1] == Undone(1, 0)
    assert await held(service, user_id) == {"One": ("travel", "user", 0.9)}


async def test_what_is_typed_in_without_a_category_gets_the_prediction(
    service: AccountsService, rules: RulesService, user_id: UUID, account: Account
) -> None:
    await rules.create_rule(user_id, NewRule("Trains", "train", category="travel"), "one")
    for text, category in (("Cash", None), ("Own", "housing"), ("Train", None)):
        typed = TypedTransaction(uuid7(), category, "", allow_equal=False)
        rows = batches([row(account.id, 1, description=text, **predicted("shopping", 0.9, "user"))])
        await service.append_typed_transaction(user_id, typed, rows, fingerprints)
    expected = {"Cash": ("shopping", "user", 0.9), "Own": ("housing", "user", None), "Train": ("travel", "rule", None)}
    assert await held(service, user_id) == expected


async def test_a_pending_row_that_is_booked_keeps_what_it_has(service: AccountsService, user_id: UUID, account: Account) -> None:
    await bring(service, user_id, account, Coffee={"status": "pending", **predicted("dining_cafe", 0.6)})
    await bring(service, user_id, account, Coffee={"raw_data": '{"Booked": "yes"}', **predicted("shopping", 0.8)})
    (one,) = (await ledger(service, user_id)).values()
    assert (one.status, one.category, one.category_source, one.confidence) == ("posted", "dining_cafe", "model", 0.6)


async def test_the_users_own_word_and_what_was_before(
    service: AccountsService, categorizing: CategorizingService, user_id: UUID, other_user_id: UUID, account: Account
) -> None:
    await bring(service, user_id, account, One=predicted("travel", 0.9))
    one = (await ledger(service, user_id))["One"]
    done = await categorizing.set_category(user_id, one.id, "dining_cafe")
    assert (done.previous_category, done.previous_source) == ("travel", "model")
    now = done.transaction
    assert (now.id, now.category, now.category_source, now.confidence, now.primary_category) == (
        one.id, "dining_cafe", "user", None, "dining",
    )  # fmt: skip
    again = await categorizing.set_category(user_id, one.id, "dining_cafe")
    assert (again.previous_category, again.previous_source, again.transaction.category) == ("dining_cafe", "user", "dining_cafe")
    with pytest.raises(InvalidArgument):
        await categorizing.set_category(user_id, one.id, "nowhere")
    await service.create_category(user_id, "Mine", "other", "one")
    assert (await categorizing.set_category(user_id, one.id, "mine")).transaction.primary_category == "other"
    for stranger, category in ((other_user_id, "travel"), (user_id, "travel")):
        with pytest.raises(NotFound):
            await categorizing.set_category(stranger, one.id if stranger == other_user_id else uuid7(), category)
    # Nor does the other user have the category.
    with pytest.raises(InvalidArgument):
        await categorizing.set_category(other_user_id, one.id, "mine")
    assert await held(service, user_id) == {"One": ("mine", "user", None)}


async def test_no_undo_takes_back_what_the_user_said_later(
    service: AccountsService, categorizing: CategorizingService, edits: EditsService, user_id: UUID, account: Account
) -> None:
    """Though it be the same again: one row was confirmed, one went there and back, one was taken away twice, one is as the edit left it."""
    await bring(service, user_id, account, Same={}, Back={}, Patched={}, Left={})
    found = await ledger(service, user_id)
    edit = await edits.edit_transactions(user_id, "amount < 0", EditChanges(category="travel"), "one")
    await categorizing.set_category(user_id, found["Same"].id, "travel")
    for category in ("housing", "travel"):
        await categorizing.set_category(user_id, found["Back"].id, category)
    await service.update_transaction(user_id, found["Patched"].id, TransactionChanges(category="travel"))
    assert edit.id is not None
    for _ in range(2):
        assert (await edits.undo_edit(user_id, edit.id))[1] == Undone(1, 3)
    mine: Held = ("travel", "user", None)
    assert await held(service, user_id) == {"Same": mine, "Back": mine, "Patched": mine, "Left": NOTHING}


async def test_an_undo_leaves_what_was_worked_out_later(
    service: AccountsService, categorizing: CategorizingService, edits: EditsService, user_id: UUID, account: Account
) -> None:
    await bring(service, user_id, account, One=predicted("travel", 0.9), Two=predicted("travel", 0.9))
    edit = await edits.edit_transactions(user_id, "amount < 0", EditChanges(category=""), "one")
    one = (await ledger(service, user_id))["One"]
    await categorizing.set_categories(user_id, [WorkedOutCategory(one.id, "housing", 0.7, MODEL)])
    assert edit.id is not None
    assert (await edits.undo_edit(user_id, edit.id))[1] == Undone(1, 1)
    assert await held(service, user_id) == {"One": ("housing", "model", 0.7), "Two": ("travel", "model", 0.9)}


async def test_what_was_worked_out_counts_where_nobody_with_more_to_say_has_spoken(
    service: AccountsService, categorizing: CategorizingService, rules: RulesService, user_id: UUID, other_user_id: UUID, account: Account
) -> None:
    await rules.create_rule(user_id, NewRule("Ruled", "ruled", category="travel"), "one")
    rows = {"Ruled": {}, "File": {"category": "groceries"}, "Own": {}, "None": {}, "Same": predicted("travel", 0.5)}
    rows |= {"Model": predicted("travel", 0.5), "Fallback": predicted("travel", 0.5, "fallback"), "Like": predicted("travel", 0.9, "user")}
    await bring(service, user_id, account, **rows)
    found = await ledger(service, user_id)
    await categorizing.set_category(user_id, found["Own"].id, "housing")
    before = await held(service, user_id)
    answers = [WorkedOutCategory(one.id, "travel" if text == "Same" else "shopping", 0.7, MODEL) for text, one in found.items()]
    # The rows of others, and those that are gone, are nobody's here.
    assert await categorizing.set_categories(other_user_id, answers) == WorkedOut(0, 0)
    assert await held(service, user_id) == before
    done = await categorizing.set_categories(user_id, [*answers, WorkedOutCategory(uuid7(), "shopping", 0.7, MODEL)])
    assert done == WorkedOut(changed_count=4, kept_count=3)
    after = await held(service, user_id)
    kept = ("Ruled", "File", "Own")
    assert {text: after[text] for text in kept} == {text: before[text] for text in kept}
    assert after["Same"] == ("travel", "model", 0.7)
    assert {after[text] for text in ("None", "Model", "Fallback", "Like")} == {("shopping", "model", 0.7)}
    # Of like payments: no more than a model's word.
    like = [WorkedOutCategory(one.id, "housing", 0.9, USER) for one in found.values()]
    assert await categorizing.set_categories(user_id, like) == WorkedOut(5, 3)
    # None was likely enough.
    none = [WorkedOutCategory(one.id, None, 0.2, FALLBACK) for one in found.values()]
    assert await categorizing.set_categories(user_id, none) == WorkedOut(5, 3)
    after = await held(service, user_id)
    assert {text: after[text] for text in kept} == {text: before[text] for text in kept}
    assert [one for text, one in after.items() if text not in kept] == [NOTHING] * 5
    # Accepted: the user's own word from now on, but not for what they had said themselves.
    accepted = [WorkedOutCategory(one.id, "dining", None, USER) for one in found.values()]
    assert await categorizing.set_categories(user_id, accepted) == WorkedOut(7, 1)
    assert await categorizing.set_categories(user_id, answers) == WorkedOut(0, 8)
    after = await held(service, user_id)
    assert after.pop("Own") == ("housing", "user", None)
    assert set(after.values()) == {("dining", "user", None)}


async def test_what_is_worked_out_does_not_wait_long_for_an_import(database: Database, user_id: UUID) -> None:
    categorizing = CategorizingService(PostgresCategorizingRepository(database, lock_timeout_s=0.05))
    async with database.transaction(user_id) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('accounts.append ' || $1, 0))", str(user_id))
        with pytest.raises(Unavailable) as caught:
            await categorizing.set_categories(user_id, [WorkedOutCategory(uuid7(), "travel", 0.5, MODEL)])
    assert caught.value.reason == "IMPORT_IN_PROGRESS"


async def test_the_users_word_of_that_moment_stays(
    service: AccountsService, categorizing: CategorizingService, database: Database, user_id: UUID, account: Account
) -> None:
    await bring(service, user_id, account, One={})
    one = (await ledger(service, user_id))["One"]
    async with database.transaction(user_id) as connection:
        await connection.execute(
            "UPDATE accounts.transactions SET category = 'housing', category_source = 'user' WHERE user_id = $1", user_id
        )
        answering = asyncio.create_task(categorizing.set_categories(user_id, [WorkedOutCategory(one.id, "travel", 0.5, MODEL)]))
        await asyncio.sleep(0.2)
        assert not answering.done()
    assert await answering == WorkedOut(0, 1)
    assert await held(service, user_id) == {"One": ("housing", "user", None)}


ONE = uuid7()


@pytest.mark.parametrize(
    ("categories", "field"),
    [
        ([], "categories"),
        ([WorkedOutCategory(uuid7(), "travel", 0.5, MODEL) for _ in range(MAX_CATEGORIES + 1)], "categories"),
        ([WorkedOutCategory(ONE, "travel", 0.5, MODEL)] * 2, "categories[1].transaction_id"),
        ([WorkedOutCategory(ONE, "travel", 0.5, CategorySource.RULE)], "categories[0].source"),
        ([WorkedOutCategory(ONE, "travel", None, MODEL)], "categories[0].confidence"),
        ([WorkedOutCategory(ONE, "travel", float("nan"), MODEL)], "categories[0].confidence"),
        ([WorkedOutCategory(ONE, "travel", 1.5, USER)], "categories[0].confidence"),
        ([WorkedOutCategory(ONE, None, None, USER)], "categories[0].category"),
        ([WorkedOutCategory(ONE, "nowhere", 0.5, MODEL)], "categories[0].category"),
    ],
)
async def test_wrong_requests_say_which_field(
    categorizing: CategorizingService, user_id: UUID, categories: list[WorkedOutCategory], field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await categorizing.set_categories(user_id, categories)
    assert [one.field for one in caught.value.fields] == [field]
