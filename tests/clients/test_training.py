"""`scale train`: begun or joined, followed by its stream, taken up where it broke; and `scale notifications`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clients.cli import client
from clients.cli.client import ScaleClient
from tests.clients.conftest import FakeGateway, Scale
from tests.support.terminal import in_a_terminal, interrupted

JOB = "019b76da-a800-7000-8000-0000000000d0"
START = "POST /api/v1/training/jobs"
LIST = "GET /api/v1/training/jobs"
STATUS = f"GET /api/v1/training/jobs/{JOB}"
STREAM = f"GET /api/v1/training/stream/{JOB}"
SSE = {"Content-Type": "text/event-stream; charset=utf-8"}
PENDING: dict[str, Any] = {
    "job_id": JOB,
    "model": "categorizer",
    "status": "pending",
    "progress": None,
    "metrics": {},
    "error": None,
    "model_version": None,
    "published": False,
    "cancel_requested": False,
    "created_at": "2026-02-01T08:00:00.000000Z",
}
PROCESSING = PENDING | {"status": "processing", "progress": {"step": 120, "total": 400, "loss": 0.41, "phase": "training"}}
COMPLETED = PENDING | {
    "status": "completed",
    "metrics": {"accuracy": 0.875, "examples": 40, "better": True},
    "model_version": "3-1a2b3c4d",
    "published": True,
}
FAILED = PENDING | {"status": "failed", "error": {"message": "Correct [20] payments first.", "reason": "TOO_FEW_EXAMPLES"}}


def progress(event_id: str, step: int, loss: float | None = 0.5, total: int = 400) -> str:
    return event(event_id, "progress", {"job_id": JOB, "status": "training", "step": step, "total": total, "loss": loss})


def event(event_id: str, name: str, data: dict[str, Any]) -> str:
    return f"id: {event_id}\r\nevent: {name}\r\ndata: {json.dumps(data)}\r\n\r\n"


def stream(*events: str) -> bytes:
    return ("retry: 1000\r\n\r\n: still here\r\n\r\n" + "".join(events)).encode()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PAUSE_S", 0)


@pytest.fixture
def begun(gateway: FakeGateway) -> FakeGateway:
    gateway.answer(START, PENDING, 202)
    return gateway


def test_training_is_followed_to_its_end(scale: Scale, begun: FakeGateway) -> None:
    begun.answer(STREAM, stream(progress("1-0", 1), progress("2-0", 400), event("3-0", "complete", {"status": "completed"})), headers=SSE)
    begun.answer(STATUS, COMPLETED)
    result = scale("train")
    assert result.exit_code == 0, result.output
    assert [line for line in result.output.splitlines() if line.strip()][-6:] == [
        "categorizer: completed",
        "  version 3-1a2b3c4d answers from now on",
        "    accuracy: 0.8750",
        "    examples: 40",
        "    better: yes",
        f"  job {JOB}",
    ]
    assert json.loads(begun.seen[0].body) == {"model": "categorizer"}


def test_a_version_that_is_not_better_says_so(scale: Scale, begun: FakeGateway) -> None:
    begun.answer(STREAM, stream(event("3-0", "complete", {"status": "completed"})), headers=SSE)
    begun.answer(STATUS, COMPLETED | {"published": False})
    assert "version 3-1a2b3c4d is not better than what answers now, which stays" in scale("train").output


def test_a_job_that_fails_is_exit_code_1_and_says_why(scale: Scale, begun: FakeGateway) -> None:
    begun.answer(STREAM, stream(event("1-0", "failed", {"status": "failed"})), headers=SSE)
    begun.answer(STATUS, FAILED)
    result = scale("train", "--model", "categorizer")
    assert result.exit_code == 1
    assert "Correct [20] payments first." in result.output


def test_the_open_job_is_joined(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(START, {"detail": "A job of yours is open.", "reason": "TRAINING_JOB_OPEN", "job_id": JOB}, 409)
    gateway.answer(STREAM, stream(event("3-0", "complete", {"status": "completed"})), headers=SSE)
    gateway.answer(STATUS, COMPLETED)
    result = scale("train")
    assert result.exit_code == 0, result.output
    assert "A job is at it already." in result.output
    assert "answers from now on" in result.output


def test_another_refusal_is_an_error(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(START, {"detail": "For administrators.", "reason": "ROLE_NOT_ALLOWED"}, 403)
    result = scale("train", "--model", "categorizer-global")
    assert result.exit_code == 1
    assert "For administrators" in str(result.exception)


def test_nobody_waits_with_no_wait(scale: Scale, begun: FakeGateway) -> None:
    result = scale("train", "--no-wait")
    assert (result.exit_code, len(begun.seen)) == (0, 1)
    assert JOB in result.output


def test_a_stream_that_breaks_is_resumed_where_it_was(begun: FakeGateway) -> None:
    begun.answer(STREAM, stream(progress("1-0", 1), progress("2-0", 2), 'id: 3-0\r\ndata: {"sta'), headers=SSE)
    begun.answer(STREAM, {"title": "Down"}, 503, {"Retry-After": "1"})
    begun.answer(STREAM, stream(progress("3-0", 3, None), event("4-0", "complete", {})), headers=SSE)
    begun.answer(STATUS, COMPLETED)
    with ScaleClient(begun.url, "t") as session:
        assert [found.get("step") for found in session.follow_training(JOB)] == [1, 2, 3, None]
    assert [seen.headers.get("Last-Event-ID") for seen in begun.seen] == [None, "2-0", "2-0", None]


def test_without_a_stream_it_asks_from_time_to_time(begun: FakeGateway) -> None:
    for found in (PENDING, PROCESSING):
        begun.answer(STATUS, found)
    begun.answer(STATUS, {"title": "Down"}, 503, {"Retry-After": "1"})
    begun.answer(STATUS, COMPLETED)
    with ScaleClient(begun.url, "t") as session:
        told = list(session.follow_training(JOB))
    assert [(found["status"], found.get("step")) for found in told] == [("pending", 0), ("training", 120), ("completed", None)]


def test_an_outage_that_lasts_is_told_with_a_word_about_the_job(scale: Scale, begun: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PATIENCE_S", 0.1)
    begun.answer(STATUS, {"detail": "Down."}, 503, {"Retry-After": "1"})
    result = scale("train")
    assert result.exit_code == 1
    assert "The job itself goes on: `scale train status`" in str(result.exception)


def test_a_terminal_shows_steps_and_loss(begun: FakeGateway) -> None:
    begun.answer(STREAM, stream(progress("1-0", 0, None, 0), progress("2-0", 120, 0.41237), event("3-0", "complete", {})), headers=SSE)
    begun.answer(STATUS, COMPLETED)
    screen = in_a_terminal(["train"], {"SCALE_URL": begun.url, "SCALE_TOKEN": "t"})
    assert "Training" in screen
    assert "120/400" in screen
    assert "loss 0.4124" in screen
    assert "accuracy: 0.8750" in screen


def test_ctrl_c_while_following_says_that_the_job_goes_on(begun: FakeGateway) -> None:
    begun.answer(STATUS, PROCESSING)
    said = interrupted(begun.url, lambda: bool(begun.seen) and begun.seen[-1].path.endswith(JOB), "train")
    assert f"job {JOB} goes on" in said
    assert "`scale train cancel` stops it" in said


def test_status_shows_the_latest_or_the_one_that_is_named(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(LIST, {"items": [PROCESSING | {"cancel_requested": True}], "next_page_token": None})
    gateway.answer(STATUS, FAILED)
    assert scale("train", "status").output.splitlines() == [
        "categorizer: processing",
        "  training: 120 of 400, loss 0.4100",
        "  It was cancelled, and stops at its next step.",
        f"  job {JOB}",
    ]
    assert gateway.seen[-1].query == {"model": "categorizer", "page_size": "1"}
    assert scale("train", "status", JOB).output.splitlines()[:2] == ["categorizer: failed", "  Correct [20] payments first."]
    assert scale("train", "status", "mine").exit_code == 2


def test_jobs_are_listed(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(LIST, {"items": [COMPLETED, FAILED], "next_page_token": None})
    gateway.answer(LIST, {"items": [], "next_page_token": None})
    assert [line.split() for line in scale("train", "list", "--status", "completed").output.splitlines()[1:]] == [
        ["2026-02-01", "categorizer", "completed", "3-1a2b3c4d", "published", JOB],
        ["2026-02-01", "categorizer", "failed", JOB],
    ]
    assert gateway.seen[-1].query == {"status": "completed", "page_size": "20"}
    assert "`scale train` begins one" in scale("train", "list").output


def test_the_open_job_is_cancelled(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(LIST, {"items": [PROCESSING], "next_page_token": None})
    gateway.answer(LIST, {"items": [FAILED], "next_page_token": None})
    gateway.answer(LIST, {"items": [], "next_page_token": None})
    gateway.answer(STATUS, PENDING)
    gateway.answer(f"POST /api/v1/training/jobs/{JOB}/cancel", PROCESSING | {"cancel_requested": True})
    gateway.answer(f"POST /api/v1/training/jobs/{JOB}/cancel", PENDING | {"status": "cancelled"})
    assert "stops at its next step" in scale("train", "cancel").output
    assert "is cancelled" in scale("train", "cancel", JOB).output
    for expected in ("is over: failed", "`scale train` begins one"):
        result = scale("train", "cancel")
        assert result.exit_code == 1
        assert expected in str(result.exception)


def test_notifications_are_shown_and_marked(scale: Scale, gateway: FakeGateway) -> None:
    new = {"created_at": "2026-02-01T08:00:00Z", "title": "Training [has] failed", "body": "Correct more.", "read_at": None}
    old = new | {"title": "Training is done", "body": "", "read_at": "2026-02-01T09:00:00Z"}
    gateway.answer("GET /api/v1/notifications", {"items": [new, old], "next_page_token": None, "unread": 1})
    gateway.answer("GET /api/v1/notifications", {"items": [], "next_page_token": None, "unread": 0})
    gateway.answer("POST /api/v1/notifications/read", {"read": 1})
    result = scale("notifications", "--read")
    assert result.output.splitlines() == ["2026-02-01  Training [has] failed  (new)", "  Correct more.", "2026-02-01  Training is done"]
    assert (gateway.seen[-1].method, gateway.seen[-1].path) == ("POST", "/api/v1/notifications/read")
    assert scale("notifications", "--unread").output == "Nothing new.\n"
    assert gateway.seen[-1].query == {"unread": "true", "page_size": "20"}
