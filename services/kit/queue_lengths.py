"""How many tasks wait in queues, asked when /metrics is: what a cluster scales workers by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import redis
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.kit.queue import PRIORITIES, list_of

_TIMEOUT_S = 1.0


class QueueLengths(Collector):
    """`scale_queue_length` of each queue, all priorities together; nothing while Redis is away."""

    def __init__(self, redis_url: str, queues: Sequence[str]) -> None:
        self._redis = redis.Redis.from_url(
            redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        self._queues = queues

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """What there is; Redis is not asked for that."""
        yield self._family()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What waits now."""
        family = self._family()
        places = [list_of(queue, priority) for queue in self._queues for priority in PRIORITIES.values()]
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                for place in places:
                    pipeline.llen(place)
                lengths = pipeline.execute()
        except (redis.RedisError, OSError):
            return
        for number, queue in enumerate(self._queues):
            first = number * len(PRIORITIES)
            family.add_metric([queue], sum(lengths[first : first + len(PRIORITIES)]))
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily("scale_queue_length", "Tasks that wait in a queue, of all priorities.", labels=["queue"])
