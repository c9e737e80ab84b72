"""When figures are made anew, and who is told."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol
from uuid import UUID

import structlog

log = structlog.get_logger()

PAUSE_FACTOR = 3
"""Between two refreshes lies so many times what the last one took: however large the ledger, a quarter of one connection's time."""


class FiguresRepository(Protocol):
    """What the refresh stores."""

    async def may_refresh(self, pause_factor: int) -> bool: ...

    async def refresh_figures(self) -> list[UUID] | None: ...


class FiguresRefresh:
    """Asked by the clock, again and again."""

    def __init__(
        self,
        repository: FiguresRepository,
        *,
        forget: Callable[[Collection[UUID]], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`forget` drops what is cached of these users."""
        self._repository = repository
        self._forget = forget
        self._clock = clock
        self._rests_until = clock()

    async def refresh_figures(self) -> None:
        """Makes all figures anew where a ledger has changed since, unless that was done, or is being done, only now."""
        began = self._clock()
        if began < self._rests_until or not await self._repository.may_refresh(PAUSE_FACTOR):
            return
        try:
            changed = await self._repository.refresh_figures()
        except Exception:
            # One that is not done in time leaves no trace in the database, and would be tried again at once, for ever.
            self._rests_until = self._clock() + PAUSE_FACTOR * (self._clock() - began)
            raise
        if changed:
            log.info("figures made anew", users=len(changed), duration_s=round(self._clock() - began, 3))
            await self._forget(changed)
