"""One active coordinator: whoever holds a lock of the database's, for as long as its connection lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg
import structlog

log = structlog.get_logger()

_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('federation.coordinator', 0))"
_ANSWER_S = 5.0


class Leadership:
    """Tries to become the active coordinator, and remains it until the connection to the database breaks.

    The lock belongs to a session, so that the connection is one of its own, and `dsn` goes past PgBouncer where that is in transaction
    mode: there the lock would stay with a server's session, which is anybody's. One that has lost it without knowing yet does no harm: a
    round's end is stored only while its record is open, and the next one closes that.
    """

    def __init__(
        self, dsn: str, *, gained: Callable[[], Awaitable[None]], lost: Callable[[], Awaitable[None]], every_s: float = 1.0
    ) -> None:
        """`gained` and `lost` are called in turns; what `gained` raises gives the lock back."""
        self._dsn = dsn
        self._gained = gained
        self._lost = lost
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """In the background, until `close`."""
        self._task = asyncio.create_task(self._keep_trying())

    async def close(self) -> None:
        """Gives the lock back."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _keep_trying(self) -> None:
        while True:
            try:
                await self._hold()
            except Exception as error:
                # Whatever it was, it must not be the last try: without one, nobody leads until a restart.
                log.warning("this coordinator cannot be the active one", error=str(error) or type(error).__name__)
            await asyncio.sleep(self._every_s)

    async def _hold(self) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=_ANSWER_S, command_timeout=_ANSWER_S, statement_cache_size=0)
        gained = False
        try:
            # Polled, not waited for: a session that waits for a lock cannot be asked whether it is still there.
            while True:
                if await connection.fetchval(_LOCK):
                    break
                await asyncio.sleep(self._every_s)
            gained = True
            await self._gained()
            log.info("this coordinator is the active one")
            while True:
                await asyncio.sleep(self._every_s)
                await connection.fetchval("SELECT true")
        finally:
            if gained:
                await self._lost()
            # Ends the session, and with it the lock, however the connection is.
            connection.terminate()
