"""An upload on its way from the wire to a reader: a bounded temporary file that has no name and outlives nothing."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from services.ingestion.formats import HEAD_BYTES
from services.ingestion.threads import run_to_end
from services.kit.errors import InvalidArgument, ResourceExhausted, Unavailable, invalid

log = structlog.get_logger()

_BLOCK_BYTES = 1024 * 1024
"""Written and hashed at once, off the event loop."""
_OWN_DESCRIPTORS = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True)
class Spooled:
    """A whole upload. `path` opens the bytes from the start, as often as wanted, until the block around it ends."""

    path: Path
    size_bytes: int
    sha256: str
    """Lower-case hex."""
    head: bytes
    """The first HEAD_BYTES."""
    line_count: int = 0
    """Line ends."""


class UploadSpool:
    """Takes uploads in: at most `max_bytes` each, `max_total_bytes` at the same time, in `directory` (None: the system's temporary one)."""

    def __init__(self, *, max_bytes: int, max_total_bytes: int = sys.maxsize, directory: Path | None = None) -> None:
        self._max_bytes = max_bytes
        self._max_total_bytes = max_total_bytes
        self._total_bytes = 0
        self._directory = directory

    @asynccontextmanager
    async def receive(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[Spooled]:
        """Reads all chunks, then gives the file for the time of the block.

        Raises InvalidArgument for an empty file, or with reason FILE_TOO_LARGE at the first byte above the limit; ResourceExhausted when
        other uploads take up what there is for all; Unavailable when the disk is full.
        """
        try:
            descriptor, path = await run_to_end(None, self._open)
        except OSError as error:
            raise _no_room(error) from error
        room = _Room()
        try:
            yield await self._fill(descriptor, path, chunks, room)
        finally:
            self._total_bytes -= room.bytes
            # In this order: once closed, the same number may be another upload's.
            if path.parent != _OWN_DESCRIPTORS:
                path.unlink(missing_ok=True)
            os.close(descriptor)

    def _open(self) -> tuple[int, Path]:
        if self._directory is not None:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(prefix="scale-upload-", dir=self._directory)
        if _OWN_DESCRIPTORS.exists():
            # Without a name the file goes with the process, however that ends.
            Path(name).unlink()
            return descriptor, _OWN_DESCRIPTORS / str(descriptor)
        return descriptor, Path(name)

    async def _fill(self, descriptor: int, path: Path, chunks: AsyncIterator[bytes], room: _Room) -> Spooled:
        digest = hashlib.sha256()
        line_count = 0
        head = b""
        waiting = bytearray()

        def write(block: bytearray) -> None:
            nonlocal line_count
            digest.update(block)
            line_count += block.count(b"\n")
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(descriptor, rest) :]

        async for chunk in chunks:
            self._take(room, len(chunk))
            if len(head) < HEAD_BYTES:
                head += chunk[: HEAD_BYTES - len(head)]
            waiting += chunk
            if len(waiting) >= _BLOCK_BYTES:
                await _store(write, waiting)
                waiting = bytearray()
        if not room.bytes:
            raise invalid("file", "is empty")
        await _store(write, waiting)
        return Spooled(path, room.bytes, digest.hexdigest(), head, line_count)

    def _take(self, room: _Room, size_bytes: int) -> None:
        room.bytes += size_bytes
        self._total_bytes += size_bytes
        if room.bytes > self._max_bytes:
            raise InvalidArgument(
                f"The file is larger than {self._max_bytes} bytes.",
                reason="FILE_TOO_LARGE",
                metadata={"max_file_bytes": str(self._max_bytes)},
            )
        if self._total_bytes > self._max_total_bytes:
            raise ResourceExhausted(
                "Too many large uploads at once; send this one again in a while.", reason="TOO_MANY_UPLOADS", retry_after_s=10
            )


@dataclass(slots=True)
class _Room:
    """What one upload takes up."""

    bytes: int = 0


async def _store(write: Callable[[bytearray], None], block: bytearray) -> None:
    try:
        await run_to_end(None, write, block)
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> Unavailable:
    log.error("an upload cannot be stored for reading", error=str(error))
    return Unavailable("There is no room to take the file in at the moment; nothing was stored.", reason="NO_SPOOL_ROOM", retry_after_s=30)
