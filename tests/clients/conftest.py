"""A gateway that is real HTTP on a real port, and answers what a test told it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import Result
from typer.testing import CliRunner

from clients.cli.__main__ import app
from clients.cli.session import console


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables have room, however wide the terminal is in which the tests run."""
    monkeypatch.setattr(console, "width", 200)


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class FakeGateway:
    """Answers in the order given for each "METHOD path"; the last answer stays."""

    url: str
    answers: dict[str, list[tuple[int, Any, dict[str, str]]]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    def answer(self, call: str, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.answers.setdefault(call, []).append((status, body, headers or {}))

    def take(self, call: str) -> tuple[int, Any, dict[str, str]]:
        waiting = self.answers.get(call, [(404, {"title": "Not found", "status": 404}, {})])
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_PATCH(self) -> None:
            self._serve()

        def do_DELETE(self) -> None:
            self._serve()

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            body = self.rfile.read(length)
            fake.seen.append(Seen(self.command, parts.path, query, dict(self.headers.items()), body))
            status, answer, headers = fake.take(f"{self.command} {parts.path}")
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake = FakeGateway(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield fake
    server.shutdown()
    server.server_close()


@dataclass
class Scale:
    """The `scale` command, run against the fake gateway."""

    gateway: FakeGateway

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Result:
        wide = {"SCALE_URL": self.gateway.url, "SCALE_TOKEN": "the-token", "COLUMNS": "200", "TERM": "dumb"}
        return CliRunner().invoke(app, list(arguments), env=wide | environment, input=stdin)


@pytest.fixture
def scale(gateway: FakeGateway) -> Scale:
    return Scale(gateway)
