"""What there is of a user beside the tables: messages about jobs, what was told of them, and models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from services.training.notifications.protocols import NotificationEvents
from services.training.protocols import JobEvents, JobQueue, JobStatuses


class Artifacts(Protocol):
    """Where models lie."""

    async def erase(self, user_id: UUID) -> None:
        """Removes those of a user. Raises Unavailable; harmless to repeat."""


class TrainingLeftovers:
    """`Leftovers` in Redis and in the object storage. A place that this installation does not have holds nothing."""

    def __init__(
        self,
        *,
        queue: JobQueue | None,
        events: JobEvents | None,
        statuses: JobStatuses,
        notification_events: NotificationEvents | None,
        artifacts: Artifacts,
    ) -> None:
        self._queue = queue
        self._events = events
        self._statuses = statuses
        self._notification_events = notification_events
        self._artifacts = artifacts

    async def forget_jobs(self, job_ids: Sequence[UUID]) -> None:
        """See `Leftovers`."""
        await self._statuses.forget(job_ids)
        if self._events is not None:
            await self._events.forget(job_ids)

    async def remove(self, user_id: UUID) -> None:
        """See `Leftovers`."""
        await self._artifacts.erase(user_id)
        if self._queue is not None:
            await self._queue.discard(user_id)
        if self._notification_events is not None:
            await self._notification_events.forget(user_id)
