"""Follows one job while it goes on: by the log of its steps, and by its record, which has the last word."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from uuid import UUID

from services.kit.errors import Unavailable
from services.training.domain import OPEN, Job, JobEvent
from services.training.protocols import JobEvents

_LATE_S = 0.5
Find = Callable[[], Awaitable[Job]]
"""Reads the job's record. Raises NotFound for one that is not the caller's."""


class JobWatch:
    """Tells watchers every step of a job that is still kept, also one who comes back after a broken connection."""

    def __init__(self, events: JobEvents | None, *, poll_s: float = 1, wait_s: float = 5, idle_s: float = 300) -> None:
        """Should an event be lost, the record is read every `wait_s`; without `events`, and while they cannot be read, every `poll_s`.
        After `idle_s` without a step a watch ends."""
        self._events = events
        self._poll_s = poll_s
        self._wait_s = min(wait_s, idle_s)
        # A step is logged a moment after it is on record.
        self._late_s = min(_LATE_S, wait_s)
        self._idle_s = idle_s

    async def watch(self, find: Find, *, after: str) -> AsyncIterator[JobEvent]:
        """The steps after the event `after`, or all that are kept; then each further one; the final one last. Raises what `find` does."""
        job = await find()
        # Who comes back knows how the job stood; who is new is told, should the log have nothing.
        told = job if after else None
        moved_at = time.monotonic()
        wait_s = 0.0
        late = False
        while True:
            events = await self._next(job.id, after, wait_s)
            for event in events:
                yield event
                after, told = event
                if _over(told):
                    return
            if events:
                moved_at, late = time.monotonic(), False
                continue
            job = await find()
            if _over(job):
                break
            if told is not None and _moved(told, job) and not late:
                late, wait_s = True, self._late_s
                continue
            if told is None or _moved(told, job):
                yield JobEvent("", job)
                told, moved_at, late = job, time.monotonic(), False
            elif time.monotonic() - moved_at >= self._idle_s:
                return
            wait_s = self._wait_s
        # Its last steps may have been logged since.
        for event in await self._logged(job.id, after):
            yield event
            if _over(event.job):
                return
        yield JobEvent(await self._final_id(job), job)

    async def _next(self, job_id: UUID, after: str, wait_s: float) -> Sequence[JobEvent]:
        """Waits for events; none where there is no log to wait for."""
        if self._events is not None:
            try:
                return await self._events.read(job_id, after=after, wait_s=wait_s)
            except Unavailable:
                pass
        if wait_s:
            await asyncio.sleep(self._poll_s)
        return ()

    async def _logged(self, job_id: UUID, after: str) -> list[JobEvent]:
        """All events after one, without waiting."""
        found: list[JobEvent] = []
        try:
            while self._events is not None and (more := await self._events.read(job_id, after=after, wait_s=0)):
                found += more
                after = more[-1].id
        except Unavailable:
            pass
        return found

    async def _final_id(self, job: Job) -> str:
        """That of the final event. One that was not logged has the moment in its place, in the same form: whoever comes back with it has
        seen the end, and is not told again."""
        logged = await self._logged(job.id, "")
        if logged and _over(logged[-1].job):
            return logged[-1].id
        return f"{int((job.completed_at or job.updated_at).timestamp() * 1000)}-0"


def _over(job: Job) -> bool:
    return job.status not in OPEN


def _moved(before: Job, after: Job) -> bool:
    return (before.status, before.step, before.total, before.phase, before.cancel_requested) != (
        after.status,
        after.step,
        after.total,
        after.phase,
        after.cancel_requested,
    )
