"""What indexes, the pool, figures made ahead and the cache are worth: the same asked with each and without it, on the same data, in turn.

    python -m benchmarks.database_claims [--rounds 20]

As the service role under row level security; one user has 100,000 rows in 60 months and 30 categories, 100 others have 2,000 each. The
table in docs/database.md is made of this.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import psutil

from benchmarks.analytics import PAGE, USERS, fill
from benchmarks.database import SHAPES, WITHOUT_INDEXES
from benchmarks.running import new_user, note, running_system
from services.accounts.analytics.domain import CategoryStatisticsFilters, MonthlySummaryFilters
from services.accounts.analytics.repository import PostgresAnalyticsRepository
from services.kit.cache import Cache
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem

CLIENTS = 100
POOLED = 10
_READS = 50

Ask = Callable[[], Awaitable[object]]


async def medians_ms(without: Ask, having: Ask, rounds: int) -> tuple[float, float]:
    """Of so many of each, in turn, after one of each that does not count: what else the machine does meets both."""
    taken: dict[Ask, list[float]] = {without: [], having: []}
    for _ in range(rounds + 1):
        for ask, times in taken.items():
            started = time.perf_counter()
            await ask()
            times.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken[without][1:]), statistics.median(taken[having][1:])


def compared(without: float, having: float, unit: str = "ms") -> dict[str, float | None]:
    """Both, how many times less it is (None: nothing is left), and by which share."""
    return {
        f"without_{unit}": round(without, 2),
        f"with_{unit}": round(having, 2),
        "times": round(without / having, 1) if having else None,
        "saved": round(1 - having / without, 3),
    }


async def indexes(database: Database, users: dict[str, UUID], rounds: int) -> dict[str, Any]:
    """Each shape of query, with index scans and without, for a long ledger and a short one. `database` keeps no plans: a kept one would be
    used again whatever the settings say."""

    async def ask(statement: str, user_id: UUID, arguments: Sequence[object], first: str) -> None:
        async with database.transaction(user_id, read_only=True) as connection:
            if first:
                await connection.execute(first)
            await connection.fetch(statement, user_id, *arguments)

    result = {}
    for ledger, user_id in users.items():
        for shape, (statement, arguments) in SHAPES.items():
            both = [partial(ask, statement, user_id, arguments, first) for first in (WITHOUT_INDEXES, "")]
            result[f"{shape}, {ledger} ledger"] = compared(*await medians_ms(both[0], both[1], rounds))
    return result


async def pooling(url: str, user_id: UUID, rounds: int) -> dict[str, Any]:
    """Memory of the server's processes for 100 clients with a connection each, beside 10 that they share; and the time of a transaction."""
    statement = SHAPES["last_20"][0]

    async def use(connection: asyncpg.Connection) -> int:
        async with connection.transaction(readonly=True):
            await connection.execute("SELECT set_config('app.user_id', $1, true)", str(user_id))
            await connection.fetch(statement, user_id)
            return int(await connection.fetchval("SELECT pg_backend_pid()"))

    async def megabytes(connections: int) -> float:
        async with AsyncExitStack() as stack:
            pids = []
            for _ in range(connections):
                connection = await asyncpg.connect(url)
                stack.push_async_callback(connection.close)
                pids.append(await use(connection))
            return sum(private_bytes(pid) for pid in pids) / 2**20

    settings = DatabaseSettings()
    pooled = Database(url, settings)
    alone = Database(url, settings.model_copy(update={"use_null_pool": True}))
    await pooled.open()
    try:

        async def ask(database: Database) -> None:
            async with database.transaction(user_id, read_only=True) as connection:
                await connection.fetch(statement, user_id)

        return {
            f"memory of {CLIENTS} connections, of {POOLED} shared": compared(await megabytes(CLIENTS), await megabytes(POOLED), "mb"),
            "a transaction": compared(*await medians_ms(partial(ask, alone), partial(ask, pooled), rounds)),
        }
    finally:
        await pooled.close()


def private_bytes(pid: int) -> int:
    """What a process has for itself alone: the server's shared buffers are nobody's."""
    return int(psutil.Process(pid).memory_full_info().uss)


class Counted(Database):
    """Knows how many transactions it was asked for."""

    asked = 0

    def transaction(self, *arguments: Any, **more: Any) -> Any:
        """See `Database`."""
        self.asked += 1
        return super().transaction(*arguments, **more)


async def made_ahead(database: Counted, cache: Cache, user_id: UUID, rounds: int) -> dict[str, Any]:
    """Figures from the table, made ahead, and from the cache; and how many transactions of the database reads from the cache save."""
    plain, cached = PostgresAnalyticsRepository(database), PostgresAnalyticsRepository(database, cache)
    result: dict[str, Any] = {}
    for name, of, filters in (
        ("monthly summary", "list_monthly_summaries", MonthlySummaryFilters()),
        ("category statistics", "list_category_statistics", CategoryStatisticsFilters()),
    ):
        table, ahead, kept = (
            partial(getattr(repository, of), user_id, filters, fresh=fresh, after=None, limit=PAGE)
            for repository, fresh in ((plain, True), (plain, False), (cached, False))
        )
        result[f"{name}, made ahead"] = compared(*await medians_ms(table, ahead, rounds))
        result[f"{name}, from the cache"] = compared(*await medians_ms(ahead, kept, rounds))
        counts = []
        for read in (ahead, kept):
            before = database.asked
            for _ in range(_READS):
                await read()
            counts.append(float(database.asked - before))
        result[f"{name}, transactions of {_READS} reads"] = compared(counts[0], counts[1], "transactions")
    return result


async def measure(system: LocalSystem, rounds: int) -> dict[str, Any]:
    """All four."""
    users, large = [new_user() for _ in range(USERS)], new_user()
    settings = DatabaseSettings().model_copy(update={"statement_timeout_s": 120, "pool_size": 2, "max_overflow": 0})
    url = system.service_url("accounts")
    database, planning = Counted(url, settings), Database(url, settings.model_copy(update={"statement_cache_size": 0}))
    async with AsyncExitStack() as stack:
        migrator = await asyncpg.connect(system.migrator_url)
        stack.push_async_callback(migrator.close)
        cache = Cache(system.redis_url, name="benchmark")
        stack.push_async_callback(cache.close)
        for one in (database, planning):
            await one.open()
            stack.push_async_callback(one.close)
        await fill(migrator, users, large)
        await migrator.execute("INSERT INTO accounts.ledger_changes (user_id) VALUES ($1)", large)
        await migrator.fetchval("SELECT accounts.refresh_figures()")
        note("filled")
        return {
            "indexes": await indexes(planning, {"long": large, "short": users[0]}, rounds),
            "pool": await pooling(url, users[0], rounds),
            "figures": await made_ahead(database, cache, large, rounds),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    with running_system(()) as system:
        result = asyncio.run(measure(system, options.rounds))
    print(json.dumps({"benchmark": "database_claims", **result, "cores": os.cpu_count()}))


if __name__ == "__main__":
    main()
