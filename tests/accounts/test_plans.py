"""How PostgreSQL answers on a large ledger, asked as the service role, policies and all."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from statistics import median
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from services.accounts.analytics.domain import CashFlowFilters, CashFlowPosition, Granularity, MonthlySummaryFilters, MonthPosition
from services.accounts.analytics.recurring import WINDOW_MONTHS
from services.accounts.analytics.repository.cash_flow import cash_flow_statement
from services.accounts.analytics.repository.figures import MONTHS_KEPT, MONTHS_NOW, STATISTICS_KEPT, STATISTICS_NOW, months_arguments
from services.accounts.analytics.repository.recurring import SELECT_FIRST_DAY, SELECT_ROWS
from services.accounts.balances.domain import BalanceFilters
from services.accounts.balances.repository import SELECT_PAGE as SELECT_BALANCES
from services.accounts.balances.repository import page_arguments
from services.accounts.budgets.repository import SELECT_KEPT_PAGE, SELECT_ONE_NOW, SELECT_PAGE_NOW
from services.accounts.budgets.repository import SELECT_PAGE as SELECT_BUDGETS
from services.accounts.categorizing.domain import WorkedOutCategory
from services.accounts.categorizing.repository import SET_BY_USER, SET_WORKED_OUT, worked_out_arguments
from services.accounts.domain import CategorySource, Transaction, TransactionFilters, TransactionPosition, TransactionStatus
from services.accounts.edits.repository.changing import CHANGE, RESTORE, Arguments, RowChanges, Target, counting_statement
from services.accounts.edits.repository.edits import SELECT_PAGE as SELECT_EDITS
from services.accounts.edits.repository.held import HOLD_CATEGORY
from services.accounts.filters import parse
from services.accounts.history.domain import DailySumsFilters, HistoryFilters
from services.accounts.history.repository import SELECT_DAILY_SUMS, SELECT_TRANSACTIONS, daily_sums_arguments, transactions_arguments
from services.accounts.repository import PostgresAccountsRepository
from services.accounts.repository.conditions import NO_MEANINGS, filter_condition, read_meanings
from services.accounts.repository.filters import page_statement
from services.accounts.repository.suggesting import JOIN_BY_HASH, SELECT_NEAR
from services.accounts.repository.transactions import NOT_IN_PARALLEL
from services.accounts.repository.words import SELECT_WORDS
from services.accounts.rules.repository.rules import SELECT_EDITS as SELECT_EDITS_OF_RULE
from services.accounts.rules.repository.rules import SELECT_PAGE as SELECT_RULES
from services.accounts.saved_filters.repository import SELECT_PAGE as SELECT_SAVED_FILTERS
from services.accounts.search import matching
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem

pytestmark = pytest.mark.slow

ROWS = 60_000
FEW_ROWS = 1_000
USERS = 141
"""With few rows each: 200,000 rows in all, among which one user has a thousand pages."""
DAYS = 1000
FIRST_DAY = date(2023, 1, 1)
PAGE = 51
TAXONOMY = {"income": "income", "income_salary": "income", "income_pension": "income", "housing": "housing"}

FILL = f"""
    INSERT INTO accounts.transactions (user_id, id, account_id, transaction_date, amount, currency, description, description_key,
        merchant_name, category, category_source, status, fingerprint, import_id, import_line, raw_data)
    SELECT user_id, gen_random_uuid(), account_id, '{FIRST_DAY}'::date + n % {DAYS}, (n % 997 - 500 + 0.25), 'EUR',
           'CARD PAYMENT ' || n, 'card payment ' || n, 'Merchant ' || n % 2000,
           CASE WHEN n % 3 = 0 THEN 'housing' WHEN n % 500 = 1 THEN 'income_salary' END,
           CASE WHEN n % 3 = 0 OR n % 500 = 1 THEN 'file' END,
           CASE WHEN n % 1000 = 0 THEN 'pending' ELSE 'posted' END, n::text, $3, n,
           jsonb_build_object('n', n, 'even', n % 2 = 0)
      FROM unnest($1::uuid[], $2::uuid[]) AS of_user (user_id, account_id), generate_series(1, $4::int) AS n
"""
OPEN = """
    INSERT INTO accounts.accounts (user_id, id, name, account_type, currency)
    SELECT user_id, gen_random_uuid(), 'Everyday', 'checking', 'EUR' FROM unnest($1::uuid[]) AS user_id RETURNING id
"""


# One row in a thousand may repeat the one before it.
SUSPECT = """
    UPDATE accounts.transactions AS t SET suspected_duplicate_of = earlier.id, suspicion = 'same day'
      FROM accounts.transactions AS earlier
     WHERE t.user_id = ANY ($1) AND earlier.user_id = t.user_id AND t.import_line % 1000 = 7 AND earlier.import_line = t.import_line - 1
"""
SOME_IDS = "SELECT id FROM accounts.transactions WHERE user_id = $1 ORDER BY id LIMIT 1000"
# As an import brings them: in the transaction that looks for transfers.
HOT = """
    INSERT INTO accounts.transactions (user_id, id, account_id, transaction_date, amount, currency, description, fingerprint)
    SELECT $1, gen_random_uuid(), $2, $3::date + n % 5, $4::numeric, 'EUR', 'Transfer ' || n, $6 || n
      FROM generate_series(1, $5::int) AS n
