"""The ledger in columns: sums against the same sums made row by row and by other services, what counts, filters, batches, who sees what."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from uuid_utils.compat import uuid7

from services.accounts.analytics.domain import CashFlowFilters, Granularity
from services.accounts.analytics.repository import PostgresAnalyticsRepository
from services.accounts.balances.domain import BalanceFilters
from services.accounts.balances.repository import PostgresBalancesRepository
from services.accounts.domain import Category, FirstRequest, NewAccount, TransferState
from services.accounts.history.columns import DAILY_SUMS, TRANSACTIONS
from services.accounts.history.domain import DailySumsFilters, HistoryFilters
from services.accounts.history.repository import BATCH_TEXT_BYTES, PostgresHistoryRepository
from services.accounts.history.service import HistoryService
from services.accounts.repository import PostgresAccountsRepository
from services.kit.errors import DeadlineExceeded, InvalidArgument, NotFound
from services.kit.postgres import Database
from services.kit.record_batches import read_record_batch, write_record_batch
from tests.conftest import AsRole
from tests.support.ledger_rows import batches, fingerprints, row

MAX_BATCH_BYTES = 3 * 1024 * 1024
CATEGORIES = {"groceries_supermarket": "groceries", "groceries": "groceries", "housing_rent": "housing", "mine": "groceries"}
KEY = ("date", "account_id", "category", "currency")
Rows = list[dict[str, Any]]


@pytest.fixture
def history(database: Database) -> HistoryService:
    return HistoryService(PostgresHistoryRepository(database, statement_timeout_s=30))


async def add(ledger: PostgresAccountsRepository, user_id: UUID, name: str, values: Iterable[dict[str, Any]]) -> UUID:
    """One import of these rows into the account of that name."""
    account, _ = await ledger.ensure_account(user_id, NewAccount(name, "EUR"), "EUR")
    rows = [row(account.id, line, **value) for line, value in enumerate(values, start=1)]
    await ledger.append_transactions(user_id, uuid7(), batches(rows), fingerprints)
    return account.id


async def collect(stream: Callable[..., Awaitable[pa.RecordBatch]], user_id: UUID, filters: HistoryFilters) -> list[pa.RecordBatch]:
    """Every batch, as it comes off the wire."""
    found: list[pa.RecordBatch] = []

    async def take(batch: pa.RecordBatch) -> None:
        found.append(batch)

    last = await stream(user_id, filters, take)
    assert all(batch.num_rows for batch in found)
    return [read_record_batch(write_record_batch(batch), max_bytes=MAX_BATCH_BYTES) for batch in [*found, last]]


def rows_of(found: list[pa.RecordBatch], schema: pa.Schema) -> Rows:
    assert all(batch.schema == schema for batch in found)
    assert all(column.null_count == 0 for batch in found for column in batch.columns)
    return [one for batch in found for one in batch.to_pylist()]


async def daily_sums(history: HistoryService, user_id: UUID, **filters: Any) -> Rows:
    return rows_of(await collect(history.stream_daily_sums, user_id, DailySumsFilters(**filters)), DAILY_SUMS)


async def transactions(history: HistoryService, user_id: UUID, **filters: Any) -> Rows:
    return rows_of(await collect(history.stream_transactions, user_id, HistoryFilters(**filters)), TRANSACTIONS)


def some_rows(seed: int, count: int = 300) -> Rows:
    chance = random.Random(seed)
    return [
        {
            "transaction_date": date(2023, 12, 20) + timedelta(days=chance.randrange(60)),
            "amount": Decimal(chance.randrange(-10_000_000, 10_000_000) or 1) / 10_000,
            "currency": chance.choice(["EUR", "EUR", "JPY", "USD"]),
            "category": chance.choice([None, *CATEGORIES]),
            "status": chance.choice(["posted"] * 6 + ["pending", "void"]),
        }
        for _ in range(count)
    ]


def added_up(values: Iterable[dict[str, Any]], account_id: UUID) -> dict[tuple[Any, ...], tuple[str, Decimal, Decimal, int]]:
    """By key, row by row: primary category, received, spent, count."""
    sums: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [Decimal(0), Decimal(0), 0])
    for one in values:
        if one["status"] == "posted":
            entry = sums[one["transaction_date"], str(account_id), one["category"] or "", one["currency"]]
            entry[one["amount"] < 0] += abs(one["amount"])
            entry[2] += 1
    return {key: (CATEGORIES.get(key[2], ""), *entry) for key, entry in sums.items()}


def by_key(found: Rows) -> dict[tuple[Any, ...], tuple[str, Decimal, Decimal, int]]:
    sums = {
        tuple(one[name] for name in KEY): (one["primary_category"], one["received"], one["spent"], one["transaction_count"])
        for one in found
    }
    assert len(sums) == len(found)
    return sums


@pytest.fixture
async def own_category(postgres: PostgresAccountsRepository, user_id: UUID) -> str:
    """A category of the user's own, below groceries."""
    made = await postgres.create_category(user_id, Category("mine", "Mine", "groceries", custom=True), FirstRequest("one", b""))
    return made.slug


