"""What ingestion keeps of a user beside its tables: uploads that wait, messages to the workers, events of imports."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.ingestion.protocols import ImportEvents, ImportQueue
from services.ingestion.stored_uploads import StoredUploads


class ImportLeftovers:
    """`Leftovers`; None for what is not configured, and so keeps nothing."""

    def __init__(self, uploads: StoredUploads | None, queue: ImportQueue | None, events: ImportEvents | None) -> None:
        self._uploads = uploads
        self._queue = queue
        self._events = events

    async def remove(self, user_id: UUID, import_ids: Sequence[UUID]) -> None:
        """See `Leftovers`."""
        if self._uploads is not None:
            await self._uploads.remove_all(user_id)
        if self._queue is not None:
            await self._queue.discard(user_id)
        if self._events is not None:
            await self._events.forget(import_ids)