"""


class Users(NamedTuple):
    """One with 60,000 rows, and one with a thousand among 140 others that have as many; and the import of them all."""

    large: UUID
    small: UUID
    import_id: UUID


class Ledger:
    """Their rows, asked as the service role."""

    def __init__(self, users: Users, service: asyncpg.Connection, migrator: asyncpg.Connection) -> None:
        self.users = users
        self.user_id = users.large
        self.service = service
        self.migrator = migrator

    async def explain(self, statement: str, *arguments: object, analyze: bool = True, first: str = "") -> dict[str, Any]:
        options = "ANALYZE, BUFFERS, FORMAT JSON" if analyze else "FORMAT JSON"
        async with self.service.transaction():
            await self.service.execute("SELECT set_config('app.user_id', $1, true)", str(self.user_id))
            if first:
                await self.service.fetchval(first)
            plan = await self.service.fetchval(f"EXPLAIN ({options}) {statement}", *arguments)
        return json.loads(plan)[0]["Plan"]

    async def page(self, *, after: TransactionPosition | None = None, **filters: Any) -> dict[str, Any]:
        wanted = TransactionFilters(**filters)
        categories = [slug for slug, primary in TAXONOMY.items() if wanted.category in (slug, primary)]
        searched = matching(wanted)
        meanings = await read_meanings(self.service, self.user_id, searched) if searched else NO_MEANINGS
        statement, arguments = page_statement(
            self.user_id, wanted, categories=categories, after=after, limit=PAGE, matching=searched, meanings=meanings
        )
        return await self.explain(statement, *arguments, first=NOT_IN_PARALLEL if searched else "")


@pytest.fixture(scope="module")
def users(servers: LocalSystem) -> Iterator[Users]:
    """The rows go again with the module."""
    import_id = uuid7()
    everyone = [uuid7() for _ in range(USERS)]

    async def fill() -> None:
        migrator = await asyncpg.connect(servers.migrator_url)
        accounts = [record["id"] for record in await migrator.fetch(OPEN, everyone)]
        await migrator.execute(FILL, everyone[:1], accounts[:1], import_id, ROWS)
        await migrator.execute(FILL, everyone[1:], accounts[1:], import_id, FEW_ROWS)
        await migrator.execute(SUSPECT, everyone)
        await migrator.execute("ANALYZE accounts.transactions")
        await migrator.close()

    async def empty() -> None:
        migrator = await asyncpg.connect(servers.migrator_url)
        await migrator.execute("DELETE FROM accounts.transactions WHERE user_id = ANY($1)", everyone)
        await migrator.execute("VACUUM ANALYZE accounts.transactions")
        await migrator.close()

    asyncio.run(fill())
    yield Users(everyone[0], everyone[70], import_id)
    asyncio.run(empty())


@pytest.fixture
async def ledger(servers: LocalSystem, users: Users) -> AsyncIterator[Ledger]:
    service = await asyncpg.connect(servers.service_url("accounts"))
    migrator = await asyncpg.connect(servers.migrator_url)
    yield Ledger(users, service, migrator)
    await service.close()
    await migrator.close()


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in nodes(child))]


def kinds(plan: dict[str, Any]) -> set[str]:
    return {node["Node Type"] for node in nodes(plan)}


def indexes(plan: dict[str, Any]) -> set[str]:
    return {node["Index Name"] for node in nodes(plan) if "Index Name" in node}


def rows_read(plan: dict[str, Any]) -> int:
    """Rows that the scans of the plan looked at, those that a filter threw away included."""
    return sum(node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in nodes(plan) if "Relation Name" in node)


@pytest.mark.requirement("DB-18", "DB-29", "DB-65", "PERF-17")
@pytest.mark.parametrize("depth", [0, DAYS // 2, DAYS - 5])
async def test_keyset_page_reads_a_page_at_any_depth(ledger: Ledger, depth: int) -> None:
    after = TransactionPosition(FIRST_DAY + timedelta(days=DAYS - depth), uuid7()) if depth else None
    plan = await ledger.page(after=after)
    assert indexes(plan) == {"idx_transactions_pagination"}
    assert "Sort" not in kinds(plan)
    assert rows_read(plan) <= PAGE + 1
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= 2 * PAGE
    scan = next(node for node in nodes(plan) if node.get("Index Name"))
    assert "user_id" in scan["Index Cond"]
    if after:
        assert "ROW(transaction_date, id) <" in scan["Index Cond"]


@pytest.mark.requirement("ACC-04", "CAT-21", "DB-11", "DB-16", "DB-20", "DB-22", "DB-65")
@pytest.mark.parametrize(
    ("filters", "index", "at_most"),
    [
        ({"category": "income_salary"}, "idx_transactions_category_date", PAGE + 1),
        ({"merchant": "MERCHANT 17"}, "idx_transactions_user_merchant", PAGE + 1),
        ({"status": TransactionStatus.PENDING}, "idx_transactions_pending", PAGE + 1),
        ({"suspected_duplicate": True}, "idx_transactions_suspected", ROWS // 1000 + 1),
        ({"suspected_duplicate": False}, "idx_transactions_pagination", PAGE + 2),
        ({"date_from": date(2024, 1, 1), "date_to": date(2024, 1, 31)}, "idx_transactions_pagination", PAGE + 1),
        ({"category": "housing", "date_to": date(2024, 1, 31)}, None, 5 * PAGE),
        ({"category": "uncategorized"}, "idx_transactions_pagination", 5 * PAGE),
        ({"filter": "category = income_salary"}, "idx_transactions_category_date", PAGE + 1),
        ({"filter": "merchant = 'MERCHANT 17' amount < 400"}, "idx_transactions_user_merchant", PAGE + 1),
        ({"filter": "status = pending"}, "idx_transactions_pending", PAGE + 1),
        ({"filter": "suspected = true"}, "idx_transactions_suspected", ROWS // 1000 + 1),
        ({"filter": "date:2024-01"}, "idx_transactions_pagination", PAGE + 1),
        ({"filter": "date >= 2024-01-01 AND date < 2024-02-01 OR date:2025"}, None, 10 * PAGE),
        ({"filter": "NOT (category = housing OR amount > 0)"}, "idx_transactions_pagination", 10 * PAGE),
        ({"filter": 'raw:{"even": true} NOT merchant:nobody'}, None, 5 * PAGE),
        ({"query": "payments"}, None, 5 * PAGE),
    ],
)
async def test_each_filter_reads_about_a_page(ledger: Ledger, filters: dict[str, Any], index: str | None, at_most: int) -> None:
    plan = await ledger.page(**filters)
    if index:
        assert index in indexes(plan)
    assert rows_read(plan) <= at_most


@pytest.mark.parametrize(
    "filters",
    [
        {"amount_min": Decimal("496.2"), "amount_max": Decimal("496.3")},
        {"query": "nowhere"},
        {"query": "payment"},
        {"account_id": uuid7()},
        {"filter": "amount:496.25 type = debit"},
        {"filter": "currency = JPY"},
        {"filter": "category IN (housing, income_salary) note:nothing"},
        {"filter": "merchant:nobody OR description:nothing OR payment_method = card"},
        {"filter": 'raw:{"n": 77}'},
        {"filter": f"import = {uuid7()} OR account = {uuid7()}"},
        {"filter": "NOT card NOT (nothing OR nobody)"},
        {"filter": "nowhere", "query": "payments", "category": "housing"},
    ],
)
async def test_rare_rows_are_found_among_the_users_own(ledger: Ledger, filters: dict[str, Any]) -> None:
    """Comparisons that are not leakproof do not reach an index under the policies: the user's rows are read, and nobody else's."""
    ledger.user_id = ledger.users.small
    plan = await ledger.page(**filters)
    assert "Seq Scan" not in kinds(plan)
    assert rows_read(plan) <= FEW_ROWS
    assert all("user_id" in node["Index Cond"] for node in nodes(plan) if "Index Name" in node)


@pytest.mark.requirement("ACC-14")
async def test_words_of_a_user_are_looked_for_among_the_users_own(ledger: Ledger) -> None:
    ledger.user_id = ledger.users.small
    plan = await ledger.explain(SELECT_WORDS, ledger.user_id, 4, 9, ".,")
    assert "Seq Scan" not in kinds(plan)
    assert rows_read(plan) <= FEW_ROWS
    assert all("user_id" in node["Index Cond"] for node in nodes(plan) if "Index Name" in node)


async def test_a_primary_category_stands_for_all_below_it(ledger: Ledger) -> None:
    plan = await ledger.page(category="income")
    assert indexes(plan) <= {"idx_transactions_category", "idx_transactions_category_date"}
    # One in five hundred.
    assert rows_read(plan) <= ROWS // 500 + 1


async def test_thousands_of_equal_amounts_do_not_multiply_when_transfers_are_looked_for(ledger: Ledger) -> None:
    """5,000 payments of one amount meet 5,000 in another account, all new, within five days: 25 million pairs, of which none is made."""
    each, first = 5_000, FIRST_DAY + timedelta(30)
    transaction = ledger.service.transaction()
    await transaction.start()
    await ledger.service.execute("SELECT set_config('app.user_id', $1, true)", str(ledger.user_id))
    for name, amount in (("Giro", Decimal("-77.77")), ("Savings", Decimal("77.77"))):
        account = await ledger.service.fetchval(
            """INSERT INTO accounts.accounts (user_id, id, name, account_type, currency)
               VALUES ($1, gen_random_uuid(), $2, 'checking', 'EUR') RETURNING id""",
            ledger.user_id,
            name,
        )
        await ledger.service.execute(HOT, ledger.user_id, account, first, amount, each, name)
    await ledger.service.execute(JOIN_BY_HASH)
    statement = f"EXPLAIN (ANALYZE, FORMAT JSON) {SELECT_NEAR}"
    plan = json.loads(await ledger.service.fetchval(statement, ledger.user_id, first, first + timedelta(4)))[0]["Plan"]
    await transaction.rollback()
    assert plan["Actual Rows"] == 2 * each
    # Three weeks of old rows, and the new ones: never more than that anywhere.
    assert max(node["Actual Rows"] * node["Actual Loops"] for node in nodes(plan)) <= 2 * each + 21 * ROWS // DAYS
    assert "Seq Scan" not in kinds(plan)
    scans = [node for node in nodes(plan) if "Index Cond" in node]
    assert scans
    assert all("user_id" in node["Index Cond"] and "transaction_date" in node["Index Cond"] for node in scans)


async def test_lines_of_an_import_come_from_their_index(ledger: Ledger) -> None:
    plan = await ledger.explain(
        """SELECT import_line, id FROM accounts.transactions
            WHERE user_id = $1 AND import_id = $2 AND import_line > $3 ORDER BY import_line LIMIT 50""",
        ledger.user_id,
        ledger.users.import_id,
        50_000,
    )
    assert indexes(plan) == {"idx_transactions_import"}
    assert rows_read(plan) <= 50


@pytest.mark.requirement("ACC-14", "DB-17", "DB-25", "DB-26", "ING-17")
@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("raw_data @> '{\"n\": 77}'", "idx_transactions_raw_data"),
        ("to_tsvector('english', description) @@ to_tsquery('english', '777')", "idx_transactions_description_fts"),
    ],
)
async def test_gin_indexes_serve_who_is_above_the_policies(ledger: Ledger, condition: str, index: str) -> None:
    plan = await ledger.migrator.fetchval(f"EXPLAIN (FORMAT JSON) SELECT id FROM accounts.transactions WHERE {condition}")
    assert index in indexes(json.loads(plan)[0]["Plan"])


@pytest.mark.requirement("DB-19", "DB-21")
async def test_amount_index_serves_who_is_above_the_policies(ledger: Ledger) -> None:
    plan = await ledger.migrator.fetchval(
        "EXPLAIN (FORMAT JSON) SELECT id FROM accounts.transactions WHERE user_id = $1 AND amount > 496.2",
        ledger.user_id,
    )
    assert "idx_transactions_user_amount" in indexes(json.loads(plan)[0]["Plan"])


ADD_SAVED_FILTERS = """
    INSERT INTO accounts.saved_filters (user_id, id, name, filter, request_id, request_hash)
    SELECT user_id, gen_random_uuid(), 'Filter ' || n, 'rent', n::text, '' FROM unnest($1::uuid[]) AS user_id, generate_series(1, 200) AS n
