"""Cash flow: each period's sums against the same sums made row by row, pages, and who sees what."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from services.accounts.analytics.domain import CashFlow, CashFlowFilters, Granularity
from services.accounts.analytics.repository import PostgresAnalyticsRepository
from services.accounts.analytics.service import AnalyticsService
from services.accounts.domain import NewAccount, TransferState
from services.accounts.repository import PostgresAccountsRepository
from services.kit.errors import InvalidArgument
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from tests.support.ledger_rows import batches, fingerprints, row


@pytest.fixture
def analytics(database: Database) -> AnalyticsService:
    return AnalyticsService(PostgresAnalyticsRepository(database), PageTokens(b"a page token key for tests only!"))


async def add(ledger: PostgresAccountsRepository, user_id: UUID, name: str, values: Iterable[dict[str, Any]]) -> UUID:
    """One import of these rows into the account of that name."""
    account, _ = await ledger.ensure_account(user_id, NewAccount(name, "EUR"), "EUR")
    rows = [row(account.id, line, **value) for line, value in enumerate(values, start=1)]
    await ledger.append_transactions(user_id, uuid7(), batches(rows), fingerprints)
    return account.id


async def everything(analytics: AnalyticsService, user_id: UUID, *, size: int = 1000, **filters: Any) -> list[CashFlow]:
    found: list[CashFlow] = []
    token = ""
    while True:
        page, token = await analytics.list_cash_flow(user_id, CashFlowFilters(**filters), requested_size=size, token=token)
        found += page
        if not token:
            return found
        assert len(page) == size
        assert len(set(found)) == len(found)


def start_of(day: date, granularity: Granularity) -> date:
    match granularity:
        case Granularity.WEEK:
            return day - timedelta(days=day.weekday())
        case Granularity.MONTH:
            return day.replace(day=1)
    return day


def expected(rows: Iterable[dict[str, Any]], granularity: Granularity) -> dict[tuple[date, str], tuple[Decimal, Decimal, int]]:
    added: dict[tuple[date, str], list[Any]] = defaultdict(lambda: [Decimal(0), Decimal(0), 0])
    for one in rows:
        if one.get("status", "posted") == "posted":
            entry = added[start_of(one["transaction_date"], granularity), one["currency"]]
            entry[one["amount"] < 0] += abs(one["amount"])
            entry[2] += 1
    return {key: (received, spent, count) for key, (received, spent, count) in added.items()}


def sums(found: list[CashFlow]) -> dict[tuple[date, str], tuple[Decimal, Decimal, int]]:
    return {(one.period_start, one.currency): (one.received, one.spent, one.transaction_count) for one in found}


def some_rows(seed: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    return [
        {
            "transaction_date": date(2023, 12, 20) + timedelta(days=chance.randrange(120)),
            "amount": Decimal(chance.randrange(-10_000_000, 10_000_000) or 1) / 10_000,
            "currency": chance.choice(["EUR", "EUR", "JPY", "USD"]),
            "status": chance.choice(["posted"] * 6 + ["pending", "void"]),
        }
        for _ in range(300)
    ]


async def test_periods_are_what_adding_up_row_by_row_gives(
    analytics: AnalyticsService, postgres: PostgresAccountsRepository, user_id: UUID
) -> None:
    rows = some_rows(7)
    await add(postgres, user_id, "Giro", rows)
    for granularity in Granularity:
        found = await everything(analytics, user_id, granularity=granularity)
        assert sums(found) == expected(rows, granularity)
        assert [(one.period_start, one.currency) for one in found] == sorted((one.period_start, one.currency) for one in found)
        assert found == await everything(analytics, user_id, granularity=granularity, size=7)
        for one in found:
            assert one.net == one.received - one.spent
            assert start_of(one.period_end, granularity) == one.period_start
            assert start_of(one.period_end + timedelta(days=1), granularity) > one.period_start


async def test_filters_narrow(analytics: AnalyticsService, postgres: PostgresAccountsRepository, user_id: UUID) -> None:
    rows, others = some_rows(1), some_rows(2)
    giro = await add(postgres, user_id, "Giro", rows)
    await add(postgres, user_id, "Savings", others)
    first, last = date(2024, 1, 10), date(2024, 2, 2)
    found = await everything(analytics, user_id, date_from=first, date_to=last, account_id=giro, currency="EUR", size=1)
    chosen = [one for one in rows if first <= one["transaction_date"] <= last and one["currency"] == "EUR"]
    assert sums(found) == expected(chosen, Granularity.MONTH)
    assert await everything(analytics, user_id, account_id=uuid7()) == []


async def test_confirmed_transfers_move_nothing(analytics: AnalyticsService, postgres: PostgresAccountsRepository, user_id: UUID) -> None:
    day = date(2026, 3, 2)
    await add(postgres, user_id, "Giro", [{"transaction_date": day, "amount": Decimal(-500)}, {"transaction_date": day}])
    await add(postgres, user_id, "Savings", [{"transaction_date": day, "amount": Decimal(500)}])
    (before,) = await everything(analytics, user_id)
    assert (before.received, before.spent, before.transaction_count) == (Decimal(500), Decimal("512.34"), 3)
    (transfer,) = await postgres.list_transfers(user_id, (TransferState.SUGGESTED,), after=None, limit=10)
    await postgres.confirm_transfer(user_id, transfer.id)
    (after,) = await everything(analytics, user_id)
    assert (after.received, after.spent, after.net, after.transaction_count) == (Decimal(0), Decimal("12.34"), Decimal("-12.34"), 1)


async def test_the_calendars_ends(analytics: AnalyticsService, postgres: PostgresAccountsRepository, user_id: UUID) -> None:
    days = [date.min, date.max]
    await add(postgres, user_id, "Giro", [{"transaction_date": day} for day in days])
    for granularity in Granularity:
        found = await everything(analytics, user_id, granularity=granularity, size=1)
        assert [one.period_start for one in found] == [start_of(day, granularity) for day in days]
        assert found[-1].period_end == date.max


async def test_each_user_sees_the_own_rows_alone(
    analytics: AnalyticsService, postgres: PostgresAccountsRepository, user_id: UUID, other_user_id: UUID
) -> None:
    mine, theirs = some_rows(3), some_rows(4)
    await add(postgres, user_id, "Giro", mine)
    before = await everything(analytics, user_id)
    account = await add(postgres, other_user_id, "Giro", theirs)
    assert await everything(analytics, user_id) == before
    assert await everything(analytics, user_id, account_id=account) == []
    assert await everything(analytics, uuid7()) == []


async def test_bad_requests(analytics: AnalyticsService, postgres: PostgresAccountsRepository, user_id: UUID) -> None:
    await add(postgres, user_id, "Giro", some_rows(5))
    with pytest.raises(InvalidArgument, match="date_from: lies after date_to"):
        await everything(analytics, user_id, date_from=date(2026, 2, 1), date_to=date(2026, 1, 1))
    _, token = await analytics.list_cash_flow(user_id, CashFlowFilters(), requested_size=1, token="")
    with pytest.raises(InvalidArgument, match="page_token"):
        await analytics.list_cash_flow(user_id, CashFlowFilters(Granularity.DAY), requested_size=1, token=token)
    with pytest.raises(InvalidArgument, match="page_token"):
        await analytics.list_cash_flow(uuid7(), CashFlowFilters(), requested_size=1, token=token)
