"""Rules of notifications as callers see them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.training.notifications.domain import Notification
from services.training.notifications.protocols import NotificationsRepository

_EXPIRED_AT_ONCE = 1000


class NotificationsService:
    """Every call names the user, from the verified token."""

    def __init__(self, repository: NotificationsRepository) -> None:
        self._repository = repository

    async def list_notifications(
        self, user_id: UUID, *, unread_only: bool, limit: int, after: UUID | None
    ) -> tuple[Sequence[Notification], bool, int]:
        """A page, the newest first, whether there are more, and how many have not been seen."""
        found, unread = await self._repository.list_notifications(user_id, unread_only=unread_only, limit=limit + 1, after=after)
        return found[:limit], len(found) > limit, unread

    async def mark_notifications_read(self, user_id: UUID, notification_ids: Sequence[UUID]) -> int:
        """Notes that some, or all where none is named, have been seen; how many had not been. Harmless to repeat."""
        return await self._repository.mark_read(user_id, notification_ids or None)

    async def expire_notifications(self, *, days: float) -> int:
        """Removes old ones, of all users; returns how many."""
        expired = 0
        while (gone := await self._repository.expire(days=days, limit=_EXPIRED_AT_ONCE)) > 0:
            expired += gone
            if gone < _EXPIRED_AT_ONCE:
                break
        return expired