"""


async def test_pages_of_saved_filters_are_read_by_name(ledger: Ledger) -> None:
    users = [*ledger.users[:2], *(uuid7() for _ in range(20))]
    await ledger.migrator.execute(ADD_SAVED_FILTERS, users)
    await ledger.migrator.execute("ANALYZE accounts.saved_filters")
    plan = await ledger.explain(SELECT_SAVED_FILTERS, ledger.user_id, "Filter 17", PAGE)
    await ledger.migrator.execute("DELETE FROM accounts.saved_filters WHERE user_id = ANY ($1)", users)
    assert (plan["Actual Rows"], indexes(plan)) == (PAGE, {"idx_saved_filters_name"})
    assert "Sort" not in kinds(plan)
    assert rows_read(plan) <= PAGE
    scan = next(node for node in nodes(plan) if "Index Name" in node)
    assert "user_id" in scan["Index Cond"]
    assert "name_key" in scan["Index Cond"]


# Deep pages


@pytest.mark.requirement("DB-29")
async def test_page_1000_costs_as_much_as_page_1_while_rows_come_in(servers: LocalSystem, ledger: Ledger) -> None:
    """Without a gap or a repeat, and with an expression that narrows."""
    database = Database(servers.service_url("accounts"), DatabaseSettings(DB_POOL_SIZE=2))
    await database.open()
    repository = PostgresAccountsRepository(database, bulk_statement_timeout_s=30, lock_timeout_s=1)
    before = {record["id"] for record in await ledger.migrator.fetch(_IDS, ledger.user_id)}
    wanted = TransactionFilters(filter="type = debit OR amount > 0")
    pages = partial(repository.list_transactions, ledger.user_id, wanted, matching=matching(wanted))
    walked: list[Transaction] = []
    async with coming_in(ledger):
        while page := await pages(after=_position(walked), limit=1000):
            walked += page
        first, deep = None, _position(walked[: 999 * (PAGE - 1)])
        ratios = [await _ratio(lambda: pages(after=first, limit=PAGE), lambda: pages(after=deep, limit=PAGE)) for _ in range(3)]
    await database.close()
    seen = [one.id for one in walked]
    assert len(seen) == len(set(seen))
    assert before <= set(seen)
    assert walked == sorted(walked, key=lambda one: (one.transaction_date, one.id), reverse=True)
    # What the machine does beside is in all of them.
    assert min(ratios) < 1.5
    plans = [await ledger.page(after=after, filter=wanted.filter) for after in (first, deep)]
    assert [rows_read(plan) for plan in plans] == [PAGE, PAGE]
    assert all("Sort" not in " ".join(kinds(plan)) for plan in plans)
    await ledger.migrator.execute("DELETE FROM accounts.transactions WHERE user_id = $1 AND id <> ALL ($2)", ledger.user_id, list(before))


_IDS = "SELECT id FROM accounts.transactions WHERE user_id = $1"


def _position(walked: list[Transaction]) -> TransactionPosition | None:
    return TransactionPosition(walked[-1].transaction_date, walked[-1].id) if walked else None


async def _ratio(one: Callable[[], Awaitable[object]], other: Callable[[], Awaitable[object]]) -> float:
    """How much longer the other takes, as medians, by turns."""
    taken: tuple[list[float], list[float]] = [], []
    for _ in range(25):
        for times, call in zip(taken, (one, other), strict=True):
            started = time.perf_counter()
            await call()
            times.append(time.perf_counter() - started)
    return median(taken[1]) / median(taken[0])


@asynccontextmanager
async def coming_in(ledger: Ledger) -> AsyncIterator[None]:
    """Meanwhile rows are committed on all days."""
    account = await ledger.migrator.fetchval("SELECT account_id FROM accounts.transactions WHERE user_id = $1 LIMIT 1", ledger.user_id)

    async def insert() -> None:
        for batch in count():
            day = FIRST_DAY + timedelta(batch * 37 % DAYS)
            await ledger.migrator.execute(HOT, ledger.user_id, account, day, Decimal("-1.5"), 5, f"late {batch} ")
            await asyncio.sleep(0.01)

    inserting = asyncio.create_task(insert())
    yield
    assert not inserting.done()
    inserting.cancel()
    await asyncio.wait([inserting])
    late = await ledger.migrator.fetchval(
        "SELECT count(*) FROM accounts.transactions WHERE user_id = $1 AND fingerprint LIKE 'late %'", ledger.user_id
    )
    assert late > 100


# Balances and budgets

ADD_BUDGETS = """
    INSERT INTO accounts.budgets (user_id, id, category, amount, currency, period_start, period_end, roll_over, request_id, request_hash)
    SELECT $1, gen_random_uuid(), category, 400, 'EUR', start::date, (start + '1 month - 1 day'::interval)::date, true, category || start,
           ''
      FROM unnest('{income,housing,dining}'::text[]) AS category,
           generate_series($2::date::timestamp, $2::date + '32 months'::interval, '1 month') AS start
