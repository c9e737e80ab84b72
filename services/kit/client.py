"""Calls to other services: deadline always, the caller's token and request id passed on, retries where a repeat is harmless."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable, Coroutine, Iterable
from typing import Any, TypeVar

import grpc
import grpc.aio
from opentelemetry import propagate

from services.kit import context
from services.kit.interceptors import REQUEST_ID_KEY
from services.kit.server import MAX_MESSAGE_BYTES
from services.kit.status import from_rpc_error

Response = TypeVar("Response")


def _service_config(service: str, idempotent: Iterable[str]) -> str:
    methods = [{"service": service, "method": method} for method in idempotent]
    config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if methods:
        retry = {
            "maxAttempts": 4,
            "initialBackoff": "0.05s",
            "maxBackoff": "1s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        }
        config["methodConfig"] = [{"name": methods, "retryPolicy": retry}]
        # When more than about one call in ten fails, retries would only add to the load.
        config["retryThrottling"] = {"maxTokens": 10, "tokenRatio": 0.1}
    return json.dumps(config)


class ServiceClient:
    """One service behind one channel. `address` is host:port or any gRPC target such as dns:///accounts:8081.

    `idempotent` names the methods that may be repeated when the service is UNAVAILABLE. Every method raises the ScaleError that the
    service raised.
    """

    def __init__(self, stub_class: Any, address: str, *, service: str, idempotent: Iterable[str] = (), timeout_s: float = 10) -> None:
        self.service = service
        self._timeout_s = timeout_s
        self.channel = grpc.aio.insecure_channel(
            address,
            options=[
                ("grpc.service_config", _service_config(service, idempotent)),
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.keepalive_time_ms", 30_000),
                # After a crash the other side is back within seconds; do not sit out a long back-off.
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 1000),
            ],
        )
        self._stub = stub_class(self.channel)
        self._short_name = service.split(".")[1] if service.count(".") >= 1 else service

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        pairs = [(REQUEST_ID_KEY, context.request_id())]
        token = context.token_for(self._short_name)
        if token is not None:
            pairs.append(("authorization", f"Bearer {token}"))
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        pairs.extend(carrier.items())
        return tuple(pairs)

    async def unary(self, method: str, request: Any, *, timeout_s: float | None = None) -> Any:
        """One request, one response. Cancelling the task cancels the call."""
        try:
            return await getattr(self._stub, method)(request, timeout=timeout_s or self._timeout_s, metadata=self._metadata())
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service=self._short_name) from error

    async def unary_stream(self, method: str, request: Any, *, timeout_s: float) -> AsyncGenerator[Any, None]:
        """One request, many responses. Closing the iterator cancels the call."""
        call = getattr(self._stub, method)(request, timeout=timeout_s, metadata=self._metadata())
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service=self._short_name) from error
        finally:
            call.cancel()

    async def stream_unary(self, method: str, requests: AsyncIterable[Any], *, timeout_s: float) -> Any:
        """Many requests, one response."""
        call = getattr(self._stub, method)(aiter(requests), timeout=timeout_s, metadata=self._metadata())
        first = _FirstStatus(call)
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(first.true_error(error), service=self._short_name) from error

    async def stream_stream(self, method: str, requests: AsyncIterable[Any], *, timeout_s: float) -> AsyncGenerator[Any, None]:
        """Many requests, many responses. Closing the iterator cancels the call; then nobody asks for requests any more."""
        source = _Source(requests)
        call = getattr(self._stub, method)(source.requests, timeout=timeout_s, metadata=self._metadata())
        first = _FirstStatus(call)
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(first.true_error(error), service=self._short_name) from error
        finally:
            call.cancel()
            await source.close()

    async def close(self) -> None:
        """Closes the channel."""
        await self.channel.close()


class _Source:
    """The requests of a call. grpc.aio goes on waiting for the next one of a call that has failed; `close` ends that."""

    def __init__(self, requests: AsyncIterable[Any]) -> None:
        self._source = requests
        self._taker: asyncio.Task[Any] | None = None
        self.requests = self._take()

    async def _take(self) -> AsyncGenerator[Any, None]:
        self._taker = asyncio.current_task()
        try:
            async for request in self._source:
                yield request
        finally:
            if isinstance(self._source, AsyncGenerator):
                await self._source.aclose()

    async def close(self) -> None:
        """Returns when nobody takes from the requests, and they are closed."""
        if self._taker is not None:
            self._taker.cancel()
            await asyncio.wait([self._taker])
        await self.requests.aclose()


_LOST_STATUS = "Internal error from Core"


class _FirstStatus:
    """Keeps the status that the server sent. When a server refuses a stream that is still being sent, grpc.aio fails the next write and
    puts INTERNAL in the place of the status that it had received (grpc/grpc issue 36066)."""

    def __init__(self, call: Any) -> None:
        self._error: grpc.aio.AioRpcError | None = None
        call.add_done_callback(self._note)

    def _note(self, call: Any) -> None:
        if self._error is None:
            self._error = grpc.aio.AioRpcError(
                _at_once(call.code()),
                _at_once(call.initial_metadata()),
                _at_once(call.trailing_metadata()),
                details=_at_once(call.details()),
            )

    def true_error(self, error: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError:
        """The server's status, where `error` covers it up."""
        if error.details() == _LOST_STATUS and self._error is not None and self._error.details() != _LOST_STATUS:
            return self._error
        return error


def _at_once(value: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that has nothing to wait for, as those of a call that is done."""
    try:
        value.send(None)
    except StopIteration as result:
        return result.value
    value.close()
    raise RuntimeError("the call is not done")
