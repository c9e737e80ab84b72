"""A bank's CSV file through REST, beside the raw COPY-and-insert of the very same rows into the very same table in the same run.

    python -m benchmarks.import_csv [--rows 100000] [--rounds 4]

An untimed import gives the rows that the raw side inserts: same columns, indexes, role and row level security, in one transaction.
Every timed run starts with an empty table after a checkpoint and belongs to a fresh user; the two sides take turns in going first.
After each timed import the same user sends the same file again, which adds nothing.
Nobody is asked what the rows are for: the raw side does not know either (benchmarks/import_categorized.py measures what that costs).
Prints one line of JSON: medians in seconds, as `ratio` raw time by REST time, as `again_speedup` the first import's time by that of the
second. Exits with 1 when one of the two is less than wanted. benchmarks/import_memory.py weighs the services meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import statistics
import sys
import time
from uuid import UUID

import asyncpg
import polars as pl
import uuid_utils

from benchmarks.running import new_user, note, post_statement, running_system, statement_csv, token_for
from services.local.system import LocalSystem

WANTED_RATIO = 0.5
WANTED_AGAIN_SPEEDUP = 1.5
_COLUMNS = (
    "account_id", "transaction_date", "amount", "currency", "description", "merchant_name", "category", "category_source",
    "payment_method", "status", "fingerprint", "import_id", "import_line", "raw_data",
    "description_key", "occurrence",
)  # fmt: skip
_NAMES = ", ".join(_COLUMNS)
_DUMP = f"SELECT {_NAMES} FROM accounts.transactions WHERE user_id = $1 ORDER BY import_line"
_STAGE = f"CREATE TEMPORARY TABLE incoming ON COMMIT DROP AS SELECT id, {_NAMES} FROM accounts.transactions WITH NO DATA"
_INSERT = f"""
    INSERT INTO accounts.transactions (user_id, id, {_NAMES})
    SELECT $1, id, {_NAMES} FROM incoming ORDER BY import_line ON CONFLICT (user_id, fingerprint) DO NOTHING
