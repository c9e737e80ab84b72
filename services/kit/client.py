"""Calls to other services: deadline always, the caller's token and request id passed on, retries where a repeat is harmless, and no more
calls for a while to a service that does not answer in time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable, Coroutine, Iterable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import grpc
import grpc.aio
from opentelemetry.trace import SpanKind

from services.kit import context, tracing
from services.kit.channel import ServiceChannel
from services.kit.circuit import CircuitBreaker
from services.kit.errors import ScaleError, Unavailable
from services.kit.interceptors import REQUEST_ID_KEY
from services.kit.server import MAX_MESSAGE_BYTES
from services.kit.settings import ClientTlsSettings, load_settings
from services.kit.status import from_rpc_error, said_by_the_service
from services.kit.tls import SCHEME, ClientTls

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
            # What reaches a server in the very moment in which it stops, gRPC cancels unheard; and what is not done when its grace ends.
            "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
        }
        config["methodConfig"] = [{"name": methods, "retryPolicy": retry}]
        # When more than about one call in ten fails, retries would only add to the load; half of the tokens may go at once, as where a
        # replica is killed.
        config["retryThrottling"] = {"maxTokens": 100, "tokenRatio": 0.1}
    return json.dumps(config)


class ServiceClient:
    """One service behind one channel. `address` is host:port or any gRPC target such as dns:///accounts:8081; behind grpcs:// it is asked
    over TLS, as `tls` says, else as the environment does.

    `idempotent` names the methods that may be repeated when the service is UNAVAILABLE, or dropped the call as it stopped. `audience`: the
    process that answers, where it has another name than the contract. Every method raises the ScaleError that the service raised.

    After five calls in a row that got no answer within their deadline, further ones raise Unavailable with reason CIRCUIT_OPEN at once, for
    30 seconds; then one is let through, and its end decides. A service that is down does not count: its channel says so without a wait, and
    is back as soon as the service is. Streams of answers may last to their deadline, and are none of this.
    """

    def __init__(
        self,
        stub_class: Any,
        address: str,
        *,
        service: str,
        idempotent: Iterable[str] = (),
        timeout_s: float = 10,
        audience: str | None = None,
        tls: ClientTls | None = None,
        circuit: CircuitBreaker | None = None,
    ) -> None:
        self.service = service
        self._circuit = circuit or CircuitBreaker()
        self._timeout_s = timeout_s
        options: list[tuple[str, Any]] = [
            ("grpc.service_config", _service_config(service, idempotent)),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.keepalive_time_ms", 30_000),
            # After a crash the other side is back within seconds; do not sit out a long back-off.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
        ]
        over = (tls or load_settings(ClientTlsSettings).client_tls) if address.startswith(SCHEME) else None
        self.channel = ServiceChannel(stub_class, address.removeprefix(SCHEME), options, over)
        self._short_name = service.split(".")[1] if service.count(".") >= 1 else service
        self._audience = audience or self._short_name

    def _span(self, method: str) -> AbstractContextManager[tracing.Carrier]:
        return tracing.outgoing(f"{self.service}/{method}", SpanKind.CLIENT, {"rpc.system": "grpc"})

    def _metadata(self, carrier: tracing.Carrier) -> tuple[tuple[str, str], ...]:
        pairs = [(REQUEST_ID_KEY, context.correlation_id())]
        token = context.token_for(self._audience)
        if token is not None:
            pairs.append(("authorization", f"Bearer {token}"))
        pairs.extend(carrier.items())
        return tuple(pairs)

    async def unary(self, method: str, request: Any, *, timeout_s: float | None = None) -> Any:
        """One request, one response. Cancelling the task cancels the call."""
        self._refuse_while_open()
        with self._span(method) as carrier, self.channel.lent() as opened:
            metadata = self._metadata(carrier)
            try:
                answer = await getattr(opened.stub, method)(request, timeout=timeout_s or self._timeout_s, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                raise self._noted(error) from error
            self._circuit.succeeded()
            return answer

    async def unary_stream(self, method: str, request: Any, *, timeout_s: float) -> AsyncGenerator[Any, None]:
        """One request, many responses. Closing the iterator cancels the call."""
        with self._span(method) as carrier, self.channel.lent() as opened:
            call = getattr(opened.stub, method)(request, timeout=timeout_s, metadata=self._metadata(carrier))
            try:
                async for response in call:
                    yield response
            except grpc.aio.AioRpcError as error:
                raise from_rpc_error(error, service=self._short_name) from error
            finally:
                call.cancel()

    async def stream_unary(self, method: str, requests: AsyncIterable[Any], *, timeout_s: float) -> Any:
        """Many requests, one response."""
        self._refuse_while_open()
        with self._span(method) as carrier, self.channel.lent() as opened:
            call = getattr(opened.stub, method)(aiter(requests), timeout=timeout_s, metadata=self._metadata(carrier))
            first = _FirstStatus(call)
            try:
                answer = await call
            except grpc.aio.AioRpcError as error:
                raise self._noted(first.true_error(error)) from error
            self._circuit.succeeded()
            return answer

    async def stream_stream(self, method: str, requests: AsyncIterable[Any], *, timeout_s: float) -> AsyncGenerator[Any, None]:
        """Many requests, many responses. Closing the iterator cancels the call; then nobody asks for requests any more."""
        source = _Source(requests)
        with self._span(method) as carrier, self.channel.lent() as opened:
            call = getattr(opened.stub, method)(source.requests, timeout=timeout_s, metadata=self._metadata(carrier))
            first = _FirstStatus(call)
            try:
                async for response in call:
                    yield response
            except grpc.aio.AioRpcError as error:
                raise from_rpc_error(first.true_error(error), service=self._short_name) from error
            finally:
                call.cancel()
                await source.close()

    def _refuse_while_open(self) -> None:
        if not self._circuit.allows():
            raise Unavailable(
                f"The {self._short_name} service does not answer in time; try again shortly.",
                reason="CIRCUIT_OPEN",
                metadata={"service": self._short_name},
                retry_after_s=self._circuit.opens_for_s,
            )

    def _noted(self, error: grpc.aio.AioRpcError) -> ScaleError:
        """The error for the caller. What counts is a deadline without a word from the service; nobody waited for anything else."""
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and not said_by_the_service(error):
            self._circuit.failed()
        else:
            self._circuit.succeeded()
        return from_rpc_error(error, service=self._short_name)

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
