"""Handing over what a service holds about a user, taking it back, and erasing it: the nouns, free of wire and database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from services.kit.errors import ResourceExhausted

CHUNK_BYTES = 64 * 1024


class FileSink(Protocol):
    """Takes files, one after another."""

    async def begin(self, file_name: str) -> None:
        """What follows belongs to this file."""

    async def write(self, chunk: bytes) -> None:
        """At most CHUNK_BYTES of it. Waits while the taker is busy."""


class ExportedFile(NamedTuple):
    """A file that was handed over."""

    file_name: str
    row_count: int


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """A file as it comes in. Read it to its end before the next one is asked for."""

    name: str
    chunks: AsyncIterator[bytes]


class RestoredTable(NamedTuple):
    """What became of a table's rows."""

    table: str
    row_count: int
    restored_count: int


class ErasedTable(NamedTuple):
    """Rows of a table that were taken away, or would be."""

    table: str
    row_count: int


class Places:
    """At most so many at a time in this process: each holds a connection for as long as the other side takes."""

    def __init__(self, most: int) -> None:
        self._free = most

    @contextmanager
    def take(self) -> Iterator[None]:
        """One of them, for the time of the block. Raises ResourceExhausted when there is none."""
        if not self._free:
            raise ResourceExhausted("Too many exports at once; try again in a minute.", reason="TOO_MANY_EXPORTS", retry_after_s=60)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
