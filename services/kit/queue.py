"""The queues of work that takes longer than a second: their rules, and how a task is put into one.

A message is a wake-up that names a piece of work. Whether the work is done, and who has it in hand, stands in PostgreSQL with a lease,
so that a message that comes twice or not at all does no harm.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog
from opentelemetry.trace import SpanKind

from services.kit import context, tracing
from services.kit.errors import Aborted, DeadlineExceeded, ResourceExhausted, Unavailable
from services.kit.redis import connect_redis, within

if TYPE_CHECKING:
    from celery import Celery

log = structlog.get_logger()

PRIORITIES: Mapping[str, int] = MappingProxyType({"high": 0, "medium": 3, "low": 9})
"""On Redis 0 is served first."""


@dataclass(frozen=True, slots=True)
class QueueRules:
    """What holds for a task of a queue, unless it says otherwise: seconds that it may take, repeats after a failure, and priority."""

    time_limit_s: int
    """Then its process is killed, and another takes its place: nothing less ends a thread that computes, and the lease says whose work it
    was. There is no softer limit before it."""
    max_retries: int
    priority: str


QUEUES: Mapping[str, QueueRules] = MappingProxyType(
    {
        "upkeep": QueueRules(60, 0, "high"),  # what the clock enqueues: it waits behind nobody's work
        "ingest": QueueRules(1800, 0, "medium"),  # repeated by its lease, which counts across workers that die
        "inference": QueueRules(300, 2, "high"),
        "training": QueueRules(1800, 1, "low"),
        "fl": QueueRules(900, 1, "low"),
    }
)
"""By the first part of a queue's name."""
_OF_EACH_SERVICE = ("upkeep", "inference")
_OF_ONE_SERVICE = tuple(queue for queue in QUEUES if queue not in _OF_EACH_SERVICE)
LONG_INFERENCE = QueueRules(600, 2, "medium")
"""For a task of a queue inference that takes longer and may wait."""

VISIBILITY_TIMEOUT_S = max(rules.time_limit_s for rules in QUEUES.values()) + 300
"""When Redis hands out again what a worker took and never finished. Above every time limit: else a task that still runs would run twice."""

OUTAGES = (Aborted, DeadlineExceeded, ResourceExhausted, Unavailable)
"""What befalls a task, and is no fault of its own."""

REQUEST_ID_HEADER = "request_id"
"""In a message: the request that it was put in for."""

_SEPARATOR = ":"
_TIMEOUT_S = 2.0
_PUBLISH_TIMEOUT_S = 5.0
_DISCARD_TIMEOUT_S = 10.0
_PER_LOOK = 1000
# kombu's names for what workers hold.
_HELD = "unacked"
_HELD_INDEX = "unacked_index"


def upkeep_of(service: str) -> str:
    """The queue of what the clock enqueues for a service. Its own: a worker throws away tasks that it does not know."""
    return f"upkeep-{service}"


def inference_of(service: str) -> str:
    """The queue of what the models of a service are asked. Its own, for the same reason; and so its length says how many wait for them."""
    return f"inference-{service}"


def _queues_of(services: Sequence[str]) -> tuple[str, ...]:
    return (*_OF_ONE_SERVICE, *(f"{queue}-{service}" for service in services for queue in _OF_EACH_SERVICE))


def rules_of(queue: str) -> QueueRules:
    """The rules of a queue by its name. Raises KeyError for one that is none of ours."""
    return QUEUES[queue.partition("-")[0]]


@dataclass(frozen=True, slots=True)
class Every:
    """That a task is enqueued every so many seconds, from so long after the clock's start."""

    seconds: float
    task: str
    queue: str


class Stalled(Protocol):
    """Work whose lease has run out."""

    @property
    def in_queue(self) -> bool:
        """Whether a message for it should be waiting."""


StalledWork = TypeVar("StalledWork", bound=Stalled)


def to_send_again(stalled: Sequence[StalledWork], *, missing: int) -> list[StalledWork]:
    """Of stalled work, oldest first, what needs a new message: all that has none, and as many of the rest as messages are `missing`."""
    waiting = [one for one in stalled if one.in_queue]
    return [one for one in stalled if not one.in_queue] + waiting[: max(0, missing)]


