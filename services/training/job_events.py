"""The log of a job's steps, on Redis: what those who follow it are told."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.kit.events import EventLog
from services.training.domain import OPEN, Job, JobEvent
from services.training.job_copies import job_copy, job_of_copy

KEPT_S = 24 * 3600
"""Seconds after the last step for which the log of a job stays."""


class RedisJobEvents:
    """`JobEvents` on the kit's event log."""

    def __init__(self, redis_url: str) -> None:
        self._log = EventLog(redis_url, lifetime_s=KEPT_S)

    async def publish(self, job: Job) -> None:
        """See `JobEvents`."""
        await self._log.publish(_key(job.id), job_copy(job), final=job.status not in OPEN)

    async def read(self, job_id: UUID, *, after: str, wait_s: float) -> Sequence[JobEvent]:
        """See `JobEvents`."""
        found = await self._log.read(_key(job_id), after=after, wait_s=wait_s)
        return [JobEvent(event.id, job_of_copy(event.payload)) for event in found]

    async def forget(self, job_ids: Sequence[UUID]) -> None:
        """See `JobEvents`."""
        await self._log.forget([_key(job_id) for job_id in job_ids])

    async def close(self) -> None:
        """Closes all connections."""
        await self._log.close()


def _key(job_id: UUID) -> str:
    return f"training:{job_id}"