"""
BUDGETS = 99


@pytest.fixture
async def budgets(ledger: Ledger) -> AsyncIterator[UUID]:
    """99 budgets of the large user, one of which is the answer: of housing, after a chain of 32 others."""
    users = list(ledger.users[:2])
    for user_id in users:
        await ledger.migrator.execute(ADD_BUDGETS, user_id, FIRST_DAY)
    await ledger.migrator.execute("REFRESH MATERIALIZED VIEW accounts.budget_utilization")
    await ledger.migrator.execute("ANALYZE accounts.budgets, accounts.budget_utilization")
    newest = "SELECT id FROM accounts.budgets WHERE user_id = $1 AND category = 'housing' ORDER BY period_start DESC LIMIT 1"
    yield await ledger.migrator.fetchval(newest, ledger.user_id)
    await ledger.migrator.execute("DELETE FROM accounts.budgets WHERE user_id = ANY ($1)", users)
    await ledger.migrator.execute("REFRESH MATERIALIZED VIEW accounts.budget_utilization")


def rows_looked_at(scans: list[dict[str, Any]]) -> float:
    """The same for scans that ran several times: a node tells of each of its loops."""
    return sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in scans)


@pytest.mark.parametrize(("on_date", "rows"), [(None, FEW_ROWS), (FIRST_DAY, FEW_ROWS // DAYS)])
async def test_balances_read_the_users_rows_once(ledger: Ledger, on_date: date | None, rows: int) -> None:
    ledger.user_id = ledger.users.small
    arguments = page_arguments(ledger.user_id, BalanceFilters(on_date=on_date), after=None, limit=PAGE)
    plan = await ledger.explain(SELECT_BALANCES, *arguments)
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "transactions"]
    assert scans
    assert all("user_id" in node["Index Cond"] for node in scans)
    assert rows_looked_at(scans) <= rows


@pytest.mark.requirement("DB-23")
@pytest.mark.parametrize(
    ("statement", "arguments", "index"),
    [
        (SELECT_BUDGETS, (False, None, None), "idx_budgets_pagination"),
        (SELECT_BUDGETS, (True, "housing", FIRST_DAY), "idx_budgets_pagination"),
        (SELECT_KEPT_PAGE, (None,), "idx_budget_utilization_unique"),
    ],
)
@pytest.mark.parametrize("after", [None, date(2024, 1, 1)])
async def test_pages_of_budgets_are_read_in_order(
    ledger: Ledger, budgets: UUID, statement: str, arguments: tuple[object, ...], index: str, after: date | None
) -> None:
    position = (after, budgets) if after else (None, None)
    plan = await ledger.explain(statement, ledger.user_id, *arguments, *position, PAGE)
    assert indexes(plan) == {index}
    assert "Sort" not in kinds(plan)
    assert rows_read(plan) <= (BUDGETS if "housing" in arguments else PAGE + 1)
    scan = next(node for node in nodes(plan) if "Index Name" in node)
    assert "user_id" in scan["Index Cond"]
    assert "ROW(period_start" in scan["Index Cond"]


async def test_the_use_of_a_budget_reads_the_rows_of_its_chain(ledger: Ledger, budgets: UUID) -> None:
    plan = await ledger.explain(SELECT_ONE_NOW, ledger.user_id, "housing", "EUR", budgets)
    assert plan["Actual Rows"] == 1
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "transactions"]
    assert {node["Index Name"] for node in scans} == {"idx_transactions_category_date"}
    assert all(name in node["Index Cond"] for node in scans for name in ("user_id", "category", "transaction_date"))
    # A third of the rows are of housing, and no other category is looked at.
    assert rows_looked_at(scans) <= 1.1 * ROWS / 3
    own = [node for node in nodes(plan) if node.get("Relation Name") == "budgets"]
    assert all(node["Index Name"] == "idx_budgets_active" and "category" in node["Index Cond"] for node in own)


async def test_the_use_of_all_budgets_made_now_reads_their_categories_alone(ledger: Ledger, budgets: UUID) -> None:
    plan = await ledger.explain(SELECT_PAGE_NOW, ledger.user_id, None, None, None, PAGE)
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "transactions"]
    assert {node["Index Name"] for node in scans} == {"idx_transactions_category_date"}
    assert rows_looked_at(scans) <= 1.1 * (ROWS / 3 + ROWS / 500)


# Figures

KEPT_FIGURES = ("user_category_stats", "monthly_spending_summary")
# Users who have a payment in each of twenty categories.
OTHERS = """
    WITH opened AS (
        INSERT INTO accounts.accounts (user_id, id, name, account_type, currency)
        SELECT user_id, gen_random_uuid(), 'Everyday', 'checking', 'EUR' FROM unnest($1::uuid[]) AS user_id RETURNING user_id, id)
    INSERT INTO accounts.transactions (user_id, id, account_id, transaction_date, amount, currency, description, category, category_source,
                                       fingerprint)
    SELECT user_id, gen_random_uuid(), opened.id, '2024-01-01', -1, 'EUR', '', slug, 'file', slug
      FROM opened, (SELECT slug FROM accounts.categories ORDER BY slug LIMIT 20) AS used
