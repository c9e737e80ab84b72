"""Rules of a user's right over what was forecast, and found odd."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from services.kit.handover import ErasedTable
from services.kit.user_data.service import UserDataRepository, UserDataService


class Messages(Protocol):
    """What waits in the queue for a user."""

    async def discard(self, user_id: UUID) -> None:
        """Takes it back. Raises Unavailable; harmless to repeat."""


class ForecastingUserDataService(UserDataService):
    """What waits in the queue is erased, too."""

    def __init__(self, repository: UserDataRepository, messages: Messages | None, *, max_exports: int) -> None:
        super().__init__(repository, max_exports=max_exports)
        self._messages = messages

    async def _erase(self, user_id: UUID) -> list[ErasedTable]:
        erased = await super()._erase(user_id)
        if self._messages is not None:
            await self._messages.discard(user_id)
        return erased
