"""Celery's monitor: optional, on this machine alone, and for nobody without a password."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from services.kit.queue import TaskQueue
from tests.support.gateway_app import RedisProcess, own_redis
from tests.support.ports import free_port

__all__ = ["own_redis"]

PASSWORD = "correct horse battery"
HANGS_AFTER_S = 30


class Process:
    """`python -m ARGUMENTS`."""

    def __init__(self, log: Path, environment: dict[str, str], *arguments: str) -> None:
        self.log = log
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SCALE_")}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments], env=inherited | environment, stdout=output, stderr=output, cwd=Path(__file__).parents[2]
            )

    def wait(self) -> int:
        return self._process.wait(HANGS_AFTER_S)

    def stop(self) -> None:
        self._process.terminate()
        self.wait()


@pytest.fixture
def environment(own_redis: RedisProcess) -> dict[str, str]:
    return {"SCALE_REDIS_URL": own_redis.url, "SCALE_MONITOR_PORT": str(free_port()), "SCALE_MONITOR_BASIC_AUTH": f"ops:{PASSWORD}"}


@pytest.fixture
def monitor(environment: dict[str, str], tmp_path: Path) -> Iterator[httpx.Client]:
    pytest.importorskip("flower", reason="the monitor is not installed")
    process = Process(tmp_path / "monitor.log", environment, "services.kit.monitor", "probe")
    with httpx.Client(base_url=f"http://127.0.0.1:{environment['SCALE_MONITOR_PORT']}", trust_env=False) as client:
        deadline = time.monotonic() + HANGS_AFTER_S
        while True:
            try:
                client.get("/healthcheck")
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline, process.log.read_text()
                time.sleep(0.1)
        yield client
    process.stop()


@pytest.fixture
async def queue(own_redis: RedisProcess) -> AsyncIterator[TaskQueue]:
    tasks = TaskQueue(own_redis.url, services=["probe"])
    yield tasks
    await tasks.close()


@pytest.mark.requirement("SEC-23")
def test_nobody_gets_in_without_the_password(monitor: httpx.Client) -> None:
    for path in ("/", "/workers", "/tasks", "/broker", "/api/workers", "/api/tasks", "/api/queues/length"):
        for auth in (None, ("ops", "wrong"), ("", "")):
            assert monitor.get(path, auth=auth).status_code == 401, path
    assert monitor.post("/api/worker/shutdown/x").status_code == 401
    assert monitor.get("/", auth=("ops", PASSWORD)).status_code == 200
    probed = monitor.get("/healthcheck")
    assert (probed.status_code, probed.text) == (200, "OK"), "Kubernetes has no password, and is told nothing else"


async def test_it_shows_what_workers_did(monitor: httpx.Client, queue: TaskQueue, environment: dict[str, str], tmp_path: Path) -> None:
    worker = Process(
        tmp_path / "worker.log", environment | {"SCALE_QUEUE_EVENTS": "true"}, "tests.support.queue_worker", str(tmp_path), "5", "60"
    )
    try:
        await queue.enqueue("probe.note", ["a"], queue="ingest")
        deadline = time.monotonic() + HANGS_AFTER_S
        while True:
            found = monitor.get("/api/tasks", auth=("ops", PASSWORD)).json()
            if [one["state"] for one in found.values()] == ["SUCCESS"]:
                break
            assert time.monotonic() < deadline, (found, worker.log.read_text())
            time.sleep(0.1)
        assert [one["name"] for one in found.values()] == ["probe.note"]
    finally:
        worker.stop()


@pytest.mark.parametrize("given", [None, "", "ops", "ops:", ":correct horse battery", "ops:short", "ops:correct horse battery,other:short"])
def test_without_a_password_worth_the_name_it_does_not_start(environment: dict[str, str], tmp_path: Path, given: str | None) -> None:
    pytest.importorskip("flower", reason="the monitor is not installed")
    del environment["SCALE_MONITOR_BASIC_AUTH"]
    if given is not None:
        environment["SCALE_MONITOR_BASIC_AUTH"] = given
    process = Process(tmp_path / "monitor.log", environment, "services.kit.monitor", "probe")
    assert process.wait() == 2
    assert "SCALE_MONITOR_BASIC_AUTH: " in process.log.read_text()
    assert "short" not in process.log.read_text()


def test_which_services_it_must_be_told(environment: dict[str, str], tmp_path: Path) -> None:
    process = Process(tmp_path / "monitor.log", environment, "services.kit.monitor")
    assert process.wait() == 1
    assert "python -m services.kit.monitor accounts" in process.log.read_text() or "not installed" in process.log.read_text()
