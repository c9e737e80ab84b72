"""How jobs end, or wait to be tried again: stored, counted, and told to whoever watches, asks, or should know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import structlog
import uuid_utils.compat

from services.training.domain import NOBODY, Job, Metrics, Progress
from services.training.metrics import JOBS
from services.training.notifications.domain import NewNotification, training_completed, training_failed
from services.training.notifications.protocols import NotificationEvents
from services.training.protocols import JobEvents, JobsRepository, JobStatuses

log = structlog.get_logger()


class Endings:
    """Each returns the job as it is then; None when the attempt that it speaks of was over, and nothing has changed."""

    def __init__(
        self,
        repository: JobsRepository,
        *,
        events: JobEvents,
        statuses: JobStatuses,
        notification_events: NotificationEvents,
        clear_away: Callable[[UUID], Awaitable[None]] | None = None,
    ) -> None:
        """`clear_away` removes what a job has kept on the way, when it has ended: no other goes on with it."""
        self._clear_away = clear_away
        self._repository = repository
        self._events = events
        self._statuses = statuses
        self._notification_events = notification_events

    async def completed(self, running: Job, metrics: Metrics, *, version: str, published: bool, progress: Progress) -> Job | None:
        """It is done, and registered as `version`."""
        notification = training_completed(uuid_utils.compat.uuid7(), running, version=version, published=published)
        done = await self._repository.complete(
            running, metrics=metrics, version=version, published=published, progress=progress, notification=notification
        )
        return await self._ended(done, notification)

    async def failed(self, running: Job, *, message: str, reason: str, stalled: bool = False, overdue_s: float = 0) -> Job | None:
        """It is given up. `stalled` and `overdue_s` as in `JobsRepository.fail`."""
        notification = training_failed(uuid_utils.compat.uuid7(), running, message)
        done = await self._repository.fail(
            running, message=message, reason=reason, notification=notification, stalled=stalled, overdue_s=overdue_s
        )
        return await self._ended(done, notification)

    async def cancelled(self, running: Job, *, stalled: bool = False) -> Job | None:
        """Its user has given it up."""
        return await self._ended(await self._repository.end_cancelled(running, stalled=stalled), None)

    async def put_back(self, running: Job, *, wait_s: float, counts: bool) -> Job | None:
        """It waits to be tried again."""
        waiting = await self._repository.put_back(running, lease_s=wait_s, counts=counts)
        if waiting is not None:
            JOBS.labels(running.model_type, "retried").inc()
            await self.tell(waiting)
        return waiting

    async def tell(self, job: Job) -> None:
        """How it stands now, while its user has it. Never raises."""

        async def told() -> None:
            await self._statuses.put(job)
            await self._events.publish(job)

        await self._repository.while_kept(job, told)

    async def _ended(self, done: Job | None, notification: NewNotification | None) -> Job | None:
        if done is None:
            return None
        JOBS.labels(done.model_type, done.status.value).inc()
        log.info("training ended", job_id=str(done.id), model=done.model_type, status=done.status.value, reason=done.error_reason)
        await self.tell(done)
        if self._clear_away is not None:
            await self._clear_away(done.id)
        # Who asked for a job of nobody's may have erased everything since it was taken up.
        if notification is not None and notification.user_id in (done.user_id, done.requested_by) and notification.user_id != NOBODY:
            await self._repository.while_kept(notification, partial(self._notification_events.publish, notification))
        return done