# Daily sums


async def test_daily_sums_are_what_adding_up_row_by_row_gives(
    history: HistoryService, postgres: PostgresAccountsRepository, user_id: UUID, own_category: str
) -> None:
    giro, savings = some_rows(1), some_rows(2)
    expected = added_up(giro, await add(postgres, user_id, "Giro", giro)) | added_up(
        savings, await add(postgres, user_id, "Savings", savings)
    )
    found = await daily_sums(history, user_id)
    assert by_key(found) == expected
    assert [one["date"] for one in found] == sorted(one["date"] for one in found)
    assert own_category in {one["category"] for one in found}


async def test_daily_sums_are_exact(history: HistoryService, postgres: PostgresAccountsRepository, user_id: UUID, as_role: AsRole) -> None:
    """Where no float and no int64 of steps would be."""
    largest = Decimal("922337203685477.5807")
    values = [{"amount": -largest, "occurrence": number, "description": "Much"} for number in (1, 2, 3)]
    await add(postgres, user_id, "Giro", [*values, {"amount": Decimal("0.0001")}])
    (one,) = await daily_sums(history, user_id)
    assert (one["received"], one["spent"], one["transaction_count"]) == (Decimal("0.0001"), 3 * largest, 4)
    async with as_role("accounts", user_id) as connection:
        plain = await connection.fetchval("SELECT sum(amount) FROM accounts.transactions WHERE user_id = $1", user_id)
    assert one["received"] - one["spent"] == plain


async def test_daily_sums_are_those_of_cash_flow_and_of_balances(
    history: HistoryService, database: Database, postgres: PostgresAccountsRepository, user_id: UUID, own_category: str
) -> None:
    assert own_category
    giro, savings = some_rows(3), some_rows(4)
    moved = {"transaction_date": date(2026, 3, 2), "currency": "EUR", "category": None, "status": "posted"}
    await add(postgres, user_id, "Giro", [*giro, {**moved, "amount": Decimal(-500)}])
    await add(postgres, user_id, "Savings", [*savings, {**moved, "amount": Decimal(500)}])
    (transfer,) = await postgres.list_transfers(user_id, (TransferState.SUGGESTED,), after=None, limit=10)
    await postgres.confirm_transfer(user_id, transfer.id)

    flow = await PostgresAnalyticsRepository(database).list_cash_flow(user_id, CashFlowFilters(Granularity.DAY), after=None, limit=1000)
    per_day: dict[tuple[date, str], list[Any]] = defaultdict(lambda: [Decimal(0), Decimal(0), 0])
    for one in await daily_sums(history, user_id):
        for place, name in enumerate(("received", "spent", "transaction_count")):
            per_day[one["date"], one["currency"]][place] += one[name]
    assert {(one.period_start, one.currency): [one.received, one.spent, one.transaction_count] for one in flow} == per_day
    assert date(2026, 3, 2) not in {one.period_start for one in flow}

    held: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for one in await daily_sums(history, user_id, include_transfers=True):
        held[one["account_id"], one["currency"]] += one["received"] - one["spent"]
    balances = await PostgresBalancesRepository(database).list_balances(user_id, BalanceFilters(), after=None, limit=1000)
    assert {(str(one.account_id), one.currency): one.amount for one in balances} == held


async def test_daily_sums_narrowed(history: HistoryService, postgres: PostgresAccountsRepository, user_id: UUID, own_category: str) -> None:
    values = some_rows(5)
    account_id = await add(postgres, user_id, "Giro", values)
    other_id = await add(postgres, user_id, "Savings", some_rows(6))
    expected = added_up(values, account_id)
    first, last = date(2024, 1, 3), date(2024, 1, 20)

    def chosen(keep: Callable[[date, str, str], bool]) -> dict[tuple[Any, ...], Any]:
        return {key: sums for key, sums in expected.items() if keep(key[0], key[2], key[3])}

    async def found(**filters: Any) -> dict[tuple[Any, ...], Any]:
        return by_key(await daily_sums(history, user_id, account_id=account_id, **filters))

    assert await found() == expected
    assert await found(date_from=first, date_to=last) == chosen(lambda day, _, __: first <= day <= last)
    assert await found(date_from=last) == chosen(lambda day, _, __: day >= last)
    assert await found(date_to=first) == chosen(lambda day, _, __: day <= first)
    assert await found(currency="JPY") == chosen(lambda _, __, currency: currency == "JPY")
    # A primary one stands for all below it, the user's own included; a detailed one for itself; and there is none.
    assert await found(category="groceries") == chosen(lambda _, category, __: CATEGORIES.get(category) == "groceries")
    for category in (own_category, "groceries_supermarket"):
        assert await found(category=category) == chosen(lambda _, one, __, category=category: one == category)  # type: ignore[misc]
    assert await found(category="uncategorized") == chosen(lambda _, category, __: category == "")
    assert await found(category="travel") == {}
    both = by_key(await daily_sums(history, user_id))
    assert {key[1] for key in both} == {str(account_id), str(other_id)}


