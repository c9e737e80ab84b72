"""Chaos 3: the database holds every statement for longer than the 100 ms that it is given. Each caller is told 408, and nothing hangs."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from services.local import LocalSystem
from tests.chaos.experiment import Findings, command, started, wait_until
from tests.support.rest import RestUser

CALLS = 40
ANSWERED_WITHIN_S = 5.0
"""A statement's 100 ms, and what a machine with other work to do takes for the rest."""


def slow_db(findings: Findings, folder: Path) -> None:
    """Somebody holds the ledger's table."""
    with started(folder, ("accounts", "gateway"), DB_STATEMENT_TIMEOUT="0.1") as system:
        user = RestUser(system, timeout_s=30)
        with locked(system), ThreadPoolExecutor(8) as callers:
            found = list(callers.map(lambda _: listed(user), range(CALLS)))
        wrong = [one for one in found if one[:2] != (408, "DB_STATEMENT_TIMEOUT")]
        findings.told(answers_408=len(found) - len(wrong))
        findings.expect(not wrong, f"not 408: {wrong[:3]}")
        findings.measured("slowest_s", max(seconds for *_, seconds in found), at_most=ANSWERED_WITHIN_S)
        free = wait_until(lambda: checked_out(system, user) == 0, 10, "connections stay checked out")
        findings.measured("pool_free_again_s", free, at_most=10)
        findings.measured("hung_connections", asyncio.run(hung(system)), at_most=0)
        status = listed(user)[0]
        findings.expect(status == 200, f"the ledger is not shown again: {status}")


@contextmanager
def locked(system: LocalSystem) -> Iterator[None]:
    """While somebody else holds the table of transactions for himself."""
    held, release = threading.Event(), threading.Event()

    async def hold() -> None:
        connection = await asyncpg.connect(system.superuser_url)
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE accounts.transactions IN ACCESS EXCLUSIVE MODE")
                held.set()
                await asyncio.to_thread(release.wait)
        finally:
            await connection.close()

    thread = threading.Thread(target=lambda: asyncio.run(hold()), daemon=True)
    thread.start()
    if not held.wait(30):
        raise TimeoutError("the table could not be locked")
    try:
        yield
    finally:
        release.set()
        thread.join(10)


def listed(user: RestUser) -> tuple[int, str | None, float]:
    """Status, reason and seconds of a look at the ledger."""
    begun = time.monotonic()
    response = user.http.get("/transactions")
    return response.status_code, response.json().get("reason"), time.monotonic() - begun


def checked_out(system: LocalSystem, user: RestUser) -> int:
    """Connections of the ledger's pool that are in use."""
    return int(user.http.get("/health/ready").json()["dependencies"]["accounts"]["database"]["checked_out"])


async def hung(system: LocalSystem) -> int:
    """Sessions of the ledger's role that are in the middle of something for longer than a second."""
    connection = await asyncpg.connect(system.superuser_url)
    try:
        count = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'scale_accounts' AND state <> 'idle' AND now() - xact_start > '1 s'"
        )
        return int(count)
    finally:
        await connection.close()


if __name__ == "__main__":
    sys.exit(command("slow_db", ["REL-14"], slow_db))
