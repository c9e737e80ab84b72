"""The process that does the work of a queue, and the one that keeps the clock: Celery's prefork pool around asyncio.

The parent only waits for messages. Each child opens what it needs after the fork (connections, channels and threads do not survive one),
keeps it in one event loop, which runs between tasks, too, and closes it when it ends.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import billiard.pool
import structlog
import uvloop
from celery import Celery, Task, bootsteps, signals
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning, WorkerLostError
from celery.worker.consumer import Consumer
from celery.worker.request import Request
from opentelemetry.trace import Span, SpanKind

from services.kit import context, tracing
from services.kit.heartbeat import touch_while_waiting
from services.kit.interceptors import valid_request_id
from services.kit.queue import OUTAGES, REQUEST_ID_HEADER
from services.kit.queue_lengths import QueueLengths
from services.kit.telemetry import TASK_LATENCY, TASKS_LOST, TASKS_RUNNING, WORKER_PLACES, export_at_scrape

log = structlog.get_logger()

_NOTE_TAKEN_TRIES = 10
"""A tenth of a second each."""
_TIMEOUT, _DIED = _LOST = ("timeout", "died")
"""Why a task's process ended in the middle of it."""

Result = TypeVar("Result")
Hook = Callable[[], Awaitable[None]]


class _Background:
    """The event loop of a worker's child, and what `run_worker` was told to open in it.

    It runs in a thread of its own: connections are kept up, and come back, while no task runs.
    """

    def __init__(self) -> None:
        self.on_start: Hook | None = None
        self.on_stop: Hook | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._started = False

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Runs to the end, in a context of its own."""
        try:
            self.start()
        except BaseException:
            coroutine.close()
            raise
        own = contextvars.copy_context()
        if not context.request_id():
            own.run(context.bind_request_id, valid_request_id(None))
        own.run(context.bind_identity, None)
        return own.run(self._wait_for, coroutine)

    def start(self) -> None:
        """Opens what is needed, once; what fails is tried again with the next task."""
        if self._loop is None:
            self._loop = uvloop.new_event_loop()
            self._thread = threading.Thread(target=_turn, args=[self._loop], name="background", daemon=True)
            self._thread.start()
        if not self._started:
            if self.on_start is not None:
                self._wait_for(_awaited(self.on_start))
            self._started = True

    def stop(self) -> None:
        """Closes it."""
        if self._loop is None or self._thread is None:
            return
        try:
            if self._started and self.on_stop is not None:
                self._wait_for(_awaited(self.on_stop))
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop, self._thread, self._started = None, None, False

    def _wait_for(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        assert self._loop is not None  # nosec B101  # start made it
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # a signal that ends this task ends what it waits for; otherwise it is done
            raise


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    # Runner closes as asyncio.run does: tasks are cancelled, generators and threads ended.
    with asyncio.Runner(loop_factory=lambda: loop):
        while True:
            try:
                return loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                pass  # of a task: whoever waits for it gets it, too


async def _awaited(hook: Hook) -> None:
    await hook()


_background = _Background()


class QueuedTask(Task):
    """A task of our queues; `queue.task_options` gives it what it is declared with."""

    Request = "services.kit.background:_Request"


_finished: list[Any] = []


class _Request(Request):
    """kombu counts a message whose acknowledgement failed, because Redis was away just then, as in hand for ever: a worker that takes one
    at a time would never take another."""

    def acknowledge(self) -> None:
        super().acknowledge()
        _finished.append(self.message)  # the loop acknowledges it in its next round

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """The child was killed, and with it what would have said so."""
        with self._in_hand(_TIMEOUT):
            super().on_timeout(soft, timeout)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        """As the child told, unless it is gone."""
        with self._in_hand(_DIED if isinstance(exc_info.exception, WorkerLostError) else None):
            return super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)

    @contextmanager
    def _in_hand(self, lost: str | None) -> Iterator[None]:
        """Log lines of the block are the request's."""
        if lost is not None:
            TASKS_LOST.labels((self.delivery_info or {}).get("routing_key") or "", self.name, lost).inc()
        context.bind_request_id(str(self.request_dict.get(REQUEST_ID_HEADER) or ""))
        try:
            yield
        finally:
            context.bind_request_id("")


class _PlacesRegained(bootsteps.StartStopStep):
    """Connects anew after such a failure, which counts from zero."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def register_with_event_loop(self, consumer: Any, hub: Any) -> None:
        """Looks once a second at what was finished a second ago."""
        _finished.clear()
        seen: list[Any] = []

        def look() -> None:
            if not all(message.acknowledged for message in seen):
                raise ConnectionResetError("a finished task could not be acknowledged")
            seen[:] = _finished
            _finished.clear()

        hub.call_repeatedly(1.0, look)


class PatientConsumer(Consumer):
    """Celery's stops its main loop for as long as Redis is away; whoever watches over the process would take it for stuck, and end it with
    what it has in hand."""

    def ensure_connected(self, conn: Any) -> Any:
        ensure_connection = conn.ensure_connection

        def ensure_patiently(errback: Any, max_retries: Any, *, callback: Callable[[], None]) -> Any:
            def each_second() -> None:
                callback()
                touch_while_waiting()

            return ensure_connection(errback, max_retries, callback=each_second)

        conn.ensure_connection = ensure_patiently
        return super().ensure_connected(conn)


def run_in_background(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Runs a coroutine on the event loop of this worker process: the one line between a task and async code."""
    return _background.run(coroutine)


