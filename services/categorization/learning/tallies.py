"""Categories given and put right, counted in memory and added to the database every few seconds: no answer waits for it."""

from __future__ import annotations

import asyncio
import contextvars
import time
from contextlib import suppress
from datetime import UTC, date, datetime
from uuid import UUID

import structlog

from services.categorization.learning.domain import Tally
from services.categorization.learning.protocols import AcceptanceRepository
from services.categorization.metrics import TALLIES_LOST
from services.kit.errors import ScaleError

log = structlog.get_logger()

FLUSH_EVERY_S = 10.0
_AT_ONCE = 500
"""Users in one transaction, each of which is locked against an erasure."""
_MOST_WAITING = 50_000
"""Users and days that wait for a database that is away."""
_CLOSE_TIMEOUT_S = 5.0


class AcceptanceTallies:
    """What this process has counted since the last flush. Call it on the event loop."""

    def __init__(self, repository: AcceptanceRepository, *, every_s: float = FLUSH_EVERY_S, most_waiting: int = _MOST_WAITING) -> None:
        self._repository = repository
        self._every_s = every_s
        self._most_waiting = most_waiting
        self._waiting: dict[tuple[UUID, date], tuple[int, int]] = {}
        self._since = 0.0
        self._flushing: asyncio.Task[None] | None = None

    def add(self, user_id: UUID, *, classified: int = 0, corrected: int = 0) -> None:
        """Counts for today."""
        if not classified and not corrected:
            return
        if not self._waiting:
            self._since = time.monotonic()
        self._put(Tally(user_id, datetime.now(UTC).date(), classified, corrected))
        if self._flushing is None or self._flushing.done():
            # Not in the name of whoever happens to be the first.
            self._flushing = asyncio.create_task(self._flush_by_and_by(), context=contextvars.Context())

    async def close(self) -> None:
        """Adds what is left, if the database answers."""
        if self._flushing is not None:
            self._flushing.cancel()
            with suppress(asyncio.CancelledError):
                await self._flushing
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self.flush()

    async def flush(self) -> None:
        """Adds what there is. What the database does not take stays until the next time."""
        taken = [Tally(*key, *counts) for key, counts in self._waiting.items()]
        age_s, since = time.monotonic() - self._since, self._since
        self._waiting = {}
        done = 0
        try:
            for start in range(0, len(taken), _AT_ONCE):
                await self._repository.add_acceptance(taken[start : start + _AT_ONCE], age_s=age_s)
                done = min(start + _AT_ONCE, len(taken))
        except ScaleError as error:
            log.warning("what was accepted could not be counted yet", users=len(taken) - done, error=error.message)
        finally:
            if done < len(taken):
                self._since = since
                for tally in taken[done:]:
                    self._put(tally)

    async def _flush_by_and_by(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._every_s)
            try:
                await self.flush()
            except Exception as error:
                log.error("what was accepted cannot be counted", exc_info=error)

    def _put(self, tally: Tally) -> None:
        key = (tally.user_id, tally.day)
        if key not in self._waiting and len(self._waiting) >= self._most_waiting:
            TALLIES_LOST.inc(tally.classified + tally.corrected)
            return
        classified, corrected = self._waiting.get(key, (0, 0))
        self._waiting[key] = (classified + tally.classified, corrected + tally.corrected)
