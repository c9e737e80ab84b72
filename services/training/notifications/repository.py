"""Notifications in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.kit.postgres import Connection, Database, affected
from services.training.domain import NOBODY
from services.training.notifications.domain import MOST_UNREAD, NewNotification, Notification

_COLUMNS = "id, kind, title, body, subject_id, created_at, read_at"
# What is told twice is told once.
_ADD = """
    INSERT INTO training.notifications (user_id, id, kind, title, body, subject_id) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT DO NOTHING
"""
SELECT_PAGE = f"""
    SELECT {_COLUMNS} FROM training.notifications
     WHERE user_id = $1 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $2
"""  # nosec B608
SELECT_UNREAD_PAGE = f"""
    SELECT {_COLUMNS} FROM training.notifications
     WHERE user_id = $1 AND ($3::uuid IS NULL OR id < $3) AND read_at IS NULL ORDER BY id DESC LIMIT $2
"""  # nosec B608
_COUNT_UNREAD = "SELECT count(*) FROM (SELECT FROM training.notifications WHERE user_id = $1 AND read_at IS NULL LIMIT $2) AS unread"
_TELL_REQUESTER = "SELECT training.tell_requester($1, $2, $3, $4, $5, $6)"
_MARK_READ = "UPDATE training.notifications SET read_at = now() WHERE user_id = $1 AND id = ANY ($2) AND read_at IS NULL"
_MARK_ALL_READ = "UPDATE training.notifications SET read_at = now() WHERE user_id = $1 AND read_at IS NULL"
_EXPIRE = "SELECT training.expire_notifications($1, $2)"


async def add_notification(connection: Connection, new: NewNotification) -> None:
    """Within the transaction of what it tells of, so that the one never comes without the other."""
    await connection.execute(_ADD, new.user_id, new.id, new.kind, *_texts(new), new.subject_id)


async def tell_requester(connection: Connection, new: NewNotification) -> None:
    """The same of a job of nobody's, which is the notification's subject: for whoever asked for it, as the database knows it then."""
    await connection.execute(_TELL_REQUESTER, UUID(new.subject_id), new.id, new.kind, *_texts(new), new.subject_id)


def _texts(new: NewNotification) -> tuple[str, str]:
    return new.title.replace("\x00", "")[:200], new.body.replace("\x00", "")[:4000]


class PostgresNotificationsRepository:
    """`NotificationsRepository` on PostgreSQL, schema `training`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_notifications(
        self, user_id: UUID, *, unread_only: bool, limit: int, after: UUID | None
    ) -> tuple[Sequence[Notification], int]:
        """See `NotificationsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            found = await connection.fetch(SELECT_UNREAD_PAGE if unread_only else SELECT_PAGE, user_id, limit, after)
            unread = await connection.fetchval(_COUNT_UNREAD, user_id, MOST_UNREAD)
        return [Notification(**record) for record in found], int(unread)

    async def mark_read(self, user_id: UUID, notification_ids: Sequence[UUID] | None) -> int:
        """See `NotificationsRepository`."""
        async with self._database.transaction(user_id) as connection:
            if notification_ids is None:
                return affected(await connection.execute(_MARK_ALL_READ, user_id))
            return affected(await connection.execute(_MARK_READ, user_id, list(notification_ids)))

    async def expire(self, *, days: float, limit: int) -> int:
        """See `NotificationsRepository`."""
        async with self._database.transaction(NOBODY) as connection:
            return int(await connection.fetchval(_EXPIRE, days, limit))