# Transactions


async def test_transactions_come_with_every_column_the_oldest_first(
    history: HistoryService, postgres: PostgresAccountsRepository, user_id: UUID, own_category: str
) -> None:
    texts = ['He said "no",\nand left', "NULL", "  ", "\\N \\.", "Zażółć 🙂\r", "N/A"]
    values: Rows = [
        {"transaction_date": date(2026, 1, 9 - place), "description": text, "merchant": text if place % 2 else None, "status": "posted",
         "amount": Decimal(place - 3 or 7) / 10_000, "category": [None, own_category, "housing_rent"][place % 3]}
        for place, text in enumerate(texts)
    ]  # fmt: skip
    values[0]["status"] = "pending"
    before = datetime.now(UTC) - timedelta(minutes=1)
    account_id = await add(postgres, user_id, "Giro", values)
    found = await transactions(history, user_id)
    ids = {UUID(one.pop("transaction_id")) for one in found}
    assert len(ids) == len(values)
    assert all(before < one.pop("create_time") < before + timedelta(minutes=5) for one in found)
    assert found == [
        {
            "account_id": str(account_id),
            "date": one["transaction_date"],
            "amount": one["amount"],
            "currency": "EUR",
            "description": one["description"],
            "merchant": one["merchant"] or "",
            "category": one["category"] or "",
            "primary_category": CATEGORIES.get(one["category"] or "", ""),
            "status": one["status"],
        }
        for one in reversed(values)
    ]
    assert (await postgres.get_transaction(user_id, ids.pop())).account_id == account_id


async def test_transactions_without_void_ones_and_confirmed_transfers(
    history: HistoryService, postgres: PostgresAccountsRepository, user_id: UUID
) -> None:
    day = date(2026, 3, 2)
    giro = await add(
        postgres,
        user_id,
        "Giro",
        [{"transaction_date": day, "amount": Decimal(-500)}, {"transaction_date": day}, {"transaction_date": day, "status": "void"}],
    )
    savings = await add(postgres, user_id, "Savings", [{"transaction_date": day, "amount": Decimal(500)}])

    async def amounts(**filters: Any) -> list[Decimal]:
        return sorted(one["amount"] for one in await transactions(history, user_id, **filters))

    usual, both = Decimal("-12.34"), [Decimal(-500), Decimal("-12.34"), Decimal(500)]
    assert await amounts() == both  # only suggested
    (transfer,) = await postgres.list_transfers(user_id, (TransferState.SUGGESTED,), after=None, limit=10)
    await postgres.confirm_transfer(user_id, transfer.id)
    assert await amounts() == [usual]
    assert await amounts(include_transfers=True) == both
    assert await amounts(include_transfers=True, account_id=savings) == [Decimal(500)]
    assert await amounts(account_id=savings) == []
    assert await amounts(account_id=giro, date_from=day, date_to=day) == [usual]
    assert await amounts(date_from=day + timedelta(1)) == await amounts(date_to=day - timedelta(1)) == []


# Batches


async def test_an_empty_ledger_is_one_batch_without_rows(history: HistoryService, user_id: UUID) -> None:
    for stream, filters, schema in (
        (history.stream_daily_sums, DailySumsFilters(), DAILY_SUMS),
        (history.stream_transactions, HistoryFilters(), TRANSACTIONS),
    ):
        (batch,) = await collect(stream, user_id, filters)
        assert (batch.num_rows, batch.schema) == (0, schema)


async def test_batches_are_bounded_and_lose_nothing_between_them(
    history: HistoryService, postgres: PostgresAccountsRepository, user_id: UUID
) -> None:
    """Long rows, line breaks in all of them, and short ones, whose columns take most room beside their text."""
    long: Rows = [{"description": f"{number}\n" + "é" * 9_000, "status": "posted"} for number in range(150)]
    short: Rows = [{"description": str(number), "merchant": None, "status": "posted"} for number in range(12_000)]
    await add(postgres, user_id, "Giro", [*long, *short])
    found = await collect(history.stream_transactions, user_id, HistoryFilters())
    assert len(found) >= (150 * 18_000 + 12_000 * 120) // BATCH_TEXT_BYTES
    assert all(len(write_record_batch(batch)) <= 2 * BATCH_TEXT_BYTES for batch in found)
    ids = [one["transaction_id"] for one in rows_of(found, TRANSACTIONS)]
    assert len(set(ids)) == len(ids) == len(long) + len(short)
    assert ids == sorted(ids)  # all of one day
    assert {one["description"] for one in rows_of(found, TRANSACTIONS)} == {one["description"] for one in [*long, *short]}


