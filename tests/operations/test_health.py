"""The answer of a container's health command follows what its process says of itself."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from operations.health import Unwell, ask, main
from tests.support.ports import free_port


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[dict[str, str]]:
    server = HTTPServer(("127.0.0.1", 0), _Answers)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield {"PORT": str(server.server_port)}
    server.shutdown()
    server.server_close()


def test_http(web: dict[str, str]) -> None:
    ask(["http", "PORT", "/health"], web)
    with pytest.raises(Unwell, match="/elsewhere answers 503"):
        ask(["http", "PORT", "/elsewhere"], web)
    with pytest.raises(Unwell, match="refused"):
        ask(["http", "PORT", "/health"], {"PORT": str(free_port())})


def test_grpc() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    said = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(said, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        # That of the port in plain, where another one speaks TLS.
        environment = {"SCALE_ACCOUNTS_PORT": "1", "SCALE_ACCOUNTS_HEALTH_PORT": str(port)}
        ask(["grpc", "accounts"], environment)
        # What the service depends on is away: its own name, not the process's.
        said.set("scale.accounts.v1.AccountsService", health_pb2.HealthCheckResponse.NOT_SERVING)
        ask(["grpc", "accounts"], environment)
        said.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        with pytest.raises(Unwell, match="NOT_SERVING"):
            ask(["grpc", "accounts"], environment)
    finally:
        server.stop(None).wait()
    with pytest.raises(Unwell, match="UNAVAILABLE"):
        ask(["grpc", "accounts"], {"SCALE_ACCOUNTS_PORT": str(port)})


def test_heartbeat(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    environment = {"SCALE_HEARTBEAT_FILE": str(file)}
    with pytest.raises(Unwell, match="No such file"):
        ask(["heartbeat"], environment)
    file.touch()
    ask(["heartbeat"], environment)
    os.utime(file, (time.time() - 60,) * 2)
    with pytest.raises(Unwell, match="60 s ago"):
        ask(["heartbeat"], environment)


def test_a_wrong_question_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["what"]) == 1
    assert "usage" in capsys.readouterr().err
    assert main(["http", "NO_SUCH_VARIABLE", "/"]) == 1
    assert capsys.readouterr().err == "NO_SUCH_VARIABLE is not set\n"
