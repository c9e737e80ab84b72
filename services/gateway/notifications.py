"""REST routes of notifications."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from scale.training.v1 import notifications_service_pb2 as pb
from services.gateway import notifications_json as shape
from services.gateway.answers import Cache, json_answer
from services.gateway.problems import EVERYWHERE
from services.gateway.queries import query_parameters, read_query
from services.gateway.schemas import notifications as schemas
from services.gateway.upstreams import upstreams

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)


@router.get(
    "/notifications",
    tags=["notifications"],
    response_model=schemas.NotificationPage,
    openapi_extra=query_parameters(schemas.NotificationQuery),
)
async def list_notifications(request: Request) -> Response:
    """What you should know, newest first. It is kept for 90 days."""
    query = read_query(request, schemas.NotificationQuery)
    page = await upstreams(request).notifications.unary("ListNotifications", shape.list_notifications_request(query))
    content = {
        "items": list(map(shape.notification_json, page.notifications)),
        "next_page_token": page.next_page_token or None,
        "unread": page.unread_count,
    }
    return json_answer(request, content, Cache.REVALIDATE)


@router.post("/notifications/read", tags=["notifications"], response_model=schemas.SeenCount)
async def mark_notifications_read(request: Request, seen: schemas.Seen | None = None) -> Response:
    """Notes that you have seen some, or all. Harmless to repeat."""
    ids = [str(one) for one in seen.ids] if seen else []
    answer = await upstreams(request).notifications.unary("MarkNotificationsRead", pb.MarkNotificationsReadRequest(notification_ids=ids))
    return json_answer(request, {"read": answer.read_count})
