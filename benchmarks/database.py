"""What the database takes for the service's own queries, as the service role under row level security, on 300,000 rows of 101 users.

    python -m benchmarks.database [--queries 1000] [--seconds 10]

Three shapes at once through the pool of a service (count, last 20, sum since a day), each with the indexes and with index scans switched
off; page 1,000 of a listing beside page 1 and beside the same page by OFFSET; and pgbench, 10 clients in 2 threads, on the three shapes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import asyncpg

from benchmarks.running import new_user, note
from services.accounts.domain import TransactionFilters, TransactionPosition
from services.accounts.repository.filters import page_statement
from services.kit.postgres import Connection, Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem, free_port_base
from services.local.postgres import binaries

USERS = 100
ROWS_PER_USER = 2_000
LARGE_ROWS = 100_000
PAGE = 50
DEEP_PAGE = 1_000
PGBENCH = ("-c", "10", "-j", "2")
"""Ten clients in two threads."""
WANTED_DEEP_RATIO = 1.5
LAST_DAY = date(2026, 9, 30)

_FILL = """
    INSERT INTO accounts.transactions (user_id, id, account_id, transaction_date, amount, currency, description, fingerprint)
    SELECT $1, gen_random_uuid(), $2, $3::date - n / 25, n % 997 - 500 + 0.25, 'EUR', 'CARD PAYMENT ' || n, n::text
      FROM generate_series(1, $4::int) AS n
