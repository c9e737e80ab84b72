"""Rules of a user's right over the own ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

from services.kit.handover import IncomingFile, RestoredTable
from services.kit.user_data.service import UserDataRepository, UserDataService


class AccountsUserDataService(UserDataService):
    """Categories of the user's own that come back are known at once, also where lists of them are kept."""

    def __init__(self, repository: UserDataRepository, *, max_exports: int, forget_categories: Callable[[UUID], Awaitable[None]]) -> None:
        """`forget_categories` drops the list of a user's categories that others keep; it must not raise."""
        super().__init__(repository, max_exports=max_exports)
        self._forget_categories = forget_categories

    async def restore_user(self, user_id: UUID, files: AsyncIterator[IncomingFile]) -> list[RestoredTable]:
        """See `UserDataService`."""
        restored = await super().restore_user(user_id, files)
        await self._forget_categories(user_id)
        return restored
