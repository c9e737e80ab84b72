"""WEB_CONCURRENCY: several processes on one port, over real sockets."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from pydantic import ValidationError

from services.gateway.settings import GatewaySettings
from tests.support.ports import free_port
from tests.support.upstream_fakes import SECRET

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.requirement("K8S-10")


@dataclass
class Running:
    """A gateway with two processes, and nothing behind it."""

    parent: psutil.Popen
    url: str
    metrics: str

    def answering(self) -> list[psutil.Process]:
        """Those that hold the port beside the parent."""
        return [child for child in self.parent.children() if _answers(child)]

    def ask(self) -> int:
        """On a connection of its own."""
        return httpx.get(f"{self.url}/health", timeout=10).status_code

    def asked(self) -> float:
        """How many requests /metrics knows of."""
        text = httpx.get(self.metrics, timeout=10).text
        return sum(float(value) for value in re.findall(r"^scale_http_duration_seconds_count\{.*\} (\S+)$", text, re.MULTILINE))


def _answers(child: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return "spawn_main" in " ".join(child.cmdline())
    return False


def eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Waits for what a callable says."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture
def running() -> Iterator[Running]:
    port, metrics = free_port(), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "protos" / "gen")]),
        "SCALE_ENVIRONMENT": "development",
        "SCALE_AUTH_SECRET": SECRET,
        "SCALE_GATEWAY_PORT": str(port),
        "SCALE_GATEWAY_METRICS_PORT": str(metrics),
        "SCALE_DRAIN_S": "0.2",
        "SCALE_GRACE_S": "5",
        "WEB_CONCURRENCY": "2",
    } | {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    parent = psutil.Popen([sys.executable, "-m", "services.gateway"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    found = Running(parent, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics}/metrics")
    try:
        eventually(lambda: len(found.answering()) == 2)
        yield found
    finally:
        # Its children end with it: the second test is about that.
        with suppress(psutil.NoSuchProcess):
            parent.kill()
        parent.wait(10)


def up(running: Running) -> bool:
    try:
        return running.ask() == 200
    except httpx.HTTPError:
        return False


def test_two_processes_answer_count_together_and_are_replaced_when_they_die(running: Running) -> None:
    eventually(lambda: up(running))
    before = running.asked()
    for _ in range(20):
        assert running.ask() == 200
    eventually(lambda: running.asked() >= before + 20)

    first, second = running.answering()
    first.send_signal(signal.SIGKILL)
    assert all(running.ask() == 200 for _ in range(5)), "the other one answers meanwhile"
    eventually(lambda: len(running.answering()) == 2 and first.pid not in {child.pid for child in running.answering()})
    assert second.is_running()

    running.parent.send_signal(signal.SIGTERM)
    assert running.parent.wait(20) == 0
    assert not up(running)
    assert not second.is_running()


def test_a_killed_parent_leaves_nobody_on_the_port(running: Running) -> None:
    eventually(lambda: up(running))
    children = running.answering()
    running.parent.send_signal(signal.SIGKILL)
    running.parent.wait(10)
    eventually(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children))
    assert not up(running)


def test_processes_that_cannot_know_each_others_confirmations_do_not_start() -> None:
    with pytest.raises(ValidationError, match="SCALE_GATEWAY_CONFIRMATION_KEY"):
        GatewaySettings(auth_algorithm="RS256", auth_jwks_url="https://auth.test/keys", auth_issuer="https://auth.test", processes=2)
