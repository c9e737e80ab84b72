"""A user's export and its way back, beside PostgreSQL's own COPY of the same transactions in the same run.

    python -m benchmarks.export [--rows 1000000]

Export: the zip of GET /export to its last byte, beside COPY of the table's rows to nowhere. Restore: POST /restore as another user, beside
COPY of the same rows into an empty table with the same indexes. Prints one line of JSON: rows a second, the share of COPY's speed, and by
how many MB each process grew. Exits with 1 when a row is lost or a service grows by more than 300 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import asyncpg
import httpx

from benchmarks.import_memory import SHARING, WANTED_MB, MemoryWatch
from benchmarks.running import new_user, note, post_statement, running_system, statement_csv, token_for
from services.local.system import LocalSystem

_TIMEOUT_S = 3600


def _session(system: LocalSystem, user_id: UUID) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token_for(system, user_id)}"}
    return httpx.Client(base_url=f"{system.gateway_url}/api/v1", headers=headers, timeout=_TIMEOUT_S)


def _export(system: LocalSystem, user_id: UUID, file: IO[bytes]) -> float:
    started = time.perf_counter()
    with _session(system, user_id) as http, http.stream("GET", "/export") as response:
        response.raise_for_status()
        for block in response.iter_raw():
            file.write(block)
    return time.perf_counter() - started


def _restore(system: LocalSystem, user_id: UUID, file: Path) -> tuple[float, dict[str, int]]:
    started = time.perf_counter()
    with _session(system, user_id) as http, file.open("rb") as content:
        response = http.post("/restore", files={"file": (file.name, content, "application/zip")})
        response.raise_for_status()
    return time.perf_counter() - started, dict(response.json()["counts"])


async def _copies(system: LocalSystem, user_id: UUID, folder: Path) -> tuple[float, float]:
    """Seconds of COPY out, and of COPY into a table with the same indexes."""
    rows = f"SELECT * FROM accounts.transactions WHERE user_id = '{user_id}'"  # sql: a UUID of our own
    target = folder / "rows.bin"
    connection = await asyncpg.connect(system.migrator_url)
    try:
        started = time.perf_counter()
        await connection.copy_from_query(rows, output=_nowhere, format="csv")
        out_s = time.perf_counter() - started
        columns = await connection.fetchval("""
            SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
             WHERE attrelid = 'accounts.transactions'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
        """)
        await connection.execute("CREATE TABLE accounts.measured (LIKE accounts.transactions INCLUDING ALL)")
        named = ", ".join(columns)
        await connection.copy_from_query(rows.replace("*", named), output=target, format="csv")
        started = time.perf_counter()
        await connection.copy_to_table("measured", schema_name="accounts", source=_blocks(target), columns=columns, format="csv")
        in_s = time.perf_counter() - started
        await connection.execute("DROP TABLE accounts.measured")
    finally:
        await connection.close()
    return out_s, in_s


async def _nowhere(_: bytes) -> None:
    return


async def _blocks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as content:
        while block := content.read(512 * 1024):
            yield block


def measure(system: LocalSystem, rows: int) -> dict[str, Any]:
    """One user's ledger, out and into another one's."""
    owner = new_user()
    post_statement(system, token_for(system, owner), statement_csv(rows))
    programs = {name: system.pid(name) for name in system.programs if name != "redis"}
    with tempfile.TemporaryDirectory(prefix="scale-bench-") as name, MemoryWatch(programs) as watch:
        folder = Path(name)
        file = folder / "export.zip"
        with file.open("wb") as content:
            export_s = _export(system, owner, content)
        note(f"export: {export_s:.1f} s, {watch.growth_mb}")
        restore_s, counts = _restore(system, new_user(), file)
        note(f"restore: {restore_s:.1f} s, {watch.growth_mb}")
        if counts["inserted"] != rows:
            raise SystemExit(f"expected {rows} new rows: {counts}")
        growth = watch.growth_mb
        zip_mb = round(file.stat().st_size / 1e6, 1)
        copy_out_s, copy_in_s = asyncio.run(_copies(system, owner, folder))
    most = max(grown for program, grown in growth.items() if program not in SHARING)
    return {
        "benchmark": "export",
        "rows": rows,
        "zip_mb": zip_mb,
        "export": {"seconds": round(export_s, 1), "rows_per_s": round(rows / export_s), "of_copy": round(copy_out_s / export_s, 2)},
        "restore": {"seconds": round(restore_s, 1), "rows_per_s": round(rows / restore_s), "of_copy": round(copy_in_s / restore_s, 2)},
        "copy": {"out_s": round(copy_out_s, 1), "in_s": round(copy_in_s, 1)},
        "growth_mb": growth,
        "most_grown_mb": most,
        "wanted_mb": WANTED_MB,
        "met": most <= WANTED_MB,
        "cores": os.cpu_count(),
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    with running_system() as system:
        result = measure(system, options.rows)
    sys.stdout.write(f"{json.dumps(result)}\n")
    return 0 if result["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
