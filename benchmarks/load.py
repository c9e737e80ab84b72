"""The REST API under the load of a capacity step: latencies by route, requests a second, failures, and what is met of what is promised.

    python -m benchmarks.load --profile p1 --seconds 60
    API_URL=https://scale.example TOKENS_FILE=tokens.txt python -m benchmarks.load --profile p3 --seconds 600 --processes 8

Locust asks, as tests/performance/locustfile.py says: 1 to 3 seconds between two requests of a virtual user, pages of transactions and
category statistics 1 : 2. Without API_URL the whole system is started for it on this machine, which then does the asking as well as the
answering, and each virtual user has a ledger and a token of their own. With API_URL the tokens come from TOKENS_FILE (one a line), or from
TEST_JWT.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from benchmarks.load_profiles import PROFILES, RAMP_S, Profile, judged, percentile
from benchmarks.running import new_user, note, running_system, token_for
from services.local.system import LocalSystem

LOCUSTFILE = Path(__file__).resolve().parents[1] / "tests" / "performance" / "locustfile.py"
ROWS_PER_USER = 1_000
LAST_DAY = date(2026, 9, 30)

_OPEN = """
    INSERT INTO accounts.accounts (user_id, id, name, account_type, currency)
    SELECT user_id, gen_random_uuid(), 'Everyday', 'checking', 'EUR' FROM unnest($1::uuid[]) AS user_id RETURNING user_id, id
"""
_FILL = """
    INSERT INTO accounts.transactions (user_id, id, account_id, transaction_date, amount, currency, description, category,
                                       category_source, fingerprint)
    SELECT user_id, gen_random_uuid(), account_id, $3::date - n / 3, n % 997 - 700 + 0.25, 'EUR', 'CARD PAYMENT ' || n,
           (SELECT array_agg(slug ORDER BY slug) FROM accounts.categories)[1 + n * 7 % 30], 'file', n::text
      FROM unnest($1::uuid[], $2::uuid[]) AS owner (user_id, account_id), generate_series(1, $4::int) AS n
"""
_TOUCH = "INSERT INTO accounts.ledger_changes (user_id) SELECT unnest($1::uuid[])"


async def fill(migrator_url: str, users: Sequence[UUID], rows: int) -> None:
    """A ledger for each, written as the migrator, and the figures of all."""
    migrator = await asyncpg.connect(migrator_url)
    try:
        for start in range(0, len(users), 500):
            opened = await migrator.fetch(_OPEN, users[start : start + 500])
            owners, accounts = [one["user_id"] for one in opened], [one["id"] for one in opened]
            await migrator.execute(_FILL, owners, accounts, LAST_DAY, rows)
            await migrator.execute(_TOUCH, owners)
        await migrator.execute("VACUUM ANALYZE accounts.transactions")
        await migrator.execute("SELECT accounts.refresh_figures()")
    finally:
        await migrator.close()


def tokens_for(system: LocalSystem, users: Sequence[UUID], file: Path) -> None:
    """One a line, for none but us to read."""
    file.touch(mode=0o600)
    file.write_text("".join(f"{token_for(system, user_id)}\n" for user_id in users), encoding="utf-8")


def ask(url: str, profile: Profile, seconds: int, tokens: Path | None, *, processes: int = 1, ramp_s: int = RAMP_S) -> dict[str, Any]:
    """Runs locust to its end; what it found by route and altogether."""
    command = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        str(LOCUSTFILE),
        "--headless",
        "--json",
        "--only-summary",
        "--host",
        url,
        "--loglevel",
        "WARNING",
    ]
    command += ["--step", profile.name, "--seconds", str(seconds), "--ramp", str(ramp_s)]
    if processes > 1:
        command += ["--processes", str(processes)]
    environment = dict(os.environ) | ({"TOKENS_FILE": str(tokens)} if tokens else {})
    # 1: there were failures, which the figures say.
    done = subprocess.run(command, check=False, env=environment, stdout=subprocess.PIPE, text=True, cwd=LOCUSTFILE.parents[2])
    if done.returncode not in (0, 1) or not done.stdout.strip():
        raise SystemExit(f"locust ended with status {done.returncode}: {done.stdout[-2000:]}")
    return figures(json.loads(done.stdout))


def figures(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of locust's account of each route: response times and how often each came, first and last moment, failures."""
    if not entries:
        raise SystemExit("No request was answered in the time that counts.")
    times: Counter[int] = Counter()
    for entry in entries:
        times.update({int(time_ms): count for time_ms, count in entry["response_times"].items()})
    began, ended = (min(one["start_time"] for one in entries), max(one["last_request_timestamp"] for one in entries))
    requests, failed = (sum(int(one[name]) for one in entries) for name in ("num_requests", "num_failures"))
    whole = _latencies(times) | {
        "requests": requests,
        "failed": failed,
        "failed_share": failed / requests if requests else 1.0,
        "per_second": round(requests / max(ended - began, 1.0), 1),
    }
    routes = {
        one["name"]: _latencies({int(time_ms): count for time_ms, count in one["response_times"].items()})
        | {"requests": one["num_requests"], "failed": one["num_failures"]}
        for one in entries
    }
    return {**whole, "routes": routes}


def _latencies(times: dict[int, int] | Counter[int]) -> dict[str, float]:
    return {"p50_ms": percentile(times, 0.5), "p95_ms": percentile(times, 0.95), "p99_ms": percentile(times, 0.99)}


def measure(profile: Profile, seconds: int, *, users: int, processes: int) -> dict[str, Any]:
    """Asks who API_URL names, else a system of our own."""
    if url := os.environ.get("API_URL"):
        return ask(url, profile, seconds, None, processes=processes)
    with tempfile.TemporaryDirectory(prefix="scale-load-") as folder, running_system(SCALE_GATEWAY_RATE_LIMIT="100") as system:
        owners = [new_user() for _ in range(users)]
        asyncio.run(fill(system.migrator_url, owners, ROWS_PER_USER))
        note(f"{users} ledgers of {ROWS_PER_USER} rows")
        tokens = Path(folder) / "tokens"
        tokens_for(system, owners, tokens)
        return ask(system.gateway_url, profile, seconds, tokens, processes=processes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="p1")
    parser.add_argument("--seconds", type=int, default=60, help="for which all users ask, after a ramp of ten")
    parser.add_argument("--processes", type=int, default=1, help="of locust: one asks for about 500 requests a second")
    parser.add_argument("--strict", action="store_true", help="end with status 1 where something is not met")
    options = parser.parse_args()
    profile = PROFILES[options.profile]
    found = measure(profile, options.seconds, users=profile.users, processes=options.processes)
    flags = judged(profile, found)
    result = {
        "benchmark": "load",
        "profile": profile.name,
        "users": profile.users,
        "offered_per_second": profile.offered_per_second,
        **found,
        "flags": flags,
        "met": all(flag["met"] is not False for flag in flags.values()),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(result))
    return 1 if options.strict and not result["met"] else 0


if __name__ == "__main__":
    sys.exit(main())
