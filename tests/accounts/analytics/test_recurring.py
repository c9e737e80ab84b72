"""Recurring payments: what is found in columns, what is not, and the way from the ledger."""

from __future__ import annotations

import asyncio
from calendar import monthrange
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from benchmarks.recurring import measure_made
from services.accounts.analytics.cycles import Days, Months, due_day
from services.accounts.analytics.domain import RecurrencePeriod, RecurrenceStatus, RecurringPayment
from services.accounts.analytics.recurring import ROWS, find_recurring
from services.accounts.analytics.repository import PostgresAnalyticsRepository
from services.accounts.analytics.service import AnalyticsService
from services.accounts.domain import NewAccount, TransferState
from services.accounts.repository import PostgresAccountsRepository
from services.kit.cache import Cache
from services.kit.errors import InvalidArgument
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem
from tests.support.ledger_rows import batches, fingerprints, row

TODAY = date(2026, 2, 10)
GIRO, CARD = str(UUID(int=1)), str(UUID(int=2))
MONTHLY = RecurrencePeriod.MONTHLY


def frame(*groups: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Rows in the ledger's order."""
    rows = sorted((one for group in groups for one in group), key=lambda one: one["transaction_date"])
    return pl.DataFrame([{"id": str(UUID(int=place)), **one} for place, one in enumerate(rows, start=100)], schema=ROWS)


def paid(days: Iterable[date], amount: str | Sequence[str] = "-12.99", text: str = "Netflix", **values: Any) -> list[dict[str, Any]]:
    """One payment on these days."""
    days = list(days)
    amounts = [amount] * len(days) if isinstance(amount, str) else amount
    shared = {"account_id": GIRO, "currency": "EUR", "merchant": None, "description": text, "category": None, **values}
    return [{**shared, "transaction_date": day, "steps": int(Decimal(one) * 10_000)} for day, one in zip(days, amounts, strict=True)]


def monthly(number: int, months: int = 12, until: tuple[int, int] = (2026, 1)) -> list[date]:
    """The day of so many months, the last one in `until`; the last day of shorter ones."""
    last = until[0] * 12 + until[1] - 1
    found = [(month // 12, month % 12 + 1) for month in range(last - months + 1, last + 1)]
    return [date(year, month, min(number, monthrange(year, month)[1])) for year, month in found]


def every(step: int, times: int, last: date = date(2026, 2, 6)) -> list[date]:
    return [last - timedelta(days=step * turn) for turn in reversed(range(times))]


def find(*groups: Iterable[dict[str, Any]], today: date = TODAY) -> list[RecurringPayment]:
    return list(find_recurring(frame(*groups), today=today).payments)


def anchor(day: date = TODAY) -> list[dict[str, Any]]:
    """A row that says that the ledger is known up to this day."""
    return paid([day], "-3.20", "Kiosk")


@pytest.mark.parametrize(
    ("days", "period", "next_date"),
    [
        (every(7, 6), RecurrencePeriod.WEEKLY, date(2026, 2, 13)),
        (every(14, 5), RecurrencePeriod.BIWEEKLY, date(2026, 2, 20)),
        (every(28, 5), RecurrencePeriod.FOUR_WEEKLY, date(2026, 3, 6)),
        (monthly(15), MONTHLY, date(2026, 2, 15)),
        (monthly(31), MONTHLY, date(2026, 2, 28)),
        (monthly(30), MONTHLY, date(2026, 2, 28)),
        (monthly(1, until=(2026, 2)), MONTHLY, date(2026, 3, 1)),
        (monthly(15, 25)[::3], RecurrencePeriod.QUARTERLY, date(2026, 4, 15)),
        (monthly(15, 25)[::6], RecurrencePeriod.HALF_YEARLY, date(2026, 7, 15)),
        (monthly(15, 25)[::12], RecurrencePeriod.YEARLY, date(2027, 1, 15)),
        ([date(2025, 1, 20), date(2026, 1, 19)], RecurrencePeriod.YEARLY, date(2027, 1, 19)),
        # On the 1st, or the next working day.
        ([day + timedelta(days={5: 2, 6: 1}.get(day.weekday(), 0)) for day in monthly(1, until=(2026, 2))], MONTHLY, date(2026, 3, 1)),
        # Salary on the last working day.
        ([day - timedelta(days=max(0, day.weekday() - 4)) for day in monthly(31)], MONTHLY, date(2026, 2, 28)),
        # One did not come.
        ([day for place, day in enumerate(monthly(15)) if place != 5], MONTHLY, date(2026, 2, 15)),
        # It began anew after half a year.
        (monthly(3, 5, (2025, 1)) + monthly(15, 6), MONTHLY, date(2026, 2, 15)),
    ],
)
def test_periods(days: list[date], period: RecurrencePeriod, next_date: date) -> None:
    (found,) = find(paid(days), anchor())
    assert (found.period, found.next_date, found.status) == (period, next_date, RecurrenceStatus.ACTIVE)
    assert found.last_date == days[-1]


def test_what_is_told_of_a_payment() -> None:
    days = monthly(31, 14)
    amounts = ["-12.99"] * 6 + ["-13.99"] * 8
    rows = paid(days, amounts, "NETFLIX.COM 866-579 NL", category="entertainment")
    rows[-1] |= {"description": "NETFLIX.COM 866-611 NL", "account_id": CARD, "category": "media"}
    ledger = frame(rows)
    (found,) = find_recurring(ledger, today=TODAY).payments
    assert (found.merchant, found.category, str(found.account_id)) == ("NETFLIX.COM 866-611 NL", "media", CARD)
    assert (found.amount_min, found.amount_max, found.last_amount) == (Decimal("-13.99"), Decimal("-12.99"), Decimal("-13.99"))
    assert (found.first_date, found.last_date, found.occurrence_count) == (days[0], days[-1], 14)
    assert [str(one) for one in found.transaction_ids] == ledger["id"].to_list()[:1:-1]
    assert found.is_debit


@pytest.mark.parametrize(
    "rows",
    [
        paid([TODAY - timedelta(days=3 * turn + turn % 2) for turn in range(100)], [f"-{20 + turn * 7 % 83}.50" for turn in range(100)]),
        paid(every(7, 40), [f"-{8 + turn * 7 % 33}.50" for turn in range(40)]),  # the market on Saturdays
        paid(monthly(15, 2)),
        paid(monthly(15, 3), ["-10", "-12", "-14"]),
        paid([date(2025, 3, 2), date(2025, 4, 20), date(2025, 6, 1), date(2025, 6, 29), date(2025, 9, 9)]),
        paid([date(2025, 1, 20), date(2026, 1, 20)], ["-10", "-20"]),
        paid([date(2025, 1, 20), date(2026, 1, 20), date(2025, 7, 1)]),
        [one for place, day in enumerate(monthly(15)) for one in paid([day], text=f"Shop {'abcdefghijkl'[place]}")],
        [one for place, day in enumerate(monthly(15)) for one in paid([day], currency=("EUR", "USD", "CHF", "GBP")[place % 4])],
    ],
    ids=["groceries", "market", "two", "three that differ", "any day", "two amounts", "one between", "many shops", "currencies"],
)
def test_what_is_no_recurring_payment(rows: list[dict[str, Any]]) -> None:
    assert find(rows) == []


def test_a_subscription_among_a_shops_purchases_and_two_contracts_of_one_company() -> None:
    purchases = paid(
        [TODAY - timedelta(days=11 * turn + turn % 5) for turn in range(50)], [f"-{20 + turn * 17 % 83}.49" for turn in range(50)]
    )
    prime = paid(monthly(7), "-8.99")
    assert [(one.last_amount, one.period) for one in find(purchases, prime)] == [(Decimal("-8.99"), MONTHLY)]
    both = find(paid(monthly(3), "-35.10", "Insurance"), paid(monthly(3), "-102.00", "Insurance"), anchor())
    assert sorted(one.last_amount for one in both) == [Decimal("-102"), Decimal("-35.1")]
    assert len({one.id for one in both}) == 2


def test_texts_that_tell_days_and_numbers_are_of_one_payee() -> None:
    rent = [{**paid([day], "-900", f"Rent {day:%B %Y} Ref. {day.toordinal()}X")[0]} for day in monthly(1)]
    (found,) = find(rent, paid(monthly(1), "900", "Rent"), anchor(date(2026, 1, 20)))[:1]
    assert found.occurrence_count == 12
    assert {one.is_debit for one in find(rent, paid(monthly(1), "900", "Rent"))} == {True, False}
    assert len(find(paid(monthly(5), text="1 & 1"), anchor())) == 1


@pytest.mark.parametrize(
    ("known_until", "status", "next_date"),
    [
        (date(2026, 2, 14), RecurrenceStatus.ACTIVE, date(2026, 2, 15)),
        (date(2026, 2, 21), RecurrenceStatus.ACTIVE, date(2026, 2, 15)),
        (date(2026, 2, 22), RecurrenceStatus.OVERDUE, date(2026, 2, 15)),
        (date(2026, 3, 21), RecurrenceStatus.OVERDUE, date(2026, 2, 15)),
        (date(2026, 3, 22), RecurrenceStatus.ENDED, None),
    ],
)
def test_where_it_stands_is_judged_by_what_the_ledger_knows(known_until: date, status: RecurrenceStatus, next_date: date | None) -> None:
    rows = [paid(monthly(15)), anchor(known_until)]
    (found,) = find(*rows, today=date(2027, 1, 1))
    assert (found.status, found.next_date) == (status, next_date)
    # A row dated in the future says nothing.
    (found,) = find(*rows, today=date(2026, 1, 20))
    assert found.status is RecurrenceStatus.ACTIVE


def test_an_account_whose_statement_is_not_imported_yet_misses_nothing() -> None:
    rows = [paid(monthly(15, 10, (2025, 12))), anchor(date(2025, 12, 31)), paid([TODAY], "-1", account_id=CARD, text="Kiosk")]
    known = find_recurring(frame(*rows), today=TODAY)
    assert (known.as_of, known.payments[0].status) == (TODAY, RecurrenceStatus.ACTIVE)
    silent = [paid(monthly(15, 10, (2025, 9))), anchor(date(2025, 9, 30)), paid([TODAY], "-1", account_id=CARD, text="Kiosk")]
    assert find(*silent)[0].status is RecurrenceStatus.ENDED


def test_the_order_and_the_names_stay() -> None:
    groups = [paid(monthly(15), text="B"), paid(monthly(12), text="Aa"), paid(monthly(5, 8, (2025, 6)), text="Old"), anchor()]
    found = find(*groups)
    assert [one.merchant for one in found] == ["Aa", "B", "Old"]
    later = find(*groups, paid([date(2026, 2, 12)], text="Aa"), anchor(date(2026, 2, 13)), today=date(2026, 2, 13))
    assert {one.id for one in later} == {one.id for one in found}
    assert find_recurring(frame(), today=TODAY).payments == ()
    assert find_recurring(frame(), today=TODAY).as_of is None


def test_precision_and_recall_on_made_ledgers() -> None:
    measured = measure_made(6)
    assert measured["precision"] >= 0.95
    assert measured["recall"] >= 0.97


@given(st.integers(1, 31), st.integers(4, 24), st.integers(0, 8_000), st.sampled_from([1, 3, 6, 12]))
def test_months_are_found_whatever_the_day(number: int, times: int, shift: int, step: int) -> None:
    """And the next day is the due one, or the end of a shorter month."""
    last = 2005 * 12 + shift % 240
    days = monthly(number, min(times * step, 25), (last // 12, last % 12 + 1))[::-1][::step][::-1]
    due = Months(step).due(days, 1)
    assert due is not None
    months = (due.year - days[-1].year) * 12 + due.month - days[-1].month
    assert months == step
    if any(day.day == number for day in days):
        assert due.day == min(number, monthrange(due.year, due.month)[1])
        assert due_day(days) == number or all(day.day == monthrange(day.year, day.month)[1] for day in days)


@given(st.lists(st.integers(-1, 1), min_size=5, max_size=20))
def test_days_go_on_in_their_rhythm(moved: list[int]) -> None:
    steady = [date(2025, 1, 1) + timedelta(days=28 * turn) for turn in range(12)]
    assert Days(28).due(steady, 1) == steady[-1] + timedelta(days=28)
    days = [date(2025, 1, 1) + timedelta(days=14 * turn + off) for turn, off in enumerate(moved)]
    due = Days(14).due(days, 1)
    assert due is not None
    assert 12 <= (due - days[-1]).days <= 16


def test_the_calendar_has_an_end() -> None:
    assert Months(1).due([date.max], 1) is None
    assert Days(7).due([date.max], 1) is None


rows_of_anything = st.lists(
    st.fixed_dictionaries(
        {
            "transaction_date": st.dates(),
            "steps": st.integers(-(2**63) + 1, 2**63 - 1).filter(bool),
            "currency": st.sampled_from(["EUR", "JPY"]),
            "merchant": st.none() | st.text(max_size=5),
            "description": st.text(max_size=5),
            "category": st.none(),
            "account_id": st.sampled_from([GIRO, CARD]),
        }
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(rows_of_anything, st.dates())
def test_any_ledger_is_read(rows: list[dict[str, Any]], today: date) -> None:
    """Each row in one payment at most, and nothing but what the ledger holds."""
    ledger = frame(rows)
    found = find_recurring(ledger, today=today).payments
    ids = [str(one) for payment in found for one in payment.transaction_ids]
    assert len(ids) == len(set(ids))
    assert set(ids) <= set(ledger["id"])
    assert len({one.id for one in found}) == len(found)
    for one in found:
        assert one.amount_min <= one.last_amount <= one.amount_max
        assert (one.next_date is None) >= (one.status is RecurrenceStatus.ENDED)


# From the ledger


class CountingRepository(PostgresAnalyticsRepository):
    reads = 0

    async def recurring_rows(self, user_id: UUID) -> pl.DataFrame:
        self.reads += 1
        return await super().recurring_rows(user_id)


@pytest.fixture
def analytics(database: Database) -> AnalyticsService:
    return AnalyticsService(PostgresAnalyticsRepository(database), PageTokens(b"a page token key for tests only!"))


async def add(ledger: PostgresAccountsRepository, user_id: UUID, name: str, values: Iterable[dict[str, Any]]) -> UUID:
    account, _ = await ledger.ensure_account(user_id, NewAccount(name, "EUR"), "EUR")
    rows = [row(account.id, line, **{"merchant": None, **value}) for line, value in enumerate(values, start=1)]
    await ledger.append_transactions(user_id, uuid7(), batches(rows), fingerprints)
    return account.id


def a_year_of(number: int, amount: str, text: str, **values: Any) -> list[dict[str, Any]]:
    """A year of one payment, as an import brings it."""
    return [{"transaction_date": day, "amount": Decimal(amount), "description": text, **values} for day in monthly(number)]


async def listed(analytics: AnalyticsService, user_id: UUID, size: int = 0, **filters: Any) -> list[RecurringPayment]:
    found: list[RecurringPayment] = []
    token = ""
    while True:
        page, _, token = await analytics.list_recurring_payments(
            user_id, is_debit=filters.get("is_debit"), status=filters.get("status"), requested_size=size, token=token
        )
        found += page
        if not token:
            return found
        assert len(page) == size


@pytest.mark.parametrize("days", [[date(1, month, 1) for month in (1, 2, 3, 4)], [date(9999, month, 28) for month in (8, 9, 10, 11)]])
async def test_at_both_ends_of_the_calendar(
    analytics: AnalyticsService, postgres: PostgresAccountsRepository, user_id: UUID, days: list[date]
) -> None:
    await add(postgres, user_id, "Giro", [{"transaction_date": day, "amount": Decimal(-5), "description": "Club"} for day in days])
    assert [(one.first_date, one.last_date) for one in await listed(analytics, user_id)] == [(days[0], days[-1])]


async def test_from_the_ledger(
    analytics: AnalyticsService, postgres: PostgresAccountsRepository, user_id: UUID, other_user_id: UUID
) -> None:
    text = 'Rent "flat", 3rd\n\\N floor'
    rows = a_year_of(3, "-900.5", text) + a_year_of(28, "2800", "Salary", merchant="ACME") + a_year_of(9, "-5", "Pending", status="pending")
    account = await add(postgres, user_id, "Giro", rows)
    await add(postgres, other_user_id, "Giro", a_year_of(7, "-1", "Theirs"))
    found = {one.merchant: one for one in await listed(analytics, user_id)}
    assert set(found) == {text, "ACME"}
    rent = found[text]
    assert (rent.period, rent.last_amount, rent.account_id, rent.currency) == (MONTHLY, Decimal("-900.5"), account, "EUR")
    assert rent.occurrence_count == 12
    latest = await postgres.get_transaction(user_id, rent.transaction_ids[0])
    assert latest.transaction_date == rent.last_date
    assert [one.merchant for one in await listed(analytics, user_id, is_debit=False)] == ["ACME"]
    assert await listed(analytics, user_id, status=RecurrenceStatus.ENDED) == []
    assert await listed(analytics, user_id, size=1) == await listed(analytics, user_id)
    assert [one.merchant for one in await listed(analytics, other_user_id)] == ["Theirs"]
    assert await listed(analytics, uuid7()) == []
    _, as_of, token = await analytics.list_recurring_payments(user_id, is_debit=None, status=None, requested_size=1, token="")
    assert as_of == max(one["transaction_date"] for one in rows if one["description"] != "Pending")
    with pytest.raises(InvalidArgument, match="page_token"):
        await analytics.list_recurring_payments(user_id, is_debit=True, status=None, requested_size=1, token=token)


async def test_what_was_found_is_kept_until_the_next_change(servers: LocalSystem, user_id: UUID) -> None:
    cache = Cache(servers.redis_url, name=f"test-{user_id}", key=b"key")
    settings = DatabaseSettings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=4)
    database = Database(servers.service_url("accounts"), settings, after_write=cache.drop)
    await database.open()
    ledger = PostgresAccountsRepository(database, bulk_statement_timeout_s=30, lock_timeout_s=0.5)
    repository = CountingRepository(database)
    analytics = AnalyticsService(repository, PageTokens(b"a page token key for tests only!"), cached=cache.cached())
    await add(ledger, user_id, "Giro", a_year_of(3, "-900.5", "Rent"))
    first = await listed(analytics, user_id)
    assert await listed(analytics, user_id) == first
    assert [one.merchant for one in first] == ["Rent"]
    assert repository.reads == 1
    await add(ledger, user_id, "Giro", a_year_of(9, "-30", "Gym"))
    assert [one.merchant for one in await listed(analytics, user_id)] == ["Rent", "Gym"]
    assert repository.reads == 2
    await database.close()
    await cache.close()


async def test_confirmed_transfers_are_no_payments(
    analytics: AnalyticsService, postgres: PostgresAccountsRepository, user_id: UUID
) -> None:
    await add(postgres, user_id, "Giro", a_year_of(3, "-500", "To Savings"))
    await add(postgres, user_id, "Savings", a_year_of(3, "500", "From Giro"))
    assert len(await listed(analytics, user_id)) == 2
    transfers = await postgres.list_transfers(user_id, (TransferState.SUGGESTED,), after=None, limit=100)
    assert len(transfers) == 12
    await asyncio.gather(*(postgres.confirm_transfer(user_id, one.id) for one in transfers))
    assert await listed(analytics, user_id) == []
