"""Notifications on the wire."""

from __future__ import annotations

from uuid import UUID

import grpc.aio

from scale.training.v1 import notifications_service_pb2 as pb
from scale.training.v1.notifications_service_pb2_grpc import NotificationsServiceServicer
from services.kit import context
from services.kit.dates import to_timestamp
from services.kit.errors import invalid
from services.kit.fields import uuid_of
from services.kit.pagination import PageTokens, page_size
from services.training.notifications.domain import Notification
from services.training.notifications.service import NotificationsService

_MOST_MARKED = 1000


class NotificationsServicer(NotificationsServiceServicer):
    """`scale.training.v1.NotificationsService`. Whose they are is said by the verified token alone."""

    def __init__(self, service: NotificationsService, page_tokens: PageTokens) -> None:
        self._service = service
        self._page_tokens = page_tokens

    async def ListNotifications(self, request: pb.ListNotificationsRequest, _: grpc.aio.ServicerContext) -> pb.ListNotificationsResponse:
        """A page, the newest first."""
        user_id, limit = context.identity().user_id, page_size(request.page_size)
        filters, after = f"notifications {request.unread_only}", None
        if request.page_token:
            after = UUID(self._page_tokens.decode(request.page_token, user_id=user_id, filters=filters)[0])
        found, more, unread = await self._service.list_notifications(user_id, unread_only=request.unread_only, limit=limit, after=after)
        response = pb.ListNotificationsResponse(notifications=map(notification_message, found), unread_count=unread)
        if more:
            response.next_page_token = self._page_tokens.encode(user_id=user_id, filters=filters, position=(str(found[-1].id),))
        return response

    async def MarkNotificationsRead(
        self, request: pb.MarkNotificationsReadRequest, _: grpc.aio.ServicerContext
    ) -> pb.MarkNotificationsReadResponse:
        """Some, or all."""
        if len(request.notification_ids) > _MOST_MARKED:
            raise invalid("notification_ids", f"has {len(request.notification_ids)} entries, at most {_MOST_MARKED} are allowed")
        ids = [uuid_of(f"notification_ids[{number}]", one) for number, one in enumerate(request.notification_ids)]
        read = await self._service.mark_notifications_read(context.identity().user_id, ids)
        return pb.MarkNotificationsReadResponse(read_count=read)


def notification_message(found: Notification) -> pb.Notification:
    """A notification as it is kept."""
    return pb.Notification(
        notification_id=str(found.id),
        kind=found.kind,
        title=found.title,
        body=found.body,
        subject_id=found.subject_id,
        create_time=to_timestamp(found.created_at),
        read_time=to_timestamp(found.read_at) if found.read_at is not None else None,
    )
