"""Chaos 4: fifty imports at once, small ones read within their request and large ones by the worker. They queue, whoever is sent away is
told when to come back, nothing is lost, and nothing is there twice; `test_concurrent_imports` kills services on the way, too."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from services.local import LocalSystem
from tests.chaos.experiment import RETRY_STATUSES, Findings, command, started
from tests.chaos.processes import left_behind
from tests.support.rest import RestUser

SERVICES = ("accounts", "accounts-worker", "categorization", "ingestion", "ingestion-worker", "beat", "gateway")
USERS = 10
SMALL, LARGE = 60, 1_500
QUEUE_ABOVE_BYTES = 20_000
DEADLINE_S = 120
# Few places, so that some of the fifty are sent away, and short leases, so that the waiting is short.
SETTINGS = {
    "SCALE_INGESTION_LEASE_S": "3",
    "SCALE_INGESTION_QUEUE_ABOVE_BYTES": str(QUEUE_ABOVE_BYTES),
    "SCALE_INGESTION_PARALLEL_IMPORTS": "2",
    "SCALE_INGESTION_QUEUED_IMPORTS": "6",
    "SCALE_INGESTION_MAX_QUEUED": "6",
    "SCALE_INGESTION_QUEUE_LEASE_S": "5",
}


def rows_of(name: str, first: int, count: int) -> list[str]:
    """Rows of which some are equal, as two coffees on one day are: the number of a row repeats now and then."""
    numbers = [number - number % 50 if number % 50 == 1 else number for number in range(first, first + count)]
    return [
        f"2026-{1 + number // 250 % 12:02}-{1 + number // 10 % 25:02},-{1 + number % 90}.50,{name} payment {number}" for number in numbers
    ]


def statement(rows: list[str]) -> str:
    """As a file."""
    return "\n".join(["Date,Amount,Description", *rows, ""])


class Imports:
    """What all clients together have seen."""

    def __init__(self) -> None:
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

    def _answered(self, deadline: float, send: Callable[[], httpx.Response]) -> httpx.Response:
        while True:
            assert time.monotonic() < deadline, "an import never came to its end"
            response = send()
            if response.status_code in (200, 201, 202):
                return response
            assert response.status_code in RETRY_STATUSES, response.text
            assert int(response.headers["Retry-After"]) >= 1, response.text
            with self._lock:
                self.refusals[response.status_code] += 1
            # Not all at the same moment again; shorter than told, to be a nuisance.
            time.sleep(min(float(response.headers["Retry-After"]), 2) * random.uniform(0.2, 1))


class Fifty:
    """Ten users with five imports each: a small and a large file twice, as from a second device, and one that nobody else sends."""

    def __init__(self, system: LocalSystem) -> None:
        self.imports = Imports()
        self.work: list[tuple[RestUser, str]] = []
        self._expected: dict[RestUser, Counter[str]] = {}
        for number in range(USERS):
            user = RestUser(system, timeout_s=60)
            small, large = rows_of(f"u{number} small", 0, SMALL), rows_of(f"u{number} large", 0, LARGE)
            tail = rows_of(f"u{number} tail", 0, SMALL)
            self.work += [(user, statement(rows)) for rows in (small, large, small, large, tail)]
            self._expected[user] = Counter(small) + Counter(large) + Counter(tail)
        random.shuffle(self.work)

    def carry_out(self) -> float:
        """All at once, each to its end; returns the seconds."""
        begun = time.monotonic()
        with ThreadPoolExecutor(len(self.work)) as clients:
            for future in [clients.submit(self.imports.carry_out, user, text) for user, text in self.work]:
                future.result(timeout=DEADLINE_S + 10)
        return time.monotonic() - begun

    def check(self) -> None:
        """Raises AssertionError where anything is lost, doubled or told otherwise than it is."""
        assert len(self.imports.ended) == len(self.work) == 50
        assert {ended["state"] for ended in self.imports.ended} == {"succeeded"}
        for user, rows in self._expected.items():
            held = Counter(f"{one['transaction_date']},{one['amount']},{one['description']}" for one in user.transactions())
            assert held == rows
            found = user.pages("/imports")
            assert len(found) == 5, "a repeated request became a second import"
            counts = Counter[str]()
            for one in found:
                counts.update({name: value for name, value in one["counts"].items() if isinstance(value, int)})
            assert counts["rows"] == 2 * (SMALL + LARGE) + SMALL
            assert (counts["inserted"], counts["duplicates"], counts["rejected"]) == (sum(rows.values()), SMALL + LARGE, 0)


def wait_until_clean(system: LocalSystem) -> None:
    """Until neither messages nor uploads are left of imports that have ended."""
    deadline = time.monotonic() + 30
    while left_behind(system, ["ingest:3"]):
        assert time.monotonic() < deadline, "messages or uploads are left of imports that have ended"
        time.sleep(0.1)


def concurrent_imports(findings: Findings, folder: Path) -> None:
    """While nobody dies."""
    with started(folder, SERVICES, **SETTINGS) as system:
        fifty = Fifty(system)
        findings.measured("took_s", fifty.carry_out(), at_most=DEADLINE_S)
        fifty.check()
        wait_until_clean(system)
        findings.told(imports=len(fifty.imports.ended), of_a_worker=fifty.imports.queued)
        findings.told(sent_away={str(status): count for status, count in fifty.imports.refusals.items()})
        findings.told(rows_inserted=sum(ended["counts"]["inserted"] for ended in fifty.imports.ended))
        findings.expect(fifty.imports.refusals[429] > 0, "nobody was sent away: there are too many places")


if __name__ == "__main__":
    sys.exit(command("concurrent_imports", ["REL-15", "ING-20"], concurrent_imports))
