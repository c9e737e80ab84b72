"""Ledgers for the tests of findings: columns as accounts streams them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import polars as pl

from services.forecasting.anomaly.domain import AnomalyKind, Dismissed, Finding
from services.forecasting.anomaly.findings import find_anomalies
from services.forecasting.anomaly.findings.columns import HISTORY

ACCOUNT = UUID("00000000-0000-7000-8000-00000000000a")


class Paid(NamedTuple):
    """One row; negative amounts leave."""

    date: date
    amount: str
    merchant: str = ""
    currency: str = "EUR"
    category: str = ""
    description: str = ""
    account_id: UUID = ACCOUNT
    status: str = "posted"


def ledger(*rows: Paid) -> pl.DataFrame:
    """The rows as a history; the n-th one's id is `row_id(n)`, from 0."""
    return pl.DataFrame(
        [
            {
                "transaction_id": str(row_id(place)),
                "account_id": str(row.account_id),
                "date": row.date,
                "amount": Decimal(row.amount),
                "currency": row.currency,
                "description": row.description,
                "merchant": row.merchant,
                "category": row.category,
                "primary_category": row.category,
                "status": row.status,
                "create_time": datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=place),
            }
            for place, row in enumerate(rows)
        ],
        schema=HISTORY,
        orient="row",
    )


def row_id(place: int) -> UUID:
    """Of the row at this place."""
    return UUID(int=0x7000_8000_0000_0000_0000 + place)


def every(days: int, start: date, count: int, amounts: Iterable[str], merchant: str, **columns: str) -> list[Paid]:
    """So many payments, that many days apart, whose amounts go round."""
    turns = list(amounts)
    return [Paid(start + timedelta(days=days * turn), turns[turn % len(turns)], merchant, **columns) for turn in range(count)]  # type: ignore[arg-type]


FIRST = date(2025, 1, 2)
LAST = date(2026, 4, 30)
SHOPS = ("Bookshop", "Pharmacy", "Hardware store", "Shoe shop", "Bike repair", "Cinema", "Florist", "Optician", "Toy shop", "Hairdresser")


def household(seed: int = 1) -> list[Paid]:
    """Sixteen months of an ordinary life: salary, rent, a subscription, a water bill every quarter, groceries, a coffee a day, shops
    now and then, fuel; the first purchase at a shop now and then, of no great amount."""
    chance = random.Random(seed)
    rows = [
        *monthly(28, "2500.00", "Acme Payroll", category="income"),
        *monthly(1, "-900.00", "Landlord", category="housing"),
        *monthly(15, "-12.99", "Netflix", category="entertainment"),
        *[one for place, one in enumerate(monthly(20, "-120.00", "Water works", category="utilities")) if place % 3 == 0],
    ]
    day = FIRST
    while day <= LAST:
        if day.toordinal() % 3 == 0:
            rows.append(Paid(day, f"-{chance.lognormvariate(3.3, 0.4):.2f}", "Grocer", category="groceries"))
        if day.weekday() < 5:
            rows.append(Paid(day, "-3.20", "Coffee corner", category="dining"))
        if chance.random() < 0.12:
            rows.append(Paid(day, f"-{chance.lognormvariate(3.0, 0.5):.2f}", chance.choice(SHOPS), category="shopping"))
        if day.toordinal() % 16 == 0:
            rows.append(Paid(day, f"-{chance.uniform(45, 60):.2f}", "Fuel station", category="transport"))
        day += timedelta(days=1)
    return sorted(rows)


def monthly(day: int, amount: str, merchant: str, **columns: str) -> list[Paid]:
    """On one day of each month of the household's, or a day or two later at weekends."""
    found = []
    for month in range((LAST.year - FIRST.year) * 12 + LAST.month):
        due = date(FIRST.year + month // 12, month % 12 + 1, day)
        paid = due + timedelta(days={5: 2, 6: 1}.get(due.weekday(), 0))
        if FIRST <= paid <= LAST:
            found.append(Paid(paid, amount, merchant, **columns))  # type: ignore[arg-type]
    return found


def find(
    rows: Sequence[Paid], kind: AnomalyKind | None = None, *, today: date = LAST, dismissed: Sequence[Dismissed] = ()
) -> list[Finding]:
    """What is found, of one kind."""
    return [one for one in find_anomalies(ledger(*rows), today=today, dismissed=dismissed) if kind in (None, one.kind)]
