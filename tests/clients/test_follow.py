"""`scale import` of a large file: followed by its stream, resumed where it broke, polled where there is none; and passwords."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from clients.cli import client
from clients.cli.client import ScaleClient, ScaleError
from clients.cli.events import Event, read_events
from tests.clients.conftest import FakeGateway, Scale
from tests.clients.test_cli import an_import
from tests.support.terminal import in_a_terminal, interrupted

STREAM = "GET /api/v1/imports/import-1/stream"
POLL = "GET /api/v1/imports/import-1"
SSE = {"Content-Type": "text/event-stream; charset=utf-8"}


@pytest.fixture
def statement(tmp_path: Path) -> Path:
    file = tmp_path / "march [b].csv"
    file.write_bytes(b"Date;Amount\n2026-03-01;-1,00\n")
    return file


def running(rows: int, fraction: float | None = None, stage: str = "reading") -> dict[str, Any]:
    return an_import(state="running", file_name="march [b].csv", progress={"stage": stage, "rows": rows, "fraction": fraction})


def finished(**changes: Any) -> dict[str, Any]:
    return an_import(file_name="march [b].csv", progress=None, counts={"rows": 9, "inserted": 9}, **changes)


def stream(*steps: tuple[str, dict[str, Any]], end: str = "") -> bytes:
    text = "retry: 1000\r\n\r\n: still here\r\n\r\n"
    text += "".join(f"id: {event_id}\r\nevent: progress\r\ndata: {json.dumps(found)}\r\n\r\n" for event_id, found in steps)
    return (text + end).encode()


@pytest.fixture
def accepted(gateway: FakeGateway) -> FakeGateway:
    gateway.answer("POST /api/v1/imports", running(0, stage="waiting"), 202, {"Location": "/api/v1/imports/import-1"})
    return gateway


def test_events_are_read_as_the_standard_says() -> None:
    def read(text: str) -> list[Event]:
        return list(read_events(text.splitlines()))

    assert read(": hello\n\nid: 1\nevent: a\ndata: x\ndata: y\n\nretry: 5\n\ndata:z\n\n") == [
        Event("a", "x\ny", "1"),
        Event("message", "z", "1"),
    ]
    assert read("id: 1\nevent: a\n\nid: 2\ndata: cut off") == []


def test_a_large_file_is_followed_to_its_end(scale: Scale, accepted: FakeGateway, statement: Path) -> None:
    accepted.answer(STREAM, stream(("1-0", running(500, 0.5)), ("2-0", finished())), headers=SSE)
    result = scale("import", str(statement))
    assert result.exit_code == 0, result.output
    assert "9 inserted" in result.output
    assert [(seen.method, seen.path) for seen in accepted.seen[1:]] == [("GET", "/api/v1/imports/import-1/stream")]


def test_a_stream_that_breaks_is_resumed_where_it_was(accepted: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PAUSE_S", 0)
    accepted.answer(STREAM, stream(("1-0", running(500, 0.5)), end='id: 2-0\r\ndata: {"sta'), headers=SSE)
    accepted.answer(STREAM, {"title": "Down"}, 503, {"Retry-After": "1"})
    accepted.answer(STREAM, stream(("3-0", finished())), headers=SSE)
    with ScaleClient(accepted.url, "t") as session:
        assert [found["state"] for found in session.follow("import-1")] == ["running", "succeeded"]
    assert [seen.headers.get("Last-Event-ID") for seen in accepted.seen] == [None, "1-0", "1-0"]


def test_without_a_stream_it_asks_from_time_to_time(accepted: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PAUSE_S", 0)
    accepted.answer(POLL, running(100))
    accepted.answer(POLL, {"title": "Down"}, 503, {"Retry-After": "1"})
    accepted.answer(POLL, finished())
    with ScaleClient(accepted.url, "t") as session:
        assert [found["state"] for found in session.follow("import-1")] == ["running", "succeeded"]
    assert [seen.path.rpartition("/")[2] for seen in accepted.seen] == ["stream", "import-1", "import-1", "import-1"]


def test_an_outage_that_lasts_is_told_with_a_word_about_the_import(
    scale: Scale, accepted: FakeGateway, statement: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_PAUSE_S", 0)
    monkeypatch.setattr(client, "_PATIENCE_S", 0.1)
    accepted.answer(POLL, {"detail": "Down."}, 503, {"Retry-After": "1"})
    result = scale("import", str(statement))
    assert result.exit_code == 1
    assert "Down (503)." in result.output
    assert "The import itself goes on" in result.output


def test_a_large_file_that_fails_says_where_and_why(scale: Scale, accepted: FakeGateway, statement: Path) -> None:
    failure = {"reason": "NO_ROWS", "retryable": False, "errors": [{"line": 7, "field": "amount", "reason": "'abc' is no number"}]}
    failed = an_import(state="failed", failure_reason="No row could be read.", failure=failure, progress=None)
    accepted.answer(STREAM, stream(("1-0", failed)), headers=SSE)
    result = scale("import", str(statement))
    assert result.exit_code == 1
    assert "No row could be read." in result.output
    assert "line 7, amount: 'abc' is no number" in result.output


def test_nobody_waits_with_no_wait(scale: Scale, accepted: FakeGateway, statement: Path) -> None:
    result = scale("import", str(statement), "--no-wait")
    assert result.exit_code == 0, result.output
    assert "march [b].csv: running" in result.output
    assert "import-1" in result.output
    assert len(accepted.seen) == 1


def test_no_wait_changes_nothing_for_a_small_file(scale: Scale, gateway: FakeGateway, statement: Path) -> None:
    gateway.answer("POST /api/v1/imports", finished(), 201)
    assert "9 inserted" in scale("import", str(statement), "--no-wait").output


def test_password_comes_from_stdin_where_there_is_no_terminal(scale: Scale, gateway: FakeGateway, statement: Path) -> None:
    gateway.answer("POST /api/v1/imports", finished(), 201)
    result = scale("import", str(statement), "--password", "--file-format", "xlsx", stdin="sword [fish]\n")
    assert result.exit_code == 0, result.output
    assert b'name="password"\r\n\r\nsword [fish]\r\n' in gateway.seen[0].body
    assert b'name="file_format"\r\n\r\nxlsx\r\n' in gateway.seen[0].body
    assert "sword" not in result.output
    assert scale("import", str(statement), "--password").exit_code == 2


def test_a_workbook_that_wants_a_password_is_told_with_the_option(scale: Scale, gateway: FakeGateway, statement: Path) -> None:
    errors = [{"field": "password", "reason": "the workbook has a password"}]
    gateway.answer("POST /api/v1/imports", {"detail": "The workbook has a password.", "errors": errors}, 422)
    result = scale("import", str(statement))
    assert result.exit_code == 1
    assert "--password asks for it." in result.output


def test_a_terminal_shows_progress_and_never_the_password(accepted: FakeGateway, statement: Path) -> None:
    accepted.answer(STREAM, stream(("1-0", running(12_345, 0.5)), ("2-0", finished())), headers=SSE)
    environment = {"SCALE_URL": accepted.url, "SCALE_TOKEN": "t"}
    screen = in_a_terminal(["import", str(statement), "--password"], environment, typed="swordfish\n", prompt="Password")
    assert "swordfish" not in screen
    assert b"swordfish" in accepted.seen[0].body
    assert "Reading march [b].csv" in screen
    assert "12,345 rows" in screen
    assert "50%" in screen
    assert "9 inserted" in screen


def test_a_file_that_is_read_but_not_stored_does_not_look_finished(accepted: FakeGateway, statement: Path) -> None:
    steps = [running(10_000, 0.25), running(54_321, 1.0), running(54_321, 1.0, stage="storing"), finished()]
    accepted.answer(STREAM, stream(*((f"{number}-0", found) for number, found in enumerate(steps, 1))), headers=SSE)
    screen = in_a_terminal(["import", str(statement)], {"SCALE_URL": accepted.url, "SCALE_TOKEN": "t"})
    assert "Storing march [b].csv" in screen
    assert "54,321 rows" in screen
    assert "100%" not in screen


def test_ctrl_c_while_following_says_that_the_import_goes_on(accepted: FakeGateway, statement: Path) -> None:
    accepted.answer(POLL, running(100))
    said = interrupted(
        accepted.url, lambda: accepted.seen[-1].path.endswith("/import-1") if accepted.seen else False, "import", str(statement)
    )
    assert "the import of march [b].csv goes on" in said
    assert "`scale imports` shows how import-1 ends" in said


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        (64 * 1024 * 1024, [], "had not been sent whole: nothing of it was imported."),
        (100, [], "may have been imported: `scale imports` shows it, and importing it again doubles nothing."),
        (100, ["--idempotency-key", "k"], "sending it again under the same key doubles nothing."),
    ],
)
def test_ctrl_c_during_the_upload_says_whether_anything_was_imported(tmp_path: Path, size: int, options: list[str], expected: str) -> None:
    file = tmp_path / "march.csv"
    with file.open("wb") as handle:
        handle.truncate(size)
    until = b"march.csv" if size > 100 else b"--\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        connections: list[socket.socket] = []

        def ready() -> bool:
            # Takes what it waits for, and answers nothing.
            connections.append(server.accept()[0])
            connections[0].settimeout(30)
            taken = b""
            while until not in taken:
                taken += connections[0].recv(4096)
            return True

        said = interrupted(f"http://127.0.0.1:{server.getsockname()[1]}", ready, "import", str(file), *options)
        connections[0].close()
    assert expected in said
    assert "march.csv" in said


def test_following_raises_what_polling_says(accepted: FakeGateway) -> None:
    with ScaleClient(accepted.url, "t") as session, pytest.raises(ScaleError, match="Not found"):
        list(session.follow("import-1"))
