"""Tells users who are there of notifications, over Redis."""

from __future__ import annotations

from uuid import UUID

from services.kit.events import EventLog
from services.kit.redis import pseudonym
from services.training.notifications.domain import NewNotification


class RedisNotificationEvents:
    """`NotificationEvents` on the kit's event log. `key` hides users' ids."""

    def __init__(self, redis_url: str, *, key: bytes = b"") -> None:
        self._log = EventLog(redis_url)
        self._key = key

    async def publish(self, notification: NewNotification) -> None:
        """See `NotificationEvents`."""
        payload = {
            "notification_id": str(notification.id),
            "kind": notification.kind,
            "title": notification.title,
            "subject_id": notification.subject_id,
        }
        await self._log.publish(self._of(notification.user_id), payload)

    async def forget(self, user_id: UUID) -> None:
        """See `NotificationEvents`."""
        await self._log.forget([self._of(user_id)])

    async def close(self) -> None:
        """Closes all connections."""
        await self._log.close()

    def _of(self, user_id: UUID) -> str:
        return f"notifications:{pseudonym(str(user_id), self._key)}"
