"""The file that says that a worker, or beat, is at work: not before it is, not when it is stuck, but when it is busy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from services.kit.heartbeat import EVERY_S, touch_while_working
from services.kit.presence import key_of
from services.kit.queue import make_celery
from tests.support.gateway_app import RedisProcess, own_redis

__all__ = ["own_redis"]

Start = Callable[[str], tuple[Path, subprocess.Popen[bytes]]]

PROGRAM = """
import sys, time
from pathlib import Path
from services.kit.background import run_beat, run_worker
from services.kit.heartbeat import tell_while_working, touch_while_working
from services.kit.queue import make_celery, task_options
url, file, mode = sys.argv[1:]
celery = make_celery("probe", url)
@celery.task(name="probe.sleep", **task_options("fl"))
def sleep(): time.sleep(60)
touch_while_working(Path(file))
tell_while_working("probe-worker", url)
run_beat(celery, Path(file + ".schedule")) if mode == "beat" else run_worker(celery, queues=["fl"])
"""


@pytest.fixture
def start(own_redis: RedisProcess, tmp_path: Path) -> Iterator[Start]:
    processes: list[subprocess.Popen[bytes]] = []

    def begin(mode: str) -> tuple[Path, subprocess.Popen[bytes]]:
        file = tmp_path / mode
        file.touch()
        os.utime(file, (0, 0))  # an earlier process left it
        # A group of its own: what a worker forked ends with it.
        command = [sys.executable, "-c", PROGRAM, own_redis.url, str(file), mode]
        processes.append(subprocess.Popen(command, start_new_session=True))
        return file, processes[-1]

    yield begin
    for process in processes:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def age_s(file: Path) -> float:
    return time.time() - file.stat().st_mtime if file.exists() else float("inf")


def wait_until(seen: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 30
    while not seen():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def wait_until_touched(file: Path) -> None:
    wait_until(lambda: age_s(file) < 1000, "never at work")


def test_a_busy_worker_is_at_work_and_a_stuck_one_is_not(own_redis: RedisProcess, start: Start) -> None:
    file, process = start("worker")
    wait_until_touched(file)
    with Redis.from_url(own_redis.url) as redis:
        wait_until(lambda: redis.get(key_of("probe-worker")) is not None, "it does not say in Redis that it takes tasks")
    celery = make_celery("publisher", own_redis.url)
    celery.send_task("probe.sleep", queue="fl")
    celery.close()
    time.sleep(EVERY_S + 1)
    assert age_s(file) < EVERY_S + 0.9
    process.send_signal(signal.SIGSTOP)
    time.sleep(EVERY_S + 1)
    assert age_s(file) > EVERY_S


@pytest.mark.requirement("REL-03")
def test_a_worker_whose_redis_is_away_is_at_work(own_redis: RedisProcess, start: Start) -> None:
    """It tries again and again: nobody shall end it, and what it has in hand, for somebody else's outage."""
    file, _ = start("worker")
    wait_until_touched(file)
    own_redis.kill()
    time.sleep(6)
    assert age_s(file) < 2 * EVERY_S
    own_redis.start()
    with Redis.from_url(own_redis.url) as redis:
        wait_until(lambda: redis.get(key_of("probe-worker")) is not None, "it did not come back to its queue")


def test_beat_is_at_work_once_it_has_looked_what_is_due(start: Start) -> None:
    file, _ = start("beat")
    wait_until_touched(file)


def test_no_file_no_heartbeat() -> None:
    touch_while_working(None)
