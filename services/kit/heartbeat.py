"""A file that is touched for as long as a worker, or beat, is at work: that its process exists says little.

Whoever watches over the process compares the file's age with a few times `EVERY_S`: the local system before it says that all is ready, a
liveness probe in a cluster. Whoever gives a worker tasks looks into Redis instead: `presence`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import redis
import structlog
from celery import signals
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.kit.presence import EXPIRES_S, key_of
from services.kit.telemetry import HEARTBEAT

log = structlog.get_logger()

EVERY_S = 2.0
_TELL_TIMEOUT_S = 1.0
_touches: list[Callable[[], None]] = []


def touch_while_working(file: Path | None) -> None:
    """Call it before `run_worker` or `run_beat`; None: no file, only the metric. A worker touches it from its main loop, once it takes
    tasks from the queue and while its children are busy; beat with each round in which it looks what is due."""
    if file is not None:
        # What an earlier process left says nothing about this one.
        file.unlink(missing_ok=True)

    def touch() -> None:
        HEARTBEAT.set_to_current_time()
        if file is not None:
            file.touch()

    def worker_is_ready(sender: Any, **_: Any) -> None:
        touch()
        sender.timer.call_repeatedly(EVERY_S, touch)
        _touches.append(touch)

    def beat_begins(sender: Any, **_: Any) -> None:
        look = sender.scheduler.tick

        def look_and_touch() -> float:
            pause = float(look())
            touch()
            return pause

        sender.scheduler.tick = look_and_touch

    signals.worker_ready.connect(worker_is_ready, weak=False)
    signals.beat_init.connect(beat_begins, weak=False)


def touch_while_waiting() -> None:
    """For a main loop that stands still because it waits for Redis, once a second: a worker is not ended for somebody else's outage."""
    for touch in _touches:
        touch()


def tell_while_working(worker: str, redis_url: str) -> None:
    """Call it before `run_worker`: from its main loop, too, the worker then says in Redis that it takes tasks."""
    teller = _Teller(worker, redis_url)

    def worker_is_ready(sender: Any, **_: Any) -> None:
        teller.tell()
        sender.timer.call_repeatedly(EVERY_S, teller.tell)

    signals.worker_ready.connect(worker_is_ready, weak=False)


class _Teller:
    """In a thread, because a Redis that is slow must not hold up the main loop, which waits for the same one."""

    def __init__(self, worker: str, redis_url: str) -> None:
        self._key = key_of(worker)
        self._redis = redis.Redis.from_url(
            redis_url, socket_timeout=_TELL_TIMEOUT_S, socket_connect_timeout=_TELL_TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="presence")
        self._telling: Future[None] | None = None

    def tell(self) -> None:
        """Once, unless the time before is not done yet."""
        if self._telling is None or self._telling.done():
            self._telling = self._thread.submit(self._tell)

    def _tell(self) -> None:
        try:
            self._redis.set(self._key, b"1", ex=EXPIRES_S)
        except (redis.RedisError, OSError) as error:
            log.debug("a worker cannot say that it is at work", error=str(error))