"""


@pytest.fixture
async def figures(ledger: Ledger) -> AsyncIterator[None]:
    """Those of the large user, a hundred rows among thousands."""
    others = [uuid7() for _ in range(200)]
    await ledger.migrator.execute(OTHERS, others)
    for kept in KEPT_FIGURES:
        await ledger.migrator.execute(f"REFRESH MATERIALIZED VIEW accounts.{kept}")
        await ledger.migrator.execute(f"ANALYZE accounts.{kept}")
    yield
    await ledger.migrator.execute("DELETE FROM accounts.transactions WHERE user_id = ANY ($1)", others)


@pytest.mark.parametrize("after", [None, MonthPosition(date(2024, 1, 1), "housing", "EUR")])
@pytest.mark.parametrize("filters", [{}, {"month_to": date(2025, 1, 1), "currency": "EUR"}])
@pytest.mark.usefixtures("figures")
async def test_pages_of_months_made_ahead_are_read_in_order(ledger: Ledger, after: MonthPosition | None, filters: dict[str, Any]) -> None:
    arguments = months_arguments(ledger.user_id, MonthlySummaryFilters(**filters), None, after=after, limit=PAGE)
    plan = await ledger.explain(MONTHS_KEPT, *arguments)
    assert plan["Actual Rows"] >= 20
    assert indexes(plan) == {"idx_monthly_spending_summary_unique"}
    assert "Sort" not in kinds(plan)
    assert rows_read(plan) <= PAGE + 4
    scan = next(node for node in nodes(plan) if "Index Name" in node)
    assert "user_id" in scan["Index Cond"]
    assert "month" in scan["Index Cond"]


@pytest.mark.parametrize("after", [None, "housing"])
@pytest.mark.usefixtures("figures")
async def test_pages_of_categories_made_ahead_are_read_in_order(ledger: Ledger, after: str | None) -> None:
    plan = await ledger.explain(STATISTICS_KEPT, ledger.user_id, None, after, "EUR", PAGE)
    assert plan["Actual Rows"] == (2 if after else 3)
    assert indexes(plan) == {"idx_user_category_stats"}
    assert rows_read(plan) <= 3  # which the planner may read in order, or sort


@pytest.mark.parametrize("statement", [STATISTICS_NOW, MONTHS_NOW])
async def test_figures_made_now_read_the_users_rows_once(ledger: Ledger, statement: str) -> None:
    ledger.user_id = ledger.users.small
    arguments: tuple[object, ...] = (ledger.user_id, None, None, None, PAGE)
    if statement is MONTHS_NOW:
        arguments = months_arguments(ledger.user_id, MonthlySummaryFilters(), None, after=None, limit=PAGE)
    plan = await ledger.explain(statement, *arguments)
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "transactions"]
    assert scans
    assert all("user_id" in node["Index Cond"] for node in scans)
    assert rows_looked_at(scans) <= FEW_ROWS


@pytest.mark.parametrize(
    ("granularity", "days", "after"),
    [
        (Granularity.MONTH, DAYS, None),
        (Granularity.WEEK, DAYS, None),
        (Granularity.DAY, 31, None),
        # The last page but one reads no row of those before it.
        (Granularity.DAY, DAYS, FIRST_DAY + timedelta(DAYS - 60)),
    ],
)
async def test_cash_flow_reads_the_rows_of_its_days_once(ledger: Ledger, granularity: Granularity, days: int, after: date | None) -> None:
    filters = CashFlowFilters(granularity, FIRST_DAY, FIRST_DAY + timedelta(days - 1))
    position = CashFlowPosition(after, "EUR") if after else None
    statement, arguments = cash_flow_statement(ledger.user_id, filters, after=position, limit=PAGE)
    plan = await ledger.explain(statement, *arguments, first=NOT_IN_PARALLEL)
    assert "Seq Scan" not in kinds(plan)
    assert rows_read(plan) <= ROWS * (60 if after else days) // DAYS
    assert all("user_id" in node["Index Cond"] for node in nodes(plan) if "Index Name" in node)


async def test_recurring_payments_are_looked_for_in_the_users_rows_of_two_years(ledger: Ledger) -> None:
    latest = await ledger.explain(SELECT_FIRST_DAY, ledger.user_id, WINDOW_MONTHS)
    assert rows_read(latest) <= 2
    plan = await ledger.explain(SELECT_ROWS, ledger.user_id, FIRST_DAY + timedelta(DAYS - 761), first=NOT_IN_PARALLEL)
    assert "Seq Scan" not in kinds(plan)
    assert rows_read(plan) <= ROWS * 762 // DAYS
    assert all("user_id" in node["Index Cond"] for node in nodes(plan) + nodes(latest) if "Index Name" in node)


def literally(statement: str, arguments: tuple[object, ...]) -> str:
    """As COPY is asked: with the arguments in the text, by which the planner goes."""
    texts = ["NULL" if one is None else f"ARRAY{one!r}" if isinstance(one, list) else f"'{one}'" for one in arguments]
    return re.sub(r"\$(\d+)", lambda found: texts[int(found[1]) - 1], statement)


MONTH = {"date_from": FIRST_DAY, "date_to": FIRST_DAY + timedelta(30)}


@pytest.mark.parametrize("include_transfers", [False, True])
@pytest.mark.parametrize(
    ("filters", "categories", "rows"),
    [
        ({}, None, FEW_ROWS),
        ({"category": "income"}, ["income", "income_salary"], FEW_ROWS // 500 + 1),
        ({"category": "uncategorized"}, None, FEW_ROWS),
        ({"currency": "EUR", **MONTH}, None, 31 * FEW_ROWS // DAYS),
    ],
)
async def test_daily_sums_read_the_users_rows_once(
    ledger: Ledger, filters: dict[str, Any], categories: list[str] | None, rows: int, include_transfers: bool
) -> None:
    ledger.user_id = ledger.users.small
    wanted = DailySumsFilters(include_transfers=include_transfers, **filters)
    plan = await ledger.explain(literally(SELECT_DAILY_SUMS, daily_sums_arguments(ledger.user_id, wanted, categories)))
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "transactions"]
    assert scans
    assert all("user_id" in node["Index Cond"] for node in nodes(plan) if "Index Name" in node)
    assert "Seq Scan" not in {node["Node Type"] for node in scans}
    assert rows_looked_at(scans) <= rows


@pytest.mark.parametrize("include_transfers", [False, True])
@pytest.mark.parametrize("days", [31, DAYS])
async def test_transactions_are_streamed_in_the_order_of_the_index(ledger: Ledger, days: int, include_transfers: bool) -> None:
    """The large user's, too: nothing is sorted, so that nothing has to wait for the last row or goes to the disk."""
    filters = HistoryFilters(FIRST_DAY, FIRST_DAY + timedelta(days - 1), include_transfers=include_transfers)
    for user_id, rows in ((ledger.users.small, FEW_ROWS), (ledger.users.large, ROWS)):
        ledger.user_id = user_id
        plan = await ledger.explain(literally(SELECT_TRANSACTIONS, transactions_arguments(user_id, filters)))
        scans = [node for node in nodes(plan) if node.get("Relation Name") == "transactions"]
        assert all("user_id" in node["Index Cond"] for node in nodes(plan) if "Index Name" in node)
        assert rows_looked_at(scans) <= rows * days // DAYS
        assert include_transfers or all("hashed SubPlan" in node["Filter"] for node in scans)
        if user_id == ledger.users.large:
            assert [node["Index Name"] for node in scans] == ["idx_transactions_pagination"]
            assert "Sort" not in kinds(plan)


