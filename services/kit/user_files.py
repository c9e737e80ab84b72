"""Files of a user on the wire of every service's UserDataService, whose messages have the same form everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from services.kit.errors import Aborted, DeadlineExceeded, invalid
from services.kit.handover import CHUNK_BYTES, IncomingFile


class ResponseSink:
    """Writes files as messages of one call. `response` is the service's ExportUserResponse."""

    def __init__(self, context: grpc.aio.ServicerContext, response: Any) -> None:
        self._context = context
        self._response = response

    async def begin(self, file_name: str) -> None:
        """Names the next file."""
        await self._context.write(self._response(file_name=file_name))

    async def write(self, chunk: bytes) -> None:
        """A part of it."""
        await self._context.write(self._response(chunk=chunk))


async def incoming_files(requests: AsyncIterator[Any], *, idle_timeout_s: float) -> AsyncIterator[IncomingFile]:
    """The files of a stream of RestoreUserRequest. Raises Aborted when it ends without `end`, DeadlineExceeded when nothing comes."""
    parts = _Parts(requests, idle_timeout_s)
    count = 0
    while (name := await parts.next_name()) is not None:
        count += 1
        yield IncomingFile(name, parts.chunks())
    if parts.announced_count != count:
        raise _incomplete(f"{count} of {parts.announced_count} files arrived")


class _Parts:
    """The messages in order; the one that ends a file is kept for the next question."""

    def __init__(self, requests: AsyncIterator[Any], idle_timeout_s: float) -> None:
        self._requests = requests
        self._idle_timeout_s = idle_timeout_s
        self._kept: Any = None
        self.announced_count = 0

    async def _next(self) -> Any:
        if (kept := self._kept) is not None:
            self._kept = None
            return kept
        try:
            async with asyncio.timeout(self._idle_timeout_s):
                part = await anext(self._requests, None)
        except TimeoutError:
            raise DeadlineExceeded(
                f"Nothing of the export came for {self._idle_timeout_s:g} s; nothing was restored.", reason="RESTORE_STALLED"
            ) from None
        # A caller that died looks like one that has finished: only `end` tells them apart.
        if part is None:
            raise _incomplete("The export stopped before its end")
        return part

    async def next_name(self) -> str | None:
        """Of the next file; None at the end."""
        part = await self._next()
        match part.WhichOneof("payload"):
            case "file_name":
                name: str = part.file_name
                return name
            case "end":
                self.announced_count = part.end.file_count
                return None
            case other:
                raise invalid(other or "payload", "a file_name must come first")

    async def chunks(self) -> AsyncIterator[bytes]:
        """What follows until the next file or the end."""
        while True:
            part = await self._next()
            if part.WhichOneof("payload") != "chunk":
                self._kept = part
                return
            if len(part.chunk) > CHUNK_BYTES:
                raise invalid("chunk", f"has more than {CHUNK_BYTES} bytes")
            yield part.chunk


def _incomplete(what: str) -> Aborted:
    return Aborted(f"{what}; nothing was restored.", reason="RESTORE_INCOMPLETE")
