"""Category statistics and monthly summaries: made ahead and made now, their age, their pages, and what is kept of them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from redis import Redis
from uuid_utils.compat import uuid7

from services.accounts.analytics.domain import CategoryStatistics, CategoryStatisticsFilters, MonthlySummary, MonthlySummaryFilters
from services.accounts.analytics.repository import PostgresAnalyticsRepository
from services.accounts.analytics.service import AnalyticsService
from services.accounts.domain import Category, FirstRequest, TransactionChanges, TransferState
from services.accounts.repository import PostgresAccountsRepository
from services.kit.cache import Cache
from services.kit.errors import InvalidArgument
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from services.kit.redis import pseudonym
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem
from tests.accounts.analytics.test_cash_flow import add, some_rows

KEY = b"of these tests"
SLUGS = (None, "groceries", "groceries_supermarket", "housing_rent", "income_salary")
Refresh = Callable[[], Awaitable[None]]


@pytest.fixture
async def cache(servers: LocalSystem) -> AsyncIterator[Cache]:
    made = Cache(servers.redis_url, name="figures", key=KEY)
    yield made
    await made.close()


@pytest.fixture
async def database(servers: LocalSystem, cache: Cache) -> AsyncIterator[Database]:
    """Tells the cache of every write, as that of the service does."""
    settings = DatabaseSettings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=4)
    opened = Database(servers.service_url("accounts"), settings, after_write=cache.drop)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def analytics(database: Database, cache: Cache) -> AnalyticsService:
    return AnalyticsService(PostgresAnalyticsRepository(database, cache), PageTokens(b"a page token key for tests only!"))


@pytest.fixture
async def refresh(servers: LocalSystem) -> AsyncIterator[Refresh]:
    connection = await asyncpg.connect(servers.service_url("accounts"))

    async def make_anew() -> None:
        await connection.fetchval("SELECT accounts.refresh_figures(true)")

    yield make_anew
    await connection.close()


def rows_with_categories(seed: int) -> list[dict[str, Any]]:
    rows = [{**one, "category": SLUGS[number % len(SLUGS)]} for number, one in enumerate(some_rows(seed))]
    # A range without a row, and months far apart.
    return [*rows, {**rows[0], "transaction_date": date(2009, 5, 31), "status": "posted", "amount": Decimal("-0.0001")}]


async def statistics(analytics: AnalyticsService, user_id: UUID, *, size: int = 1000, fresh: bool = False, **filters: Any) -> list[Any]:
    found: list[CategoryStatistics] = []
    token = ""
    while True:
        page, token = await analytics.list_category_statistics(
            user_id, CategoryStatisticsFilters(**filters), fresh=fresh, requested_size=size, token=token
        )
        found += page.statistics
        if not token:
            return found
        assert len(page.statistics) == size


async def months(analytics: AnalyticsService, user_id: UUID, *, size: int = 1000, fresh: bool = False, **filters: Any) -> list[Any]:
    found: list[MonthlySummary] = []
    token = ""
    while True:
        page, token = await analytics.list_monthly_summaries(
            user_id, MonthlySummaryFilters(**filters), fresh=fresh, requested_size=size, token=token
        )
        found += page.summaries
        if not token:
            return found
        assert len(page.summaries) == size


def expected_statistics(rows: list[dict[str, Any]]) -> list[CategoryStatistics]:
    groups: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for one in rows:
        if one.get("status", "posted") == "posted":
            groups[one["category"] or "uncategorized", one["currency"]].append(one)
    return [
        CategoryStatistics(
            primary_category=None if category == "uncategorized" else category.partition("_")[0],
            category=category,
            currency=currency,
            transaction_count=len(group),
            total=sum(one["amount"] for one in group),
            spent=-sum(one["amount"] for one in group if one["amount"] < 0),
            received=sum(one["amount"] for one in group if one["amount"] > 0),
            first_date=min(one["transaction_date"] for one in group),
            last_date=max(one["transaction_date"] for one in group),
        )
        for (category, currency), group in sorted(groups.items())
    ]


def expected_months(rows: list[dict[str, Any]]) -> list[MonthlySummary]:
    groups: dict[tuple[int, str, str], list[Decimal]] = defaultdict(list)
    for one in rows:
        if one.get("status", "posted") == "posted" and one["amount"] < 0:
            # Negative, so that the latest comes first.
            month = -one["transaction_date"].replace(day=1).toordinal()
            groups[month, one["category"] or "uncategorized", one["currency"]].append(-one["amount"])
    return [
        MonthlySummary(
            primary_category=None if category == "uncategorized" else category.partition("_")[0],
            month=date.fromordinal(-month),
            category=category,
            currency=currency,
            transaction_count=len(spent),
            total=sum(spent, Decimal(0)),
            average=(sum(spent, Decimal(0)) / len(spent)).quantize(Decimal("0.0001"), ROUND_HALF_UP),
            minimum=min(spent),
            maximum=max(spent),
        )
        for (month, category, currency), spent in sorted(groups.items())
    ]


@pytest.mark.requirement("ACC-06", "ACC-08")
async def test_figures_are_what_adding_up_row_by_row_gives(
    analytics: AnalyticsService, postgres: PostgresAccountsRepository, refresh: Refresh, user_id: UUID, other_user_id: UUID
) -> None:
    rows, others = rows_with_categories(11), rows_with_categories(12)
    await add(postgres, user_id, "Giro", rows)
    await add(postgres, other_user_id, "Giro", others)
    await refresh()
    for user, own in ((user_id, rows), (other_user_id, others)):
        for fresh in (False, True):
            assert await statistics(analytics, user, fresh=fresh) == expected_statistics(own)
            assert await months(analytics, user, fresh=fresh) == expected_months(own)
    for fresh in (False, True):
        assert await statistics(analytics, user_id, fresh=fresh, size=1) == expected_statistics(rows)
        assert await months(analytics, user_id, fresh=fresh, size=3) == expected_months(rows)
        assert await statistics(analytics, uuid7(), fresh=fresh) == await months(analytics, uuid7(), fresh=fresh) == []


async def test_filters_narrow(analytics: AnalyticsService, postgres: PostgresAccountsRepository, refresh: Refresh, user_id: UUID) -> None:
    rows = rows_with_categories(13)
    await add(postgres, user_id, "Giro", rows)
    mine = Category("mine", "Mine", "groceries", custom=True)
    await postgres.create_category(user_id, mine, FirstRequest("1", b""))
    own = {**rows[0], "category": "mine", "amount": Decimal(-7), "currency": "EUR", "status": "posted", "description": "own"}
    await add(postgres, user_id, "Cash", [own])
    await refresh()
    for fresh in (False, True):
        euros = [one for one in [*rows, own] if one["currency"] == "EUR"]
        found = await statistics(analytics, user_id, fresh=fresh, currency="EUR")
        assert [one.category for one in found] == [one.category for one in expected_statistics(euros)]
        assert {one.primary_category for one in found if one.category == "mine"} == {"groceries"}

        everything = await months(analytics, user_id, fresh=fresh)
        for size in (1000, 2):
            below = await months(analytics, user_id, fresh=fresh, size=size, category="groceries")
            assert below == [one for one in everything if one.primary_category == "groceries"]
            assert {one.category for one in below} == {"groceries", "groceries_supermarket", "mine"}
            some = await months(
                analytics, user_id, fresh=fresh, size=size, month_from=date(2024, 1, 31), month_to=date(2024, 2, 1), currency="USD"
            )
            assert some == [one for one in everything if one.currency == "USD" and one.month in (date(2024, 1, 1), date(2024, 2, 1))]
            assert some
            none = await months(analytics, user_id, fresh=fresh, size=size, category="uncategorized")
            assert none == [one for one in everything if one.category == "uncategorized"]
        assert await months(analytics, user_id, fresh=fresh, category="no_such") == []


async def test_the_calendars_ends(
    analytics: AnalyticsService, postgres: PostgresAccountsRepository, refresh: Refresh, user_id: UUID
) -> None:
    days = [date.max, date.min]
    await add(postgres, user_id, "Giro", [{"transaction_date": day, "category": slug} for day in days for slug in ("housing", None)])
    await refresh()
    for fresh in (False, True):
        found = await months(analytics, user_id, fresh=fresh, size=1)
        assert [(one.month, one.category) for one in found] == [
            (day.replace(day=1), slug) for day in days for slug in ("housing", "uncategorized")
        ]
        (_, uncategorized) = await statistics(analytics, user_id, fresh=fresh)
        assert (uncategorized.first_date, uncategorized.last_date) == (date.min, date.max)


async def test_the_answer_says_how_old_it_is(
    analytics: AnalyticsService, postgres: PostgresAccountsRepository, refresh: Refresh, user_id: UUID, other_user_id: UUID
) -> None:
    async def both(user_id: UUID, *, fresh: bool = False) -> tuple[tuple[datetime | None, bool], ...]:
        one, _ = await analytics.list_category_statistics(user_id, CategoryStatisticsFilters(), fresh=fresh, requested_size=1, token="")
        other, _ = await analytics.list_monthly_summaries(user_id, MonthlySummaryFilters(), fresh=fresh, requested_size=1, token="")
        return (one.made_at, one.outdated), (other.made_at, other.outdated)

    await refresh()
    await add(postgres, user_id, "Giro", some_rows(3))
    before = datetime.now(UTC)
    for made_at, outdated in await both(user_id):
        assert outdated
        assert made_at is not None
        assert made_at < before
    # Nobody else's change makes them older.
    assert not any(outdated for _, outdated in await both(other_user_id))
    for made_at, outdated in await both(user_id, fresh=True):
        assert (made_at or before) >= before - timedelta(seconds=1)
        assert not outdated
    await refresh()
    for made_at, outdated in await both(user_id):
        assert (made_at or before) >= before - timedelta(seconds=1)
        assert not outdated


@pytest.mark.requirement("ING-22")
async def test_figures_follow_what_the_user_does(
    analytics: AnalyticsService, postgres: PostgresAccountsRepository, refresh: Refresh, user_id: UUID
) -> None:
    """Each change makes them outdated, and the next refresh brings it."""
    day = date(2026, 3, 2)
    giro = [{"transaction_date": day, "amount": Decimal(-500)}, {"transaction_date": day, "amount": Decimal(-3), "category": "housing"}]
    await add(postgres, user_id, "Giro", giro)
    await add(postgres, user_id, "Savings", [{"transaction_date": day, "amount": Decimal(500)}])

    async def changed() -> list[tuple[Any, ...]]:
        page, _ = await analytics.list_category_statistics(user_id, CategoryStatisticsFilters(), fresh=False, requested_size=9, token="")
        assert page.outdated
        await refresh()
        kept = await statistics(analytics, user_id)
        assert kept == await statistics(analytics, user_id, fresh=True)
        return [(one.category, one.spent, one.received) for one in kept]

    assert await changed() == [("housing", 3, 0), ("uncategorized", 500, 500)]
    (transfer,) = await postgres.list_transfers(user_id, (TransferState.SUGGESTED,), after=None, limit=10)
    await postgres.confirm_transfer(user_id, transfer.id)
    assert await changed() == [("housing", 3, 0)]
    await postgres.undo_transfer(user_id, transfer.id)
    await postgres.update_transaction(user_id, transfer.outgoing.id, TransactionChanges(category="housing_rent"))
    assert await changed() == [("housing", 3, 0), ("housing_rent", 500, 0), ("uncategorized", 0, 500)]


@pytest.mark.requirement("ACC-12")
async def test_what_is_up_to_date_is_kept_until_the_users_next_change(
    analytics: AnalyticsService, postgres: PostgresAccountsRepository, refresh: Refresh, servers: LocalSystem, user_id: UUID
) -> None:
    def kept() -> set[str]:
        with Redis.from_url(servers.redis_url) as redis:
            place = f"cache:figures:{pseudonym(str(user_id), KEY)}"
            return {field.decode().partition("._read_")[0].rpartition(".")[2] for field in redis.hkeys(place)} - {"generation"}

    rows = rows_with_categories(14)
    await add(postgres, user_id, "Giro", rows)
    await statistics(analytics, user_id)
    assert not kept()  # outdated
    await refresh()
    await statistics(analytics, user_id, fresh=True)
    assert not kept()
    first = await statistics(analytics, user_id), await months(analytics, user_id)
    assert kept() == {"FigureRows"}
    with Redis.from_url(servers.redis_url) as redis:  # statistics for an hour, months for half of one
        places = redis.hgetall(f"cache:figures:{pseudonym(str(user_id), KEY)}")
        ends = {
            round((float(answer.split(b"\n")[0].split()[-1]) - time.time()) / 60)
            for name, answer in places.items()
            if name != b"generation"
        }
    assert ends == {30, 60}

    # Past the service nothing tells the cache: what is kept answers, and is equal to the last figure.
    connection = await asyncpg.connect(servers.migrator_url)
    await connection.execute("UPDATE accounts.transactions SET status = 'void' WHERE user_id = $1", user_id)
    await connection.execute("INSERT INTO accounts.ledger_changes (user_id) VALUES ($1)", user_id)
    await refresh()
    assert (await statistics(analytics, user_id), await months(analytics, user_id)) == first
    assert await statistics(analytics, user_id, fresh=True) == []
    await connection.execute("UPDATE accounts.transactions SET status = 'posted' WHERE user_id = $1", user_id)
    await connection.execute("INSERT INTO accounts.ledger_changes (user_id) VALUES ($1)", user_id)
    await connection.close()

    # Any change through the service does.
    await add(postgres, user_id, "Giro", [{"transaction_date": date(2026, 7, 7)}])
    assert not kept()
    await refresh()
    assert await months(analytics, user_id) != first[1]


async def test_bad_requests(analytics: AnalyticsService, postgres: PostgresAccountsRepository, refresh: Refresh, user_id: UUID) -> None:
    await add(postgres, user_id, "Giro", rows_with_categories(5))
    await refresh()
    with pytest.raises(InvalidArgument, match="month_from: lies after month_to"):
        await months(analytics, user_id, month_from=date(2026, 2, 1), month_to=date(2026, 1, 31))
    assert await months(analytics, user_id, month_from=date(2024, 1, 31), month_to=date(2024, 1, 1))
    _, token = await analytics.list_monthly_summaries(user_id, MonthlySummaryFilters(), fresh=False, requested_size=1, token="")
    for filters, fresh, user in (
        (MonthlySummaryFilters(currency="EUR"), False, user_id),
        (MonthlySummaryFilters(), True, user_id),
        (MonthlySummaryFilters(), False, uuid7()),
    ):
        with pytest.raises(InvalidArgument, match="page_token"):
            await analytics.list_monthly_summaries(user, filters, fresh=fresh, requested_size=1, token=token)
    with pytest.raises(InvalidArgument, match="page_token"):
        await analytics.list_category_statistics(user_id, CategoryStatisticsFilters(), fresh=False, requested_size=1, token=token)
    with pytest.raises(InvalidArgument, match="page_size"):
        await statistics(analytics, user_id, size=-1)