# Of every user, so that only a user-led index finds one's own among them.
FILL_EDITS = """
    INSERT INTO accounts.edits (user_id, id, filter, changed_count, rule_id, expires_at)
    SELECT user_id, gen_random_uuid(), 'x', 1, CASE WHEN n % 10 = 0 THEN $2::uuid END, now() + interval '1 day'
      FROM unnest($1::uuid[]) AS user_id, generate_series(1, 300) AS n
"""
FILL_RULES = """
    INSERT INTO accounts.rules (user_id, id, name, filter, note, position, request_id, request_hash)
    SELECT user_id, gen_random_uuid(), 'x', 'x', 'x', n, n::text, '' FROM unnest($1::uuid[]) AS user_id, generate_series(1, 100) AS n
"""
FILL_EDIT_ROWS = """
    INSERT INTO accounts.edit_rows (user_id, edit_id, transaction_id, fields, note_before, note_after)
    SELECT t.user_id, edits.id, t.id, '{note}', '', 'x'
      FROM accounts.edits JOIN accounts.transactions AS t USING (user_id)
     WHERE edits.user_id = ANY ($1) AND rule_id IS NOT NULL AND import_line <= 200
"""


@pytest.fixture
async def edited(ledger: Ledger) -> AsyncIterator[tuple[UUID, UUID]]:
    """300 edits, 30 of them by one rule and with 200 rows each, and 100 rules of each of 40 users; a rule's id and an edit's of the large
    one."""
    everyone = [ledger.user_id, *(uuid7() for _ in range(39))]
    rule_id = uuid7()
    await ledger.migrator.execute(FILL_EDITS, everyone, rule_id)
    await ledger.migrator.execute(FILL_RULES, everyone)
    await ledger.migrator.execute(FILL_EDIT_ROWS, everyone)
    await ledger.migrator.execute("ANALYZE accounts.edits, accounts.rules, accounts.edit_rows")
    yield (
        rule_id,
        await ledger.migrator.fetchval("SELECT max(edit_id::text)::uuid FROM accounts.edit_rows WHERE user_id = $1", ledger.user_id),
    )
    for table in ("edits", "rules", "edit_rows"):
        await ledger.migrator.execute(f"DELETE FROM accounts.{table} WHERE user_id = ANY ($1)", everyone)


