"""What an import costs that asks what its rows are for, beside the same import without, in the same run.

    python -m benchmarks.import_categorized [--rows 100000] [--rounds 4]

Two systems side by side, of which one asks and one does not (SCALE_INGESTION_CLASSIFY); the same file through the REST of each in turns,
always for a fresh user, into an empty table after a checkpoint. The other one waits meanwhile. Each round has a file of its own, in which
hardly two descriptions are alike: what is said of one row is of no use for the next.
Prints one line of JSON: medians in seconds, as `ratio` the speed that is kept, and the processor time of each program. On a machine with
other work, `processor_ratio` says more. Exits with 1 when less speed is kept than wanted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections import Counter
from typing import NamedTuple

import asyncpg
import psutil

from benchmarks.running import new_user, note, post_statement, running_system, statement_csv, token_for
from services.local.system import LocalSystem

WANTED_RATIO = 0.7
_SERVICES = ("accounts", "categorization", "federation", "forecasting", "ingestion", "training", "gateway")
_WARM_UP_ROWS = 2000
_SOURCES = "SELECT COALESCE(category_source, 'none'), count(*) FROM accounts.transactions WHERE user_id = $1 GROUP BY 1"


class Taken(NamedTuple):
    """What one import took."""

    wall_s: float
    processor_s: dict[str, float]
    """By program."""
    sources: dict[str, int]
    """How many rows have their category from whom."""


def import_once(system: LocalSystem, content: bytes, rows: int) -> Taken:
    """One import by a fresh user."""
    asyncio.run(_clear(system))
    user_id = new_user()
    token = token_for(system, user_id)
    before = {name: _processor_s(system.pid(name)) for name in system.programs}
    started = time.perf_counter()
    answer = post_statement(system, token, content)
    wall_s = time.perf_counter() - started
    processor_s = {name: round(_processor_s(system.pid(name)) - spent, 2) for name, spent in before.items()}
    if answer["counts"]["inserted"] != rows:
        raise SystemExit(f"expected {rows} new rows: {answer['counts']}")
    if "categorization" in answer["detected"]:
        raise SystemExit("rows went without an answer of categorization: its log says why")
    return Taken(wall_s, processor_s, asyncio.run(_sources(system, user_id)))


def _processor_s(pid: int) -> float:
    """Seconds that a program has worked so far, its children and those that have ended included."""
    program = psutil.Process(pid)
    spent = 0.0
    for process in [program, *program.children(recursive=True)]:
        times = process.cpu_times()
        spent += times.user + times.system + times.children_user + times.children_system
    return spent


async def _clear(system: LocalSystem) -> None:
    connection = await asyncpg.connect(system.superuser_url)
    await connection.execute("TRUNCATE accounts.transactions, accounts.transfers, accounts.transaction_aliases, accounts.source_ids")
    await connection.execute("VACUUM ANALYZE accounts.transactions")
    await connection.execute("CHECKPOINT")
    await connection.close()


async def _sources(system: LocalSystem, user_id: object) -> dict[str, int]:
    connection = await asyncpg.connect(system.migrator_url)
    found = dict(await connection.fetch(_SOURCES, user_id))
    await connection.close()
    return found


def measure(plain: LocalSystem, categorized: LocalSystem, rows: int, rounds: int) -> dict[str, object]:
    """Both in turns."""
    for system in (plain, categorized):
        import_once(system, statement_csv(_WARM_UP_ROWS, seed=2), _WARM_UP_ROWS)
    taken: dict[str, list[Taken]] = {"plain": [], "categorized": []}
    for number in range(rounds):
        sides = [("plain", plain), ("categorized", categorized)]
        content = statement_csv(rows, seed=number + 3)
        for name, system in sides if number % 2 == 0 else sides[::-1]:
            taken[name].append(import_once(system, content, rows))
            last = taken[name][-1]
            note(f"{name}: {last.wall_s:.2f} s, processor {sum(last.processor_s.values()):.2f} s {last.processor_s} {last.sources}")
    wall_s = {name: statistics.median(one.wall_s for one in found) for name, found in taken.items()}
    processor_s = {name: statistics.median(sum(one.processor_s.values()) for one in found) for name, found in taken.items()}
    ratio = wall_s["plain"] / wall_s["categorized"]
    return {
        "benchmark": "import_categorized",
        "rows": rows,
        "plain_s": round(wall_s["plain"], 3),
        "categorized_s": round(wall_s["categorized"], 3),
        "ratio": round(ratio, 3),
        "wanted_ratio": WANTED_RATIO,
        "met": ratio >= WANTED_RATIO,
        "processor_ratio": round(processor_s["plain"] / processor_s["categorized"], 3),
        **{f"processor_{name}_s": round(seconds, 2) for name, seconds in processor_s.items()},
        "processor_by_program_s": _medians([one.processor_s for one in taken["categorized"]]),
        "category_sources": taken["categorized"][-1].sources,
        **{f"{name}_all_s": [round(one.wall_s, 3) for one in found] for name, found in taken.items()},
        "cores": os.cpu_count(),
    }


def _medians(found: list[dict[str, float]]) -> dict[str, float]:
    names: Counter[str] = Counter(name for one in found for name in one)
    return {name: round(statistics.median(one.get(name, 0.0) for one in found), 2) for name in names}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=4, help="even, so that each side goes first equally often")
    arguments = parser.parse_args()
    with running_system(_SERVICES, SCALE_INGESTION_CLASSIFY="false") as plain, running_system(_SERVICES) as categorized:
        result = measure(plain, categorized, arguments.rows, arguments.rounds)
    sys.stdout.write(f"{json.dumps(result)}\n")
    return 0 if result["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