def route_to(queue: str, rules: QueueRules | None = None) -> dict[str, Any]:
    """Queue and priority, as a message is sent with."""
    return {"queue": queue, "priority": PRIORITIES[(rules or rules_of(queue)).priority]}


def task_options(queue: str, rules: QueueRules | None = None) -> dict[str, Any]:
    """What to declare a task with: `@celery.task(name=..., **task_options("ingest"))`."""
    rules = rules or rules_of(queue)
    return {
        "route": route_to(queue, rules),
        "time_limit": rules.time_limit_s,
        "max_retries": rules.max_retries,
        # What may have passed by the next try; anything else would fail again.
        "autoretry_for": OUTAGES,
        # No news to Celery, which would log them as it does what is broken.
        "throws": OUTAGES,
        "retry_backoff": True,
    }


def _route(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **_: Any) -> dict[str, Any] | None:
    """What the task was declared with; a publisher that does not know the task says it itself."""
    return getattr(task, "route", None)


def make_celery(
    name: str,
    redis_url: str,
    *,
    services: Sequence[str] = (),
    include: Sequence[str] = (),
    visibility_timeout_s: float = VISIBILITY_TIMEOUT_S,
) -> Celery:
    """A Celery application as every worker and publisher has it. `services`: those whose own queues it knows; `include`: modules with
    tasks, loaded when a worker starts."""
    # Here, for a service that only publishes imports it at its first task.
    from celery import Celery
    from kombu.entity import Queue

    celery = Celery(name, broker=redis_url, include=list(include), task_cls="services.kit.background:QueuedTask", set_as_current=False)
    celery.conf.update(
        # Nothing but plain values: a message can never be code.
        accept_content=["json"],
        task_serializer="json",
        enable_utc=True,
        timezone="UTC",
        # What became of a task stands in PostgreSQL.
        result_backend=None,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        # A message is done when its task is, and comes back when the process dies.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # Losing Redis does not stop work: its lease is in PostgreSQL.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=_TIMEOUT_S,
        broker_transport_options={
            "priority_steps": sorted(PRIORITIES.values()),
            "queue_order_strategy": "priority",
            "sep": _SEPARATOR,
            "visibility_timeout": visibility_timeout_s,
            "unacked_restore_interval": min(10, visibility_timeout_s),
            "unacked_restore_throttle": 1,
            "socket_connect_timeout": _TIMEOUT_S,
        },
        task_queues=[Queue(queue) for queue in _queues_of(services)],
        task_default_queue=_OF_ONE_SERVICE[0],
        task_default_priority=PRIORITIES["medium"],
        task_create_missing_queues=False,
        task_routes=(_route,),
        task_publish_retry=True,
        task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1},
        # Whoever reaches Redis shall not command workers; nobody listens to their gossip.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return celery


