"""Chaos 2: Redis is away for half a minute. Everything is answered, without its limits and caches, and a warning stands in the log; when it
is back, so is everything, without a restart of anything."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import httpx

from services.local import LocalSystem
from tests.chaos.experiment import Findings, command, started, wait_until
from tests.chaos.processes import answers
from tests.chaos.requests import Requests
from tests.support.rest import RestUser

AWAY_S = 30.0
BACK_WITHIN_S = 120.0
QUEUE_ABOVE_BYTES = 20_000


def redis_unreachable(findings: Findings, folder: Path) -> None:
    """Its port is closed."""
    with started(folder, SCALE_INGESTION_QUEUE_ABOVE_BYTES=QUEUE_ABOVE_BYTES) as system:
        user = RestUser(system, timeout_s=30)
        user.imported(statement(0, 40))
        pids = pids_of(system)
        log = system.home.logs / "gateway.log"
        logged = log.stat().st_size
        system.halt("redis")
        begun = time.monotonic()
        with Requests(lambda: user.http.get("/transactions")) as lists, Requests(lambda: classified(user)) as classify:
            told = user.http.post("/imports", files={"file": ("bank.csv", statement(1, 40), "text/csv")})
            findings.expect(told.status_code == 201, f"an import without Redis: {told.status_code} {told.text[:200]}")
            ready = user.http.get("/health/ready")
            findings.expect(
                (ready.status_code, ready.json().get("rung")) == (503, "unlimited"), f"readiness without Redis: {ready.text[:300]}"
            )
            time.sleep(max(0.0, AWAY_S - (time.monotonic() - begun)))
        for name, requests in (("lists", lists), ("classified", classify)):
            findings.told(**{f"{name}_without_redis": dict(requests.answers)})
            findings.measured(f"{name}_failed_without_redis", requests.failed, at_most=0)
            findings.measured(f"{name}_median_s_without_redis", requests.median_s)
            findings.failures += requests.wrong
        warnings = log.read_bytes()[logged:].count(b"Redis does not answer")
        findings.told(warnings=warnings)
        findings.expect(warnings, "no warning in the gateway's log")
        system.run("redis")
        back(findings, system, user, pids)


def back(findings: Findings, system: LocalSystem, user: RestUser, pids: dict[str, int]) -> None:
    """Redis is there again: so is full service, and what goes through the queue."""
    findings.measured(
        "ready_again_s", wait_until(lambda: answers(system, "/ready"), BACK_WITHIN_S, "not ready again"), at_most=BACK_WITHIN_S
    )
    full = wait_until(lambda: user.http.get("/health/ready").json().get("rung") == "full", BACK_WITHIN_S, "no full service")
    findings.measured("workers_back_s", full, at_most=BACK_WITHIN_S)
    begun = time.monotonic()
    queued = user.post_import(statement(2, 1500))
    findings.expect(queued.status_code == 202, f"a large import is not queued again: {queued.status_code}")
    if queued.status_code == 202:
        user.finished(queued, seconds=BACK_WITHIN_S)
    findings.measured("queue_works_again_s", time.monotonic() - begun, at_most=BACK_WITHIN_S)
    findings.measured("rows", len(user.transactions()))
    findings.expect(len(user.transactions()) == 40 + 40 + 1500, "rows are lost or doubled")
    restarted = [name for name, pid in pids_of(system).items() if pids.get(name, pid) != pid]
    findings.expect(not restarted, f"restarted on the way: {restarted}")


def pids_of(system: LocalSystem) -> dict[str, int]:
    """Of everything but the stores."""
    return {name: system.pid(name) for name in system.programs if name not in ("redis", "postgres")}


def classified(user: RestUser) -> httpx.Response:
    """One payment."""
    return user.http.post("/classify", json={"description": "REWE SAGT DANKE", "amount": "-12.30", "currency": "EUR"})


def statement(number: int, rows: int) -> str:
    """The rows of no other number."""
    lines = [f"2026-{1 + row % 12:02}-{1 + row % 28:02},-{1 + row % 90}.50,statement {number} payment {row}" for row in range(rows)]
    return "\n".join(["Date,Amount,Description", *lines, ""])


if __name__ == "__main__":
    sys.exit(command("redis_unreachable", ["REL-03", "REL-13", "CACHE-10"], redis_unreachable))
