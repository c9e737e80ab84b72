"""Every connection of the ledger's pool is held. Whoever comes is told 503 at once, and within ten seconds of the release all is well."""

from __future__ import annotations

import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.experiment import RETRY_STATUSES, Findings, command, started, wait_until
from tests.chaos.slow_db import checked_out, listed, locked
from tests.support.rest import RestUser

POOL = 3
POOL_TIMEOUT_S = 1
CALLS = 30
BACK_WITHIN_S = 10.0


def connection_exhaustion(findings: Findings, folder: Path) -> None:
    """By calls that wait for a table."""
    pool = {"DB_POOL_SIZE": POOL, "DB_MAX_OVERFLOW": 0, "DB_POOL_TIMEOUT": POOL_TIMEOUT_S, "DB_STATEMENT_TIMEOUT": 8}
    with started(folder, ("accounts", "gateway"), **pool) as system:
        user = RestUser(system, timeout_s=30)
        with ThreadPoolExecutor(CALLS) as callers:
            with locked(system):
                holders = [callers.submit(listed, user) for _ in range(POOL)]
                wait_until(lambda: checked_out(system, user) >= POOL, 10, "the pool is not held")
                found = list(callers.map(lambda _: _told(user), range(CALLS - POOL)))
            released = time.monotonic()
            for holder in holders:
                holder.result(timeout=30)
        findings.told(answers=dict(Counter(str(status) for status, *_ in found)))
        wrong = [one for one in found if one[0] not in RETRY_STATUSES or not one[2]]
        findings.expect(not wrong, f"not sent away with a word when to come back: {wrong[:3]}")
        findings.expect(any(reason == "DB_POOL_EXHAUSTED" for _, reason, *_ in found), f"nobody was told why: {found[:3]}")
        findings.measured("slowest_s", max(seconds for *_, seconds in found), at_most=POOL_TIMEOUT_S + 4)
        wait_until(lambda: listed(user)[0] == 200 and checked_out(system, user) == 0, 60, "no recovery")
        findings.measured("recovered_s", time.monotonic() - released, at_most=BACK_WITHIN_S)


def _told(user: RestUser) -> tuple[int, str | None, str | None, float]:
    begun = time.monotonic()
    response = user.http.get("/transactions")
    return response.status_code, response.json().get("reason"), response.headers.get("Retry-After"), time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(command("connection_exhaustion", ["REL-05"], connection_exhaustion))