async def test_edits_and_rules_are_read_by_user(ledger: Ledger, edited: tuple[UUID, UUID]) -> None:
    rule_id, edit_id = edited
    plan = await ledger.explain(SELECT_EDITS, ledger.user_id, UUID(int=2**128 - 1), PAGE)
    assert indexes(plan) == {"edits_pkey"}
    assert "Sort" not in kinds(plan)
    assert rows_read(plan) <= PAGE
    plan = await ledger.explain(SELECT_EDITS_OF_RULE, ledger.user_id, rule_id)
    assert indexes(plan) == {"idx_edits_rule"}
    assert rows_read(plan) == 30
    plan = await ledger.explain(SELECT_RULES, ledger.user_id, 1, UUID(int=0), PAGE)
    assert "idx_rules_position" in indexes(plan)
    assert all("user_id" in node["Index Cond"] for node in nodes(plan) if node.get("Index Name") == "idx_rules_position")
    # Whatever the planner takes the rows of an edit for, they are gone through once.
    for statement in (CHANGE, RESTORE):
        plan = await ledger.explain(statement, ledger.user_id, edit_id, "rule", "rule", analyze=False, first=JOIN_BY_HASH)
        assert "Nested Loop" not in kinds(plan["Plans"][0])
        assert "edit_rows_pkey" in indexes(plan)


