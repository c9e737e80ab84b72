"""Budgets, in PostgreSQL: what may stand beside what, and what became of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from services.accounts.budgets.domain import Budget, BudgetChanges, BudgetFilters, BudgetUtilization, NewBudget
from services.accounts.budgets.repository import PostgresBudgetsRepository
from services.accounts.budgets.service import BudgetsService
from services.accounts.domain import NewAccount
from services.accounts.repository import PostgresAccountsRepository
from services.accounts.service import AccountsService
from services.accounts.user_data.repository import PostgresAccountsUserData
from services.kit.errors import AlreadyExists, InvalidArgument, NotFound
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from tests.conftest import AsRole
from tests.support.ledger_rows import batches, fingerprints, row
from tests.support.user_files import KeptFiles, as_incoming

TOKENS = PageTokens(b"a page token key for tests only!")
JANUARY = NewBudget("groceries", Decimal(400), "EUR", date(2026, 1, 1), date(2026, 1, 31))
FEBRUARY = replace(JANUARY, period_start=date(2026, 2, 1), period_end=date(2026, 2, 28))
MARCH = replace(JANUARY, period_start=date(2026, 3, 1), period_end=date(2026, 3, 31))


@pytest.fixture
def ledger(postgres: PostgresAccountsRepository) -> AccountsService:
    return AccountsService(postgres, TOKENS)


@pytest.fixture
def budgets(database: Database) -> BudgetsService:
    return BudgetsService(PostgresBudgetsRepository(database), TOKENS)


async def add(budgets: BudgetsService, user_id: UUID, new: NewBudget, **changes: Any) -> Budget:
    return await budgets.create_budget(user_id, replace(new, **changes), str(uuid7()))


async def spend(ledger: AccountsService, user_id: UUID, *rows: dict[str, Any]) -> None:
    """Rows of one import; each without `amount` is a debit of 12.34 EUR on 2026-01-02."""
    account, _ = await ledger.ensure_account(user_id, NewAccount("Everyday", "EUR"))
    made = [row(account.id, line, **{"category": "groceries_supermarket", **one}) for line, one in enumerate(rows, start=1)]
    await ledger.append_transactions(user_id, uuid7(), batches(made), fingerprints)


async def used(budgets: BudgetsService, user_id: UUID, budget: Budget) -> BudgetUtilization:
    found = (await budgets.get_budget(user_id, budget.id))[1]
    assert found is not None
    return found


async def refused(adding: Any, reason: str) -> AlreadyExists:
    with pytest.raises(AlreadyExists) as caught:
        await adding
    assert caught.value.reason == reason
    return caught.value


# What may stand beside what


@pytest.mark.requirement("ACC-09")
async def test_create_budget_keeps_every_value(budgets: BudgetsService, user_id: UUID, other_user_id: UUID) -> None:
    made = await add(budgets, user_id, JANUARY, amount=Decimal("400.1234"), roll_over=True)
    assert made.id.version == 7
    assert made[1:8] == ("groceries", Decimal("400.1234"), "EUR", date(2026, 1, 1), date(2026, 1, 31), True, True)
    assert (await budgets.get_budget(user_id, made.id))[0] == made
    with pytest.raises(NotFound):
        await budgets.get_budget(other_user_id, made.id)


async def test_create_budget_once_per_request(budgets: BudgetsService, user_id: UUID, other_user_id: UUID) -> None:
    made = await asyncio.gather(*(budgets.create_budget(user_id, JANUARY, "one") for _ in range(5)))
    assert len({one.id for one in made}) == 1
    await refused(budgets.create_budget(user_id, FEBRUARY, "one"), "REQUEST_ID_REUSED")
    assert (await budgets.create_budget(other_user_id, FEBRUARY, "one")).period_start == FEBRUARY.period_start


@pytest.mark.requirement("ACC-09")
@pytest.mark.parametrize(
    ("start", "end"),
    [("2026-01-31", "2026-02-28"), ("2025-12-01", "2026-01-01"), ("2026-01-10", "2026-01-10"), ("2025-01-01", "2027-01-01")],
)
async def test_overlapping_active_budgets_are_refused(
    budgets: BudgetsService, user_id: UUID, other_user_id: UUID, start: str, end: str
) -> None:
    """ACC-09."""
    first = await add(budgets, user_id, JANUARY)
    overlapping = replace(JANUARY, period_start=date.fromisoformat(start), period_end=date.fromisoformat(end))
    error = await refused(add(budgets, user_id, overlapping), "BUDGET_OVERLAPS")
    assert error.metadata == {"budget_id": str(first.id)}
    # Not in another currency, category or ledger.
    for user, other in ((user_id, {"currency": "USD"}), (user_id, {"category": "dining"}), (other_user_id, {})):
        await add(budgets, user, overlapping, **other)


async def test_budgets_at_once_that_overlap_end_with_one(budgets: BudgetsService, user_id: UUID) -> None:
    results = await asyncio.gather(
        *(add(budgets, user_id, JANUARY, period_start=date(2026, 1, n)) for n in range(1, 9)), return_exceptions=True
    )
    made = [one for one in results if isinstance(one, Budget)]
    assert len(made) == 1
    assert {one.reason for one in results if isinstance(one, AlreadyExists)} == {"BUDGET_OVERLAPS"}
    assert await budgets.list_budgets(user_id, BudgetFilters(), requested_size=0, token="") == (made, "")


async def test_changes_that_overlap_are_refused(budgets: BudgetsService, user_id: UUID) -> None:
    january, february = [await add(budgets, user_id, one) for one in (JANUARY, FEBRUARY)]
    changes = BudgetChanges(period_start=date(2026, 1, 31))
    await refused(budgets.update_budget(user_id, february.id, changes), "BUDGET_OVERLAPS")
    off = await budgets.update_budget(user_id, january.id, BudgetChanges(active=False))
    assert not off.active
    assert (await budgets.update_budget(user_id, february.id, changes)).period_start == date(2026, 1, 31)
    await refused(budgets.update_budget(user_id, january.id, BudgetChanges(active=True)), "BUDGET_OVERLAPS")
    # Its own days are no overlap.
    await budgets.update_budget(user_id, february.id, BudgetChanges(period_start=date(2026, 2, 2)))
    assert (await budgets.update_budget(user_id, january.id, BudgetChanges(active=True))).active


async def test_whoever_writes_past_the_service_is_refused_as_well(budgets: BudgetsService, user_id: UUID, as_role: AsRole) -> None:
    await add(budgets, user_id, JANUARY)
    async with as_role("accounts", user_id) as connection:
        with pytest.raises(asyncpg.ExclusionViolationError):
            await connection.execute(
                """INSERT INTO accounts.budgets
                       (user_id, id, category, amount, currency, period_start, period_end, request_id, request_hash)
                   SELECT user_id, gen_random_uuid(), category, amount, currency, period_start, period_end, 'r', '' FROM accounts.budgets"""
            )


async def test_a_restored_budget_whose_days_are_taken_is_switched_off(
    budgets: BudgetsService, database: Database, user_id: UUID, other_user_id: UUID
) -> None:
    user_data = PostgresAccountsUserData(database, statement_timeout_s=30, lock_timeout_s=0.5)
    january, february = [await add(budgets, user_id, one) for one in (JANUARY, FEBRUARY)]
    sink = KeptFiles()
    await user_data.export_user(user_id, sink)
    mine = await add(budgets, other_user_id, JANUARY, period_end=date(2026, 1, 2))
    # As nobody's export has it: the same budget twice, under two ids.
    twice = sink.files["budgets.jsonl"].splitlines(keepends=True)[-1].replace(str(february.id).encode(), str(uuid7()).encode())
    for files in (
        sink.files,
        sink.files,
        {"budgets.jsonl": sink.files["budgets.jsonl"] + twice.replace(b'"request_id":"', b'"request_id":"x')},
    ):
        await user_data.restore_user(other_user_id, as_incoming(files))
        active, _ = await budgets.list_budgets(other_user_id, BudgetFilters(), requested_size=0, token="")
        assert {one.id for one in active} == {mine.id, february.id}
    assert not (await budgets.get_budget(other_user_id, january.id))[0].active
    assert (await budgets.get_budget(user_id, january.id))[0].active


async def test_budgets_that_cannot_be(budgets: BudgetsService, user_id: UUID) -> None:
    for wrong, field in (({"category": "no_such"}, "category"), ({"category": "uncategorized"}, "category"),
                         ({"period_start": date(2026, 2, 1)}, "period_start")):  # fmt: skip
        with pytest.raises(InvalidArgument) as caught:
            await add(budgets, user_id, JANUARY, **wrong)
        assert caught.value.fields[0].field == field


@pytest.mark.requirement("ACC-09")
async def test_update_and_delete(budgets: BudgetsService, user_id: UUID, other_user_id: UUID) -> None:
    made = await add(budgets, user_id, JANUARY)
    changes = BudgetChanges(Decimal(5), date(2026, 1, 2), date(2026, 1, 3), True)
    changed = await budgets.update_budget(user_id, made.id, changes, amount_currency="EUR")
    assert changed == made._replace(
        amount=Decimal(5), period_start=date(2026, 1, 2), period_end=date(2026, 1, 3), roll_over=True, updated_at=changed.updated_at
    )
    assert changed.updated_at > made.updated_at
    for wrong in (BudgetChanges(Decimal(5)), BudgetChanges(period_start=date(2026, 1, 4))):
        with pytest.raises(InvalidArgument):
            await budgets.update_budget(user_id, made.id, wrong, amount_currency="USD")
    with pytest.raises(NotFound):
        await budgets.update_budget(other_user_id, made.id, BudgetChanges(roll_over=False))
    await budgets.delete_budget(other_user_id, made.id)
    assert (await budgets.get_budget(user_id, made.id))[0] == changed
    for _ in range(2):
        await budgets.delete_budget(user_id, made.id)
    with pytest.raises(NotFound):
        await budgets.get_budget(user_id, made.id)


async def test_list_budgets_by_pages(budgets: BudgetsService, user_id: UUID, other_user_id: UUID) -> None:
    made = [await add(budgets, user_id, one) for one in (FEBRUARY, MARCH, JANUARY)]
    made += [await add(budgets, user_id, FEBRUARY, category="dining")]
    await add(budgets, other_user_id, JANUARY)
    off = await budgets.update_budget(user_id, made[1].id, BudgetChanges(active=False))
    everything = sorted([made[0], off, *made[2:]], key=lambda one: (one.period_start, one.id), reverse=True)

    async def listed(size: int, **filters: Any) -> list[Budget]:
        found, token = [], ""
        while True:
            page, token = await budgets.list_budgets(user_id, BudgetFilters(**filters), requested_size=size, token=token)
            found += page
            if not token:
                return found

    for size in (1, 2, 3, 0):
        assert await listed(size, include_inactive=True) == everything
    assert await listed(2) == [one for one in everything if one.active]
    assert await listed(1, on_date=date(2026, 2, 28)) == [one for one in everything if one.period_start.month == 2]
    assert await listed(0, category="groceries", on_date=date(2026, 2, 1)) == [made[0]]
    _, token = await budgets.list_budgets(user_id, BudgetFilters(), requested_size=1, token="")
    with pytest.raises(InvalidArgument):
        await budgets.list_budgets(user_id, BudgetFilters(include_inactive=True), requested_size=1, token=token)


# What became of them


@pytest.mark.requirement("ACC-10")
async def test_only_ones_own_posted_debits_of_the_period_count(
    budgets: BudgetsService, ledger: AccountsService, user_id: UUID, other_user_id: UUID
) -> None:
    """ACC-10, C-29: another user with the same category name, credits, another currency, and a budget that spans two months."""
    two_months = await add(budgets, user_id, JANUARY, period_end=date(2026, 2, 28), amount=Decimal(200))
    theirs = await add(budgets, other_user_id, JANUARY)
    await spend(
        ledger,
        user_id,
        {"amount": Decimal(-10), "transaction_date": date(2026, 1, 1)},
        {"amount": Decimal("-20.5"), "transaction_date": date(2026, 2, 28)},
        {"amount": Decimal(-3), "category": "groceries"},
        {"amount": Decimal(300)},
        {"amount": Decimal(-1000), "transaction_date": date(2025, 12, 31)},
        {"amount": Decimal(-1000), "transaction_date": date(2026, 3, 1)},
        {"amount": Decimal(-1000), "currency": "USD"},
        {"amount": Decimal(-1000), "status": "pending"},
        {"amount": Decimal(-1000), "status": "void"},
        {"amount": Decimal(-1000), "category": "dining_cafe"},
        {"amount": Decimal(-1000), "category": None},
    )
    await spend(ledger, other_user_id, {"amount": Decimal(-999)})
    expected = BudgetUtilization(two_months, Decimal(0), Decimal("33.5"), Decimal("166.5"), Decimal("16.75"))
    assert await used(budgets, user_id, two_months) == expected
    assert (await used(budgets, other_user_id, theirs)).spent == 999


@pytest.mark.requirement("ACC-10")
@pytest.mark.parametrize(
    ("amount", "spent", "percent"),
    [("10", "150", "1500.00"), ("0", "5", "0"), ("10", "0.0001", "0.00"), ("3", "1", "33.33"),
     ("0.0001", "922337203685477.5807", "922337203685477580700.00")],
)  # fmt: skip
async def test_percents_that_are_nothing_and_that_are_huge(
    budgets: BudgetsService, ledger: AccountsService, user_id: UUID, amount: str, spent: str, percent: str
) -> None:
    budget = await add(budgets, user_id, JANUARY, amount=Decimal(amount))
    await spend(ledger, user_id, {"amount": -Decimal(spent)})
    found = await used(budgets, user_id, budget)
    assert (found.spent, found.utilization_percent) == (Decimal(spent), Decimal(percent))


async def test_a_primary_category_takes_in_all_below_it_and_both_may_have_budgets(
    budgets: BudgetsService, ledger: AccountsService, user_id: UUID
) -> None:
    own = await ledger.create_category(user_id, "Market stall", "groceries", "one")
    wide, narrow, mine = [await add(budgets, user_id, JANUARY, category=slug) for slug in ("groceries", "groceries_alcohol", own.slug)]
    rows = [("groceries", -1), ("groceries_alcohol", -10), (own.slug, -100), ("dining", -1000)]
    await spend(ledger, user_id, *({"category": slug, "amount": Decimal(amount)} for slug, amount in rows))
    assert [(await used(budgets, user_id, one)).spent for one in (wide, narrow, mine)] == [111, 10, 100]


async def test_sides_of_a_confirmed_transfer_do_not_count(budgets: BudgetsService, ledger: AccountsService, user_id: UUID) -> None:
    budget = await add(budgets, user_id, JANUARY, category="transfer")
    accounts = [(await ledger.ensure_account(user_id, NewAccount(name, "EUR")))[0] for name in ("Giro", "Savings")]
    rows = [
        row(account.id, line, amount=Decimal(amount), category="transfer_own_account")
        for line, (account, amount) in enumerate(zip(accounts, (-500, 500), strict=True), start=1)
    ]
    await ledger.append_transactions(user_id, uuid7(), batches(rows), fingerprints)
    assert (await used(budgets, user_id, budget)).spent == 500
    suggested, _ = await ledger.list_transfers(user_id, None, requested_size=0, token="")
    await ledger.confirm_transfer(user_id, suggested[0].id)
    assert (await used(budgets, user_id, budget)).spent == 0


async def test_what_is_left_over_rolls_on_along_an_unbroken_chain(budgets: BudgetsService, ledger: AccountsService, user_id: UUID) -> None:
    months = [await add(budgets, user_id, one, roll_over=True) for one in (JANUARY, FEBRUARY, MARCH)]
    days = [{"transaction_date": date(2026, month, 2), "amount": Decimal(amount)} for month, amount in ((1, -100), (2, -750), (3, -40))]
    await spend(ledger, user_id, *days)

    async def figures() -> list[tuple[Decimal, Decimal, Decimal]]:
        return [(one.carried_over, one.remaining, one.utilization_percent) for one in [await used(budgets, user_id, m) for m in months]]

    # 300 left over in January, 50 overspent by February.
    first = (Decimal(0), Decimal(300), Decimal(25))
    assert await figures() == [first, (Decimal(300), Decimal(-50), Decimal("107.14")), (Decimal(-50), Decimal(310), Decimal("11.43"))]
    # Without roll-over a chain begins anew.
    await budgets.update_budget(user_id, months[1].id, BudgetChanges(roll_over=False))
    assert await figures() == [first, (Decimal(0), Decimal(-350), Decimal("187.5")), (Decimal(-350), Decimal(10), Decimal(80))]
    # Nothing to divide by: more was overspent than there is now.
    await budgets.update_budget(user_id, months[2].id, BudgetChanges(Decimal(350)), amount_currency="EUR")
    assert (await figures())[2] == (Decimal(-350), Decimal(-40), Decimal(0))
    # A day between two breaks it, and so does one that is switched off.
    await budgets.update_budget(user_id, months[1].id, BudgetChanges(period_end=date(2026, 2, 27)))
    assert (await figures())[2][0] == 0
    await budgets.update_budget(user_id, months[1].id, BudgetChanges(period_end=date(2026, 2, 28), active=False))
    assert (await used(budgets, user_id, months[2])).carried_over == 0
    assert (await budgets.get_budget(user_id, months[1].id))[1] is None


async def test_a_chain_keeps_to_its_category_and_currency(budgets: BudgetsService, user_id: UUID) -> None:
    await add(budgets, user_id, JANUARY)
    for other in ({"currency": "USD"}, {"category": "dining"}):
        budget = await add(budgets, user_id, FEBRUARY, roll_over=True, **other)
        assert (await used(budgets, user_id, budget)).carried_over == 0


async def test_figures_made_ahead_say_how_old_they_are(
    budgets: BudgetsService, ledger: AccountsService, database: Database, user_id: UUID, other_user_id: UUID
) -> None:
    made = [await add(budgets, user_id, one, roll_over=True) for one in (JANUARY, FEBRUARY)]
    await add(budgets, other_user_id, JANUARY)

    async def listed(fresh: bool = False, size: int = 0, on_date: date | None = None) -> tuple[list[BudgetUtilization], bool]:
        items: list[BudgetUtilization] = []
        token = ""
        while True:
            found, token = await budgets.list_utilizations(user_id, on_date, fresh=fresh, requested_size=size, token=token)
            assert found.made_at is not None
            items += found.items
            if not token:
                return items, found.outdated

    assert await listed() == ([], True)
    now, outdated = await listed(fresh=True)
    assert ([one.budget for one in now], outdated) == (made[::-1], False)
    async with database.transaction(user_id) as connection:
        await connection.execute("SELECT accounts.refresh_figures(true)")
    assert await listed(size=1) == (now, False)
    assert await listed(on_date=date(2026, 2, 1)) == (now[:1], False)
    assert await listed(fresh=True, on_date=date(2026, 1, 31)) == (now[1:], False)
    await spend(ledger, user_id, {"amount": Decimal(-12)})
    assert await listed() == (now, True)
    assert [one.spent for one in (await listed(fresh=True, size=1))[0]] == [0, 12]


# Every budget, against the rule in words


def _chains(days: list[int]) -> list[tuple[int, int]]:
    """Periods that do not overlap, from cut points: some touch, some do not."""
    points = sorted(set(days))
    return [(a, b - 1 - (a % 3 == 0)) for a, b in pairwise(points) if b - 1 - (a % 3 == 0) >= a]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(0, 40), min_size=2, max_size=7),
    flags=st.lists(st.booleans(), min_size=7, max_size=7),
    amounts=st.lists(st.decimals(0, 100, places=2), min_size=7, max_size=7),
    rows=st.lists(
        st.tuples(
            st.integers(0, 40),
            st.decimals("-100", "50", places=2).filter(bool),
            st.sampled_from(["groceries", "groceries_alcohol", "dining", None]),
            st.sampled_from(["EUR", "EUR", "USD"]),
        ),
        max_size=20,
    ),
)
async def test_utilization_is_the_rule_in_words(
    budgets: BudgetsService,
    ledger: AccountsService,
    cuts: list[int],
    flags: list[bool],
    amounts: list[Decimal],
    rows: list[tuple[int, Decimal, str | None, str]],
) -> None:
    user_id, first = uuid7(), date(2026, 1, 1)
    periods = [(first + timedelta(a), first + timedelta(b)) for a, b in _chains(cuts)]
    for (start, end), roll_over, amount in zip(periods, flags, amounts, strict=False):
        await add(budgets, user_id, NewBudget("groceries", amount, "EUR", start, end, roll_over))
    await spend(
        ledger,
        user_id,
        *(
            {"transaction_date": first + timedelta(day), "amount": amount, "category": slug, "currency": currency}
            for day, amount, slug, currency in rows
        ),
    )
    expected, before = [], (date.min, Decimal(0))
    for (start, end), roll_over, amount in zip(periods, flags, amounts, strict=False):
        carried = before[1] if roll_over and before[0] + timedelta(1) == start else Decimal(0)
        spent = -sum(
            (value for day, value, slug, currency in rows
             if value < 0 and currency == "EUR" and str(slug).startswith("groceries") and start <= first + timedelta(day) <= end),
            Decimal(0),
        )  # fmt: skip
        before = (end, amount + carried - spent)
        expected.append((start, carried, spent, before[1]))
    found, _ = await budgets.list_utilizations(user_id, None, fresh=True, requested_size=0, token="")
    assert [(one.budget.period_start, one.carried_over, one.spent, one.remaining) for one in found.items[::-1]] == expected
