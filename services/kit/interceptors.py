"""What happens around every call on the server: request id, caller, metrics, trace, log line, and the one conversion of errors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import grpc
import grpc.aio
import structlog
import uuid_utils
from google.protobuf.message import DecodeError
from grpc_status import rpc_status
from opentelemetry.trace import SpanKind

from services.kit import context as request_context
from services.kit import tracing
from services.kit.auth import TokenVerifier
from services.kit.errors import InvalidArgument, PermissionDenied, ScaleError
from services.kit.status import to_status
from services.kit.telemetry import RPC_LATENCY, RPC_RUNNING

log = structlog.get_logger()

OPEN_PREFIXES = ("/grpc.health.v1.", "/grpc.reflection.")
"""Services that answer without a token."""
REQUEST_ID_KEY = "x-request-id"
_OUR_FAULT = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS", "UNAVAILABLE", "DEADLINE_EXCEEDED"})


class _Aborting(Exception):
    """Carries the status out of the call to the one place that aborts."""


def valid_request_id(value: str | None) -> str:
    """The caller's request id when it is a UUID, else a new one."""
    if value:
        try:
            return str(UUID(value))
        except ValueError:
            pass
    return str(uuid_utils.uuid7())


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every method once. Background work (role `service`) may call the `service_methods`; all other methods refuse it. The
    `open_methods` know no caller: what they are asked carries its own permission."""

    def __init__(
        self,
        verifier: TokenVerifier,
        *,
        service_methods: frozenset[str] = frozenset(),
        open_methods: frozenset[str] = frozenset(),
    ) -> None:
        self._verifier = verifier
        self._service_methods = service_methods
        self._open_methods = open_methods
        self._handlers: dict[str, grpc.RpcMethodHandler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """The wrapped handler of the method, made at its first call."""
        method = handler_call_details.method
        handler = self._handlers.get(method)
        if handler is None:
            inner = await continuation(handler_call_details)
            if inner is None or method.startswith(OPEN_PREFIXES):
                return inner
            handler = self._handlers[method] = self._wrap(inner, method)
        return handler

    def _wrap(self, inner: grpc.RpcMethodHandler, method: str) -> grpc.RpcMethodHandler:
        serializers = {
            "request_deserializer": _tolerant(inner.request_deserializer),
            "response_serializer": inner.response_serializer,
        }
        decoded = _decoded_stream if inner.request_streaming else _decoded
        behaviour = inner.unary_unary or inner.stream_unary or inner.unary_stream or inner.stream_stream

        async def answer_once(request: Any, context: grpc.aio.ServicerContext) -> Any:
            async with self._around(method, context):
                return await behaviour(decoded(request), context)

        async def answer_many(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            async with self._around(method, context):
                async for response in behaviour(decoded(request), context):
                    yield response

        if inner.unary_unary:
            return grpc.unary_unary_rpc_method_handler(answer_once, **serializers)
        if inner.stream_unary:
            return grpc.stream_unary_rpc_method_handler(answer_once, **serializers)
        if inner.unary_stream:
            return grpc.unary_stream_rpc_method_handler(answer_many, **serializers)
        return grpc.stream_stream_rpc_method_handler(answer_many, **serializers)

    @asynccontextmanager
    async def _around(self, method: str, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        request_context.bind_request_id(valid_request_id(metadata.get(REQUEST_ID_KEY)))
        request_context.bind_identity(None)
        request_context.bind_deadline(context.time_remaining())
        running = RPC_RUNNING.labels(method)
        running.inc()
        started = time.perf_counter()
        code = "OK"
        span = tracing.begin(method.lstrip("/"), SpanKind.SERVER, {"rpc.system": "grpc"}, parent=metadata)
        try:
            if method not in self._open_methods:
                caller = await self._verifier.verify_authorization(metadata.get("authorization"))
                request_context.bind_identity(caller)
                if caller.role == "service" and method not in self._service_methods:
                    raise PermissionDenied("Background work may not make this call.", reason="ROLE_NOT_ALLOWED")
            yield
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        except ScaleError as error:
            if type(error) is ScaleError:
                log.error("internal error", method=method, exc_info=error)
                error = ScaleError("Internal error.")
            status = to_status(error, _domain(method))
            code = grpc.StatusCode(rpc_status.to_status(status).code).name
            await context.abort_with_status(rpc_status.to_status(status))
        except Exception as error:
            code = "INTERNAL"
            log.error("unexpected error", method=method, exc_info=error)
            await context.abort_with_status(rpc_status.to_status(to_status(ScaleError("Internal error."), _domain(method))))
        finally:
            elapsed = time.perf_counter() - started
            running.dec()
            RPC_LATENCY.labels(method, code).observe(elapsed)
            if span is not None:
                tracing.finish(span, {"rpc.grpc.status": code}, failed=code in _OUR_FAULT)
            level = log.info if code != "INTERNAL" else log.error
            level("call", method=method, code=code, duration_ms=round(elapsed * 1000, 2))


_UNDECODABLE = object()


def _tolerant(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """grpc answers bytes that are no message with UNKNOWN and a traceback in the log: the caller's mistake would look like ours."""

    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            return _UNDECODABLE

    return read


def _decoded(request: Any) -> Any:
    if request is _UNDECODABLE:
        raise InvalidArgument("The bytes are not a message of this method.", reason="MALFORMED_MESSAGE")
    return request


async def _decoded_stream(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield _decoded(request)


def _domain(method: str) -> str:
    """ "/scale.accounts.v1.AccountsService/GetAccount" is in the domain "scale.accounts"."""
    return ".".join(method.lstrip("/").split(".")[:2])
