"""Rounds that the clock asks for: one in each interval, as soon as there are devices enough for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from services.federation.domain import LEAST_CONTRIBUTORS
from services.kit.errors import AlreadyExists, FailedPrecondition

log = structlog.get_logger()

# Its coordinator died: not the devices' fault, and worth a second try.
_WORTH_ANOTHER_TRY = "COORDINATOR_RESTARTED"
_WAIT_S = 30


@dataclass(frozen=True, slots=True)
class SeenRound:
    """A round as the coordinator tells of it."""

    round_id: str
    open: bool
    scheduled: bool
    """Whether the clock asked for it."""
    opened_at: float
    """Unix seconds."""
    version: int
    """What came of it; 0 for nothing."""
    reason: str
    """Why nothing did."""


@dataclass(frozen=True, slots=True)
class CoordinatorStatus:
    """How the coordinator is."""

    available_count: int
    open_round: SeenRound | None


class Coordinator(Protocol):
    """Whoever carries rounds out."""

    async def status(self) -> CoordinatorStatus:
        """How it is."""

    async def start_round(self, request_id: str) -> SeenRound:
        """A new one, or the one that this request has begun before. Raises AlreadyExists while another is open, FailedPrecondition with
        reason BUDGET_SPENT."""

    async def wait(self, round_id: str, *, seconds: int) -> SeenRound:
        """The round once it has ended, or as it is after so many seconds."""

    async def abort_round(self, round_id: str) -> SeenRound:
        """Gives it up. Raises FailedPrecondition with reason ROUND_OVER for one that has just ended."""


class ScheduledRounds:
    """Woken by the clock, over and over: most times there is nothing to do, which costs one question and leaves no trace.

    Time is cut into intervals, and the round of an interval is named by when it begins: however many clocks there are, and however often
    they are started anew, an interval has one. What it came to is no failure of whoever asked for it.
    """

    def __init__(self, coordinator: Coordinator, *, interval_s: float, time_limit_s: float, clock: Callable[[], float] = time.time) -> None:
        """`interval_s`: 0 for no rounds. `time_limit_s`: how old a round may get before it is given up."""
        self._coordinator = coordinator
        self._interval_s = interval_s
        self._time_limit_s = time_limit_s
        self._clock = clock
        self._refused = ""

    async def run_when_due(self) -> SeenRound | None:
        """Sees the round of this interval to its end; None where there is none, now."""
        status = await self._coordinator.status()
        if status.open_round is not None:
            # Whoever began it may have died; an administrator's is not ours to give up.
            return await self._see_through(status.open_round) if status.open_round.scheduled else None
        if not self._interval_s or status.available_count < LEAST_CONTRIBUTORS:
            return None
        request_id = f"schedule-{int(self._clock() // self._interval_s * self._interval_s)}"
        found = await self._start(request_id)
        if found is not None and found.reason == _WORTH_ANOTHER_TRY:
            found = await self._start(f"{request_id}-again")
        return found

    async def _start(self, request_id: str) -> SeenRound | None:
        """The round of that name at its end, whether it has just begun or ended long ago."""
        try:
            found = await self._coordinator.start_round(request_id)
        except AlreadyExists:
            return None  # somebody was faster
        except FailedPrecondition as error:
            if self._refused != request_id:
                log.warning("a round that is due is refused", reason=error.reason, error=error.message)
            self._refused = request_id
            return None
        return await self._see_through(found) if found.open else found

    async def _see_through(self, found: SeenRound) -> SeenRound:
        while found.open:
            left = found.opened_at + self._time_limit_s - self._clock()
            if left <= 0:
                return await self._give_up(found)
            found = await self._coordinator.wait(found.round_id, seconds=min(_WAIT_S, int(left) + 1))
        log.info("a round has ended", round_id=found.round_id, version=found.version or None, reason=found.reason or None)
        return found

    async def _give_up(self, found: SeenRound) -> SeenRound:
        log.warning("a round takes too long", round_id=found.round_id, limit_s=self._time_limit_s)
        try:
            return await self._coordinator.abort_round(found.round_id)
        except FailedPrecondition:
            return await self._coordinator.wait(found.round_id, seconds=0)