async def test_categories_are_set_by_id(ledger: Ledger, edited: tuple[UUID, UUID]) -> None:
    ids = [record["id"] for record in await ledger.migrator.fetch(SOME_IDS, ledger.user_id)]
    answers = [WorkedOutCategory(one, "housing", 0.5, CategorySource.MODEL) for one in ids]
    plan = await ledger.explain(SET_WORKED_OUT, ledger.user_id, *worked_out_arguments(answers), analyze=False, first=JOIN_BY_HASH)
    assert "Seq Scan" not in kinds(plan)
    assert "transactions_pkey" in indexes(plan)
    plan = await ledger.explain(SET_BY_USER, ledger.user_id, ids[0], "housing", analyze=False)
    assert indexes(plan) == {"transactions_pkey"}
    # Among 300 edits, and 6,000 rows of them.
    plan = await ledger.explain(HOLD_CATEGORY, ledger.user_id, ids[0])
    assert "Seq Scan" not in kinds(plan)
    assert rows_read(plan) <= 600


@pytest.mark.parametrize("text", ["category = income_salary", "merchant = 'merchant 17'", "date:2024-01 AND amount < -100"])
async def test_an_edit_counts_by_the_index_of_its_filter(ledger: Ledger, text: str) -> None:
    arguments = Arguments(ledger.user_id)
    condition = await filter_condition(ledger.service, ledger.user_id, parse(text), arguments.add, table="t")
    changes = RowChanges(CategorySource.RULE, category="housing", note="x")
    plan = await ledger.explain(counting_statement(changes, Target(condition, arguments)), *arguments.values)
    assert "Seq Scan" not in kinds(plan)
    scans = [node for node in nodes(plan) if "Index Cond" in node]
    assert scans
    assert all("user_id" in node["Index Cond"] for node in scans)
    assert rows_read(plan) <= ROWS // 25