def run_worker(
    celery: Celery,
    *,
    queues: Sequence[str],
    concurrency: int = 1,
    on_start: Hook | None = None,
    on_stop: Hook | None = None,
    grace_s: float = 20,
    most_memory_mib: int | None = None,
    events: bool = False,
) -> None:
    """Works until SIGTERM: takes no more tasks then, and lets those in hand finish for `grace_s` seconds; what does not goes back to its
    queue. `on_start` and `on_stop` open and close, in each child and on its event loop, what tasks use with `run_in_background`. A child
    that has ever held more than `most_memory_mib` makes way for a new one after its task. `events`: tells the monitor of each task."""
    _background.on_start, _background.on_stop = on_start, on_stop
    _keep_our_logging()
    export_at_scrape(QueueLengths(celery.conf.broker_url, queues))
    WORKER_PLACES.set(concurrency)
    # About messages that are code, while ours are JSON; and about a default that will change, while we say what we want.
    for warning in (SecurityWarning, CPendingDeprecationWarning):
        warnings.simplefilter("ignore", warning)
    celery.steps["consumer"].add(_PlacesRegained)
    # A child that ends waits until its parent has taken note of its last task, half a minute at most. A parent that ends just then never
    # does; the message then goes back, as if the child had died.
    billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = _NOTE_TAKEN_TRIES
    signals.worker_process_init.connect(_child_starts)
    signals.worker_process_shutdown.connect(_child_stops)
    signals.task_prerun.connect(_task_starts)
    signals.task_postrun.connect(_task_ends)
    celery.conf.worker_send_task_events = events
    celery.conf.worker_consumer = "services.kit.background:PatientConsumer"
    worker = celery.Worker(
        queues=list(queues),
        concurrency=concurrency,
        pool="prefork",
        quiet=True,
        loglevel="INFO",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=not events,
        max_memory_per_child=most_memory_mib * 1024 if most_memory_mib is not None else None,
    )
    _begin_at_zero(celery, queues)

    def lose_patience(**_: Any) -> None:
        """Celery would wait for ever; this ends what runs, and its message goes back."""
        timer = threading.Timer(grace_s, os.kill, (os.getpid(), signal.SIGQUIT))
        timer.daemon = True
        timer.start()

    signals.worker_shutting_down.connect(lose_patience, weak=False)
    worker.start()
    log.info("stopped")
    sys.exit(worker.exitcode)


def _begin_at_zero(celery: Celery, queues: Sequence[str]) -> None:
    """Prometheus sees no increase in what begins with its first event: the first lost task would not count."""
    for task in celery.tasks.values():
        queue = (getattr(task, "route", None) or {}).get("queue")
        if queue in queues:
            for reason in _LOST:
                TASKS_LOST.labels(queue, task.name, reason)


def run_beat(celery: Celery, schedule_file: Path) -> None:
    """Enqueues what `celery.conf.beat_schedule` lists, when it is due, until SIGTERM. `schedule_file` remembers when each ran last."""
    _keep_our_logging()
    celery.Beat(schedule=str(schedule_file), scheduler_cls="services.kit.clock:CountingScheduler", quiet=True, loglevel="INFO").run()


def _keep_our_logging() -> None:
    # Celery sets up no logging of its own where somebody listens to this signal.
    signals.setup_logging.connect(_nothing_to_set_up)
    # Every message that came and every tick: our own line says what became of it.
    for chatty in ("celery.worker.strategy", "celery.app.trace", "celery.beat"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _nothing_to_set_up(**_: Any) -> None:
    pass


def _child_starts(**_: Any) -> None:
    _background.start()


def _child_stops(**_: Any) -> None:
    _background.stop()
    # A child ends without what Python does at the end of a process.
    tracing.end_tracing()
    for handler in logging.getLogger().handlers:
        handler.flush()


def _queue_of(task: Any) -> str:
    return (task.request.delivery_info or {}).get("routing_key") or ""


def _task_starts(task: Any, **_: Any) -> None:
    # What the clock enqueues is a request of its own.
    context.bind_request_id(valid_request_id(task.request.get(REQUEST_ID_HEADER)))
    attributes = {"messaging.system": "redis", "messaging.destination.name": _queue_of(task)}
    task.request.span = tracing.begin(task.name, SpanKind.CONSUMER, attributes, parent=task.request.headers)
    TASKS_RUNNING.labels(task.name).inc()
    task.request.started_at = time.perf_counter()


def _task_ends(task: Any, state: str | None, retval: Any, **_: Any) -> None:
    elapsed = time.perf_counter() - task.request.started_at
    TASKS_RUNNING.labels(task.name).dec()
    TASK_LATENCY.labels(_queue_of(task), task.name, state or "UNKNOWN").observe(elapsed)
    span: Span | None = task.request.span
    if span is not None:
        tracing.finish(span, {"scale.task.state": state or "UNKNOWN"}, failed=state == "FAILURE")
    line = {"task": task.name, "state": state, "duration_ms": round(elapsed * 1000, 2)}
    if isinstance(retval, OUTAGES):
        log.warning("task", **line, error=str(retval))
    else:
        log.info("task", **line)
    context.bind_request_id("")
