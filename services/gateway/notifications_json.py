"""Between the JSON of notifications and the messages of `scale.training.v1`."""

from __future__ import annotations

from typing import Any

from scale.training.v1 import notifications_service_pb2 as pb
from services.gateway.accounts_json import MAX_PAGE_SIZE
from services.gateway.schemas import notifications as schemas
from services.gateway.wire import timestamp_text


def notification_json(notification: pb.Notification) -> dict[str, Any]:
    """One notification."""
    return {
        "id": notification.notification_id,
        "kind": notification.kind,
        "title": notification.title,
        "body": notification.body,
        "subject_id": notification.subject_id,
        "created_at": timestamp_text(notification.create_time),
        "read_at": timestamp_text(notification.read_time) if notification.HasField("read_time") else None,
    }


def list_notifications_request(query: schemas.NotificationQuery) -> pb.ListNotificationsRequest:
    """The request for a page of notifications."""
    return pb.ListNotificationsRequest(unread_only=query.unread, page_size=min(query.page_size, MAX_PAGE_SIZE), page_token=query.page_token)
