"""Files that a worker reads in the background: followed, resumed, and finished exactly once whoever dies or stops on the way."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from clients.cli.events import Event, read_events
from services.local import LocalSystem
from tests.conftest import QUEUE_ABOVE_BYTES
from tests.support.rest import RestUser
from tests.support.stored_files import stored_files
from tests.support.terminal import in_a_terminal

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROWS = 6_000


def statement(rows: int, name: str = "row") -> str:
    lines = (f"2026-{1 + row % 12:02d}-{1 + row % 28:02d},-{1 + row % 97}.{row % 90 + 10},{name} {row}" for row in range(rows))
    return "\n".join(["Date,Amount,Description", *lines, ""])


@pytest.fixture
def system(breakable_system: LocalSystem) -> LocalSystem:
    """The queue outlives a stop."""
    return breakable_system


def accepted(user: RestUser, content: str, **more: Any) -> dict[str, Any]:
    """Uploads a file that is left to the worker."""
    response = user.post_import(content, **more)
    assert response.status_code == 202, response.text
    found: dict[str, Any] = response.json()
    assert response.headers["location"] == f"/api/v1/imports/{found['id']}"
    assert int(response.headers["retry-after"]) >= 1
    return found


@contextmanager
def events_of(user: RestUser, import_id: str, last_id: str = "") -> Iterator[Iterator[Event]]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with user.http.stream("GET", f"/imports/{import_id}/stream", headers=headers) as response:
        assert response.status_code == 200
        yield read_events(response.iter_lines())


def wait_until(user: RestUser, import_id: str, condition: Callable[[dict[str, Any]], bool], seconds: float) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while True:
        found: dict[str, Any] = user.http.get(f"/imports/{import_id}").json()
        if condition(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def is_final(found: dict[str, Any]) -> bool:
    return found["state"] in ("succeeded", "failed")


def is_being_read(found: dict[str, Any]) -> bool:
    assert not is_final(found), "it was done before anything could happen to it"
    return found["state"] == "running" and found["progress"]["rows"] > 0


@contextmanager
def ledger_held(system: LocalSystem) -> Iterator[None]:
    """Lets no import come to its end, so that every machine is slow enough for what happens in the middle of one."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(system.migrator_url))
        try:
            runner.run(connection.execute("BEGIN; LOCK TABLE accounts.transactions IN ACCESS EXCLUSIVE MODE"))
            yield
        finally:
            connection.terminate()


def uploads(system: LocalSystem) -> list[Path]:
    return stored_files(system.home.objects / "uploads")


def assert_imported_once(user: RestUser, found: dict[str, Any], rows: int) -> None:
    counts = {"rows": rows, "inserted": rows, "duplicates": 0, "suspected_duplicates": 0, "zero_amount": 0, "rejected": 0}
    assert (found["state"], found["counts"], found["progress"]) == ("succeeded", counts, None)
    assert len({row["id"] for row in user.transactions()}) == rows
    assert [one["id"] for one in user.pages("/imports")] == [found["id"]]


def test_a_large_file_is_answered_at_once_and_followed_to_its_end(system: LocalSystem, user: RestUser) -> None:
    pending = accepted(user, statement(ROWS))
    assert pending["state"] in ("pending", "running")
    assert pending["progress"]["stage"] in ("waiting", "reading", "storing")
    assert pending["completed_at"] is None
    with events_of(user, pending["id"]) as events:
        seen = list(events)
    assert {event.name for event in seen[:-1]} <= {"progress"}
    assert seen[-1].name == "finished"
    found = user.http.get(f"/imports/{pending['id']}").json()
    assert json.loads(seen[-1].data) == found
    # The worker asks what rows are for, too, as their user.
    assert "categorization" not in found["detected"]
    assert_imported_once(user, found, ROWS)
    assert uploads(system) == []
    # Again: the same answer, and the ledger is as it was.
    again = accepted(user, statement(ROWS))
    assert wait_until(user, again["id"], is_final, 60)["counts"]["duplicates"] == ROWS
    assert len(user.transactions()) == ROWS


