"""Reads that may be a few seconds old go to a replica, as long as it is there and keeps up; everything else goes to the primary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import asyncpg
import structlog

from services.kit.errors import Aborted, ScaleError, Unavailable
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.kit.telemetry import REPLICA_READS

_CHECK_EVERY_S = 3.0
_CHECK_TIMEOUT_S = 1.0
_LOOK_AGAIN_S = 0.1

# A standby that has applied all that it received is only known to be current while it is connected: without a connection, as from an
# archive, its age is that of the last transaction applied. No standby, or one of which nothing is known, has no age.
_AGE = """
    SELECT CASE WHEN NOT pg_is_in_recovery() THEN NULL
                WHEN pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn() AND EXISTS (SELECT pid FROM pg_stat_wal_receiver) THEN 0
                ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END::float8
"""

log = structlog.get_logger()


class ReplicaRouter:
    """Whether a replica may be asked now: it was found current at most `check_every_s` ago, and has not failed since."""

    def __init__(
        self,
        age: Callable[[], Awaitable[float | None]],
        *,
        max_lag_s: float,
        check_every_s: float = _CHECK_EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`age` gives the replica's lag in seconds, None where that is not known; any ScaleError or TimeoutError means that it is away."""
        self._age = age
        self._max_lag_s = max_lag_s
        self._check_every_s = check_every_s
        self._clock = clock
        self._checked_at: float | None = None
        self._usable = False
        self._checking = False

    async def usable(self) -> bool:
        """One caller at a time looks, the others go to the primary meanwhile."""
        if self._checked_at is not None and self._clock() - self._checked_at < self._check_every_s:
            return self._usable
        if self._checking:
            return False
        self._checking = True
        try:
            self._conclude(*await self._look())
        finally:
            self._checking = False
        return self._usable

    def failed(self, reason: str) -> None:
        """A read of it went wrong: it is left alone until the next check."""
        self._conclude(False, reason)

    async def _look(self) -> tuple[bool, str]:
        try:
            age = await self._age()
        except (ScaleError, TimeoutError, asyncpg.PostgresError) as error:
            return False, str(error) or "no answer"
        if age is None:
            return False, "it is no standby, or does not say how far behind it is"
        return age <= self._max_lag_s, f"it is {age:.1f} s behind"

    def _conclude(self, usable: bool, reason: str) -> None:
        if usable != self._usable or self._checked_at is None:
            if usable:
                log.info("the replica serves reads")
            else:
                log.warning("the replica is not used, the primary serves its reads", reason=reason)
        self._usable, self._checked_at = usable, self._clock()


class ReplicatedDatabase(Database):
    """A `Database` whose transactions with `replica=True` go to the replica when that may be asked, else to the primary."""

    def __init__(
        self, dsn: str, replica_dsn: str, settings: DatabaseSettings, *, after_write: Callable[[UUID], Awaitable[None]] | None = None
    ) -> None:
        """As `Database`; `replica_dsn` is the same database on a standby, with the same role."""
        super().__init__(dsn, settings, after_write=after_write)
        self._replica = Database(replica_dsn, settings)
        self._router = ReplicaRouter(self._replica_age, max_lag_s=settings.replica_max_lag_s)

    async def open(self) -> None:
        """Opens both pools; neither server has to be up."""
        await super().open()
        await self._replica.open()

    async def close(self) -> None:
        """Closes both."""
        await super().close()
        await self._replica.close()

    @asynccontextmanager
    async def transaction(
        self,
        user_id: UUID,
        *,
        read_only: bool = False,
        replica: bool = False,
        snapshot: bool = False,
        statement_timeout_s: float | None = None,
    ) -> AsyncIterator[asyncpg.Connection]:
        """As `Database.transaction`. A replica that fails in the middle of a read gives Unavailable, and the next goes to the primary."""
        async with AsyncExitStack() as stack:
            connection = None
            if replica and not snapshot:
                connection = await self._begin_on_replica(stack, user_id, statement_timeout_s)
                REPLICA_READS.labels("primary" if connection is None else "replica").inc()
            if connection is None:
                primary = super().transaction(
                    user_id, read_only=read_only or replica, snapshot=snapshot, statement_timeout_s=statement_timeout_s
                )
                connection = await stack.enter_async_context(primary)
            yield connection

    async def _begin_on_replica(self, stack: AsyncExitStack, user_id: UUID, statement_timeout_s: float | None) -> asyncpg.Connection | None:
        if not await self._router.usable():
            return None
        try:
            begun = self._on_replica(user_id, statement_timeout_s)
            return await stack.enter_async_context(begun)
        except Unavailable:
            return None

    @asynccontextmanager
    async def _on_replica(self, user_id: UUID, statement_timeout_s: float | None) -> AsyncIterator[asyncpg.Connection]:
        try:
            async with self._replica.transaction(user_id, read_only=True, statement_timeout_s=statement_timeout_s) as connection:
                yield connection
        except Unavailable as error:
            self._router.failed(str(error))
            raise
        except Aborted as error:
            # A standby cancels a read that stands in the way of what it has to apply: nobody changed anything meanwhile.
            self._router.failed("it cancelled a read")
            raise Unavailable("The replica cancelled the read; try again.", reason="DB_REPLICA_CONFLICT", retry_after_s=1) from error

    async def _replica_age(self) -> float | None:
        age: float | None = await self._replica.fetch_value(_AGE, timeout_s=_CHECK_TIMEOUT_S)
        if age is not None and age > self._settings.replica_max_lag_s:
            # The first change after a quiet hour makes a standby look an hour old until it has applied that change.
            await asyncio.sleep(_LOOK_AGAIN_S)
            age = await self._replica.fetch_value(_AGE, timeout_s=_CHECK_TIMEOUT_S)
        return age


def database_at(
    dsn: str, replica_dsn: str | None, settings: DatabaseSettings, *, after_write: Callable[[UUID], Awaitable[None]] | None = None
) -> Database:
    """A database, with a replica where there is one. It is not opened yet."""
    if replica_dsn:
        return ReplicatedDatabase(dsn, replica_dsn, settings, after_write=after_write)
    return Database(dsn, settings, after_write=after_write)
