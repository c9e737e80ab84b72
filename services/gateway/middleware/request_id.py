"""First stage: the request id, the headers of every answer, the request's metrics, and the log line of what no later stage saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.trace import SpanKind
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.exchange import Exchange, attach, header, route_of
from services.gateway.middleware.access_log import write_access_line
from services.gateway.security_headers import API_HEADERS, DOCS_HEADERS
from services.kit import context, tracing
from services.kit.interceptors import valid_request_id
from services.kit.telemetry import HTTP_LATENCY, HTTP_RUNNING

_CLOSE = (b"connection", b"close")


class RequestIdMiddleware:
    """Keeps a request id that is a UUID, else makes one, and gives it to logs, services and the answer.

    `draining` says whether the process is about to stop: answers then ask the client to come back on a new connection.
    """

    def __init__(self, app: ASGIApp, *, draining: Callable[[], bool]) -> None:
        self._app = app
        self._draining = draining
        self._latency: dict[tuple[str, str, int], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(valid_request_id(header(scope, b"x-request-id")))
        attach(scope, exchange)
        context.bind_request_id(exchange.request_id)
        context.bind_identity(None)
        # A trace of our own: whoever asks shall not decide what is collected here.
        caller = {"traceparent": header(scope, b"traceparent") or ""}
        span = tracing.begin(scope["method"], SpanKind.SERVER, {"http.request.method": scope["method"]}, link=caller)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                headers = message["headers"]
                headers.append((b"x-request-id", exchange.request_id.encode()))
                headers.extend(exchange.headers)
                headers.extend(DOCS_HEADERS if scope["path"] == "/docs" else API_HEADERS)
                if self._draining():
                    headers.append(_CLOSE)
            elif not message.get("more_body"):
                exchange.complete = True
            await send(message)

        HTTP_RUNNING.inc()
        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            HTTP_RUNNING.dec()
            key = (route_of(scope), scope["method"], exchange.status or 499)
            observer = self._latency.get(key)
            if observer is None:
                observer = self._latency[key] = HTTP_LATENCY.labels(*key)
            observer.observe(exchange.elapsed_s)
            if span is not None:
                span.update_name(f"{scope['method']} {key[0]}")
                tracing.finish(span, {"http.route": key[0], "http.response.status_code": key[2]}, failed=key[2] >= 500)
            if not exchange.logged:
                write_access_line(scope, exchange)
