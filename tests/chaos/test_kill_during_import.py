"""SIGKILL in the middle of an import: the ledger holds the whole import or nothing, and the same request again gives the right counts."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from services.local import LocalSystem
from tests.conftest import QUEUE_ABOVE_BYTES
from tests.support.rest import RestUser

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

ROWS = 3_000
ZEROS = 5
VICTIMS = ("accounts", "ingestion", "postgres", "gateway")
HANGS_AFTER_S = 30


@pytest.fixture
def system(breakable_system: LocalSystem) -> LocalSystem:
    return breakable_system


def statement(name: str) -> str:
    lines = [f"2026-05-{13 + row % 15},-{1 + row % 90}.50,{name} {row}" for row in range(ROWS)]
    lines[100:100] = [f"2026-05-13,0.00,nothing {row}" for row in range(ZEROS)]
    text = "\n".join(["Date,Amount,Description", *lines, "2026-05-45,-1.00,No such day", ""])
    assert len(text) < QUEUE_ABOVE_BYTES  # it is read within its request
    return text


@pytest.fixture(scope="module")
def usual_s(system_to_break: LocalSystem) -> float:
    """How long such an import takes when nobody dies."""
    user = RestUser(system_to_break)
    user.imported(statement("first"))
    started = time.perf_counter()
    user.imported(statement("usual"))
    return time.perf_counter() - started


def kill(system: LocalSystem, name: str) -> None:
    pid = system.pid(name)
    assert pid
    os.kill(pid, signal.SIGKILL)


def ledger_size(user: RestUser) -> int:
    """Waits until the ledger answers, as every process is back within seconds."""
    deadline = time.monotonic() + HANGS_AFTER_S
    while True:
        try:
            response = user.http.get("/transactions", params={"page_size": 1})
            if response.status_code == 200:
                return len(user.transactions())
            assert response.status_code == 503, response.text
            assert "Retry-After" in response.headers
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            pass
        assert time.monotonic() < deadline, "the ledger did not come back"
        time.sleep(0.1)


def send_until_done(user: RestUser, text: str, key: str) -> httpx.Response:
    """What a client does: the same request again, after the time that it was told."""
    deadline = time.monotonic() + HANGS_AFTER_S
    while True:
        try:
            response = user.post_import(text, key=key)
            if response.status_code not in (503, 504):
                return response
            assert "Retry-After" in response.headers
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            pass
        assert time.monotonic() < deadline, "the retry never came through"
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("victim", "moment"),
    [(victim, moment) for victim in VICTIMS[:3] for moment in (0.05, 0.35, 0.65, 0.95)] + [("gateway", 0.5)],
)
def test_kill_during_import(system: LocalSystem, usual_s: float, victim: str, moment: float) -> None:
    user = RestUser(system, timeout_s=HANGS_AFTER_S)
    name = f"{victim} at {moment}"
    text, key = statement("row"), str(uuid4())

    def first_try() -> int:
        try:
            return user.post_import(text, key=key).status_code
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            return 0  # the gateway was the one that died; a request that hangs is a TimeoutException, and fails the test

    with ThreadPoolExecutor(1) as sender:
        answer: Future[int] = sender.submit(first_try)
        time.sleep(usual_s * moment)
        kill(system, victim)
        status = answer.result(timeout=HANGS_AFTER_S)
    # The import may have come through; otherwise the caller is told to come again, never that it was its fault.
    assert status in ((0, 201, 503) if victim == "gateway" else (201, 503)), name

    other = RestUser(system, user.user_id)
    held = ledger_size(other)
    assert held in (0, ROWS), f"{name}: {held} rows are neither all nor none"
    if status == 201:
        assert held == ROWS, name

    response = send_until_done(user, text, key)
    assert response.status_code == 201, response.text
    expected = {"rows": ROWS + ZEROS + 1, "inserted": ROWS, "duplicates": 0, "suspected_duplicates": 0, "zero_amount": ZEROS, "rejected": 1}
    assert response.json()["counts"] == expected, name
    assert response.json()["state"] == "succeeded"
    assert ledger_size(other) == ROWS, name
    (only,) = other.pages("/imports")
    assert (only["id"], only["counts"]) == (response.json()["id"], expected)
    again = user.post_import(text, key=key)
    assert (again.status_code, again.json()) == (201, response.json())
