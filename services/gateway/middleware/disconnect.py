"""Sixth stage: when the client goes away, its work stops, and with it every call that this work made to a service."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.exchange import Exchange, exchange_of, header

_PATIENCE_S = 0.05


class DisconnectMiddleware:
    """Cancels the request's task once the client has hung up. Looks only after 50 ms, so that quick requests, nearly all, pay nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        watch = _Watch(receive, exchange_of(scope), has_body=_has_body(scope))
        try:
            await self._app(scope, watch.receive, send)
        except asyncio.CancelledError:
            if not watch.hung_up:
                raise  # somebody else's: the server is stopping
            watch.settle()
        finally:
            watch.stop()


def _has_body(scope: Scope) -> bool:
    length = header(scope, b"content-length")
    return (length not in {None, "0"}) or header(scope, b"transfer-encoding") is not None


class _Watch:
    """Watches one request. While the route still reads the body, a hang-up reaches it by itself; only afterwards must one be looked for."""

    def __init__(self, receive: Receive, exchange: Exchange, *, has_body: bool) -> None:
        self._receive = receive
        self._exchange = exchange
        self._reading = has_body
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._watcher: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(_PATIENCE_S, self._start)
        self.hung_up = False

    async def receive(self) -> Message:
        """The server's receive, watched for the end of the body."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.hung_up = not self._exchange.complete
        elif not message.get("more_body"):
            self._reading = False
        return message

    def _start(self) -> None:
        if self._reading:
            self._timer = self._loop.call_later(_PATIENCE_S, self._start)
        else:
            self._watcher = self._loop.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        # Servers report the end of the answer in the same way. A stream has heard it, too, and two who cancel get in each other's way.
        if not self._exchange.complete and not self._exchange.streaming and self._task is not None:
            self.hung_up = True
            self._task.cancel()

    def settle(self) -> None:
        """Takes back the cancellation once it has done its work."""
        if self._task is not None:
            self._task.uncancel()

    def stop(self) -> None:
        """Ends the watch."""
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
