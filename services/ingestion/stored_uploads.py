"""Uploads of queued imports: kept in the storage from the request to the import's end, and not a day longer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import structlog

from services.ingestion.domain import Import, UploadedFile
from services.ingestion.protocols import QueuedImportsRepository, UploadStorage
from services.kit.errors import ScaleError

log = structlog.get_logger()

_PREFIX = "uploads/"
_ORPHAN_AFTER = timedelta(hours=1)
"""A younger upload may be one that is still on its way into the queue."""


class StoredUploads:
    """The storage, and which of its uploads an import waits for."""

    def __init__(self, repository: QueuedImportsRepository, storage: UploadStorage) -> None:
        self._repository = repository
        self._storage = storage

    async def keep(self, running: Import, file: UploadedFile) -> str:
        """Stores a copy; returns its key. Each attempt has one of its own, so that none removes another's."""
        key = f"{_PREFIX}{running.user_id}/{running.id}.{running.attempt}"
        await self._storage.put_file(key, Path(file.path))
        return key

    def read(self, queued: Import) -> AsyncIterator[bytes]:
        """The upload of a queued import. Raises NotFound with reason OBJECT_NOT_FOUND."""
        return self._storage.read(queued.object_key)

    async def remove(self, ended: Import) -> None:
        """Removes the upload of an import that is over. What fails here, `remove_orphans` does later."""
        try:
            await self._storage.delete(ended.object_key)
            await self._repository.forget_upload(ended)
        except ScaleError as error:
            log.warning("an upload could not be removed yet", import_id=str(ended.id), error=str(error))

    async def remove_all(self, user_id: UUID) -> None:
        """Removes whatever lies there for a user. Raises Unavailable."""
        await self._storage.delete_folder(f"{_PREFIX}{user_id}/")

    async def remove_orphans(self) -> int:
        """Removes uploads that no import waits for; returns how many."""
        removed = 0
        before = datetime.now(UTC) - _ORPHAN_AFTER
        async for upload in self._storage.list(_PREFIX):
            if upload.modified_at < before and not await self._waited_for(upload.key):
                await self._storage.delete(upload.key)
                removed += 1
                log.info("an upload that no import waits for was removed", key=upload.key)
        return removed

    async def _waited_for(self, key: str) -> bool:
        with suppress(ValueError):
            user_id, _, name = key.removeprefix(_PREFIX).partition("/")
            found = await self._repository.get(UUID(user_id), UUID(name.partition(".")[0]))
            if found is None or found.object_key != key:
                return False
            if not found.queued:
                await self._repository.forget_upload(found)
            return found.queued
        # Not one of ours: whoever put it there may need it.
        return True
