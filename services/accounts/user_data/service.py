"""Rules of a user's right over the own data."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol
from uuid import UUID

import structlog

from services.kit.handover import ErasedTable, ExportedFile, FileSink, IncomingFile, Places, RestoredTable

log = structlog.get_logger()


class UserDataRepository(Protocol):
    """All tables with a user id."""

    async def export_user(self, user_id: UUID, sink: FileSink) -> list[ExportedFile]:
        """Writes every table as of one moment."""

    async def restore_user(self, user_id: UUID, files: AsyncIterator[IncomingFile]) -> list[RestoredTable]:
        """Adds what is not there, all of it or nothing."""

    async def count_user(self, user_id: UUID) -> list[ErasedTable]:
        """How many rows of each table."""

    async def erase_user(self, user_id: UUID) -> list[ErasedTable]:
        """Takes all of them away, and what was computed from them. Raises Unavailable while something is being written for the user."""


class UserDataService:
    """Every call names the user, from the verified token."""

    def __init__(
        self,
        repository: UserDataRepository,
        *,
        max_exports: int,
        forget_categories: Callable[[UUID], Awaitable[None]] | None = None,
    ) -> None:
        """At most `max_exports` exports and restores are in hand at once, others are refused. `forget_categories` drops the list of a
        user's categories that others keep; it must not raise."""
        self._repository = repository
        self._forget_categories = forget_categories
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
            restored = await self._repository.restore_user(user_id, files)
        if self._forget_categories is not None:
            await self._forget_categories(user_id)
        return restored

    async def count_user(self, user_id: UUID) -> list[ErasedTable]:
        """How much `erase_user` would take away."""
        return await self._repository.count_user(user_id)

    async def erase_user(self, user_id: UUID) -> list[ErasedTable]:
        """Takes everything away. Harmless to repeat.

        Raises Unavailable while something is being written for the user, and Unauthenticated once the user has signed in again and started
        anew since the caller did.
        """
        erased = await self._repository.erase_user(user_id)
        log.info("a user was erased", rows=sum(one.row_count for one in erased))
        return erased
