"""A user's own model: trained from what the user has said, followed on its way, and what answers next."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from clients.cli.events import Event, read_events
from services.local import LocalSystem
from tests.support.rest import RestUser
from tests.support.terminal import in_a_terminal

pytestmark = pytest.mark.e2e

HEADER = "Date,Amount,Currency,Description\n"
CLUB = "education_courses"
PHASES = ("pending", "processing", "collecting", "training", "evaluating", "publishing", "completed")


@pytest.fixture
def other(system: LocalSystem) -> Iterator[RestUser]:
    """Another fresh user."""
    other = RestUser(system)
    yield other
    other.close()


def says_what_payments_were(user: RestUser) -> None:
    """A club, which the user puts elsewhere than the model does, and groceries: on twenty days, each day under another name."""
    rows = [f"2026-02-{day:02d},-{12 + day % 5}.00,EUR,{text} {day}\n" for day in range(1, 21) for text in ("GOLF CLUB", "MARKET HALL")]
    user.imported(HEADER + "".join(rows))
    for row in user.transactions():
        category = CLUB if row["description"].startswith("GOLF") else "groceries_supermarket"
        user.http.post("/classify/feedback", json={"transaction_id": row["id"], "category": category}).raise_for_status()


def classified(user: RestUser) -> dict[str, Any]:
    body = {"description": "GOLF CLUB NAPOLI 4711", "amount": "-13.00", "currency": "EUR", "date": "2026-03-05"}
    return dict(user.http.post("/classify", json=body).raise_for_status().json())


def followed(user: RestUser, job_id: str, after: str = "") -> list[Event]:
    headers = {"Last-Event-ID": after} if after else {}
    with user.http.stream("GET", f"/training/stream/{job_id}", headers=headers) as stream:
        return list(read_events(stream.iter_lines()))


def environment(user: RestUser, system: LocalSystem) -> dict[str, str]:
    return {"SCALE_URL": system.gateway_url, "SCALE_TOKEN": user.http.headers["Authorization"].partition(" ")[2]}


@pytest.mark.requirement("TRN-03", "TRN-26")
def test_a_model_learns_from_what_its_user_has_said(user: RestUser, other: RestUser, system: LocalSystem) -> None:
    says_what_payments_were(user)
    before = classified(user)
    assert before["category"] != CLUB
    begun = user.http.post("/training/jobs", json={"model": "categorizer"})
    assert (begun.status_code, begun.json()["status"], begun.json()["model"]) == (202, "pending", "categorizer")
    job_id = begun.json()["job_id"]
    again = user.http.post("/training/jobs", json={"model": "categorizer"})
    assert (again.status_code, again.json()["job_id"]) == (409, job_id)
    assert other.http.get(f"/training/status/{job_id}").status_code == 404
    assert other.http.get(f"/training/stream/{job_id}").status_code == 404

    events = followed(user, job_id)
    told = [json.loads(event.data) for event in events]
    assert [event.name for event in events] == ["progress"] * (len(events) - 1) + ["complete"]
    phases = list(dict.fromkeys(data["status"] for data in told))
    # On a machine that does much else Redis may be too slow for single steps, which are lost then.
    assert phases == [phase for phase in PHASES if phase in phases]
    losses = [data["loss"] for data in told if data["status"] == "training"]
    assert losses == [] or losses[-1] <= losses[0]
    assert followed(user, job_id, events[0].id) == events[1:]

    job = user.http.get(f"/training/status/{job_id}").json()
    assert job == user.http.get(f"/training/jobs/{job_id}").json()
    assert (job["status"], job["published"], job["error"]) == ("completed", True, None)
    assert (told[-1]["metrics"], told[-1]["model_version"]) == (job["metrics"], job["model_version"])
    assert job["metrics"]["held_out"] > 0
    versions = user.pages("/training/models/categorizer/versions")
    assert [(one["version"], one["stage"], one["job_id"]) for one in versions] == [(job["model_version"], "live", job_id)]

    after = classified(user)
    assert (after["category"], after["source"]) == (CLUB, "model")
    assert job["model_version"] in after["model_version"]
    assert classified(other) == before, "it answers for nobody else"
    notified = user.http.get("/notifications", params={"unread": True}).json()
    assert [(one["kind"], one["subject_id"]) for one in notified["items"]] == [("training_completed", job_id)]
    assert user.http.post("/notifications/read").json() == {"read": 1}

    screen = in_a_terminal(["train"], environment(user, system))
    assert "loss" in screen
    assert "categorizer: completed" in screen
    assert "held out:" in screen
    assert len(user.pages("/training/jobs", status="completed")) == 2


def test_who_has_said_too_little_is_told_what_to_do(user: RestUser, system: LocalSystem) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "clients.cli", "train"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")} | environment(user, system),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode == 1
    assert "Put some more categories right" in said.stdout
    (job,) = user.pages("/training/jobs")
    assert (job["status"], job["error"]["reason"]) == ("failed", "TOO_FEW_EXAMPLES")
    (notification,) = user.pages("/notifications")
    assert (notification["kind"], notification["subject_id"]) == ("training_failed", job["job_id"])
    assert job["error"]["message"] in notification["body"]
