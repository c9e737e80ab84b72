"""Takes spans as an OpenTelemetry collector does, and keeps them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


@dataclass(frozen=True)
class CollectedSpan:
    """One span as it came in; kinds are OTLP's: 2 server, 3 client, 4 producer, 5 consumer."""

    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    links: tuple[str, ...]
    failed: bool
    attributes: dict[str, Any]


class OtlpCollector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps the spans of all who send any."""

    def __init__(self) -> None:
        self.address = ""
        self._spans: list[CollectedSpan] = []
        self._lock = threading.Lock()

    def Export(self, request: Any, context: Any) -> Any:
        """One batch."""
        found = [
            _collected(_value(resource.resource.attributes, "service.name"), span)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        with self._lock:
            self._spans += found
        return trace_service_pb2.ExportTraceServiceResponse()

    def spans(self, wanted: Callable[[CollectedSpan], bool]) -> list[CollectedSpan]:
        """Those that came in so far."""
        with self._lock:
            return [span for span in self._spans if wanted(span)]

    def trace_with(self, request_id: str, services: set[str], *, seconds: float = 30) -> list[CollectedSpan]:
        """All spans of the trace that a request began, once those of all `services` are among them."""
        until = time.monotonic() + seconds
        while True:
            ids = {span.trace_id for span in self.spans(lambda span: span.attributes.get("scale.request_id") == request_id)}
            found = self.spans(lambda span, ids=ids: span.trace_id in ids)  # type: ignore[misc]
            if services <= {span.service for span in found}:
                return found
            assert time.monotonic() < until, f"of {request_id} only: {sorted({span.service for span in found})}"
            time.sleep(0.1)


def _collected(service: str, span: Any) -> CollectedSpan:
    return CollectedSpan(
        service,
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        tuple(link.trace_id.hex() for link in span.links),
        span.status.code == 2,
        {entry.key: getattr(entry.value, entry.value.WhichOneof("value")) for entry in span.attributes},
    )


def _value(attributes: Any, name: str) -> str:
    return next((entry.value.string_value for entry in attributes if entry.key == name), "")


@contextmanager
def otlp_collector() -> Iterator[OtlpCollector]:
    """One on a free port of this machine."""
    collector = OtlpCollector()
    server = grpc.server(ThreadPoolExecutor(4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(0)
