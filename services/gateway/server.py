"""The HTTP server: uvicorn in this process, with bounds on what a connection may cost and a drain that loses no request."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from asyncio import TimerHandle, Transport
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from services.gateway.errors import Problem, problem_response
from services.gateway.exchange import Exchange, attach, exchange_of
from services.gateway.security_headers import API_HEADERS
from services.gateway.settings import GatewaySettings
from services.kit.interceptors import valid_request_id
from services.kit.server import GC_THRESHOLD

log = structlog.get_logger()

MAX_HEAD_BYTES = 64 * 1024
_HEAD_TIMEOUT_S = 15.0
_KEEP_ALIVE_S = 75
_LAST_CALL_S = 1.0


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which bounds neither the size of a request's head nor the time it takes to come."""

    _head_bytes = 0
    _head_timer: TimerHandle | None = None
    _leaving = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Starts the clock: whoever connects has something to ask."""
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops it."""
        self._stop_clock()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first byte of the next request on this connection."""
        super().on_message_begin()
        self._head_bytes = 0
        if self._head_timer is None:
            self._start_clock()

    def on_url(self, url: bytes) -> None:
        """Part of the path and query."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The end of the head."""
        self._stop_clock()
        super().on_headers_complete()
        if self._leaving:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """The door is closed. Whoever has just come in is still answered, once; idle connections end."""
        first: RequestResponseCycle | None = self.cycle
        if first is None:
            self._stop_clock()
            self._head_timer = self.loop.call_later(_LAST_CALL_S, self._too_slow)
            self._leaving = True
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """For what is no HTTP: a method that nobody knows, a head that is too large. uvicorn would answer with a text."""
        scope: Scope = {"type": "http", "path": ""}
        attach(scope, Exchange(valid_request_id(None)))
        answer = problem_response(scope, Problem(400, "BAD_REQUEST", f"{msg.rstrip('.')}.", headers={"Connection": "close"}))
        headers = [*answer.raw_headers, *API_HEADERS, (b"x-request-id", exchange_of(scope).request_id.encode())]
        head = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + head + b"\r\n" + bytes(answer.body))
        self.transport.close()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("the request's head is too large")  # the parser passes it on as a parse error: 400 and close

    def _start_clock(self) -> None:
        self._head_timer = self.loop.call_later(_HEAD_TIMEOUT_S, self._too_slow)

    def _stop_clock(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


class GatewayServer(uvicorn.Server):
    """On SIGTERM: goes on answering for `drain_s` while asking clients to reconnect elsewhere, then closes the door, lets what is in hand
    finish for at most `grace_s`, and ends with status 0."""

    def __init__(self, app: FastAPI, settings: GatewaySettings) -> None:
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=BoundedProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            # The limiter decides itself which proxies to believe.
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(settings.grace_s)),
            # No request may see what another one left in the context.
            reset_contextvars=True,
        )
        super().__init__(config)
        self._gateway = app
        self._drain_s = settings.drain_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, and spares the garbage collector what now lives as long as the process."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 20, 20)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Replaces uvicorn's handlers, which end the process by the signal that asked it to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._drain)
        yield

    def _drain(self) -> None:
        if self._gateway.state.draining:
            return
        log.info("draining")
        self._gateway.state.draining = True
        self._gateway.state.streams.end_all()
        asyncio.get_running_loop().call_later(self._drain_s, setattr, self, "should_exit", True)


async def serve(app: FastAPI, settings: GatewaySettings, listener: socket.socket | None = None) -> None:
    """Serves until SIGTERM or SIGINT; on a socket that listens already, where there is one."""
    await GatewayServer(app, settings).serve([listener] if listener is not None else None)
    log.info("stopped")
