"""What large files need beside the database, in memory: a queue, a storage, a log of steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from services.ingestion.domain import Import, ImportEvent
from services.kit.errors import NotFound, ScaleError, Unavailable

DOWN = Unavailable("not reachable", reason="QUEUE_UNAVAILABLE")


class FakeImportQueue:
    """`ImportQueue`. `down`: it cannot be reached; `deaf`: it can be asked, but takes nothing."""

    def __init__(self) -> None:
        self.messages: list[tuple[UUID, UUID]] = []
        self.down = False
        self.deaf = False

    async def enqueue(self, user_id: UUID, import_id: UUID) -> None:
        if self.down or self.deaf:
            raise DOWN
        self.messages.append((user_id, import_id))

    async def length(self) -> int:
        if self.down:
            raise DOWN
        return len(self.messages)

    async def discard(self, user_id: UUID) -> None:
        if self.down:
            raise DOWN
        self.messages = [message for message in self.messages if message[0] != user_id]


@dataclass(frozen=True)
class FakeObject:
    key: str
    content: bytes
    modified_at: datetime


class FakeUploadStorage:
    """`UploadStorage`. `broken` is raised by every method while it is set."""

    def __init__(self) -> None:
        self.objects: dict[str, FakeObject] = {}
        self.ever: list[bytes] = []
        """All that was ever stored."""
        self.broken: ScaleError | None = None

    def _check(self) -> None:
        if self.broken is not None:
            raise self.broken

    def put(self, key: str, content: bytes, modified_at: datetime) -> None:
        self.objects[key] = FakeObject(key, content, modified_at)
        self.ever.append(content)

    async def put_file(self, key: str, path: Path) -> None:
        self._check()
        self.put(key, path.read_bytes(), datetime.now(UTC))

    async def read(self, key: str) -> AsyncIterator[bytes]:
        self._check()
        if key not in self.objects:
            raise NotFound("gone", reason="OBJECT_NOT_FOUND")
        content = self.objects[key].content
        for start in range(0, len(content), 7):
            yield content[start : start + 7]

    async def delete_folder(self, prefix: str) -> None:
        self._check()
        self.objects = {key: found for key, found in self.objects.items() if not key.startswith(prefix)}

    async def delete(self, key: str) -> None:
        self._check()
        self.objects.pop(key, None)

    async def list(self, prefix: str) -> AsyncIterator[FakeObject]:
        self._check()
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield self.objects[key]


class FakeImportEvents:
    """`ImportEvents`. Ids are numbers; `down`: nothing can be read, and what is published is lost."""

    def __init__(self) -> None:
        self.logs: dict[UUID, list[ImportEvent]] = {}
        self.down = False
        self._number = 0

    async def publish(self, found: Import) -> None:
        if not self.down:
            self._number += 1
            self.logs.setdefault(found.id, []).append(ImportEvent(str(self._number), found.state, found.progress))

    async def read(self, import_id: UUID, *, after: str, wait_s: float) -> Sequence[ImportEvent]:
        if self.down:
            raise DOWN
        for waited in (False, True):
            found = [event for event in self.logs.get(import_id, []) if int(event.id) > int(after or 0)]
            if found or waited:
                return found
            await asyncio.sleep(wait_s)
        return []

    async def forget(self, import_ids: Sequence[UUID]) -> None:
        if self.down:
            raise DOWN
        for import_id in import_ids:
            self.logs.pop(import_id, None)
