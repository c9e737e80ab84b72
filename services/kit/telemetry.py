"""The four golden signals of every process, and tracing where an endpoint is given."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psutil
from opentelemetry import trace
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily
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
        _served.append(registry)
    start_http_server(port, addr=host, registry=registry)


def configure_tracing(service: str, endpoint: str | None) -> trace.Tracer | None:
    """A tracer that sends to `endpoint`; None without one, so that a call costs nothing."""
    if not endpoint:
        return None
    # A tenth of a second of imports that a process without tracing does not pay at its restart.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": f"scale-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(provider)
    return trace.get_tracer("scale")
