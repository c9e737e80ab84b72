"""The process that does the work of a queue, and the one that keeps the clock: Celery's prefork pool around asyncio.

The parent only waits for messages. Each child opens what it needs after the fork (connections, channels and threads do not survive one),
keeps it in one event loop, and closes it when it ends.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog
import uuid_utils
import uvloop
from celery import Celery, signals

from services.kit import context

log = structlog.get_logger()

Result = TypeVar("Result")
Hook = Callable[[], Awaitable[None]]


class _Background:
    """The event loop of a worker's child, and what `run_worker` was told to open in it."""

    def __init__(self) -> None:
        self.on_start: Hook | None = None
        self.on_stop: Hook | None = None
        self._runner: asyncio.Runner | None = None
        self._started = False

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Runs to the end, in a context of its own."""
        try:
            self.start()
        except BaseException:
            coroutine.close()
            raise
        assert self._runner is not None  # nosec B101  # start made it
        own = contextvars.copy_context()
        own.run(context.bind_request_id, str(uuid_utils.uuid7()))
        own.run(context.bind_identity, None)
        return self._runner.run(coroutine, context=own)

    def start(self) -> None:
        """Opens what is needed, once; what fails is tried again with the next task."""
        if self._runner is None:
            self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        if not self._started:
            if self.on_start is not None:
                self._runner.run(_awaited(self.on_start))
            self._started = True

    def stop(self) -> None:
        """Closes it."""
        if self._runner is not None:
            try:
                if self._started and self.on_stop is not None:
                    self._runner.run(_awaited(self.on_stop))
            finally:
                self._runner.close()
                self._runner, self._started = None, False


async def _awaited(hook: Hook) -> None:
    await hook()


_background = _Background()


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
) -> None:
    """Works until SIGTERM: takes no more tasks then, and lets those in hand finish for `grace_s` seconds; what does not goes back to its
    queue. `on_start` and `on_stop` open and close, in each child and on its event loop, what tasks use with `run_in_background`."""
    _background.on_start, _background.on_stop = on_start, on_stop
    signals.setup_logging.connect(_keep_logging)
    signals.worker_process_init.connect(_child_starts)
    signals.worker_process_shutdown.connect(_child_stops)
    signals.worker_ready.connect(_ready)
    worker = celery.Worker(
        queues=list(queues),
        concurrency=concurrency,
        pool="prefork",
        quiet=True,
        loglevel="INFO",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    sys.exit(worker.exitcode)


def run_beat(celery: Celery, schedule_file: Path) -> None:
    """Enqueues what `celery.conf.beat_schedule` lists, when it is due, until SIGTERM. `schedule_file` remembers when each ran last."""
    signals.setup_logging.connect(_keep_logging)
    celery.Beat(schedule=str(schedule_file), quiet=True, loglevel="INFO").run()


def _keep_logging(**_: Any) -> None:
    """Celery sets up no logging where somebody listens to this signal."""


def _child_starts(**_: Any) -> None:
    _background.start()


def _child_stops(**_: Any) -> None:
    _background.stop()


def _ready(**_: Any) -> None:
    log.info("waiting for tasks")
