"""Rules of a user's right over the own imports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from services.kit.handover import ErasedTable
from services.kit.user_data.service import UserDataRepository, UserDataService


class ImportsUserData(UserDataRepository, Protocol):
    """What says, too, which imports there were."""

    async def erase_imports(self, user_id: UUID) -> tuple[list[ErasedTable], list[UUID]]:
        """As `erase_user`, with their ids."""


class Leftovers(Protocol):
    """What there is of a user beside the tables."""

    async def remove(self, user_id: UUID, import_ids: Sequence[UUID]) -> None:
        """Removes it. Raises Unavailable; harmless to repeat."""


class IngestionUserDataService(UserDataService):
    """Uploads and what waits in the queue are erased, too."""

    def __init__(self, repository: ImportsUserData, leftovers: Leftovers, *, max_exports: int) -> None:
        super().__init__(repository, max_exports=max_exports)
        self._imports = repository
        self._leftovers = leftovers

    async def _erase(self, user_id: UUID) -> list[ErasedTable]:
        erased, import_ids = await self._imports.erase_imports(user_id)
        await self._leftovers.remove(user_id, import_ids)
        return erased
