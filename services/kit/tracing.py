"""Traces across processes: a span for each call that comes in, goes out or waits in a queue; nothing at all without SCALE_OTLP_ENDPOINT.

Nothing personal is in a span: no user, no path, no parameter, no error's text. Its request id leads to the log lines, which say the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.propagate import extract, inject
from opentelemetry.trace import Link, Span, SpanKind, StatusCode

from services.kit import context

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

REQUEST_ID = "scale.request_id"

Attributes = Mapping[str, str | int | bool]
Carrier = Mapping[str, str]


class _Tracing:
    """Where this process sends its spans. Connects at the first one, and so in a worker's child: a channel does not survive a fork."""

    def __init__(self) -> None:
        self.endpoint: str | None = None
        self._service = ""
        self._sample_ratio = 1.0
        self._provider: TracerProvider | None = None
        self._tracer: trace.Tracer | None = None

    def configure(self, service: str, endpoint: str | None, sample_ratio: float) -> None:
        """What the process is called, and which share of the traces that begin here are sent."""
        self.end()
        self.endpoint, self._service, self._sample_ratio = endpoint, service, sample_ratio

    @property
    def tracer(self) -> trace.Tracer:
        if self._tracer is None:
            # A tenth of a second of imports that a process without tracing does not pay at its restart.
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

            self._provider = TracerProvider(
                sampler=ParentBased(TraceIdRatioBased(self._sample_ratio)),
                resource=Resource.create({"service.name": f"scale-{self._service}"}),
            )
            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=self.endpoint)))
            self._tracer = self._provider.get_tracer("scale")
        return self._tracer

    def end(self) -> None:
        """Sends what waits."""
        if self._provider is not None:
            self._provider.shutdown()
        self._provider = self._tracer = None


_tracing = _Tracing()


def configure_tracing(service: str, endpoint: str | None, *, sample_ratio: float = 1.0) -> None:
    """Sends spans to `endpoint`; without one a call costs nothing."""
    _tracing.configure(service, endpoint, sample_ratio)


def end_tracing() -> None:
    """Sends what waits, and no more: for a process that ends without what Python does at the end of one."""
    _tracing.end()


def begin(name: str, kind: SpanKind, attributes: Attributes, *, parent: Carrier | None = None, link: Carrier | None = None) -> Span | None:
    """The span of what has come in, until `finish`: a part of the trace that `parent` carries, else the first of a trace, which `link` may
    name as what it was asked in. The calls that are made meanwhile in the same context become its parts. None where nobody collects."""
    if _tracing.endpoint is None:
        return None
    links = (
        [Link(found)]
        if link and (found := trace.get_current_span(extract(link, context=otel_context.Context())).get_span_context()).is_valid
        else []
    )
    origin = extract(parent, context=otel_context.Context()) if parent else otel_context.Context()
    span = _tracing.tracer.start_span(name, origin, kind, {REQUEST_ID: context.correlation_id(), **attributes}, links)
    # Never taken back: what comes in has a context of its own, or sets the next span in the same one.
    otel_context.attach(trace.set_span_in_context(span, otel_context.Context()))
    return span


def finish(span: Span, attributes: Attributes, *, failed: bool) -> None:
    """The end of what had come in."""
    span.set_attributes(dict(attributes))
    if failed:
        span.set_status(StatusCode.ERROR)
    span.end()


class _Outgoing(AbstractContextManager[Carrier]):
    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Carrier:
        carrier: dict[str, str] = {}
        inject(carrier, context=trace.set_span_in_context(self._span))
        return carrier

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        # Closing a stream that goes on is no failure.
        if kind is not None and issubclass(kind, Exception):
            self._span.set_attribute("error.type", kind.__name__)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


_NOTHING: AbstractContextManager[Carrier] = nullcontext({})


def outgoing(name: str, kind: SpanKind, attributes: Attributes) -> AbstractContextManager[Carrier]:
    """The span of what is asked of others, for the time of the block, which gets what carries it there; nothing where nobody collects."""
    if _tracing.endpoint is None:
        return _NOTHING
    return _Outgoing(_tracing.tracer.start_span(name, None, kind, attributes))
