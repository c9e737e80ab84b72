"""Fifty imports at once, small ones read within their request and large ones by the worker, while what they need is killed: nothing is
lost, nothing is there twice, and whoever is sent away is told when to come back (ING-20, REL-15)."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis import Redis

from services.local import LocalSystem, free_port_base
from tests.support.rest import RestUser

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

USERS = 10
SMALL, LARGE = 60, 1_500
QUEUE_ABOVE_BYTES = 20_000
DEADLINE_S = 120
# Who is killed, and after how many of the fifty have come to an end; what else is then in hand is in the middle.
KILLS = ((3, "accounts"), (8, "ingestion-worker"), (14, "ingestion"), (20, "redis"), (26, "accounts"), (32, "ingestion"))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    """With few places, so that some of the fifty are sent away, and short leases, so that the waiting is short."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCALE_")}
    environment |= {
        "SCALE_INGESTION_LEASE_S": "3",
        "SCALE_INGESTION_QUEUE_ABOVE_BYTES": str(QUEUE_ABOVE_BYTES),
        "SCALE_INGESTION_PARALLEL_IMPORTS": "2",
        "SCALE_INGESTION_QUEUED_IMPORTS": "6",
        "SCALE_INGESTION_MAX_QUEUED": "6",
        "SCALE_INGESTION_QUEUE_LEASE_S": "5",
    }
    system = LocalSystem(tmp_path_factory.mktemp("chaos") / "home", free_port_base(), environment=environment)
    with system:
        system.start()
        yield system


def rows_of(name: str, first: int, count: int) -> list[str]:
    """Rows of which some are equal, as two coffees on one day are: the number of a row repeats now and then."""
    numbers = [number - number % 50 if number % 50 == 1 else number for number in range(first, first + count)]
    return [
        f"2026-{1 + number // 250 % 12:02}-{1 + number // 10 % 25:02},-{1 + number % 90}.50,{name} payment {number}" for number in numbers
    ]


def statement(rows: list[str]) -> str:
    return "\n".join(["Date,Amount,Description", *rows, ""])


class Imports:
    """What all clients together have seen."""

    def __init__(self, system: LocalSystem) -> None:
        self.system = system
        self.ended: list[dict[str, Any]] = []
        self.refusals: Counter[int] = Counter()
        self.queued = 0
        self._lock = threading.Lock()

    def carry_out(self, user: RestUser, text: str) -> None:
        """One client: the same request until it is taken, then a look now and then until the import has ended."""
        deadline = time.monotonic() + DEADLINE_S
        key = str(uuid4())
        response = self._answered(deadline, lambda: user.post_import(text, key=key))
        if response.status_code == 202:
            with self._lock:
                self.queued += 1
            location = response.headers["Location"].removeprefix("/api/v1")
            while response.json()["state"] in ("pending", "running"):
                time.sleep(0.2)
                response = self._answered(deadline, lambda: user.http.get(location))
        with self._lock:
            self.ended.append(response.json())

    def _answered(self, deadline: float, send: Any) -> httpx.Response:
        while True:
            assert time.monotonic() < deadline, "an import never came to its end"
            response: httpx.Response = send()
            if response.status_code in (200, 201, 202):
                return response
            assert response.status_code in (429, 503, 504), response.text
            assert int(response.headers["Retry-After"]) >= 1, response.text
            with self._lock:
                self.refusals[response.status_code] += 1
            # Not all at the same moment again; shorter than told, to be a nuisance.
            time.sleep(min(float(response.headers["Retry-After"]), 2) * random.uniform(0.2, 1))

    def kill_on_the_way(self) -> list[str]:
        """Kills one after the other; returns whom, with the number of imports that were still to come."""
        killed = []
        for after, victim in KILLS:
            deadline = time.monotonic() + DEADLINE_S
            while len(self.ended) < after:
                assert time.monotonic() < deadline, f"{len(self.ended)} of {after} imports came to an end before {victim} was to be killed"
                time.sleep(0.02)
            if pid := self.system.pid(victim):
                os.kill(pid, signal.SIGKILL)
                killed.append(victim)
        return killed


def test_fifty_imports_while_services_die(system: LocalSystem) -> None:
    imports = Imports(system)
    users = [RestUser(system, timeout_s=60) for _ in range(USERS)]
    work: list[tuple[RestUser, str]] = []
    expected: dict[RestUser, Counter[str]] = {}
    for number, user in enumerate(users):
        small, large = rows_of(f"u{number} small", 0, SMALL), rows_of(f"u{number} large", 0, LARGE)
        tail = rows_of(f"u{number} tail", 0, SMALL)
        # The small and the large file twice, as from a second device; and one that nobody else sends.
        work += [(user, statement(rows)) for rows in (small, large, small, large, tail)]
        expected[user] = Counter(small) + Counter(large) + Counter(tail)
    assert len(work) == 50
    assert len(statement(rows_of("u0 small", 0, SMALL))) < QUEUE_ABOVE_BYTES < len(statement(rows_of("u0 large", 0, LARGE)))
    random.shuffle(work)

    started = time.monotonic()
    with ThreadPoolExecutor(51) as clients:
        killing = clients.submit(imports.kill_on_the_way)
        for future in [clients.submit(imports.carry_out, user, text) for user, text in work]:
            future.result(timeout=DEADLINE_S + 10)
        killed = killing.result(timeout=DEADLINE_S)
    took = time.monotonic() - started

    assert set(killed) == {"accounts", "ingestion", "ingestion-worker", "redis"}
    assert len(imports.ended) == 50
    assert {ended["state"] for ended in imports.ended} == {"succeeded"}, took
    assert 10 < imports.queued <= 20  # while Redis is away, large ones are read within their request
    assert imports.refusals[429] > 0, "nobody was sent away: the test has too many places"
    for user, rows in expected.items():
        held = Counter(f"{one['transaction_date']},{one['amount']},{one['description']}" for one in user.transactions())
        assert held == rows
        found = user.pages("/imports")
        assert len(found) == 5, "a repeated request became a second import"
        counts = Counter[str]()
        for one in found:
            counts.update({name: value for name, value in one["counts"].items() if isinstance(value, int)})
        assert counts["rows"] == 2 * (SMALL + LARGE) + SMALL
        assert (counts["inserted"], counts["duplicates"], counts["rejected"]) == (sum(rows.values()), SMALL + LARGE, 0)

    # And nothing is left lying about.
    with Redis.from_url(system.redis_url) as redis:
        deadline = time.monotonic() + 30
        while redis.llen("ingest:3") or [path for path in (system.home.objects / "uploads").rglob("*") if path.is_file()]:
            assert time.monotonic() < deadline, "messages or uploads are left of imports that have ended"
            time.sleep(0.1)
