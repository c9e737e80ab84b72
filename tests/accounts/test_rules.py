"""A user's own rules: on imports, on what is typed in, on the past, and taken back. In PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from services.accounts.domain import (
    Account,
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
from services.accounts.rules.domain import MAX_RULES, NewRule, Rule, RuleChanges, RuleInput, RuleVerdict
from services.accounts.rules.repository.evaluating import evaluate_rules
from services.accounts.rules.repository.rules import PostgresRulesRepository
from services.accounts.rules.service import MAX_INPUTS, RulesService
from services.accounts.service import AccountsService
from services.kit.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from services.local import LocalSystem
from tests.conftest import AsRole
from tests.support.ledger_rows import batches, fingerprints, row

TOKENS = PageTokens(b"a page token key for tests only!")
MONTH = timedelta(days=30)
TRAIN = NewRule("Trains", "description:train", category="travel")


@pytest.fixture
def service(postgres: PostgresAccountsRepository) -> AccountsService:
    return AccountsService(postgres, TOKENS)


@pytest.fixture
def rules(database: Database) -> RulesService:
    return RulesService(PostgresRulesRepository(database, bulk_statement_timeout_s=30, edit_lifetime=MONTH), TOKENS)


@pytest.fixture
def edits(database: Database) -> EditsService:
    return EditsService(PostgresEditsRepository(database, bulk_statement_timeout_s=30, lifetime=MONTH), TOKENS)


@pytest.fixture
async def account(service: AccountsService, user_id: UUID) -> Account:
    return (await service.ensure_account(user_id, NewAccount("Everyday", "EUR")))[0]


async def fill(service: AccountsService, user_id: UUID, account: Account, *descriptions: str, **values: object) -> UUID:
    import_id = uuid7()
    rows = [row(account.id, line, description=text, **values) for line, text in enumerate(descriptions, start=1)]
    await service.append_transactions(user_id, import_id, batches(rows), fingerprints)
    return import_id


async def ledger(service: AccountsService, user_id: UUID) -> dict[str, Transaction]:
    found, _ = await service.list_transactions(user_id, TransactionFilters(), requested_size=1000, token="")
    return {one.description: one for one in found}


async def create(rules: RulesService, user_id: UUID, *new: NewRule) -> list[Rule]:
    return [await rules.create_rule(user_id, one, str(uuid7())) for one in new]


async def names(rules: RulesService, user_id: UUID) -> list[tuple[int, str]]:
    found, _ = await rules.list_rules(user_id, requested_size=0, token="")
    return [(one.position, one.name) for one in found]


async def test_rules_change_an_import_as_it_comes_in_and_can_be_taken_back(
    service: AccountsService, rules: RulesService, edits: EditsService, user_id: UUID, account: Account
) -> None:
    first, second = await create(
        rules, user_id, TRAIN, NewRule("Office", "text:train AND amount < -10", merchant="Rail", note="for work", category="housing")
    )
    import_id = await fill(service, user_id, account, "Train 1", "Bus", "Train 2", category="groceries")
    found = await ledger(service, user_id)
    train = found["Train 1"]
    # For each field the first rule that sets it.
    assert (train.category, train.category_source, train.merchant, train.note) == ("travel", "rule", "Rail", "for work")
    bus = found["Bus"]
    assert (bus.category, bus.category_source, bus.merchant, bus.note) == ("groceries", "file", "Corner Shop", "")
    made, _ = await edits.list_edits(user_id, requested_size=0, token="")
    assert {(one.rule_id, one.import_id, one.filter, one.matched_count, one.changed_count) for one in made} == {
        (first.id, import_id, first.filter, 2, 2),
        (second.id, import_id, second.filter, 2, 2),
    }
    assert await rules.undo_rule(user_id, second.id) == Undone(2, 0)
    train = (await ledger(service, user_id))["Train 1"]
    assert (train.category, train.merchant, train.note) == ("travel", "Corner Shop", "")
    assert await rules.undo_rule(user_id, first.id) == Undone(2, 0)
    assert await rules.undo_rule(user_id, first.id) == Undone(2, 0)
    train = (await ledger(service, user_id))["Train 1"]
    assert (train.category, train.category_source) == ("groceries", "file")


async def test_every_field_of_a_filter_is_known_of_an_incoming_row(
    service: AccountsService, rules: RulesService, edits: EditsService, user_id: UUID, account: Account
) -> None:
    """A condition on a column that a staged row lacks would stop every import of whoever has such a rule."""
    conditions = [
        "date = 2026-01-02", "date:2026-01", "amount <= -12.34", "currency = EUR", "type = debit", "status = posted",
        "category = groceries", "category = uncategorized", 'merchant = "corner shop"', "merchant:corner", "description:bus", "note:x",
        'note = ""', f"account = {account.id}", "payment_method = card", f"import = {uuid7()}", "bus", "buses", "suspected = false",
        'raw:{"Betrag": "-12,34"}', "category_source = file", "NOT category_source = model", "confidence < 0.5", "NOT confidence < 0.5",
    ]  # fmt: skip
    # Each means of an incoming row what it means of one in the ledger.
    for place, condition in enumerate(conditions):
        other = f"Bus {place}"
        (rule,) = await create(rules, user_id, NewRule(condition, condition, note="hit"))
        await fill(service, user_id, account, other, category="groceries", payment_method="card", amount=Decimal(-13 - place))
        hit = (await ledger(service, user_id))[other].note == "hit"
        await rules.undo_rule(user_id, rule.id)
        tried = await edits.edit_transactions(
            user_id, f'({condition}) AND description = "{other}"', EditChanges(note="y"), "one", dry_run=True
        )
        assert hit == bool(tried.matched_count), condition
        await rules.delete_rule(user_id, rule.id)


async def test_payments_that_are_in_no_ledger_are_judged_as_those_that_come_in(
    service: AccountsService, rules: RulesService, user_id: UUID, account: Account
) -> None:
    await service.create_category(user_id, "Climbing", "entertainment", "one")
    told = [
        "date = 2026-01-02", "date:2026-01", "date > 2026-01-02", "amount <= -12.34", "amount > 0", "currency = EUR", "type = debit",
        'merchant = "corner shop"', "merchant:corner", 'merchant = ""', "NOT merchant:corner", "description:bus",
        "description = 'ein  STRASSE'", "bus", "buses", "text:corner bus", "category = uncategorized", "category = climbing", 'note = ""',
        "note:x", "confidence >= 0", "NOT confidence >= 0", "category_source = file", "category_source != file", "suspected = false",
        "currency IN (USD, CHF)", "amount < -5 OR bus",
    ]  # fmt: skip
    payments = [
        RuleInput("Bus", "Corner Shop", Decimal("-12.34"), "EUR", date(2026, 1, 2)),
        RuleInput("Ein Straße 5", None, Decimal(7), "USD", date(2026, 2, 3)),
        RuleInput("Ein Straße", None, Decimal(-5), "USD", date(2026, 2, 3)),
    ]
    assert await rules.evaluate_rules(user_id, payments) == [None] * 3
    rows = [row(account.id, line, **asdict(one)) for line, one in enumerate(payments, start=1)]
    for condition in told:
        (rule,) = await create(rules, user_id, NewRule(condition, condition, category="climbing"))
        import_id = uuid7()
        await service.append_transactions(user_id, import_id, batches(rows), fingerprints)
        hits = {text for text, one in (await ledger(service, user_id)).items() if one.category_source == "rule"}
        verdict = RuleVerdict("climbing", rule.id, condition)
        expected = [verdict if one.description in hits else None for one in payments]
        assert await rules.evaluate_rules(user_id, payments) == expected, condition
        await service.undo_import(user_id, import_id)
        await rules.delete_rule(user_id, rule.id)


async def test_what_a_payment_does_not_say_is_null_to_the_condition(rules: RulesService, user_id: UUID, account: Account) -> None:
    untold = [
        "status = posted",
        f"account = {account.id}",
        "payment_method = card",
        f"import = {uuid7()}",
        'raw:{"x": 1}',
        "date < 2030-01-01",
    ]
    await create(rules, user_id, *[NewRule(condition, condition, category="travel") for condition in untold])
    assert await rules.evaluate_rules(user_id, [RuleInput("Bus", None, Decimal(-1), "EUR", None)]) == [None]
    for wrong in ([], [RuleInput("Bus", None, Decimal(-1), "EUR", None)] * (MAX_INPUTS + 1)):
        with pytest.raises(InvalidArgument):
            await rules.evaluate_rules(user_id, wrong)


async def test_the_first_rule_that_sets_a_category_judges(
    service: AccountsService, rules: RulesService, servers: LocalSystem, user_id: UUID, other_user_id: UUID
) -> None:
    own = await service.create_category(user_id, "Climbing", "entertainment", "one")
    _, gone, _, first, _ = await create(
        rules,
        user_id,
        NewRule("Note", "train", note="no category"),
        NewRule("Gone", "train", category=own.slug),
        NewRule("Off", "train", category="housing", active=False),
        NewRule("Trains", "train OR bus", category="travel", merchant="Rail"),
        NewRule("Later", "train", category="shopping"),
    )
    payments = [RuleInput(text, None, Decimal(-1), "EUR", None) for text in ("Shop", "Train", "Bus")]
    assert [one and one.rule_id for one in await rules.evaluate_rules(user_id, payments)] == [None, gone.id, first.id]
    # A rule with a problem does nothing.
    async with migrator(servers) as connection:
        await connection.execute("DELETE FROM accounts.user_categories WHERE user_id = $1", user_id)
    assert await rules.evaluate_rules(user_id, payments) == [None, *[RuleVerdict("travel", first.id, "Trains")] * 2]
    assert await rules.evaluate_rules(other_user_id, payments) == [None] * 3


async def test_judging_takes_as_many_statements_for_many_payments_and_rules_as_for_one(
    database: Database, rules: RulesService, user_id: UUID
) -> None:
    payments = [RuleInput(f"Trains {number}", None, Decimal(-1), "EUR", None) for number in range(MAX_INPUTS)]

    async def statements(inputs: list[RuleInput]) -> int:
        asked: list[object] = []
        async with database.transaction(user_id, read_only=True) as connection:
            with connection.query_logger(asked.append):
                await evaluate_rules(connection, user_id, inputs)
        return len(asked)

    assert await statements(payments) == 1
    await create(rules, user_id, NewRule("One", "trains category = travel", category="travel"))
    # The first time asyncpg asks for the types, too.
    _, one = await statements(payments[:1]), await statements(payments[:1])
    await create(rules, user_id, *[NewRule(str(n), f"trains {n} OR category = travel", category="travel") for n in range(20)])
    assert await statements(payments) == one


async def test_a_duplicate_is_not_changed(
    service: AccountsService, rules: RulesService, edits: EditsService, user_id: UUID, account: Account
) -> None:
    await fill(service, user_id, account, "Train 1")
    await create(rules, user_id, TRAIN)
    await fill(service, user_id, account, "Train 1", "Train 2")
    found = await ledger(service, user_id)
    assert (found["Train 1"].category, found["Train 2"].category) == (None, "travel")
    (edit,), _ = await edits.list_edits(user_id, requested_size=0, token="")
    assert (edit.matched_count, edit.changed_count) == (1, 1)


async def test_a_rule_sees_what_is_typed_in_but_never_overrules_the_user(
    service: AccountsService, postgres: PostgresAccountsRepository, rules: RulesService, user_id: UUID, account: Account
) -> None:
    (rule,) = await create(rules, user_id, NewRule("Trains", "train", category="travel", note="by rule"))
    for name, category, note in (("Train 1", "housing", "mine"), ("Train 2", None, "")):
        typed = TypedTransaction(uuid7(), category, note, allow_equal=False)
        rows = batches([row(account.id, 1, description=name)])
        assert (await postgres.append_typed_transaction(user_id, typed, rows, fingerprints)).inserted_count == 1
    found = await ledger(service, user_id)
    assert [(one.category, one.category_source, one.note) for one in (found["Train 1"], found["Train 2"])] == [
        ("housing", "user", "mine"),
        ("travel", "rule", "by rule"),
    ]
    assert await rules.undo_rule(user_id, rule.id) == Undone(1, 0)


async def test_a_pending_row_that_is_booked_is_judged_anew(
    service: AccountsService, rules: RulesService, user_id: UUID, account: Account
) -> None:
    await create(rules, user_id, NewRule("Rail", 'merchant = "db fernverkehr"', merchant="Bahn", category="travel"))
    pending = row(account.id, 1, description="Train ticket", merchant=None, status="pending")
    await service.append_transactions(user_id, uuid7(), batches([pending]), fingerprints)
    booked = row(account.id, 1, description="Train ticket Berlin", merchant="DB Fernverkehr", transaction_date=date(2026, 1, 4))
    outcome = await service.append_transactions(user_id, uuid7(), batches([booked]), fingerprints)
    assert outcome.inserted_count == 0
    one = (await ledger(service, user_id))["Train ticket Berlin"]
    assert (one.status, one.merchant, one.category, one.category_source) == ("posted", "Bahn", "travel", "rule")


async def test_a_note_of_a_rule_keeps_no_import_from_being_undone(
    service: AccountsService, rules: RulesService, user_id: UUID, account: Account
) -> None:
    await create(rules, user_id, NewRule("Trains", "train", note="by rule", category="travel", merchant="Rail"))
    import_id = await fill(service, user_id, account, "Train 1", "Train 2", "Train 3")
    found = await ledger(service, user_id)
    await service.update_transaction(user_id, found["Train 1"].id, TransactionChanges(note="by rule"))
    await service.update_transaction(user_id, found["Train 2"].id, TransactionChanges(category="travel"))
    outcome = await service.undo_import(user_id, import_id)
    assert (outcome.removed_count, [one.reason for one in outcome.kept]) == (1, ["you wrote a note on it", "you set its category"])


@asynccontextmanager
async def migrator(servers: LocalSystem) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(servers.migrator_url)
    yield connection
    await connection.close()


async def test_a_rule_that_no_longer_works_stops_no_import_and_says_why(
    service: AccountsService, rules: RulesService, servers: LocalSystem, user_id: UUID, account: Account
) -> None:
    own = await service.create_category(user_id, "Climbing", "entertainment", "one")
    gone, unread, well = await create(
        rules, user_id, NewRule("Gone", "train", category=own.slug), NewRule("Unread", "train", note="x"), TRAIN
    )
    async with migrator(servers) as connection:
        await connection.execute("DELETE FROM accounts.user_categories WHERE user_id = $1", user_id)
        await connection.execute("UPDATE accounts.rules SET filter = 'amount <' WHERE user_id = $1 AND id = $2", user_id, unread.id)
    await fill(service, user_id, account, "Train 1")
    one = (await ledger(service, user_id))["Train 1"]
    assert (one.category, one.note) == ("travel", "")
    problems = {one.id: one.problem for one in (await rules.list_rules(user_id, requested_size=0, token=""))[0]}
    assert problems[gone.id] == "its category 'climbing' is none of your categories"
    assert problems[unread.id].startswith("its filter is not understood: at character")
    assert not problems[well.id]
    with pytest.raises(FailedPrecondition) as caught:
        await rules.apply_rule(user_id, gone.id, "two")
    assert caught.value.reason == "RULE_HAS_PROBLEM"
    # It can still be switched off, and put right.
    await rules.update_rule(user_id, unread.id, RuleChanges(active=False))
    mended = await rules.update_rule(user_id, gone.id, RuleChanges(category="housing"))
    assert not mended.problem


async def test_preview_counts_and_shows_what_would_change_and_applying_does_it(
    service: AccountsService, rules: RulesService, user_id: UUID, account: Account
) -> None:
    await fill(service, user_id, account, "Train 1", "Train 2", "Train 3", "Bus")
    found = await ledger(service, user_id)
    await service.update_transaction(user_id, found["Train 1"].id, TransactionChanges(category="housing"))
    preview = await rules.preview_rule(user_id, TRAIN, None, requested_size=1)
    assert (preview.matched_count, preview.changed_count) == (3, 2)
    assert [one.description for one in preview.transactions] == ["Train 3"]
    assert preview.transactions[0].category is None
    (rule,) = await create(rules, user_id, TRAIN)
    edit = await rules.apply_rule(user_id, rule.id, "one")
    assert (edit.matched_count, edit.changed_count, edit.rule_id, edit.import_id) == (3, 2, rule.id, None)
    assert (await rules.apply_rule(user_id, rule.id, "one")).id == edit.id
    after = await ledger(service, user_id)
    assert [after[name].category for name in ("Train 1", "Train 2", "Train 3", "Bus")] == ["housing", "travel", "travel", None]
    assert after["Train 2"].category_source == "rule"
    # What the user confirms by hand is theirs: the rule does not take it back.
    await service.update_transaction(user_id, after["Train 2"].id, TransactionChanges(category="travel"))
    assert await rules.undo_rule(user_id, rule.id) == Undone(1, 1)


async def test_all_that_a_rule_did_is_taken_back_though_it_set_the_same_twice(
    service: AccountsService, rules: RulesService, user_id: UUID, account: Account
) -> None:
    await fill(service, user_id, account, "Train 1", "Train 2")
    (rule,) = await create(rules, user_id, TRAIN)
    for category in ("travel", "housing", "travel"):
        await rules.update_rule(user_id, rule.id, RuleChanges(category=category))
        await rules.apply_rule(user_id, rule.id, str(uuid7()))
    assert await rules.undo_rule(user_id, rule.id) == Undone(6, 0)
    assert {one.category for one in (await ledger(service, user_id)).values()} == {None}


async def test_the_past_is_changed_as_an_import_would_be(
    service: AccountsService, rules: RulesService, user_id: UUID, account: Account
) -> None:
    """Whatever the order in which rules are applied: for each field the first by position wins."""
    await fill(service, user_id, account, "Train 1", "Train 2")
    first, second = await create(
        rules,
        user_id,
        NewRule("One", 'description = "train 1"', category="housing"),
        NewRule("All", "train", category="travel", note="seen"),
    )
    preview = await rules.preview_rule(user_id, NewRule("All", "train", category="travel"), None, requested_size=0)
    assert (preview.matched_count, preview.changed_count) == (2, 0)
    # In the place of the second rule, before it, and before both.
    for position, rule_id, changed in ((0, second.id, 1), (2, None, 1), (1, None, 2), (1, first.id, 2), (2, first.id, 0)):
        tried = NewRule("All", "train", category="travel", position=position)
        assert (await rules.preview_rule(user_id, tried, rule_id, requested_size=0)).changed_count == changed
    for rule in (second, first):
        await rules.apply_rule(user_id, rule.id, str(uuid7()))
    applied = await ledger(service, user_id)
    await fill(service, user_id, account, "Train 1", "Train 2", amount=Decimal(-1))
    found, _ = await service.list_transactions(user_id, TransactionFilters(amount_min=Decimal(-1)), requested_size=0, token="")
    imported = {one.description: (one.category, one.note) for one in found}
    assert {name: (one.category, one.note) for name, one in applied.items()} == imported
    assert imported == {"Train 1": ("housing", "seen"), "Train 2": ("travel", "seen")}


async def test_undo_of_a_rule_follows_it_back_through_its_changes(
    service: AccountsService, rules: RulesService, user_id: UUID, account: Account
) -> None:
    (rule,) = await create(rules, user_id, TRAIN)
    await fill(service, user_id, account, "Train 1", category="groceries")
    await rules.update_rule(user_id, rule.id, RuleChanges(category="housing"))
    await rules.apply_rule(user_id, rule.id, "one")
    assert (await ledger(service, user_id))["Train 1"].category == "housing"
    await rules.delete_rule(user_id, rule.id)
    await rules.delete_rule(user_id, rule.id)
    await rules.undo_rule(user_id, rule.id)
    one = (await ledger(service, user_id))["Train 1"]
    assert (one.category, one.category_source) == ("groceries", "file")
    with pytest.raises(NotFound):
        await rules.undo_rule(user_id, uuid7())


async def test_positions_stay_without_gaps(rules: RulesService, user_id: UUID) -> None:
    a, b, c = await create(rules, user_id, *(NewRule(name, "train", note="x") for name in "abc"))
    await create(rules, user_id, NewRule("d", "train", note="x", position=2), NewRule("e", "train", note="x", position=99))
    assert await names(rules, user_id) == [(1, "a"), (2, "d"), (3, "b"), (4, "c"), (5, "e")]
    await rules.update_rule(user_id, a.id, RuleChanges(position=4))
    assert await names(rules, user_id) == [(1, "d"), (2, "b"), (3, "c"), (4, "a"), (5, "e")]
    await rules.update_rule(user_id, a.id, RuleChanges(position=2))
    await rules.delete_rule(user_id, c.id)
    assert await names(rules, user_id) == [(1, "d"), (2, "a"), (3, "b"), (4, "e")]
    seen, token = [], ""
    while True:
        page, token = await rules.list_rules(user_id, requested_size=3, token=token)
        seen += [one.name for one in page]
        if not token:
            break
    assert seen == ["d", "a", "b", "e"]
    assert (await rules.get_rule(user_id, b.id)).position == 3


async def test_rules_made_at_once(rules: RulesService, user_id: UUID) -> None:
    made = await asyncio.gather(*(rules.create_rule(user_id, TRAIN, "one") for _ in range(4)))
    assert len({one.id for one in made}) == 1
    await asyncio.gather(*(rules.create_rule(user_id, TRAIN, str(number)) for number in range(4)))
    assert [position for position, _ in await names(rules, user_id)] == [1, 2, 3, 4, 5]
    with pytest.raises(AlreadyExists):
        await rules.create_rule(user_id, NewRule("Other", "bus", note="x"), "one")


async def test_there_is_an_end_to_rules(
    service: AccountsService, rules: RulesService, servers: LocalSystem, user_id: UUID, account: Account
) -> None:
    (one,) = await create(rules, user_id, NewRule("x", " OR ".join(["train", *(f"amount = {n}" for n in range(99))]), note="x"))
    async with migrator(servers) as connection:
        await connection.execute(
            """INSERT INTO accounts.rules (user_id, id, name, filter, note, position, request_id, request_hash)
               SELECT user_id, gen_random_uuid(), name, filter, note, n, n::text, request_hash
                 FROM accounts.rules, generate_series(2, $3::int) AS n WHERE user_id = $1 AND id = $2""",
            user_id,
            one.id,
            MAX_RULES,
        )
    with pytest.raises(FailedPrecondition) as caught:
        await create(rules, user_id, TRAIN)
    assert caught.value.reason == "TOO_MANY_RULES"
    # As many as there may be, each as large as it may be.
    await fill(service, user_id, account, "Train 1", "Bus")
    assert (await ledger(service, user_id))["Train 1"].note == "x"
    last = (await rules.list_rules(user_id, requested_size=1000, token=""))[0][-1]
    assert (await rules.apply_rule(user_id, last.id, "two")).changed_count == 0


async def test_rules_of_others_are_not_there(
    service: AccountsService, rules: RulesService, user_id: UUID, other_user_id: UUID, account: Account, as_role: AsRole
) -> None:
    (rule,) = await create(rules, other_user_id, NewRule("All", "amount < 0", category="travel", note="x", merchant="y"))
    await fill(service, user_id, account, "Train 1")
    one = (await ledger(service, user_id))["Train 1"]
    assert (one.category, one.merchant, one.note) == (None, "Corner Shop", "")
    for call in (
        rules.get_rule(user_id, rule.id),
        rules.update_rule(user_id, rule.id, RuleChanges(name="mine")),
        rules.apply_rule(user_id, rule.id, "one"),
        rules.undo_rule(user_id, rule.id),
    ):
        with pytest.raises(NotFound):
            await call
    await rules.delete_rule(user_id, rule.id)
    assert (await rules.apply_rule(other_user_id, rule.id, "one")).matched_count == 0
    async with as_role("accounts", user_id) as connection:
        assert await connection.fetchval("SELECT count(*) FROM accounts.rules") == 0


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (NewRule("x", "train"), "rule.category"),
        (NewRule("x", "amount <", note="x"), "rule.filter"),
        (NewRule("x", "train", category="nowhere"), "rule.category"),
    ],
)
async def test_wrong_rules_say_which_field(rules: RulesService, user_id: UUID, new: NewRule, field: str) -> None:
    (rule,) = await create(rules, user_id, TRAIN)
    changes = RuleChanges(filter=new.filter, category=new.category, note=new.note)
    for call in (
        rules.create_rule(user_id, new, "one"),
        rules.preview_rule(user_id, new, None, requested_size=0),
        rules.update_rule(user_id, rule.id, changes),
    ):
        with pytest.raises(InvalidArgument) as caught:
            await call
        assert [one.field for one in caught.value.fields] == [field]
    assert await rules.get_rule(user_id, rule.id) == rule
