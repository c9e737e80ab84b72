"""Follows one import while it goes on: by the log of its steps, and by its record, which has the last word."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from services.ingestion.domain import UNFINISHED, Import, ImportEvent, ImportStep, import_not_found
from services.ingestion.protocols import ImportEvents, ImportsRepository
from services.kit.errors import Unavailable


class ImportWatch:
    """Tells watchers every step of an import, also one who comes back after a broken connection."""

    def __init__(
        self, repository: ImportsRepository, events: ImportEvents | None, *, poll_s: float = 1, wait_s: float = 5, idle_s: float = 300
    ) -> None:
        """The record is read at each event and, should one be lost, every `wait_s`; without `events`, and while they cannot be read, every
        `poll_s`. After `idle_s` without a step a watch ends."""
        self._repository = repository
        self._events = events
        self._poll_s = poll_s
        self._wait_s = wait_s
        self._idle_s = idle_s

    async def watch(self, user_id: UUID, import_id: UUID, *, after: str) -> AsyncIterator[ImportStep]:
        """The import as it stands, or the steps after the event `after`; then each further one; its final state last. Raises NotFound."""
        found = await self._get(user_id, import_id)
        if not after:
            # First where the log is, then the record: what comes in between is told twice rather than never.
            logged = await self._logged(found.id, after)
            after = logged[-1].id if logged else ""
            found = await self._get(user_id, import_id)
            if not _over(found):
                yield ImportStep(after, found)
        moved_at = time.monotonic()
        while not _over(found) and time.monotonic() - moved_at < self._idle_s:
            last = found
            events = await self._next(found, after)
            for event in events:
                after = event.id
                if event.state in UNFINISHED:
                    last = _at(found, event)
                    yield ImportStep(event.id, last)
            found = await self._get(user_id, import_id)
            if _moved(last, found):
                if not events and not _over(found):
                    yield ImportStep("", found)
                moved_at = time.monotonic()
            elif events:
                moved_at = time.monotonic()
        if _over(found):
            for event in await self._logged(found.id, after):
                if event.state in UNFINISHED:
                    yield ImportStep(event.id, _at(found, event))
            yield ImportStep(await self._final_id(found.id), found)

    async def _get(self, user_id: UUID, import_id: UUID) -> Import:
        found = await self._repository.get(user_id, import_id)
        if found is None:
            raise import_not_found(import_id)
        return found

    async def _next(self, found: Import, after: str) -> Sequence[ImportEvent]:
        """Waits for events; none where there is no log to wait for."""
        if self._events is not None and found.queued:
            try:
                return await self._events.read(found.id, after=after, wait_s=self._wait_s)
            except Unavailable:
                pass
        await asyncio.sleep(self._poll_s)
        return ()

    async def _logged(self, import_id: UUID, after: str) -> list[ImportEvent]:
        """All events after one, without waiting."""
        found: list[ImportEvent] = []
        try:
            while self._events is not None and (more := await self._events.read(import_id, after=after, wait_s=0)):
                found += more
                after = more[-1].id
        except Unavailable:
            pass
        return found

    async def _final_id(self, import_id: UUID) -> str:
        logged = await self._logged(import_id, "")
        return logged[-1].id if logged and logged[-1].state not in UNFINISHED else ""


def _over(found: Import) -> bool:
    return found.state not in UNFINISHED or found.abandoned


def _at(found: Import, event: ImportEvent) -> Import:
    return dataclasses.replace(found, state=event.state, progress=event.progress)


def _moved(before: Import, after: Import) -> bool:
    return (before.state, before.progress) != (after.state, after.progress)
