"""A lease on a piece of work, kept for as long as somebody works on it.

Who has work in hand stands in PostgreSQL, with the time until which nobody else may take it up: a process that dies holds it no longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from services.kit.errors import ERASED, ScaleError

log = structlog.get_logger()


class Lease:
    """What goes on under a lease."""

    def __init__(self, until: asyncio.Timeout) -> None:
        self._until = until
        self._concluding = False

    def conclude(self) -> None:
        """From here on the record itself says whether the attempt is over: call it before what ends the work is written."""
        self._concluding = True

    def end(self) -> None:
        """It is over: what goes on is cancelled."""
        if not self._concluding:
            self._until.reschedule(asyncio.get_running_loop().time())


@asynccontextmanager
async def keep_lease(
    renew: Callable[[], Awaitable[bool]], *, every_s: float, over: Callable[[], ScaleError], work: str
) -> AsyncIterator[Lease]:
    """Renews the lease on `work`, as logs call it, every so many seconds for the time of the block. What blocks the event loop goes into a
    thread.

    `renew` says whether the attempt still counts. When it does not, or the user erases everything, the block ends at the next renewal with
    what `over` makes: the work is in vain. A renewal that fails otherwise is logged, and the next one may succeed.
    """
    try:
        async with asyncio.timeout(None) as until:
            lease = Lease(until)
            keeping = asyncio.create_task(_keep(lease, renew, every_s, work))
            try:
                yield lease
            finally:
                keeping.cancel()
    except TimeoutError:
        if until.expired():
            raise over() from None
        raise


async def _keep(lease: Lease, renew: Callable[[], Awaitable[bool]], every_s: float, work: str) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            if not await renew():
                break
        except Exception as error:
            if isinstance(error, ScaleError) and error.reason in ERASED:
                break
            log.warning("a lease could not be renewed", work=work, error=str(error))
    lease.end()
