"""When edits can no longer be taken back, what they would restore is forgotten."""

from __future__ import annotations

from typing import Protocol

import structlog

log = structlog.get_logger()

_AT_ONCE = 100


class ExpiringEdits(Protocol):
    """What the expiry stores."""

    async def expire_edits(self, limit: int) -> int: ...


class EditsExpiry:
    """Asked by the clock, once a day."""

    def __init__(self, edits: ExpiringEdits) -> None:
        self._edits = edits

    async def expire_edits(self) -> None:
        """Forgets, for all users, what their expired edits would restore. The edits themselves stay in the list."""
        total = 0
        while expired := await self._edits.expire_edits(_AT_ONCE):
            total += expired
        if total:
            log.info("edits expired", edits=total)
