"""Files of an export in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from services.kit.handover import CHUNK_BYTES, IncomingFile


class KeptFiles:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._name = ""

    async def begin(self, file_name: str) -> None:
        assert file_name not in self.files
        self._name = file_name
        self.files[file_name] = b""

    async def write(self, chunk: bytes) -> None:
        assert 0 < len(chunk) <= CHUNK_BYTES
        self.files[self._name] += chunk


async def as_incoming(files: Mapping[str, bytes], *, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[IncomingFile]:
    """The same files on their way back."""
    for name, content in files.items():
        yield IncomingFile(name, _chunks(content, chunk_bytes))


async def _chunks(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]
