"""The channel to one service. gRPC's Python takes a client's certificate when a channel is made and never again, so that a process which
outlives its certificate would be refused at its next connection: a renewed one gets a channel of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
import grpc.aio

from services.kit.credentials import certificate_credentials
from services.kit.tls import ClientTls, RenewedFiles

LOOKED_AT_EVERY_S = 60.0
"""Certificates are renewed days before they end."""


class OpenChannel:
    """One channel of gRPC's, with a stub on it."""

    def __init__(self, channel: grpc.aio.Channel, stub_class: Any) -> None:
        self.channel = channel
        self.stub = stub_class(channel)
        self.calls = 0
        """Under way on it."""


class ServiceChannel:
    """A channel to `address`, and stubs on it. Over TLS where there is `tls`, with its files, looked at every `looked_at_every_s` while
    calls are made: once they hold another certificate, new calls go over a new channel, and those that are under way end on theirs.

    Raises ValueError that names the file which cannot be used, when made; later what was there stays in use.
    """

    def __init__(
        self,
        stub_class: Any,
        address: str,
        options: Sequence[tuple[str, Any]],
        tls: ClientTls | None = None,
        *,
        looked_at_every_s: float = LOOKED_AT_EVERY_S,
    ) -> None:
        self._stub_class = stub_class
        self._target = address
        self._options = options
        self._files = RenewedFiles(tls) if tls is not None else None
        self._every_s = looked_at_every_s
        self._looked_at = time.monotonic()
        self._closed = False
        self._before: set[OpenChannel] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._open = self._opened()

    @property
    def raw(self) -> grpc.aio.Channel:
        """The one that new calls go over, to ask about; calls go over `lent` ones."""
        self._renew()
        return self._open.channel

    @contextmanager
    def lent(self) -> Iterator[OpenChannel]:
        """For one call: it stays open until it is left."""
        self._renew()
        used = self._open
        used.calls += 1
        try:
            yield used
        finally:
            used.calls -= 1
            self._close_unused(used)

    async def close(self) -> None:
        """Ends what is under way."""
        self._closed = True
        before, self._before = self._before, set()
        await asyncio.gather(*(each.channel.close() for each in (self._open, *before)), *self._closing)

    def _opened(self) -> OpenChannel:
        if self._files is None:
            return OpenChannel(grpc.aio.insecure_channel(self._target, self._options), self._stub_class)
        return OpenChannel(
            grpc.aio.secure_channel(self._target, certificate_credentials(self._files.used), self._options), self._stub_class
        )

    def _renew(self) -> None:
        now = time.monotonic()
        if self._files is None or self._closed or now - self._looked_at < self._every_s:
            return
        self._looked_at = now
        if self._files.changed() is not None:
            before, self._open = self._open, self._opened()
            self._before.add(before)
            self._close_unused(before)

    def _close_unused(self, used: OpenChannel) -> None:
        if used in self._before and not used.calls:
            self._before.remove(used)
            closing = asyncio.ensure_future(used.channel.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
