"""SIGKILL in the middle of training: the job is taken over or fails with a word to its user, once, and its user may begin another."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import httpx
import psutil
import pytest

from services.local import LocalSystem
from tests.support.rest import RestUser

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

RECOVERED_AFTER_S = 60
CATEGORIES = {"REWE": "groceries_supermarket", "GOLF": "education_courses", "MARKET": "housing"}


@pytest.fixture
def user(breakable_system: LocalSystem) -> RestUser:
    """One who has said what 300 payments were; 1,200 more make the training last."""
    user = RestUser(breakable_system)
    names = [*CATEGORIES, *(f"SHOP {letter}" for letter in "ABCDEFGHIJKL")]
    rows = [f"2026-{1 + row % 12:02}-{1 + row % 28:02},-{1 + row % 90}.50,{names[row % 15]} {row}" for row in range(1500)]
    user.imported("\n".join(["Date,Amount,Description", *rows, ""]))
    for word, category in CATEGORIES.items():
        user.http.patch("/transactions", json={"filter": f"description:{word}", "category": category}).raise_for_status()
    return user


def kill(system: LocalSystem, name: str) -> None:
    """The process, and what it has forked."""
    process = psutil.Process(system.pid(name))
    for one in (process, *process.children(recursive=True)):
        os.kill(one.pid, signal.SIGKILL)


def started(user: RestUser) -> str:
    begun = user.http.post("/training/jobs", json={"model": "categorizer"})
    assert begun.status_code == 202, begun.text
    return str(begun.json()["job_id"])


def job_when(user: RestUser, job_id: str, *statuses: str) -> dict[str, Any]:
    """As soon as it is one of these. While servers come back some answers are missing."""
    deadline = time.monotonic() + RECOVERED_AFTER_S
    while True:
        try:
            answer = user.http.get(f"/training/status/{job_id}", timeout=5)
            if answer.status_code == 200 and answer.json()["status"] in statuses:
                return dict(answer.json())
            assert answer.status_code in (200, 503, 504), answer.text
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, "the job is stuck"
        time.sleep(0.05)


def told_of(user: RestUser, job_id: str) -> list[str]:
    return [one["kind"] for one in user.pages("/notifications") if one["subject_id"] == job_id]


@pytest.mark.requirement("REL-02", "TRN-19", "TRN-20")
def test_a_killed_workers_job_is_taken_over_within_a_minute(user: RestUser, breakable_system: LocalSystem) -> None:
    job_id = started(user)
    job_when(user, job_id, "processing")
    kill(breakable_system, "training-worker")
    killed_at = time.monotonic()
    job = job_when(user, job_id, "completed", "failed")
    assert time.monotonic() - killed_at < RECOVERED_AFTER_S
    assert job["status"] == "completed", job["error"]
    assert told_of(user, job_id) == ["training_completed"]
    assert [one["job_id"] for one in user.pages("/training/models/categorizer/versions")] == [job_id]
    again = started(user)
    assert job_when(user, again, "completed", "failed")["status"] == "completed"


def test_a_worker_that_is_told_to_end_costs_its_job_no_try(user: RestUser, breakable_system: LocalSystem) -> None:
    """Twice, as two releases within one training do; a second death would have ended it."""
    job_id = started(user)
    for _ in range(2):
        job_when(user, job_id, "processing")
        ended = psutil.Process(breakable_system.pid("training-worker"))
        ended.terminate()
        ended.wait(RECOVERED_AFTER_S)
        job_when(user, job_id, "pending")
    job = job_when(user, job_id, "completed", "failed")
    assert job["status"] == "completed", job["error"]
    assert told_of(user, job_id) == ["training_completed"]


def test_servers_that_die_during_a_job_neither_lose_it_nor_double_it(user: RestUser, breakable_system: LocalSystem) -> None:
    job_id = started(user)
    job_when(user, job_id, "processing")
    kill(breakable_system, "redis")
    kill(breakable_system, "postgres")
    job = job_when(user, job_id, "completed", "failed")
    assert job["status"] == "completed", job["error"]
    assert told_of(user, job_id) == ["training_completed"]
    assert [one["job_id"] for one in user.pages("/training/models/categorizer/versions")] == [job_id]
