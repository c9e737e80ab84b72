"""How long a ledger of a million rows takes to back up and to restore, and how much is lost: the drill on a durable server of its own.

    python -m benchmarks.restore_drill [--rows 1000000] [--writing 90] [--encrypted]

Prints one JSON object; exits with 1 where an objective (5 minutes of data, 15 minutes of time) or a figure is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.running import note
from services.local import LocalSystem, free_port_base

ROWS_PER_USER = 2_000
_FILL = """
    WITH opened AS (
        INSERT INTO accounts.accounts (user_id, id, name, account_type, currency)
        SELECT gen_random_uuid(), gen_random_uuid(), 'Everyday', 'checking', (ARRAY['EUR', 'USD', 'CHF'])[1 + n % 3]
          FROM generate_series(1, $1::int) AS n RETURNING user_id, id, currency)
    INSERT INTO accounts.transactions (user_id, id, account_id, transaction_date, amount, currency, description, category,
                                       category_source, fingerprint)
    SELECT user_id, gen_random_uuid(), id, date '2026-09-30' - n % 1826, n % 997 - 700 + (n % 99 + 1) / 100.0,
           currency, 'CARD PAYMENT ' || n,
           (SELECT array_agg(slug ORDER BY slug) FROM accounts.categories)[1 + n * 7 % 30], 'file', n::text
      FROM opened, generate_series(1, $2::int) AS n
"""
_ARCHIVED = "SELECT count(*) = 0 FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"


async def fill(system: LocalSystem, rows: int) -> tuple[float, float]:
    """Ledgers of that many rows in all; seconds to write them, and those in which the archive was behind after that."""
    connection = await asyncpg.connect(system.superuser_url)
    try:
        started = time.monotonic()
        for done in range(0, rows, 100_000):
            await connection.execute(_FILL, min(100_000, rows - done) // ROWS_PER_USER, ROWS_PER_USER)
        written = time.monotonic()
        while not await connection.fetchval(_ARCHIVED):  # noqa: ASYNC110  # PostgreSQL tells nobody
            await asyncio.sleep(0.2)
        return written - started, time.monotonic() - written
    finally:
        await connection.close()


def measure(folder: Path, rows: int, writing_s: float, *, encrypted: bool) -> dict[str, Any]:
    """Fills a system of its own, backs it up and drills."""
    settings = {"SCALE_BACKUP_URL": (folder / "backups").as_uri()}
    if encrypted:
        (folder / "keys").write_text(secrets.token_hex(32), encoding="ascii")
        settings["SCALE_BACKUP_KEY_FILE"] = str(folder / "keys")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SCALE_")}
    with LocalSystem(folder / "home", free_port_base(), environment=kept | settings) as system:
        system.start(services=())
        note(f"filling {rows:,} rows")
        fill_s, behind_s = asyncio.run(fill(system, rows))
        note("drilling")
        environment = kept | settings | {"SCALE_HOME": str(system.home.path), "SCALE_GATEWAY_PORT": str(system.ports.base)}
        command = [sys.executable, "-m", "operations.backup", "drill", "--fresh", "--writing", str(writing_s)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        note(done.stderr.strip())
    drilled = json.loads(done.stdout) if done.stdout else {"passed": False}
    return {"fill_s": round(fill_s, 1), "archive_behind_s": round(behind_s, 1), "encrypted": encrypted, **drilled}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--writing", type=float, default=90, help="seconds for which the copy is written to before it is lost")
    parser.add_argument("--encrypted", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scale-restore-drill-") as folder:
        result = measure(Path(folder), options.rows, options.writing, encrypted=options.encrypted)
    print(json.dumps(result, indent=2))
    sys.exit(0 if result["passed"] else 1)


if __name__ == "__main__":
    main()
