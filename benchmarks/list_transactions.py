"""How many 50-row pages a second the gateway serves, beside pgbench running the same query in the same run.

    python -m benchmarks.list_transactions [--seconds 10] [--rounds 3]

Both ask as the service role, in a transaction with the user set, 32 at a time, over the same sixteen ledgers; rounds alternate and medians
count. The gateway's figure includes the token check, the rate limiter and the access log. Needs wrk (Debian: apt-get install wrk).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID

from benchmarks.running import new_user, note, post_statement, running_system, statement_csv, token_for
from services.accounts.domain import TransactionFilters
from services.accounts.repository.filters import page_statement
from services.local.postgres import binaries
from services.local.system import LocalSystem

CLIENTS = 32
USERS = 16
ROWS_PER_USER = 5_000
PAGE = 50
WANTED_RATIO = 0.05
WANTED_P95_MS = 100

_LUA = """
local tokens = {%s}
local turn = 0
request = function()
  turn = turn + 1
  wrk.headers["Authorization"] = "Bearer " .. tokens[turn %% #tokens + 1]
  return wrk.format("GET", "/api/v1/transactions?page_size=%d")
end
done = function(summary, latency, requests)
  local errors = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format("RESULT %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration, errors,
    latency:percentile(50), latency:percentile(95)))
end
"""


def run_wrk(system: LocalSystem, tokens: list[str], seconds: int, folder: Path) -> dict[str, float]:
    """Requests per second and latency in milliseconds, through the gateway. Raises when any answer was not 2xx."""
    script = folder / "page.lua"
    script.write_text(_LUA % (",".join(f'"{token}"' for token in tokens), PAGE))
    command = ["wrk", "-t", "1", "-c", str(CLIENTS), "-d", f"{seconds}s", "--timeout", "10s", "-s", str(script), system.gateway_url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    requests, duration_us, errors, p50_us, p95_us = (int(text) for text in re.findall(r"RESULT (.*)", output)[0].split())
    if errors:
        raise SystemExit(f"{errors} of {requests} requests failed:\n{output}")
    return {"rate": requests / duration_us * 1e6, "p50_ms": p50_us / 1000, "p95_ms": p95_us / 1000}


def first_page(user_id: UUID) -> str:
    """The statement of the accounts service, with its values written in: pgbench binds no UUIDs."""
    statement, arguments = page_statement(user_id, TransactionFilters(), categories=[], after=None, limit=PAGE + 1)
    for number, value in enumerate(arguments, start=1):
        statement = statement.replace(f"${number}", f"'{value}'" if isinstance(value, UUID) else str(value))
    return " ".join(statement.split())


def run_pgbench(system: LocalSystem, users: list[UUID], seconds: int, folder: Path) -> float:
    """Transactions per second of the same query as the service role."""
    arguments = []
    for number, user_id in enumerate(users):
        script = folder / f"page{number}.sql"
        script.write_text(
            "BEGIN READ ONLY;\n"
            f"SELECT set_config('app.user_id','{user_id}',true),set_config('statement_timeout','5000',true);\n"
            f"{first_page(user_id)};\n"
            "COMMIT;\n"
        )
        arguments += ["-f", str(script)]
    url = urlsplit(system.service_url("accounts"))
    command = [
        str(binaries() / "pgbench"), "-n", "-M", "simple", "-c", str(CLIENTS), "-j", "2", "-T", str(seconds), *arguments,
        "-h", str(url.hostname), "-p", str(url.port), "-U", unquote(url.username or ""), url.path.lstrip("/"),
    ]  # fmt: skip
    environment = os.environ | {"PGPASSWORD": unquote(url.password or "")}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    return float(re.findall(r"tps = ([\d.]+) \(without", output)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed (Debian: apt-get install wrk)")
    with running_system() as system, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        users = [new_user() for _ in range(USERS)]
        tokens = [token_for(system, user) for user in users]
        for number, token in enumerate(tokens):
            post_statement(system, token, statement_csv(ROWS_PER_USER, seed=number))
        note(f"{USERS} ledgers of {ROWS_PER_USER} rows")
        run_wrk(system, tokens, 2, folder)
        pages, queries = [], []
        for _ in range(options.rounds):
            queries.append(run_pgbench(system, users, options.seconds, folder))
            pages.append(run_wrk(system, tokens, options.seconds, folder))
            note(f"pgbench {queries[-1]:.0f}/s, gateway {pages[-1]['rate']:.0f}/s, p95 {pages[-1]['p95_ms']:.1f} ms")
    rate = statistics.median(page["rate"] for page in pages)
    baseline = statistics.median(queries)
    p95 = statistics.median(page["p95_ms"] for page in pages)
    result = {
        "benchmark": "list_transactions",
        "requests_per_second": round(rate),
        "p50_ms": round(statistics.median(page["p50_ms"] for page in pages), 1),
        "p95_ms": round(p95, 1),
        "pgbench_per_second": round(baseline),
        "ratio": round(rate / baseline, 4),
        "wanted_ratio": WANTED_RATIO,
        "wanted_p95_ms": WANTED_P95_MS,
        "met": rate / baseline >= WANTED_RATIO and p95 < WANTED_P95_MS,
        "clients": CLIENTS,
        "cores": os.cpu_count(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