class TaskQueue:
    """Puts tasks into queues by name, without their code. One per process; it connects at the first task."""

    def __init__(self, redis_url: str, *, services: Sequence[str] = ()) -> None:
        """`services`: those whose own queues it may use; the clock enqueues their upkeep by itself."""
        self._url = redis_url
        self._services = services
        self._redis = connect_redis(redis_url, max_connections=32)
        self._publisher = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._celery: Celery | None = None
        self._closing = threading.Event()

    async def enqueue(
        self, task: str, args: Sequence[str], *, queue: str, priority: str | None = None, expires_s: float | None = None
    ) -> None:
        """Puts a task into a queue, with the queue's own priority unless one is given; after `expires_s` seconds in it nobody runs it any
        more. Raises Unavailable with reason QUEUE_UNAVAILABLE, within five seconds; the task may have got into the queue all the same."""
        to = PRIORITIES[priority or rules_of(queue).priority]
        attributes = {"messaging.system": "redis", "messaging.destination.name": queue}
        try:
            with tracing.outgoing(f"{task} enqueue", SpanKind.PRODUCER, attributes) as carrier:
                headers = {REQUEST_ID_HEADER: context.correlation_id(), **carrier}
                publish = partial(self._publish, task, list(args), queue, to, expires_s, headers)
                async with asyncio.timeout(_PUBLISH_TIMEOUT_S):
                    await asyncio.get_running_loop().run_in_executor(self._publisher, publish)
        except _connection_errors() as error:
            log.warning("a task cannot be enqueued", task=task, error=str(error) or type(error).__name__)
            raise Unavailable("The queue is not reachable; try again shortly.", reason="QUEUE_UNAVAILABLE", retry_after_s=2) from error

    def _publish(self, task: str, args: list[str], queue: str, priority: int, expires_s: float | None, headers: Mapping[str, str]) -> None:
        if self._celery is None:
            self._celery = make_celery("publisher", self._url, services=self._services)
            self._celery.conf.broker_transport_options["socket_timeout"] = _TIMEOUT_S
        self._celery.send_task(task, args, queue=queue, priority=priority, expires=expires_s, headers=headers)

    async def length(self, queue: str) -> int:
        """How many tasks wait in a queue, of all priorities; not those in a worker's hands. Raises Unavailable."""
        async with within(_TIMEOUT_S, reason="QUEUE_UNAVAILABLE"), self._redis.pipeline(transaction=False) as pipeline:
            for priority in PRIORITIES.values():
                pipeline.llen(list_of(queue, priority))
            return sum(await pipeline.execute())

    async def discard(self, argument: str) -> int:
        """Takes back every task with this first argument, whatever its queue and priority, and returns how many; not those in other
        services' own queues. One that a worker has in its hands goes on, but comes back no more. Raises Unavailable with reason
        QUEUE_UNAVAILABLE; harmless to repeat."""
        discarded = 0
        async with within(_DISCARD_TIMEOUT_S, reason="QUEUE_UNAVAILABLE"):
            # Once more after what workers hold: they may just have put something back.
            for _ in range(2):
                for queue, priority in product(_queues_of(self._services), PRIORITIES.values()):
                    discarded += await self._discard_waiting(list_of(queue, priority), argument)
                discarded += await self._discard_held(argument)
        return discarded

    async def _discard_waiting(self, key: str, argument: str) -> int:
        # From the end at which tasks are added: what comes meanwhile makes us see some twice, and miss none.
        found: set[bytes] = set()
        start = 0
        redis: Any = self._redis  # whose types say that it answers texts
        while messages := await redis.lrange(key, start, start + _PER_LOOK - 1):
            found.update(message for message in messages if first_argument(message) == argument)
            start += _PER_LOOK
        return sum([int(await redis.lrem(key, 0, message)) for message in found])

    async def _discard_held(self, argument: str) -> int:
        held = [tag async for tag, message in self._redis.hscan_iter(_HELD, count=_PER_LOOK) if first_argument(message) == argument]
        if not held:
            return 0
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hdel(_HELD, *held)
            pipeline.zrem(_HELD_INDEX, *held)
            return int((await pipeline.execute())[0])

    async def close(self) -> None:
        """Closes all connections."""
        await asyncio.get_running_loop().run_in_executor(self._publisher, self._close_publisher)
        self._publisher.shutdown(wait=False)
        await self._redis.aclose()

    def _close_publisher(self) -> None:
        if self._celery is not None:
            self._celery.close()


def list_of(queue: str, priority: int) -> str:
    """The list of Redis in which tasks of a queue wait with a priority; workers take those of 0 first."""
    return f"{queue}{_SEPARATOR}{priority}" if priority else queue


def first_argument(message: bytes) -> str | None:
    """That of a task in a message, as kombu keeps it in a list, or in its hash of what workers hold; None where there is none."""
    try:
        raw = json.loads(message)
        envelope = raw[0] if isinstance(raw, list) else raw
        arguments = json.loads(base64.b64decode(envelope["body"]))[0]
        return str(arguments[0]) if arguments else None
    except (ValueError, LookupError, TypeError):
        return None  # not one of ours


def _connection_errors() -> tuple[type[BaseException], ...]:
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    return (OperationalError, RedisError, OSError, TimeoutError)