"""
_OPEN_ACCOUNT = "INSERT INTO accounts.accounts (user_id, id, name, account_type, currency) VALUES ($1, $2, 'Imported', 'checking', 'EUR')"
_TOTALS = "SELECT count(*), sum(amount), min(transaction_date), max(transaction_date) FROM accounts.transactions WHERE user_id = $1"


class ImportBenchmark:
    """Both sides on one running system."""

    def __init__(self, system: LocalSystem, rows: int) -> None:
        self._system = system
        self._rows = rows
        self._file = statement_csv(rows)
        self._dumped: pl.DataFrame | None = None
        self._totals: asyncpg.Record | None = None

    async def prepare(self) -> None:
        """One import that is not timed, and its rows as the raw side will copy them."""
        user_id = new_user()
        self._post(user_id, inserted=self._rows)
        connection = await asyncpg.connect(self._system.migrator_url)
        buffer = io.BytesIO()
        await connection.copy_from_query(_DUMP, user_id, output=buffer, format="csv", header=True)
        self._totals = await connection.fetchrow(_TOTALS, user_id)
        await connection.close()
        # Text only: the bytes are the server's own.
        self._dumped = pl.read_csv(buffer.getvalue(), infer_schema=False)

    def _post(self, user_id: UUID, *, inserted: int) -> None:
        counts = post_statement(self._system, token_for(self._system, user_id), self._file)["counts"]
        if (counts["inserted"], counts["inserted"] + counts["duplicates"]) != (inserted, self._rows):
            raise SystemExit(f"expected {inserted} new rows of {self._rows}: {counts}")

    async def _clear(self) -> None:
        connection = await asyncpg.connect(self._system.superuser_url)
        await connection.execute("TRUNCATE accounts.transactions, accounts.transfers, accounts.transaction_aliases, accounts.source_ids")
        await connection.execute("VACUUM ANALYZE accounts.transactions")
        await connection.execute("CHECKPOINT")
        await connection.close()

    async def _check(self, user_id: UUID) -> None:
        connection = await asyncpg.connect(self._system.migrator_url)
        totals = await connection.fetchrow(_TOTALS, user_id)
        await connection.close()
        if totals != self._totals:
            raise SystemExit(f"the two sides did not store the same: {totals} instead of {self._totals}")

    async def rest(self) -> tuple[float, float]:
        """Seconds from the request to its answer: with every row new, and with the same file again."""
        await self._clear()
        user_id = new_user()
        first = await self._timed_post(user_id, inserted=self._rows)
        await self._check(user_id)
        again = await self._timed_post(user_id, inserted=0)
        await self._check(user_id)
        return first, again

    async def _timed_post(self, user_id: UUID, *, inserted: int) -> float:
        started = time.perf_counter()
        await asyncio.to_thread(self._post, user_id, inserted=inserted)
        return time.perf_counter() - started

    async def raw(self) -> float:
        """Seconds from BEGIN to COMMIT, with the bytes to copy at hand."""
        await self._clear()
        user_id, account_id = new_user(), new_user()
        connection = await asyncpg.connect(self._system.service_url("accounts"))
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.user_id', $1, true)", str(user_id))
            await connection.execute(_OPEN_ACCOUNT, user_id, account_id)
        content = self._content(account_id)
        started = time.perf_counter()
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.user_id', $1, true)", str(user_id))
            await connection.execute(_STAGE)
            await connection.copy_to_table("incoming", source=io.BytesIO(content), columns=["id", *_COLUMNS], format="csv")
            await connection.execute(_INSERT, user_id, timeout=600)
        elapsed = time.perf_counter() - started
        await connection.close()
        await self._check(user_id)
        return elapsed

    def _content(self, account_id: UUID) -> bytes:
        assert self._dumped is not None
        ids = pl.Series("id", [str(uuid_utils.uuid7()) for _ in range(self._rows)])
        rows = self._dumped.with_columns(ids, pl.lit(str(account_id)).alias("account_id")).select("id", *_COLUMNS)
        return rows.write_csv(include_header=False).encode()


async def measure(system: LocalSystem, rows: int, rounds: int) -> dict[str, object]:
    """Both sides in turns."""
    benchmark = ImportBenchmark(system, rows)
    await benchmark.prepare()
    times: dict[str, list[float]] = {"rest": [], "again": [], "raw": []}
    for number in range(rounds):
        for side in ("rest", "raw") if number % 2 == 0 else ("raw", "rest"):
            if side == "rest":
                first, again = await benchmark.rest()
                times["rest"].append(first)
                times["again"].append(again)
                note(f"rest: {first:.2f} s, the same file again: {again:.2f} s")
            else:
                times["raw"].append(await benchmark.raw())
                note(f"raw: {times['raw'][-1]:.2f} s")
    rest_s, again_s, raw_s = (statistics.median(times[side]) for side in ("rest", "again", "raw"))
    return {
        "benchmark": "import_csv",
        "rows": rows,
        "rest_s": round(rest_s, 3),
        "again_s": round(again_s, 3),
        "raw_s": round(raw_s, 3),
        "ratio": round(raw_s / rest_s, 3),
        "wanted_ratio": WANTED_RATIO,
        "again_speedup": round(rest_s / again_s, 3),
        "wanted_again_speedup": WANTED_AGAIN_SPEEDUP,
        "met": raw_s / rest_s >= WANTED_RATIO and rest_s / again_s >= WANTED_AGAIN_SPEEDUP,
        "rest_rows_per_s": round(rows / rest_s),
        "raw_rows_per_s": round(rows / raw_s),
        **{f"{side}_all_s": [round(value, 3) for value in values] for side, values in times.items()},
        "cores": os.cpu_count(),
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=4, help="even, so that each side goes first equally often")
    arguments = parser.parse_args()
    with running_system(SCALE_INGESTION_CLASSIFY="false") as system:
        result = asyncio.run(measure(system, arguments.rows, arguments.rounds))
    sys.stdout.write(f"{json.dumps(result)}\n")
    return 0 if result["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
