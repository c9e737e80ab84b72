"""The queues, live with a Redis of their own: order, what a dead worker held, time limits, an end in order. Rules: tests/unit/training."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest

from services.kit import context
from services.kit.errors import Unavailable
from services.kit.queue import (
    TaskQueue,
    first_argument,
    make_celery,
    to_send_again,
)
from tests.support.gateway_app import RedisProcess
from tests.support.ports import free_port

# Rules


@dataclass(frozen=True)
class Work:
    name: str
    in_queue: bool


@pytest.mark.parametrize(("missing", "sent"), [(-1, "bd"), (0, "bd"), (1, "bda"), (5, "bdac")])
def test_work_without_a_message_gets_one_and_of_the_rest_the_oldest_as_far_as_messages_are_missing(missing: int, sent: str) -> None:
    stalled = [Work("a", True), Work("b", False), Work("c", True), Work("d", False)]
    assert "".join(one.name for one in to_send_again(stalled, missing=missing)) == sent
    assert to_send_again([], missing=missing) == []


def test_messages_are_plain_values_and_done_when_the_task_is() -> None:
    conf = make_celery("probe", "redis://127.0.0.1:1/0").conf
    assert (conf.accept_content, conf.task_serializer) == (["json"], "json")
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.worker_prefetch_multiplier == 1
    assert not conf.worker_enable_remote_control


def test_a_service_that_enqueues_nothing_loads_no_celery() -> None:
    probe = "import sys, services.kit.queue, services.kit.server; sys.exit('celery' in sys.modules or 'kombu' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


# Live


@pytest.fixture
def redis() -> Iterator[RedisProcess]:
    process = RedisProcess()
    process.start()
    yield process
    process.kill()


@pytest.fixture
async def queue(redis: RedisProcess) -> AsyncIterator[TaskQueue]:
    made = TaskQueue(redis.url, services=["probe"])
    yield made
    await made.close()


class Worker:
    """A worker process, and the traces of its tasks."""

    def __init__(self, redis: RedisProcess, folder: Path) -> None:
        self.redis, self.folder = redis, folder
        self.metrics_port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, *more: str, grace_s: float = 10, visibility_timeout_s: float = 3600) -> subprocess.Popen[bytes]:
        """Starts one, or with "beat" a clock."""
        metrics = self.folder / "metrics"
        metrics.mkdir(exist_ok=True)
        environment = os.environ | {"SCALE_REDIS_URL": self.redis.url}
        if not more:
            environment |= {"SCALE_PROBE_METRICS_PORT": str(self.metrics_port), "PROMETHEUS_MULTIPROC_DIR": str(metrics)}
        arguments = [str(self.folder), str(grace_s), str(visibility_timeout_s), *more]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.queue_worker", *arguments], env=environment, stdout=log, stderr=log
            )
        self._processes.append(process)
        return process

    def traces(self, kind: str = "") -> list[str]:
        """What the tasks wrote, without the kind; all lines without one."""
        path = self.folder / "traces"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.removeprefix(f"{kind} ") for line in lines if line.startswith(kind)]

    async def until(self, reached: Callable[[], bool], seconds: float = 20) -> None:
        """Waits, and says what happened instead."""
        deadline = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < deadline, f"{self.traces()}\n{self.log()}"
            await asyncio.sleep(0.02)

    def log(self) -> str:
        """All that the processes have written."""
        return (self.folder / "log").read_text()

    def metrics(self) -> str:
        """What a Prometheus would read."""
        return httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics").text

    def kill_all(self) -> None:
        """SIGKILL, and no process is left."""
        for process in self._processes:
            process.kill()
            process.wait()


@pytest.fixture
def worker(redis: RedisProcess, tmp_path: Path) -> Iterator[Worker]:
    made = Worker(redis, tmp_path)
    yield made
    made.kill_all()


@pytest.mark.requirement("TRN-07")
async def test_high_before_medium_before_low(queue: TaskQueue, worker: Worker) -> None:
    """TRN-07: enqueued in the wrong order while no worker runs. And what nobody took in time is left undone."""
    await queue.enqueue("probe.note", ["late"], queue="ingest", priority="high", expires_s=0.01)
    for text, priority in [("1", "low"), ("2", "low"), ("3", None), ("4", "high"), ("5", "low"), ("6", "high")]:
        await queue.enqueue("probe.note", [text], queue="ingest", priority=priority)
    assert await queue.length("ingest") == 7
    worker.start()
    await worker.until(lambda: len(worker.traces("note")) == 6)
    assert worker.traces("note") == ["4", "6", "3", "1", "2", "5"]
    assert await queue.length("ingest") == 0


async def test_a_killed_worker_loses_no_task(queue: TaskQueue, worker: Worker) -> None:
    """Its children go with it, so that nothing runs twice; the message comes back after the visibility timeout."""
    first = worker.start(visibility_timeout_s=1)
    await queue.enqueue("probe.hang", ["x"], queue="ingest")
    await worker.until(lambda: bool(worker.traces("hang")))
    child = int(worker.traces("hang")[0].split()[1])
    first.kill()
    first.wait()
    await worker.until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
    (worker.folder / "go").touch()
    worker.start(visibility_timeout_s=1)
    await worker.until(lambda: worker.traces("ended") == ["x"])


async def test_sigterm_lets_the_task_in_hand_finish(queue: TaskQueue, worker: Worker) -> None:
    process = worker.start()
    for text in ("x", "y"):
        await queue.enqueue("probe.hang", [text], queue="ingest")
    await worker.until(lambda: bool(worker.traces("hang")))
    process.terminate()
    await asyncio.sleep(0.3)
    (worker.folder / "go").touch()
    assert await asyncio.to_thread(process.wait, 10) == 0
    assert worker.traces("ended") == ["x"]
    assert worker.traces("closed") == worker.traces("opened")
    assert await queue.length("ingest") == 1
    for line in worker.log().splitlines():
        assert not line or line.startswith(("{", "worker: ")), line
    assert '"event":"task"' in worker.log()


async def test_a_task_that_outlasts_the_grace_goes_back(queue: TaskQueue, worker: Worker) -> None:
    process = worker.start(grace_s=0.3)
    await queue.enqueue("probe.hang", ["x"], queue="ingest")
    await worker.until(lambda: bool(worker.traces("hang")))
    process.terminate()
    await asyncio.to_thread(process.wait, 10)
    assert worker.traces("ended") == []
    assert await queue.length("ingest") == 1


@pytest.mark.requirement("OBS-03")
async def test_time_limit_ends_a_task_for_good(queue: TaskQueue, worker: Worker) -> None:
    """And what follows is done by a new child. A task that fails is done, too; one that found something away is tried again."""
    worker.start()
    request_id = str(uuid4())
    context.bind_request_id(request_id)
    for task in ("probe.flaky", "probe.slow", "probe.fail", "probe.note"):
        await queue.enqueue(task, ["x"], queue="ingest")
    await worker.until(lambda: worker.traces("note") == ["x"] and len(worker.traces("flaky")) == 3)
    assert (worker.traces("slow"), worker.traces("fail")) == (["x"], ["x"]), worker.log()
    await worker.until(lambda: worker.log().count('"error":"not yet"') == 1)
    assert "Unavailable" not in worker.log(), "an outage is one line, without a traceback"
    assert "Trying to re-establish" not in worker.log()
    assert "Hard time limit" in worker.log()
    assert "RuntimeError: no x" in worker.log()
    # Of children that end, of repeats, and of the parent that speaks for a child that is gone: each line says whose it is.
    for said in ("Hard time limit", "RuntimeError: no x", '"task":"probe.flaky"', '"task":"probe.note"'):
        lines = [json.loads(line) for line in worker.log().splitlines() if said in line]
        assert lines
        assert {line["request_id"] for line in lines} == {request_id}, said
    assert 'scale_tasks_lost_total{queue="ingest",reason="timeout",task="probe.slow"} 1.0' in worker.metrics()
    # What has not been lost is counted, too, as none: an increase from nothing would be no increase.
    assert 'scale_tasks_lost_total{queue="ingest",reason="died",task="probe.slow"} 0.0' in worker.metrics()


async def test_a_killed_child_loses_no_task_and_no_figure(queue: TaskQueue, worker: Worker) -> None:
    """As when memory runs out: the child is gone, the worker goes on, and what the child had counted stays counted."""
    (worker.folder / "metrics").mkdir()
    (worker.folder / "metrics" / "counter_1.db").write_bytes(b"of an earlier worker")
    worker.start()
    await queue.enqueue("probe.note", ["x"], queue="ingest")
    await queue.enqueue("probe.hang", ["y"], queue="ingest")
    await worker.until(lambda: bool(worker.traces("hang")))
    metrics = worker.metrics()
    assert "probe_notes_total 1.0" in metrics
    assert 'scale_task_duration_seconds_count{queue="ingest",state="SUCCESS",task="probe.note"} 1.0' in metrics
    assert 'scale_tasks_running{task="probe.hang"} 1.0' in metrics
    os.kill(int(worker.traces("hang")[0].split()[1]), signal.SIGKILL)
    (worker.folder / "go").touch()
    await worker.until(lambda: worker.traces("ended") == ["y"])
    assert (len(worker.traces("hang")), len(worker.traces("opened"))) == (2, 2)
    await worker.until(lambda: 'scale_tasks_running{task="probe.hang"} 0.0' in worker.metrics())
    assert "probe_notes_total 1.0" in worker.metrics()


async def test_figures_are_by_queue(queue: TaskQueue, worker: Worker, redis: RedisProcess) -> None:
    """OBS-23: what waits, of every priority, how long tasks took, failures and retries."""
    (worker.folder / "metrics").mkdir()
    worker.start()
    await queue.enqueue("probe.fail", ["x"], queue="ingest", priority="high")
    await queue.enqueue("probe.flaky", ["x"], queue="ingest", priority="high")
    await queue.enqueue("probe.hang", ["x"], queue="ingest")
    await worker.until(lambda: len(worker.traces("flaky")) == 3)
    await worker.until(lambda: bool(worker.traces("hang")))
    for priority in ("high", "medium", "low"):
        await queue.enqueue("probe.note", [priority], queue="ingest", priority=priority)
    metrics = worker.metrics()
    assert 'scale_queue_length{queue="ingest"} 3.0' in metrics
    assert 'scale_queue_length{queue="upkeep-probe"} 0.0' in metrics
    assert 'scale_task_duration_seconds_count{queue="ingest",state="FAILURE",task="probe.fail"} 1.0' in metrics
    assert 'scale_task_duration_seconds_count{queue="ingest",state="RETRY",task="probe.flaky"} 2.0' in metrics
    redis.kill()
    assert "scale_queue_length{" not in worker.metrics()
    assert "scale_task_duration_seconds_count" in worker.metrics()
    redis.start()
    (worker.folder / "go").touch()


async def test_beat_enqueues_what_is_due(queue: TaskQueue, worker: Worker) -> None:
    beat = worker.start("beat")
    await worker.until(lambda: (worker.folder / "log").stat().st_size > 0 or beat.poll() is None)
    worker.start()
    await worker.until(lambda: worker.traces("note")[:3] == ["tick"] * 3)
    beat.terminate()
    assert await asyncio.to_thread(beat.wait, 10) == 0


async def test_redis_comes_back_empty(queue: TaskQueue, redis: RedisProcess, worker: Worker) -> None:
    """A running task is not disturbed; worker and publisher find Redis again by themselves."""
    worker.start()
    await queue.enqueue("probe.hang", ["x"], queue="ingest")
    await worker.until(lambda: bool(worker.traces("hang")))
    redis.kill()
    with pytest.raises(Unavailable):
        await queue.enqueue("probe.note", ["lost"], queue="ingest")
    (worker.folder / "go").touch()
    await worker.until(lambda: worker.traces("ended") == ["x"])
    redis.start()
    await queue.enqueue("probe.note", ["y"], queue="ingest")
    await worker.until(lambda: worker.traces("note") == ["y"])
    assert len(worker.traces("hang")) == 1
    assert worker.log().count("a finished task could not be acknowledged") <= 1


# Without Redis


async def test_no_redis_is_unavailable_at_once() -> None:
    queue = TaskQueue(f"redis://127.0.0.1:{free_port()}/0")
    started = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        await queue.enqueue("probe.note", ["x"], queue="ingest")
    assert (caught.value.reason, caught.value.retry_after_s) == ("QUEUE_UNAVAILABLE", 2)
    with pytest.raises(Unavailable) as caught:
        await queue.length("ingest")
    assert caught.value.reason == "QUEUE_UNAVAILABLE"
    assert time.monotonic() - started < 3
    await queue.close()


async def test_a_redis_that_is_silent_is_unavailable_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are taken and nothing is ever answered: nobody waits longer, however many there are."""
    monkeypatch.setattr("services.kit.queue._PUBLISH_TIMEOUT_S", 1.0)
    monkeypatch.setattr("services.kit.queue._TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        queue = TaskQueue(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        started = time.monotonic()
        results = await asyncio.gather(
            *[queue.enqueue("probe.note", ["x"], queue="ingest") for _ in range(5)], queue.length("ingest"), return_exceptions=True
        )
        assert [type(result) for result in results] == [Unavailable] * 6
        assert time.monotonic() - started < 2
    await queue.close()


async def test_messages_say_no_more_than_they_must(queue: TaskQueue, redis: RedisProcess) -> None:
    """Ids only: the arguments, once as what they are and once for logs, and nothing of who enqueued them."""
    from redis import Redis

    await queue.enqueue("probe.note", ["one", "two"], queue="ingest")
    with Redis.from_url(redis.url) as client:
        (message,) = client.lrange("ingest:3", 0, -1)
    content = json.loads(message)
    assert content["content-type"] == "application/json"
    assert content["headers"]["task"] == "probe.note"
    assert content["properties"]["priority"] == 3


async def test_a_users_tasks_are_taken_back_wherever_they_wait(queue: TaskQueue, redis: RedisProcess, worker: Worker) -> None:
    """Of every priority, beyond one look's worth of others, and one that a dead worker held; nobody else's."""
    from redis import Redis

    doomed = worker.start()
    await queue.enqueue("probe.hang", ["mine"], queue="ingest")
    await worker.until(lambda: bool(worker.traces("hang")))
    doomed.kill()
    doomed.wait()
    for priority in ("high", "medium", "low"):
        await queue.enqueue("probe.note", ["mine", priority], queue="ingest", priority=priority)
        await queue.enqueue("probe.note", ["theirs", priority], queue="ingest", priority=priority)
    await queue.enqueue("probe.note", ["mine"], queue="training")
    await queue.enqueue("probe.note", ["mine"], queue="inference-probe")
    await queue.enqueue("probe.note", [], queue="inference-probe")
    with Redis.from_url(redis.url) as client:
        client.lpush("ingest", *(b"no message of ours %d" % number for number in range(1500)))
        assert await queue.discard("mine") == 6
        assert await queue.discard("mine") == 0
        left = [client.lrange(name, 0, -1) for name in ("ingest", "ingest:3", "ingest:9", "training:9", "inference-probe")]
        assert [len(messages) for messages in left] == [1501, 1, 1, 0, 1]
        assert (client.hlen("unacked"), client.zcard("unacked_index")) == (0, 0)
    assert [first_argument(messages[0]) for messages in left[1:3]] == ["theirs", "theirs"]


async def test_tasks_are_not_taken_back_without_redis() -> None:
    queue = TaskQueue("redis://127.0.0.1:1/0")
    with pytest.raises(Unavailable) as caught:
        await queue.discard("mine")
    assert caught.value.reason == "QUEUE_UNAVAILABLE"
    await queue.close()
