"""The SQL of filter expressions, on real rows and as the service role."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given, settings
from uuid_utils.compat import uuid7

from migrations.taxonomy import read_taxonomy
from services.accounts.filters import Expression, parse
from services.accounts.repository.conditions import filter_condition
from services.local import LocalSystem
from tests.accounts.filters.expressions import AMOUNTS, DAYS, EXPRESSIONS, IDS, RECORDS, WORDS
from tests.support.filter_meaning import folded, holds

BELOW = {"groceries": {row["slug"] for row in read_taxonomy() if row["primary_slug"] == "groceries"} | {"own_one"}}
SELECT = "SELECT id FROM accounts.transactions AS t WHERE t.user_id = $1 AND {}"


def rows() -> Iterator[tuple[Any, ...]]:
    """Each of the values that expressions ask for in some row, also what may be null."""
    for number in range(60):
        yield (
            uuid7(),
            IDS[number % 2],
            DAYS[number % 4],
            AMOUNTS[number % 4] * (1 if number % 3 else -1),
            ("EUR", "JPY", "EUR")[number % 3],
            description := f"card  {WORDS[number % 13]} payment",
            folded(description),
            WORDS[number % 12] if number % 5 else None,
            [None, "groceries", "groceries_supermarket", "own_one", "travel"][number * 7 % 5],
            WORDS[number * 3 % 13],
            WORDS[number * 5 % 13] or None,
            [None, *IDS][number % 3],
            ("posted", "pending", "void")[number // 2 % 3],
            [None, *RECORDS][number % 6],
            str(number),
            ("user", "rule", "model", "file", "fallback")[number // 5 % 5],
            [None, 0.0, 0.3, 0.7, 1.0][number % 5],
        )


INSERT = """
    INSERT INTO accounts.transactions (user_id, id, account_id, transaction_date, amount, currency, description, description_key,
                                       merchant_name, category, category_source, note, payment_method, import_id, status, raw_data,
                                       fingerprint, confidence)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN $10::text IS NOT NULL THEN $17 END, $11, $12, $13, $14, $15, $16,
            CASE WHEN $10::text IS NOT NULL THEN $18::double precision END)
"""


class Ledger:
    """Rows of one user, asked as the service role."""

    def __init__(self, user_id: UUID, service: asyncpg.Connection, known: list[asyncpg.Record]) -> None:
        self.user_id = user_id
        self.rows = known
        self._service = service

    async def close(self) -> None:
        await self._service.close()

    async def matching(self, expression: Expression) -> set[UUID]:
        arguments: list[object] = [self.user_id]

        def add(value: object) -> str:
            arguments.append(value)
            return f"${len(arguments)}"

        async with self._service.transaction():
            await self._service.execute("SELECT set_config('app.user_id', $1, true)", str(self.user_id))
            condition = await filter_condition(self._service, self.user_id, expression, add, table="t")
            return {record["id"] for record in await self._service.fetch(SELECT.format(condition), *arguments)}


async def fill(migrator: asyncpg.Connection, user_id: UUID) -> None:
    for account in IDS:
        await migrator.execute(
            "INSERT INTO accounts.accounts (user_id, id, name, account_type, currency) VALUES ($1, $2, $3, 'checking', 'EUR')",
            user_id,
            account,
            str(account),
        )
    await migrator.execute(
        "INSERT INTO accounts.user_categories (user_id, slug, name, primary_slug, request_id, request_hash) "
        "VALUES ($1, 'own_one', 'Own one', 'groceries', 'r', '')",
        user_id,
    )
    made = list(rows())
    await migrator.executemany(INSERT, [(user_id, *row) for row in made])
    await migrator.execute(
        "UPDATE accounts.transactions SET suspected_duplicate_of = $3, suspicion = 'same' WHERE user_id = $1 AND id = ANY ($2)",
        user_id,
        [row[0] for row in made[5:20]],
        made[0][0],
    )


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


@pytest.fixture(scope="module")
def ledger(servers: LocalSystem, runner: asyncio.Runner) -> Iterator[Ledger]:
    """One user's rows, beside another's that are the same."""

    async def opened() -> Ledger:
        user_id, other_user_id = uuid7(), uuid7()
        migrator = await asyncpg.connect(servers.migrator_url)
        await fill(migrator, user_id)
        await fill(migrator, other_user_id)
        known = await migrator.fetch("SELECT * FROM accounts.transactions WHERE user_id = $1", user_id)
        await migrator.close()
        return Ledger(user_id, await asyncpg.connect(servers.service_url("accounts")), known)

    made = runner.run(opened())
    yield made
    runner.run(made.close())


@settings(max_examples=250, deadline=None)
@given(expression=EXPRESSIONS)
def test_any_expression_means_in_postgres_what_it_means_in_python(runner: asyncio.Runner, ledger: Ledger, expression: Expression) -> None:
    meant = {row["id"] for row in ledger.rows if holds(expression, row, BELOW)}
    assert runner.run(ledger.matching(expression)) == meant


@pytest.mark.parametrize(
    "text",
    [
        "date = 2026-01-01",
        "date:2026",
        "date:2026-02 OR date < 2026",
        "amount >= 12.34",
        "currency IN (EUR, CHF)",
        "type = debit",
        "status = pending",
        "status != pending",
        "category = groceries",
        "category IN (uncategorized, own_one)",
        "category_source = Model",
        "category_source != user",
        "confidence < 0.7",
        "confidence = 0.7",
        "NOT confidence >= 0.3",
        "confidence IN (0, 1)",
        "merchant = 'REWE MARKT'",
        "merchant:rewe",
        'merchant = ""',
        "NOT merchant:rewe",
        "description:überw",
        "note = rewe",
        "note:'C:\\'",
        "account = 00000000-0000-0000-0000-000000000001",
        "payment_method != rewe",
        'import = "" rewe',
        "'50%'",
        "a_b",
        '"card REWE MARKT  payment"',
        'description = "CARD rewe payment"',
        "payments merchant:markt",
        "suspected = true",
        "suspected = false rewe",
        'raw @> \'{"k":"v"}\'',
        'raw:{"n": {"b": ["x"]}}',
        'NOT raw:{"k":"v"}',
    ],
)
def test_each_field_lets_some_rows_through_and_keeps_some_out(runner: asyncio.Runner, ledger: Ledger, text: str) -> None:
    expression = parse(text)
    meant = {row["id"] for row in ledger.rows if holds(expression, row, BELOW)}
    assert 0 < len(meant) < len(ledger.rows)
    assert runner.run(ledger.matching(expression)) == meant
