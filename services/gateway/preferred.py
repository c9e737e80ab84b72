"""Calls that go to faster hardware where it is up: replicas on GPUs may be scaled to nothing, and nobody waits for that."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import structlog

from services.kit.circuit import CircuitBreaker
from services.kit.client import ServiceClient
from services.kit.errors import Unavailable

log = structlog.get_logger()

_CONNECT_S = 0.2
_LOOK_EVERY_S = 0.01
_PAUSE_S = 5.0
_ON_THE_WAY = (grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.CONNECTING)


class PreferredClient:
    """One service at two targets. Each call goes to `preferred` while that is connected, else, or when it is UNAVAILABLE, to `usual` within
    the same deadline: only for methods that may be repeated.

    A connection on its way is waited for a fifth of a second, and when that is in vain not again for five seconds. It goes on being made.
    """

    def __init__(self, usual: ServiceClient, preferred: ServiceClient | None) -> None:
        """Give `preferred` no idempotent methods: its own tries would only keep the caller from the usual target."""
        self._usual = usual
        self._preferred = preferred
        self._waiting = CircuitBreaker(failures=1, retry_after_s=_PAUSE_S)
        self._was_up: bool | None = None

    async def unary(self, method: str, request: Any, *, timeout_s: float) -> Any:
        """One request, one response, from whichever it is."""
        ends_at = time.monotonic() + timeout_s
        if self._preferred is not None and await self._connected(self._preferred):
            try:
                answer = await self._preferred.unary(method, request, timeout_s=timeout_s)
            except Unavailable as error:
                self._note(False, error.message)
            else:
                self._note(True)
                return answer
        return await self._usual.unary(method, request, timeout_s=max(ends_at - time.monotonic(), 0.001))

    async def close(self) -> None:
        """Closes the preferred target's channel; the usual one's belongs to others, too."""
        if self._preferred is not None:
            await self._preferred.close()

    async def _connected(self, client: ServiceClient) -> bool:
        state = client.channel.raw.get_state(try_to_connect=True)
        if state in _ON_THE_WAY and self._waiting.allows():
            until = time.monotonic() + _CONNECT_S
            while state in _ON_THE_WAY and time.monotonic() < until:
                await asyncio.sleep(_LOOK_EVERY_S)
                state = client.channel.raw.get_state(try_to_connect=True)
            if state in _ON_THE_WAY:
                self._waiting.failed()
        if state is grpc.ChannelConnectivity.READY:
            self._waiting.succeeded()
            return True
        self._note(False, "no connection")
        return False

    def _note(self, up: bool, reason: str = "") -> None:
        if up is not self._was_up and self._preferred is not None:
            self._was_up = up
            log.info("the preferred target answers" if up else "the usual target answers", service=self._preferred.service, reason=reason)
