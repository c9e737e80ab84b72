"""A year of a household's account as a bank exports it: what comes every month, what is bought, and what is odd about it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

IBAN = "DE02120300000000202051"
HEADER = "Date,Amount,Currency,Description,Account\n"
DAYS = 380
SHOPS = {"MARKET HALL": (12, 70), "BAKERY NORTH": (3, 9), "FUEL STATION": (35, 80), "DRUGSTORE WEST": (6, 35), "BISTRO CENTRAL": (9, 30)}
DEALER = "CAMERA DEALER"
STREAMING = "STREAMFLIX"


class Row(NamedTuple):
    """One payment."""

    day: date
    amount: Decimal
    description: str


def household(until: date) -> list[Row]:
    """About four hundred rows up to `until`, inclusive, the oldest first; the same for the same day.

    Odd are: a camera dealer that took 349.90 twice within a day, a month ago, and a subscription that rose from 12.99 to 17.99 in the last
    two months.
    """
    start = until - timedelta(days=DAYS - 1)
    days = [start + timedelta(days=place) for place in range(DAYS)]
    rows = [row for day in days for row in _of_every_month(day, until)]
    chance = random.Random(7)
    for day in days:
        for shop, (least, most) in SHOPS.items():
            if chance.random() < 0.16:
                rows.append(Row(day, Decimal(-chance.randint(least * 100, most * 100)) / 100, shop))
    rows += [Row(until - timedelta(days=days_ago), Decimal("-349.90"), DEALER) for days_ago in (30, 29)]
    return sorted(rows)


def statement(rows: list[Row]) -> str:
    """As CSV."""
    return HEADER + "".join(f"{row.day},{row.amount},EUR,{row.description},{IBAN}\n" for row in rows)


def _of_every_month(day: date, until: date) -> Iterator[Row]:
    if day.day == 1:
        yield Row(day, Decimal("-820.00"), "RENT HOUSING NORTH")
    if day.day == 12:
        risen = until - day < timedelta(days=58)
        yield Row(day, Decimal("-17.99" if risen else "-12.99"), STREAMING)
    if day.day == 27:
        yield Row(day, Decimal("2450.00"), "SALARY WORKS LTD")
