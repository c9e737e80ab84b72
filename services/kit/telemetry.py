"""The four golden signals of every process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)

RPC_LATENCY = Histogram("scale_rpc_duration_seconds", "Time of a gRPC call.", ("method", "code"), buckets=LATENCY_BUCKETS_S)
RPC_RUNNING = Gauge("scale_rpc_running", "gRPC calls in hand (saturation).", ("method",), multiprocess_mode="livesum")
HTTP_LATENCY = Histogram(
    "scale_http_duration_seconds", "Time of an HTTP request.", ("route", "method", "status"), buckets=LATENCY_BUCKETS_S
)
HTTP_RUNNING = Gauge("scale_http_running", "HTTP requests in hand (saturation).", multiprocess_mode="livesum")
TASK_LATENCY = Histogram(
    "scale_task_duration_seconds",
    "Time of a task from a queue; by state SUCCESS, FAILURE, RETRY.",
    ("queue", "task", "state"),
    buckets=LATENCY_BUCKETS_S,
)
TASKS_RUNNING = Gauge("scale_tasks_running", "Tasks in hand (saturation).", ("task",), multiprocess_mode="livesum")
CACHE_READS = Counter("scale_cache_reads_total", "Answers asked of the cache.", ("function", "result"))
TASKS_LOST = Counter(
    "scale_tasks_lost_total",
    "Tasks whose process ended in the middle of them, by reason: timeout, died. They come again, or their lease says so.",
    ("queue", "task", "reason"),
)
WORKER_PLACES = Gauge("scale_worker_places", "Tasks that a worker can have in hand at a time.", multiprocess_mode="mostrecent")
HEARTBEAT = Gauge(
    "scale_heartbeat_timestamp_seconds", "When a worker, or the clock, was last at work, in Unix time.", multiprocess_mode="mostrecent"
)
CLOCK_MESSAGES = Counter("scale_clock_messages_total", "Tasks that the clock put into queues.", ("task",))
CLOCK_FAILURES = Counter("scale_clock_failures_total", "Tasks that the clock could not put into their queue.", ("task",))
CLOCK_LATENCY = Histogram("scale_clock_duration_seconds", "Time in which the clock put a task into its queue.", buckets=LATENCY_BUCKETS_S)
CLOCK_LATE = Gauge("scale_clock_late_seconds", "How long after its time the last task was put into its queue (saturation).")
DEPENDENCIES_UP = Gauge("scale_dependencies_up", "1 while what the service cannot do without answers: its database, its model.")
DB_IN_USE = Gauge("scale_db_connections_in_use", "Connections in transactions' hands (saturation).", multiprocess_mode="livesum")
DB_CAPACITY = Gauge(
    "scale_db_connections_capacity", "Connections that the pool may open, those of an overflow included.", multiprocess_mode="livesum"
)
DB_LATENCY = Histogram(
    "scale_db_latency_seconds",
    "Time in which the database did the least that there is to do: read (a probe each second), write (the commit of a change).",
    ("operation",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
SLOW_QUERIES = Counter("scale_db_slow_queries_total", "Statements over DB_SLOW_QUERY_THRESHOLD, where they are logged.")
SLOW_TRANSACTIONS = Counter("scale_db_slow_transactions_total", "Transactions over DB_SLOW_QUERY_THRESHOLD.")
REPLICA_READS = Counter("scale_db_replica_reads_total", "Reads that a replica may serve.", ("served_by",))


_served = [REGISTRY]
"""What /metrics answers with is the last one."""


class _PoolCollector(Collector):
    """Reads a connection pool at scrape time."""

    def __init__(self, figures: Callable[[], dict[str, object]]) -> None:
        self._figures = figures

    def collect(self):  # type: ignore[no-untyped-def]
        for name, value in self._figures().items():
            if isinstance(value, int) and not isinstance(value, bool):
                yield GaugeMetricFamily(f"scale_db_pool_{name}", f"Connection pool: {name}.", value=value)


def export_pool(figures: Callable[[], dict[str, object]]) -> None:
    """Adds a connection pool's figures to /metrics."""
    REGISTRY.register(_PoolCollector(figures))


def export_at_scrape(collector: Collector) -> None:
    """Adds what is asked when /metrics is, once `serve_metrics` was called."""
    _served[-1].register(collector)


class _ProcessesCollector(MultiProcessCollector):
    """What the children of a process that forks count, those that have died included; what they hold dies with them."""

    def collect(self):  # type: ignore[no-untyped-def]
        for path in Path(self._path).glob("gauge_live*_*.db"):
            if not psutil.pid_exists(int(path.stem.rpartition("_")[2])):
                path.unlink(missing_ok=True)
        return super().collect()  # type: ignore[no-untyped-call]


class _FamilyCollector(Collector):
    """Processor time and memory of a process that forks and of its children together; what a child has used stays counted when it ends."""

    def __init__(self) -> None:
        self._own = psutil.Process()
        self._used: dict[tuple[int, float], float] = {}

    def collect(self) -> Iterator[Metric]:
        """What they use now."""
        memory = 0
        for one in (self._own, *self._own.children(recursive=True)):
            with suppress(psutil.Error), one.oneshot():
                times = one.cpu_times()
                self._used[one.pid, one.create_time()] = times.user + times.system
                memory += one.memory_info().rss
        cpu = sum(self._used.values())
        yield CounterMetricFamily("scale_process_cpu_seconds", "Processor time of a worker and its children.", value=cpu)
        yield GaugeMetricFamily("scale_process_resident_memory_bytes", "Memory of a worker and its children.", value=memory)


def serve_metrics(host: str, port: int | None) -> None:
    """Answers /metrics on a thread of its own; nothing without a port. Where PROMETHEUS_MULTIPROC_DIR names a folder, which this process
    empties, with the figures of all its children."""
    if port is None:
        return
    registry = REGISTRY
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder:
        for path in Path(folder).glob("*.db"):
            if not path.stem.endswith(f"_{os.getpid()}"):
                path.unlink()
        registry = CollectorRegistry()
        _ProcessesCollector(registry)  # type: ignore[no-untyped-call]
        registry.register(_FamilyCollector())
        _served.append(registry)
    start_http_server(port, addr=host, registry=registry)
