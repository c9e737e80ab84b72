"""What notifications need from what lies around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from services.training.notifications.domain import NewNotification, Notification


class NotificationsRepository(Protocol):
    """Where notifications are kept. Each method is one transaction of one user, unless it says otherwise."""

    async def list_notifications(
        self, user_id: UUID, *, unread_only: bool, limit: int, after: UUID | None
    ) -> tuple[Sequence[Notification], int]:
        """Newest first, and how many have not been seen, up to MOST_UNREAD."""

    async def mark_read(self, user_id: UUID, notification_ids: Sequence[UUID] | None) -> int:
        """Notes that these, or all, have been seen; how many had not been."""

    async def expire(self, *, days: float, limit: int) -> int:
        """Removes those of all users that are older; how many."""


class NotificationEvents(Protocol):
    """Tells those who are there."""

    async def publish(self, notification: NewNotification) -> None:
        """That a user has a notification; lost where nobody can be reached."""

    async def forget(self, user_id: UUID) -> None:
        """Removes what was told to a user. Raises Unavailable."""
