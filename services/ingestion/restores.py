"""Exports that are brought back, as imports among the others: one per request id, whatever is sent twice or dies half way.

What is brought back goes through every service's UserDataService; here is only noted that it was, and how it went.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from uuid import UUID

import uuid_utils.compat

from services.ingestion.domain import (
    UNFINISHED,
    Counts,
    Failure,
    Import,
    ImportOptions,
    NewImport,
    Success,
    UploadedFile,
    idempotency_key_reused,
    import_not_found,
)
from services.ingestion.protocols import ImportsRepository
from services.kit.errors import FailedPrecondition
from services.kit.handover import RestoredTable

EXPORT_FORMAT = "scale-export"
"""The file format of an export's import."""
_POLL_S = 0.2


class Restores:
    """Every call names the user, from the verified token."""

    def __init__(self, repository: ImportsRepository, *, lease_s: float) -> None:
        """After `lease_s` seconds whoever sends the same request again may go on: bringing back is harmless to repeat."""
        self._repository = repository
        self._lease_s = lease_s

    async def begin_restore(
        self, user_id: UUID, *, request_id: str, file_name: str, file_hash: str, size_bytes: int
    ) -> tuple[Import, bool]:
        """The import, running; or as it ended, and true, when this request was carried out before. Waits while another one is at it.

        Raises AlreadyExists when the request id was used for something else.
        """
        new = NewImport(
            id=uuid_utils.compat.uuid7(),
            user_id=user_id,
            request_id=request_id,
            request_hash=hashlib.sha256(f"{EXPORT_FORMAT} {file_hash}".encode()).digest(),
            file_id=uuid_utils.compat.uuid7(),
            file=UploadedFile("", file_name, file_hash, size_bytes),
            options=ImportOptions(file_format=EXPORT_FORMAT),
        )
        current, mine = await self._repository.begin(new, lease_s=self._lease_s)
        while not mine:
            if current.request_hash != new.request_hash:
                raise idempotency_key_reused()
            while current.state in UNFINISHED and not current.abandoned:
                await asyncio.sleep(_POLL_S)
                current = await self._get(user_id, current.id)
            if not current.claimable:
                return current, True
            claimed = await self._repository.claim(current, lease_s=self._lease_s)
            mine = claimed is not None
            current = claimed or await self._get(user_id, current.id)
        return current, False

    async def finish_restore(
        self, user_id: UUID, import_id: UUID, *, tables: Mapping[str, RestoredTable], row_count: int, inserted_count: int
    ) -> Import:
        """Notes that all services have it: of each table by its name with its service, how much. Raises NotFound."""
        running = await self._get(user_id, import_id)
        success = Success(
            counts=Counts(rows=row_count, inserted=inserted_count, duplicates=row_count - inserted_count),
            file_format=EXPORT_FORMAT,
            detected={
                "format": EXPORT_FORMAT,
                "tables": {name: {"rows": one.row_count, "restored": one.restored_count} for name, one in tables.items()},
            },
            account_id=None,
        )
        return await self._repository.succeed(running, success, ()) or await self._get(user_id, import_id)

    async def fail_restore(self, user_id: UUID, import_id: UUID, reason: str) -> Import:
        """Notes that it went wrong, so that the same request may be sent again. Raises NotFound."""
        running = await self._get(user_id, import_id)
        return await self._repository.fail(running, Failure(reason, "INTERRUPTED", True)) or await self._get(user_id, import_id)

    async def _get(self, user_id: UUID, import_id: UUID) -> Import:
        found = await self._repository.get(user_id, import_id)
        if found is None:
            raise import_not_found(import_id)
        return found


def restore_not_undoable(import_id: UUID) -> FailedPrecondition:
    """What an export brought back is known by the imports that brought it first."""
    return FailedPrecondition(
        f"Import {import_id} brought an export back and cannot be undone as a whole: undo the imports that were in it.",
        reason="RESTORE_NOT_UNDOABLE",
        metadata={"import_id": str(import_id)},
    )
