"""Test data: users with a ledger each, written by COPY. The same seed gives the same amounts, days and texts; users are always new."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

_AT_ONCE = 20_000
_COLUMNS = (
    "user_id", "id", "account_id", "transaction_date", "amount", "currency", "description", "description_key", "merchant_name", "category",
    "category_source", "payment_method", "fingerprint", "raw_data",
)  # fmt: skip
# Name, category, smallest and largest amount; wages come once a month.
_SHOPS = (
    ("Corner Market", "food_and_drink_groceries", -90, -4),
    ("Noodle House", "food_and_drink_restaurants", -45, -8),
    ("City Trains", "transportation", -30, -2),
    ("Book Barn", "general_merchandise", -60, -6),
    ("Power and Light", "rent_and_utilities", -140, -60),
    ("Video Stream", "entertainment", -18, -9),
    ("Pharmacy Plus", "medical", -35, -3),
    ("Unnamed", None, -200, -1),
)
_WAGES = ("Employer", "income", 1800, 4200)
_CATEGORIES = "SELECT slug FROM accounts.categories"
_NEW_ACCOUNT = """
    INSERT INTO accounts.accounts (user_id, id, name, account_type, currency) VALUES ($1, $2, 'Everyday', 'checking', 'EUR')
"""
_NEW_PROFILE = "INSERT INTO accounts.profiles (user_id, display_name) VALUES ($1, 'Generated')"
# So that figures take the rows in.
_NOTE_CHANGE = "INSERT INTO accounts.ledger_changes (user_id) VALUES ($1)"


async def generate(
    url: str, *, users: int, rows: int, years: int, seed: int, today: date, written: Callable[[int], None] = lambda count: None
) -> list[UUID]:
    """Makes `users` users with `rows` transactions each, all or none; `written` hears of each further portion. Returns the users' ids."""
    connection = await asyncpg.connect(url, timeout=10, server_settings={"application_name": "scale-db"})
    try:
        async with connection.transaction():
            known = {record["slug"] for record in await connection.fetch(_CATEGORIES)}
            made = []
            for place in range(users):
                user_id, account_id = uuid7(), uuid7()
                await connection.execute(_NEW_PROFILE, user_id)
                await connection.execute(_NEW_ACCOUNT, user_id, account_id)
                source = _records(user_id, account_id, rows, years, random.Random(f"{seed} {place}"), today, known)  # nosec B311  # test data
                for portion in _portions(source):
                    await connection.copy_records_to_table("transactions", schema_name="accounts", records=portion, columns=_COLUMNS)
                    written(len(portion))
                await connection.execute(_NOTE_CHANGE, user_id)
                made.append(user_id)
            return made
    finally:
        await connection.close(timeout=10)


def _records(
    user_id: UUID, account_id: UUID, rows: int, years: int, chance: random.Random, today: date, known: set[str]
) -> Iterator[tuple[Any, ...]]:
    days = years * 365
    for number in range(rows):
        # Rising, as a bank writes them.
        day = today - timedelta(days=days - 1 - number * days // max(rows, 1))
        name, category, least, most = _WAGES if number % 30 == 0 else chance.choice(_SHOPS)
        category = category if category in known else None
        amount = Decimal(chance.randrange(least * 100, most * 100)) / 100 or Decimal("-0.01")
        description = f"{name.upper()} {chance.randrange(10_000):04}"
        raw = f'{{"Date": "{day}", "Amount": "{amount}", "Text": "{description}"}}'
        yield (
            user_id, uuid7(), account_id, day, amount, "EUR", description, description.casefold(), name, category,
            "file" if category else None, "card" if amount < 0 else "transfer", f"generated:{number}", raw,
        )  # fmt: skip


def _portions(records: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    portion: list[tuple[Any, ...]] = []
    for record in records:
        portion.append(record)
        if len(portion) == _AT_ONCE:
            yield portion
            portion = []
    if portion:
        yield portion
