"""Latencies of the driver and its pool: three shapes of query at once over the ledgers of 100 users, as the service role.

    python -m benchmarks.db_benchmark [--queries 1000]

The pool keeps 10 to 50 connections, each for 10,000 queries, or 300 seconds without one. `--queries` of each shape: count, last 20, sum
since a day; each in a transaction that tells the policies who asks. Then the same one at a time, held against what each phase allows a
query (DB-64): at once they wait for each other, for connections and for this machine's processors.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from benchmarks.database import SHAPES, USERS, figures, fill
from benchmarks.running import new_user, note, running_system
from services.local import LocalSystem

POOL: dict[str, Any] = {"min_size": 10, "max_size": 50, "max_queries": 10_000, "max_inactive_connection_lifetime": 300.0}
AT_ONCE = 50
"""Queries on their way; as many as the pool has connections."""
PHASES_MS = {"p1": 100, "p2": 50, "p3": 10}
"""What 95 % of the queries of any shape may take."""
_AS_USER = "SELECT set_config('app.user_id', $1, true)"


async def measure(url: str, users: Sequence[UUID], queries: int, at_once: int = AT_ONCE) -> dict[str, Any]:
    """Of each shape, the mean and percentiles in milliseconds; the wait for a connection is part of it."""
    free = asyncio.Semaphore(at_once)
    taken: dict[str, list[float]] = {shape: [] for shape in SHAPES}

    async def ask(shape: str, user_id: UUID) -> None:
        statement, arguments = SHAPES[shape]
        async with free:
            started = time.perf_counter()
            async with pool.acquire() as connection, connection.transaction(readonly=True):
                await connection.execute(_AS_USER, str(user_id))
                await connection.fetch(statement, user_id, *arguments)
            taken[shape].append((time.perf_counter() - started) * 1000)

    async with asyncpg.create_pool(url, **POOL) as pool:
        chosen = [(shape, user_id) for shape in SHAPES for user_id in random.Random(shape).choices(users, k=queries)]
        random.Random(1).shuffle(chosen)
        began = time.perf_counter()
        await asyncio.gather(*(ask(shape, user_id) for shape, user_id in chosen))
        elapsed_s = time.perf_counter() - began
    return {"shapes": {shape: figures(times) for shape, times in taken.items()}, "per_second": round(len(chosen) / elapsed_s)}


async def run(system: LocalSystem, queries: int) -> dict[str, Any]:
    """Fills ledgers and asks."""
    users = [new_user() for _ in range(USERS)]
    await fill(system, users)
    note(f"{len(users)} ledgers")
    url = system.service_url("accounts")
    together = await measure(url, users, queries)
    alone = await measure(url, users, queries, at_once=1)
    return together | {"one_at_a_time": alone, "phases": judged(alone)}


def judged(measured: dict[str, Any]) -> dict[str, Any]:
    """Whether the slowest shape's 95th percentile keeps to each phase's time."""
    slowest = max(figures["p95_ms"] for figures in measured["shapes"].values())
    return {phase: {"target_ms": target, "p95_ms": slowest, "passed": slowest < target} for phase, target in PHASES_MS.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=1000, help="of each shape")
    options = parser.parse_args()
    with running_system(()) as system:
        result = asyncio.run(run(system, options.queries))
    pool = {name.removeprefix("max_inactive_"): value for name, value in POOL.items()}
    print(
        json.dumps(
            {"benchmark": "db_benchmark", "pool": pool, "queries": options.queries, "users": USERS, **result, "cores": os.cpu_count()}
        )
    )


if __name__ == "__main__":
    main()