"""
SHAPES = {
    "count": ("SELECT count(*) FROM accounts.transactions WHERE user_id = $1", ()),
    "last_20": (
        "SELECT id, transaction_date, amount, description FROM accounts.transactions WHERE user_id = $1 "
        "ORDER BY transaction_date DESC, id DESC LIMIT 20",
        (),
    ),
    "sum_since": (
        "SELECT sum(amount) FROM accounts.transactions WHERE user_id = $1 AND transaction_date >= $2",
        (LAST_DAY - timedelta(days=30),),
    ),
}
WITHOUT_INDEXES = (
    "SELECT set_config('enable_indexscan', 'off', true), set_config('enable_indexonlyscan', 'off', true), "
    "set_config('enable_bitmapscan', 'off', true)"
)


async def fill(system: LocalSystem, users: Sequence[UUID], large: UUID | None = None) -> None:
    """Ledgers, written as the migrator."""
    migrator = await asyncpg.connect(system.migrator_url)
    for user_id in (*users, *((large,) if large else ())):
        account = await migrator.fetchval(
            "INSERT INTO accounts.accounts (user_id, id, name, account_type, currency) "
            "VALUES ($1, gen_random_uuid(), 'Everyday', 'checking', 'EUR') RETURNING id",
            user_id,
        )
        await migrator.execute(_FILL, user_id, account, LAST_DAY, LARGE_ROWS if user_id == large else ROWS_PER_USER)
    await migrator.execute("VACUUM ANALYZE accounts.transactions")
    await migrator.close()


async def latencies(database: Database, shape: str, users: Sequence[UUID], queries: int, *, indexes: bool) -> list[float]:
    """Milliseconds of each query, transaction and row level security included; ten at a time."""
    statement, arguments = SHAPES[shape]
    taken: list[float] = []
    waiting = iter(random.Random(shape).choices(users, k=queries))

    async def ask() -> None:
        for user_id in waiting:
            started = time.perf_counter()
            async with database.transaction(user_id, read_only=True) as connection:
                if not indexes:
                    await connection.execute(WITHOUT_INDEXES)
                await connection.fetch(statement, user_id, *arguments)
            taken.append((time.perf_counter() - started) * 1000)

    await asyncio.gather(*(ask() for _ in range(10)))
    return taken


def figures(taken: list[float]) -> dict[str, float]:
    """Mean and percentiles."""
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    return {
        "mean_ms": round(statistics.fmean(taken), 2),
        "median_ms": round(cuts[49], 2),
        "p95_ms": round(cuts[94], 2),
        "p99_ms": round(cuts[98], 2),
    }


async def page_times(database: Database, user_id: UUID, rounds: int = 30) -> dict[str, float]:
    """Median milliseconds of page 1, of page 1,000 after the position before it, and of page 1,000 by OFFSET."""
    async with database.transaction(user_id, read_only=True) as connection:
        before = await connection.fetchrow(
            "SELECT transaction_date, id FROM accounts.transactions WHERE user_id = $1 "
            "ORDER BY transaction_date DESC, id DESC OFFSET $2 LIMIT 1",
            user_id,
            (DEEP_PAGE - 1) * PAGE - 1,
        )
        after = TransactionPosition(before["transaction_date"], before["id"])
        filters = TransactionFilters()
        first, first_arguments = page_statement(user_id, filters, categories=[], after=None, limit=PAGE + 1)
        deep, deep_arguments = page_statement(user_id, filters, categories=[], after=after, limit=PAGE + 1)
        skipped = f"{first} OFFSET {(DEEP_PAGE - 1) * PAGE}"
        taken: dict[str, list[float]] = {"first": [], "deep": [], "offset": []}
        for _ in range(rounds):
            taken["first"].append(await _timed(connection, first, first_arguments))
            taken["deep"].append(await _timed(connection, deep, deep_arguments))
            taken["offset"].append(await _timed(connection, skipped, first_arguments))
    return {name: statistics.median(times) for name, times in taken.items()}


async def _timed(connection: Connection, statement: str, arguments: Sequence[object]) -> float:
    started = time.perf_counter()
    await connection.fetch(statement, *arguments)
    return (time.perf_counter() - started) * 1000


def run_pgbench(system: LocalSystem, users: Sequence[UUID], seconds: int, folder: Path) -> dict[str, float]:
    """Transactions a second, and their mean latency, of the three shapes in turn as the service role: 10 clients in 2 threads."""
    url = urlsplit(system.service_url("accounts"))
    command = [
        str(binaries() / "pgbench"), "-n", "-M", "simple", *PGBENCH, "-T", str(seconds),
        "-h", str(url.hostname), "-p", str(url.port), "-U", unquote(url.username or ""),
    ]  # fmt: skip
    for name, user_id, text in pgbench_scripts(users):
        script = folder / f"{name}.{user_id}.sql"
        script.write_text(text)
        command += ["-f", str(script)]
    environment = os.environ | {"PGPASSWORD": unquote(url.password or "")}
    done = subprocess.run([*command, url.path.lstrip("/")], check=True, capture_output=True, text=True, env=environment)
    # Of all scripts together; then follows each.
    latency, tps = re.search(r"latency average = ([\d.]+) ms", done.stdout), re.search(r"tps = ([\d.]+) \(without", done.stdout)
    if latency is None or tps is None:
        raise SystemExit(f"pgbench did not get to the end of a transaction:\n{done.stdout[:2000]}")
    return {"per_second": round(float(tps[1])), "latency_ms": float(latency[1])}


def pgbench_scripts(users: Sequence[UUID]) -> Iterator[tuple[str, UUID, str]]:
    """Name of the shape, user, and a transaction as a service has it, which shows the policies who asks."""
    for user_id in users:
        for name, (statement, arguments) in SHAPES.items():
            values = {f"${number}": f"'{value}'" for number, value in enumerate((user_id, *arguments), start=1)}
            text = re.sub(r"\$\d+", lambda found, values=values: values[found.group()], statement)  # type: ignore[misc]
            yield name, user_id, f"BEGIN READ ONLY;\nSELECT set_config('app.user_id','{user_id}',true);\n{text};\nCOMMIT;\n"


async def measure(system: LocalSystem, users: Sequence[UUID], large: UUID, queries: int) -> dict[str, Any]:
    """Everything but pgbench."""
    await fill(system, users, large)
    note(f"{len(users)} ledgers of {ROWS_PER_USER} rows, one of {LARGE_ROWS}")
    sizes = {"pool_size": 10, "max_overflow": 40, "pool_recycle_s": 300, "statement_timeout_s": 60}
    settings = DatabaseSettings().model_copy(update=sizes)
    database = Database(system.service_url("accounts"), settings)
    # One that keeps no plans: a kept one would be used again, whatever the settings say.
    planning = Database(system.service_url("accounts"), settings.model_copy(update={"statement_cache_size": 0}))
    await database.open()
    await planning.open()
    try:
        result: dict[str, Any] = {}
        everything = await asyncio.gather(*(latencies(database, shape, users, queries, indexes=True) for shape in SHAPES))
        for shape, with_indexes in zip(SHAPES, everything, strict=True):
            # One shape at a time from here on, both ways: the ratio is between equals.
            alone = await latencies(planning, shape, users, queries // 10, indexes=True)
            without = await latencies(planning, shape, users, queries // 10, indexes=False)
            ratio = statistics.median(without) / statistics.median(alone)
            result[shape] = {**figures(with_indexes), "without_indexes_ratio": round(ratio, 1)}
        pages = await page_times(database, large)
        result["page_ms"] = {name: round(taken, 2) for name, taken in pages.items()}
        result["deep_ratio"] = round(pages["deep"] / pages["first"], 2)
        result["offset_ratio"] = round(pages["offset"] / pages["deep"], 1)
        return result
    finally:
        await planning.close()
        await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=1000, help="of each shape")
    parser.add_argument("--seconds", type=int, default=10, help="of pgbench")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scale-bench-") as name:
        folder = Path(name)
        with LocalSystem(folder / "home", free_port_base(), report=lambda step, s: note(f"{step}: {s:.1f} s")) as system:
            system.start(services=())
            users = [new_user() for _ in range(USERS)]
            result = asyncio.run(measure(system, users, new_user(), options.queries))
            pgbench = run_pgbench(system, users[:10], options.seconds, folder)
    print(
        json.dumps(
            {
                "benchmark": "database",
                **result,
                "pgbench": pgbench,
                "wanted_deep_ratio": WANTED_DEEP_RATIO,
                "met": result["deep_ratio"] < WANTED_DEEP_RATIO,
                "cores": os.cpu_count(),
            }
        )
    )


if __name__ == "__main__":
    main()
