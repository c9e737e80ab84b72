"""The first page of a user's monthly summary and of the category statistics, from the figures made ahead beside the same from the table.

    python -m benchmarks.analytics [--rounds 30]

The user has 100,000 rows, in 60 months and 30 categories, among 100 others with 2,000 each; asked through the service's own repository, as
its role under row level security. Beside it, the same from the cache, and what the refresh of everybody's figures takes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg

from benchmarks.running import new_user, note, running_system
from services.accounts.analytics.domain import CategoryStatisticsFilters, MonthlySummaryFilters
from services.accounts.analytics.repository import PostgresAnalyticsRepository
from services.kit.cache import Cache
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem

USERS = 100
ROWS_PER_USER = 2_000
LARGE_ROWS = 100_000
PAGE = 51
WANTED_RATIO = 20
LAST_DAY = date(2026, 9, 30)

_OPEN = """
    INSERT INTO accounts.accounts (user_id, id, name, account_type, currency)
    VALUES ($1, gen_random_uuid(), 'Everyday', 'checking', 'EUR') RETURNING id
"""
_FILL = """
    INSERT INTO accounts.transactions (user_id, id, account_id, transaction_date, amount, currency, description, category,
                                       category_source, fingerprint)
    SELECT $1, gen_random_uuid(), $2, $3::date - n % 1826, n % 997 - 700 + 0.25, 'EUR', 'CARD PAYMENT ' || n,
           (SELECT array_agg(slug ORDER BY slug) FROM accounts.categories)[1 + n * 7 % 30], 'file', n::text
      FROM generate_series(1, $4::int) AS n
"""
_TOUCH = "INSERT INTO accounts.ledger_changes (user_id) VALUES ($1)"

Read = Callable[..., Awaitable[Any]]


async def fill(migrator: asyncpg.Connection, users: Sequence[UUID], large: UUID) -> None:
    """Ledgers, written as the migrator."""
    for user_id in (*users, large):
        account = await migrator.fetchval(_OPEN, user_id)
        await migrator.execute(_FILL, user_id, account, LAST_DAY, LARGE_ROWS if user_id == large else ROWS_PER_USER)
    await migrator.execute("VACUUM ANALYZE accounts.transactions")


async def refreshes(migrator: asyncpg.Connection, user_id: UUID) -> list[float]:
    """Seconds of three refreshes of all figures."""
    taken = []
    for _ in range(3):
        await migrator.execute(_TOUCH, user_id)
        started = time.perf_counter()
        await migrator.fetchval("SELECT accounts.refresh_figures()")
        taken.append(time.perf_counter() - started)
    return taken


async def median_ms(read: Read, user_id: UUID, filters: object, rounds: int, *, fresh: bool) -> float:
    """Of a first page, everything from the pool to the domain's rows included."""
    taken = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        await read(user_id, filters, fresh=fresh, after=None, limit=PAGE)
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken[1:])


async def measure(system: LocalSystem, rounds: int) -> dict[str, Any]:
    """Both kinds of figure, three ways."""
    users, large = [new_user() for _ in range(USERS)], new_user()
    migrator = await asyncpg.connect(system.migrator_url)
    database = Database(system.service_url("accounts"), DatabaseSettings().model_copy(update={"statement_timeout_s": 60}))
    cache = Cache(system.redis_url, name="benchmark")
    await database.open()
    try:
        await fill(migrator, users, large)
        note(f"{USERS} ledgers of {ROWS_PER_USER} rows, one of {LARGE_ROWS}")
        result: dict[str, Any] = {"refresh_s": round(statistics.median(await refreshes(migrator, large)), 2)}
        plain, kept = PostgresAnalyticsRepository(database), PostgresAnalyticsRepository(database, cache)
        for name, of, filters in (
            ("monthly_summary", "list_monthly_summaries", MonthlySummaryFilters()),
            ("category_statistics", "list_category_statistics", CategoryStatisticsFilters()),
        ):
            view = await median_ms(getattr(plain, of), large, filters, rounds, fresh=False)
            table = await median_ms(getattr(plain, of), large, filters, rounds, fresh=True)
            cached = await median_ms(getattr(kept, of), large, filters, rounds, fresh=False)
            result[name] = {
                "view_ms": round(view, 2),
                "table_ms": round(table, 2),
                "cached_ms": round(cached, 2),
                "ratio": round(table / view, 1),
            }
        return result
    finally:
        await cache.close()
        await database.close()
        await migrator.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    with running_system(()) as system:
        result = asyncio.run(measure(system, options.rounds))
    met = result["monthly_summary"]["ratio"] >= WANTED_RATIO
    print(json.dumps({"benchmark": "analytics", **result, "wanted_ratio": WANTED_RATIO, "met": met, "cores": os.cpu_count()}))


if __name__ == "__main__":
    main()
