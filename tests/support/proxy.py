"""A proxy that stands between two processes and does what networks do: delays, or carries nothing any more and says so to nobody."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from types import TracebackType

from tests.support.ports import free_port

_CHUNK = 64 * 1024


class Proxy:
    """Carries bytes from 127.0.0.1:`port` to 127.0.0.1:`target` and back, each piece `delay_s` late; while `carries` is False, nothing:
    connections are accepted, and stay open without a word."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.delay_s = 0.0
        self.carries = True
        self._target = target
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._while_away()
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                await asyncio.gather(self._carry(reader, back), self._carry(there, writer))
            finally:
                back.close()
        except OSError:
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await source.read(_CHUNK):
                await self._later()
                await self._while_away()
                sink.write(piece)
                await sink.drain()
        sink.close()

    async def _later(self) -> None:
        begun = time.monotonic()
        while time.monotonic() - begun < self.delay_s:  # which may be over before the time is
            await asyncio.sleep(min(0.02, self.delay_s))

    async def _while_away(self) -> None:
        while not self.carries:
            await asyncio.sleep(0.02)