async def test_many_sums_come_in_several_batches(history: HistoryService, postgres: PostgresAccountsRepository, user_id: UUID) -> None:
    values = [
        {"transaction_date": date(1990, 1, 1) + timedelta(number), "amount": Decimal(-number - 1), "currency": "EUR", "status": "posted",
         "category": None}
        for number in range(20_000)
    ]  # fmt: skip
    account_id = await add(postgres, user_id, "Giro", values)
    found = await collect(history.stream_daily_sums, user_id, DailySumsFilters())
    assert len(found) > 1
    assert all(len(write_record_batch(batch)) <= 2 * BATCH_TEXT_BYTES for batch in found)
    assert by_key(rows_of(found, DAILY_SUMS)) == added_up(values, account_id)


async def test_a_caller_who_leaves_frees_the_connection(
    history: HistoryService, database: Database, postgres: PostgresAccountsRepository, user_id: UUID
) -> None:
    await add(postgres, user_id, "Giro", [{"description": f"{number}" + "x" * 9_000} for number in range(300)])
    for _ in range(7):  # more than there are connections
        reading = asyncio.Event()

        async def never(_: pa.RecordBatch, reading: asyncio.Event = reading) -> None:
            reading.set()
            await asyncio.Event().wait()

        call = asyncio.create_task(history.stream_transactions(user_id, HistoryFilters(), never))
        await asyncio.wait_for(reading.wait(), 20)
        assert database.figures()["checked_out"] == 1
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert database.figures()["checked_out"] == 0
    assert len(await transactions(history, user_id)) == 300


async def test_a_stream_takes_no_longer_than_it_may(database: Database, postgres: PostgresAccountsRepository, user_id: UUID) -> None:
    await add(postgres, user_id, "Giro", some_rows(7, 2000))
    hasty = HistoryService(PostgresHistoryRepository(database, statement_timeout_s=0.001))
    with pytest.raises(DeadlineExceeded) as caught:
        await transactions(hasty, user_id)
    assert caught.value.reason == "DB_STATEMENT_TIMEOUT"


# Who sees what, and what is refused


async def test_each_user_sees_the_own_rows_alone(
    history: HistoryService, postgres: PostgresAccountsRepository, user_id: UUID, other_user_id: UUID, own_category: str
) -> None:
    account_id = await add(postgres, user_id, "Giro", some_rows(8))
    before = await daily_sums(history, user_id), await transactions(history, user_id)
    assert await daily_sums(history, other_user_id) == await transactions(history, other_user_id) == []
    for include_transfers in (False, True):
        with pytest.raises(NotFound, match=str(account_id)):
            await daily_sums(history, other_user_id, account_id=account_id, include_transfers=include_transfers)
        with pytest.raises(NotFound, match=str(account_id)):
            await transactions(history, other_user_id, account_id=account_id, include_transfers=include_transfers)
    with pytest.raises(InvalidArgument, match="'mine' is none of your categories"):
        await daily_sums(history, other_user_id, category=own_category)
    await add(postgres, other_user_id, "Giro", [one for one in some_rows(9) if one["category"] != own_category])
    assert (await daily_sums(history, user_id), await transactions(history, user_id)) == before


async def test_bad_requests(history: HistoryService, user_id: UUID) -> None:
    days = {"date_from": date(2026, 2, 1), "date_to": date(2026, 1, 1)}
    for ask in (daily_sums, transactions):
        with pytest.raises(InvalidArgument, match="date_from: lies after date_to"):
            await ask(history, user_id, **days)
        with pytest.raises(NotFound):
            await ask(history, user_id, account_id=uuid7())
    with pytest.raises(InvalidArgument, match="category: 'no-such' is none of your categories"):
        await daily_sums(history, user_id, category="no-such")


async def test_the_calendars_ends(history: HistoryService, postgres: PostgresAccountsRepository, user_id: UUID) -> None:
    days = [date.min, date.max]
    await add(postgres, user_id, "Giro", [{"transaction_date": day} for day in days])
    assert [one["date"] for one in await transactions(history, user_id)] == days
    assert [one["date"] for one in await daily_sums(history, user_id, date_from=date.min, date_to=date.max)] == days
