"""Rules of a user's right over the own data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol
from uuid import UUID

import structlog

from services.kit.errors import Unauthenticated
from services.kit.handover import ErasedTable, ExportedFile, FileSink, IncomingFile, Places, RestoredTable

log = structlog.get_logger()


class UserDataRepository(Protocol):
    """All tables of the service with a user id."""

    async def export_user(self, user_id: UUID, sink: FileSink) -> list[ExportedFile]:
        """Writes every table as of one moment."""

    async def restore_user(self, user_id: UUID, files: AsyncIterator[IncomingFile]) -> list[RestoredTable]:
        """Adds what is not there, all of it or nothing."""

    async def count_user(self, user_id: UUID) -> list[ErasedTable]:
        """How many rows of each table."""

    async def stop_work(self, user_id: UUID) -> None:
        """Ends what is queued or running: whoever works on it sees that at the next renewal of its lease."""

    async def erase_user(self, user_id: UUID) -> list[ErasedTable]:
        """Takes all of them away, and what was computed from them. Raises Unavailable while something is being written for the user."""


class UserDataService:
    """Every call names the user, from the verified token. A service that keeps more than tables adds to `restore_user` and `_erase`."""

    def __init__(self, repository: UserDataRepository, *, max_exports: int) -> None:
        """At most `max_exports` exports and restores are in hand at once, others are refused."""
        self._repository = repository
        self._places = Places(max_exports)

    async def export_user(self, user_id: UUID, sink: FileSink) -> list[ExportedFile]:
        """Hands over everything. Raises ResourceExhausted."""
        with self._places.take():
            return await self._repository.export_user(user_id, sink)

    async def restore_user(self, user_id: UUID, files: AsyncIterator[IncomingFile]) -> list[RestoredTable]:
        """Brings back what an export handed over. Harmless to repeat: what is there already stays as it is.

        Raises InvalidArgument with file, line and field, AlreadyExists where something of the user's own stands in the way,
        ResourceExhausted, and whatever `files` raises; then nothing was stored.
        """
        with self._places.take():
            return await self._repository.restore_user(user_id, files)

    async def count_user(self, user_id: UUID) -> list[ErasedTable]:
        """How much `erase_user` would take away."""
        return await self._repository.count_user(user_id)

    async def erase_user(self, user_id: UUID) -> list[ErasedTable]:
        """Takes everything away, also what lies beside the tables. Harmless to repeat.

        Raises Unavailable while something is being written for the user, and when a place where the service keeps more cannot be reached;
        Unauthenticated once the user has signed in again and started anew since the caller did.
        """
        try:
            await self._repository.stop_work(user_id)
        except Unauthenticated as error:
            # Another service has begun already: whatever still ran can write nothing any more.
            if error.reason != "USER_ERASED":
                raise
        erased = await self._erase(user_id)
        log.info("a user was erased", rows=sum(one.row_count for one in erased))
        return erased

    async def _erase(self, user_id: UUID) -> list[ErasedTable]:
        return await self._repository.erase_user(user_id)
