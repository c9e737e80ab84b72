"""The shapes of notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from services.gateway.schemas.fields import Identifier, Input, Output, PageQuery

_NOTIFICATION: dict[str, Any] = {
    "id": "019b76da-a800-7000-8000-0000000000e0",
    "kind": "training_failed",
    "title": "Training has failed",
    "body": "There is nothing to learn from yet: correct at least 20 payments first.",
    "subject_id": "019b76da-a800-7000-8000-0000000000d0",
    "created_at": "2026-02-01T08:00:00.000000Z",
    "read_at": None,
}


class Notification(Output):
    """Something that you should know."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_NOTIFICATION]})

    id: UUID = Field(description="The notification.")
    kind: str = Field(description="Stable name of what happened, such as training_failed or training_completed. The set grows.")
    title: str = Field(description="It in one line.")
    body: str = Field(description="What happened, and what to do.")
    subject_id: str = Field(description="What it is about, such as a training job.")
    created_at: datetime = Field(description="When it was made, UTC.")
    read_at: datetime | None = Field(description="When you saw it, UTC; null before.")


class NotificationPage(Output):
    """Notifications, newest first."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"items": [_NOTIFICATION], "next_page_token": None, "unread": 1}]},  # nosec B105
    )

    items: list[Notification] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")
    unread: int = Field(description="Not seen yet, on all pages; 1000 stands for more.")


class NotificationQuery(PageQuery):
    """Which notifications."""

    unread: bool = Field(False, description="Only those that you have not seen.", examples=[True])


class Seen(Input):
    """What you have seen."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"ids": ["019b76da-a800-7000-8000-0000000000e0"]}]})

    ids: list[Identifier] = Field(
        default=[], max_length=1000, description="The notifications; all of yours when it is absent or empty. Unknown ones are passed over."
    )


class SeenCount(Output):
    """What changed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"read": 1}]})

    read: int = Field(description="How many you had not seen before.")