def test_a_stream_goes_on_where_it_broke(system: LocalSystem, user: RestUser) -> None:
    with ledger_held(system):
        pending = accepted(user, statement(ROWS, "resumed"))
        with events_of(user, pending["id"]) as events:
            first = next(event for event in events if event.id)
            assert first.name == "progress"
    # Whoever comes back gets what came after, and not the same again.
    with events_of(user, pending["id"], first.id) as events:
        later = list(events)
    assert later[-1].name == "finished"
    assert first.id not in [event.id for event in later]
    assert [event.id for event in later] == sorted((event.id for event in later), key=lambda text: [int(part) for part in text.split("-")])
    # And once it has seen the end it is told that nothing more comes.
    response = user.http.get(f"/imports/{pending['id']}/stream", headers={"Last-Event-ID": later[-1].id})
    assert response.status_code == 204


def test_the_same_request_again_gets_the_same_import(user: RestUser) -> None:
    content, key = statement(ROWS, "repeated"), str(uuid4())
    first = accepted(user, content, key=key)
    again = user.post_import(content, key=key)
    assert again.json()["id"] == first["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert_imported_once(user, wait_until(user, first["id"], is_final, 60), ROWS)


def test_somebody_elses_import_is_not_there(system: LocalSystem, user: RestUser) -> None:
    found = accepted(user, statement(ROWS, "mine"))
    other = RestUser(system)
    for path in (f"/imports/{found['id']}", f"/imports/{found['id']}/stream"):
        response = other.http.get(path)
        assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")
    other.close()
    wait_until(user, found["id"], is_final, 60)


def test_a_large_file_that_is_none_says_where_and_why(system: LocalSystem, user: RestUser) -> None:
    content = "Date,Amount,Description\n" + "31.31.2026,what,ever\n" * 6_000
    refused = user.post_import(content[: QUEUE_ABOVE_BYTES // 2])
    assert refused.status_code == 422
    found = wait_until(user, accepted(user, content)["id"], is_final, 60)
    assert found["state"] == "failed"
    assert found["failure_reason"]
    assert found["failure"]["reason"] == refused.json()["reason"]
    assert not found["failure"]["retryable"]
    assert found["failure"]["errors"][0] == refused.json()["errors"][0]
    assert user.transactions() == []
    assert uploads(system) == []


def test_a_small_file_is_read_within_its_request(user: RestUser) -> None:
    assert user.imported(statement(10))["progress"] is None


def test_the_command_line_shows_how_far_it_is(system: LocalSystem, user: RestUser, tmp_path: Path) -> None:
    file = tmp_path / "years.csv"
    file.write_text(statement(ROWS))
    token = user.http.headers["Authorization"].removeprefix("Bearer ")
    environment = {"SCALE_URL": system.gateway_url, "SCALE_TOKEN": token}
    with ThreadPoolExecutor(1) as pool:
        with ledger_held(system):
            screen = pool.submit(in_a_terminal, ["import", str(file)], environment)
            while not user.pages("/imports"):
                assert not screen.done(), screen.result()
                time.sleep(0.05)
            wait_until(user, user.pages("/imports")[0]["id"], is_being_read, 60)
            time.sleep(0.5)
        assert re.search(r"(Reading|Storing) years\.csv", screen.result())
    assert f"{ROWS:,} rows" in screen.result()
    assert f"{ROWS} inserted" in screen.result()


@pytest.mark.chaos
def test_a_worker_that_is_killed_leaves_its_import_to_the_next(system: LocalSystem, user: RestUser) -> None:
    with ledger_held(system):
        pending = accepted(user, statement(ROWS, "killed"))
        wait_until(user, pending["id"], is_being_read, 60)
        worker = system.pid("ingestion-worker")
        os.kill(worker, signal.SIGKILL)
        killed = time.monotonic()
        while system.pid("ingestion-worker") in (0, worker):
            assert time.monotonic() - killed < 5, "it did not come back"
            time.sleep(0.05)
    assert_imported_once(user, wait_until(user, pending["id"], is_final, 120), ROWS)
    assert uploads(system) == []


@pytest.mark.chaos
def test_a_stop_in_the_middle_is_quick_and_the_next_start_goes_on(system: LocalSystem, user: RestUser) -> None:
    with ledger_held(system):
        pending = accepted(user, statement(ROWS, "stopped"))
        wait_until(user, pending["id"], is_being_read, 60)
        started = time.monotonic()
        system.stop()
        assert time.monotonic() - started < 20
    system.start()
    assert_imported_once(user, wait_until(user, pending["id"], is_final, 120), ROWS)
    assert uploads(system) == []
