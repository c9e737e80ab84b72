"""Rules of a user's right over what categorization knows."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from services.kit.handover import ErasedTable
from services.kit.user_data.service import UserDataRepository, UserDataService


class Messages(Protocol):
    """What waits in the queue for a user."""

    async def discard(self, user_id: UUID) -> None:
        """Takes it back. Raises Unavailable; harmless to repeat."""


class KeptAnswers(Protocol):
    """What the cache holds of a user."""

    async def drop(self, user_id: UUID) -> None:
        """Drops it. Never raises."""


class CategorizationUserDataService(UserDataService):
    """What waits in the queue and lies in the cache is erased, too."""

    def __init__(self, repository: UserDataRepository, messages: Messages | None, kept: KeptAnswers, *, max_exports: int) -> None:
        super().__init__(repository, max_exports=max_exports)
        self._messages = messages
        self._kept = kept

    async def _erase(self, user_id: UUID) -> list[ErasedTable]:
        erased = await super()._erase(user_id)
        if self._messages is not None:
            await self._messages.discard(user_id)
        await self._kept.drop(user_id)
        return erased
