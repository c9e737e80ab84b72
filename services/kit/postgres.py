"""PostgreSQL: one pool per process, and transactions that carry the user for row level security.

Nothing here keeps session state, so that it works behind PgBouncer in transaction mode (with DB_STATEMENT_CACHE_SIZE=0).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from opentelemetry.trace import SpanKind

from services.kit import context
from services.kit.errors import Aborted, DeadlineExceeded, ScaleError, Unauthenticated, Unavailable
from services.kit.query_log import QueryLog
from services.kit.settings import DatabaseSettings
from services.kit.telemetry import DB_CAPACITY, DB_IN_USE, DB_LATENCY, SLOW_TRANSACTIONS
from services.kit.tracing import Attributes, outgoing

_PING_AFTER_IDLE_S = 30.0
_RETRY_S = 0.5
_NOBODY = UUID(int=0)
_SPAN_READS: Attributes = {"db.system.name": "postgresql", "scale.db.read_only": True}
_SPAN_WRITES: Attributes = {"db.system.name": "postgresql", "scale.db.read_only": False}
# Of the time that a caller still waits: what is left is for saying that there is no connection.
_SHARE_FOR_THE_POOL = 0.8

log = structlog.get_logger()

Connection = asyncpg.Connection


def translate(error: BaseException) -> ScaleError | None:
    """The ScaleError that a driver's error stands for; None for one that is our own fault."""
    match getattr(error, "sqlstate", None):
        case "SC401":  # as migration 0011 raises them
            return Unauthenticated("Everything of yours was erased; sign in again to start anew.", reason="USER_ERASED")
        case "SC503":
            return Unavailable("Everything of yours is being erased; try again shortly.", reason="ERASURE_IN_PROGRESS", retry_after_s=5)
    match error:
        case asyncpg.QueryCanceledError() | asyncpg.LockNotAvailableError():
            return DeadlineExceeded("The database took too long; try again with a smaller request.", reason="DB_STATEMENT_TIMEOUT")
        case asyncpg.DeadlockDetectedError() | asyncpg.SerializationError() | asyncpg.ExclusionViolationError():
            return Aborted("Another change came between; try again.", reason="DB_CONFLICT", retry_after_s=1)
        case (
            asyncpg.InvalidSchemaNameError()
            | asyncpg.UndefinedTableError()
            | asyncpg.UndefinedFunctionError()
            | asyncpg.UndefinedColumnError()
        ):
            # Migrations come before the services of a release; one that was faster, or came without them, waits. A slip of our own in a
            # statement looks the same: hence an error, which says the name.
            log.error("the database lacks what a statement names; are its migrations through?", error=str(error))
            return Unavailable("The database is being prepared; try again shortly.", reason="DB_SCHEMA_MISSING", retry_after_s=5)
        case asyncpg.DiskFullError():
            return Unavailable("The database has no room left; nothing was stored.", reason="DB_DISK_FULL", retry_after_s=60)
        case asyncpg.TooManyConnectionsError():
            return Unavailable("The database has no free connection; try again shortly.", reason="DB_POOL_EXHAUSTED", retry_after_s=2)
        case (
            asyncpg.PostgresConnectionError()
            | asyncpg.CannotConnectNowError()
            | asyncpg.AdminShutdownError()
            | asyncpg.CrashShutdownError()
            | asyncpg.InvalidPasswordError()
            | asyncpg.InterfaceError()
            | asyncpg.InternalClientError()  # the server died between two messages of one exchange
            | OSError()
        ) if not isinstance(error, ValueError):  # which asyncpg means for an argument of the wrong kind: a bug of ours
            return Unavailable("The database is not reachable; try again shortly.", reason="DB_UNAVAILABLE", retry_after_s=1)
    return None


def affected(done: str) -> int:
    """How many rows a statement inserted, changed, deleted or put into a table, by asyncpg's word on it ("INSERT 0 3", "DELETE 2")."""
    return int(done.rpartition(" ")[2])


async def _keep_session(_: Any) -> None:
    """Replaces asyncpg's reset query: transactions leave nothing behind, and asyncpg itself rolls back one that was left open."""


class Database:
    """A pool of connections with one role. Open it once per process and share it."""

    def __init__(self, dsn: str, settings: DatabaseSettings, *, after_write: Callable[[UUID], Awaitable[None]] | None = None) -> None:
        """`after_write` is told whose rows each transaction that was not read-only may have changed, once it is in; it must not raise."""
        self._dsn = dsn
        self._settings = settings
        self._after_write = after_write
        self._query_log = QueryLog(settings)
        self._pool: asyncpg.Pool | None = None
        self._opening: asyncio.Task[None] | None = None
        self._last_used: dict[int, float] = {}

    async def open(self) -> None:
        """Opens the pool. While the server is down it keeps trying in the background, and transactions raise Unavailable."""
        if self._settings.use_null_pool:
            return
        try:
            await self._open_once()
        except Exception as error:
            if translate(error) is None and not isinstance(error, TimeoutError):
                raise
            log.warning("database is not reachable yet", error=str(error))
            self._opening = asyncio.create_task(self._open_until_up())

    async def _open_once(self) -> None:
        settings = self._settings
        self._pool = await asyncpg.create_pool(
            self._dsn,
            min_size=settings.min_connections,
            max_size=settings.max_connections,
            max_inactive_connection_lifetime=settings.pool_recycle_s,
            timeout=settings.connect_timeout_s,
            statement_cache_size=settings.statement_cache_size,
            init=self._query_log.attach,
            setup=self._ping_when_idle if settings.pool_pre_ping else None,
            reset=_keep_session,
        )
        DB_CAPACITY.inc(settings.max_connections)

    async def _open_until_up(self) -> None:
        while self._pool is None:
            await asyncio.sleep(_RETRY_S)
            try:
                await self._open_once()
            except Exception as error:
                log.debug("database is still not reachable", error=str(error))
        log.info("database is reachable")

    async def _ping_when_idle(self, connection: Any) -> None:
        if time.monotonic() - self._last_used.get(connection.get_server_pid(), 0.0) > _PING_AFTER_IDLE_S:
            await connection.execute("SELECT 1", timeout=self._settings.connect_timeout_s)

    async def close(self) -> None:
        """Waits for transactions in hand, at most ten seconds, and closes."""
        if self._opening:
            self._opening.cancel()
        if self._pool is not None:
            DB_CAPACITY.dec(self._settings.max_connections)
            try:
                await asyncio.wait_for(self._pool.close(), 10)
            except TimeoutError:
                self._pool.terminate()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        settings = self._settings
        if settings.use_null_pool:
            connection = await asyncpg.connect(
                self._dsn, timeout=settings.connect_timeout_s, statement_cache_size=settings.statement_cache_size
            )
            try:
                await self._query_log.attach(connection)
                with DB_IN_USE.track_inprogress():
                    yield connection
            finally:
                await connection.close(timeout=settings.connect_timeout_s)
            return
        if self._pool is None:
            raise Unavailable("The database is not reachable; try again shortly.", reason="DB_UNAVAILABLE", retry_after_s=1)
        try:
            connection = await self._pool.acquire(timeout=self._patience_s())
        except TimeoutError:
            raise Unavailable(
                "The database has no free connection; try again shortly.", reason="DB_POOL_EXHAUSTED", retry_after_s=2
            ) from None
        try:
            with DB_IN_USE.track_inprogress():
                yield connection
        finally:
            with suppress(asyncpg.InterfaceError):  # closed, and with that no longer ours
                if not connection.is_closed():
                    self._last_used[connection.get_server_pid()] = time.monotonic()
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await asyncio.shield(self._pool.release(connection))

    def _patience_s(self) -> float:
        """As the settings say, and never longer than whoever asked waits: else nobody would be told why, and when to come again."""
        left = context.seconds_left()
        return self._settings.pool_timeout_s if left is None else min(self._settings.pool_timeout_s, left * _SHARE_FOR_THE_POOL)

    @asynccontextmanager
    async def erasure(self, user_id: UUID, *, lock_timeout_s: float, statement_timeout_s: float) -> AsyncIterator[asyncpg.Connection]:
        """One transaction in which no other writes for `user_id`, and after which the caller's token, and older ones, write nothing more.

        Raises Unavailable with reason USER_BUSY when others have not finished after `lock_timeout_s`, Unauthenticated with reason
        USER_ERASED when the user has started anew since the caller signed in, and what `transaction` raises.
        """
        timeout_ms = int(statement_timeout_s * 1000)
        begin = (
            f"BEGIN;{_settings(user_id, timeout_ms)},set_config('lock_timeout','{int(lock_timeout_s * 1000)}',true);"
            f"SELECT auth.begin_erasure({_signed_in_at(user_id)})"
        )
        try:
            async with self._transaction(user_id, begin, timeout_ms) as connection:
                yield connection
        except DeadlineExceeded as error:
            if isinstance(error.__cause__, asyncpg.LockNotAvailableError):
                raise Unavailable(
                    "Something is being written for you just now, an import perhaps; nothing was erased, try again shortly.",
                    reason="USER_BUSY",
                    retry_after_s=5,
                ) from error
            raise

    async def while_kept(self, tell: Callable[[], Awaitable[None]], user_id: UUID, query: str, *arguments: object) -> None:
        """Has something told elsewhere of a row, if `query` still finds it: an erasure of the user waits until it is told; while one goes
        on, and after it, nothing is. Without the database nothing is told either. For what is told quickly, and may be lost."""
        try:
            async with self.transaction(user_id, read_only=True) as connection:
                # The row is looked for when the lock is held: each statement sees what was committed before it.
                held = await connection.fetchval(f"SELECT pg_try_advisory_xact_lock_shared({_user_lock(user_id)})")  # sql: of a UUID
                if held and await connection.fetchval(query, *arguments) is not None:
                    await tell()
        except ScaleError as error:
            log.info("something is not told", reason=error.reason)

    async def now(self) -> float:
        """The server's clock, in Unix seconds. Raises Unavailable."""
        async with self.transaction(_NOBODY, read_only=True) as connection:
            return float(await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8"))

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
        """One transaction as `user_id`: commits when the block ends, rolls back when it raises or is cancelled. With `snapshot` all its
        statements see the same moment.

        `replica` marks a read whose answer may be some seconds old: where there is a replica, it may serve it (services/kit/replica.py).
        Never for balances, nor for what the user has just written.

        One that may write is over before everything of the user is erased, or begins after; a caller who signed in before an erasure gets
        Unauthenticated with reason USER_ERASED. Raises Unavailable (down, or no free connection), DeadlineExceeded with reason
        DB_STATEMENT_TIMEOUT, or Aborted.
        """
        read_only = read_only or replica
        timeout_ms = int((statement_timeout_s or self._settings.statement_timeout_s) * 1000)
        mode = f"{' ISOLATION LEVEL REPEATABLE READ' if snapshot else ''}{' READ ONLY' if read_only else ''}"
        begin = f"BEGIN{mode};{_settings(user_id, timeout_ms)}"
        if not read_only:
            begin += f";SELECT {_admission(user_id)}"
        async with self._transaction(user_id, begin, timeout_ms, read_only=read_only) as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(
        self, user_id: UUID, begin: str, timeout_ms: int, *, read_only: bool = False
    ) -> AsyncIterator[asyncpg.Connection]:
        started = time.monotonic()
        try:
            with outgoing("transaction", SpanKind.CLIENT, _SPAN_READS if read_only else _SPAN_WRITES):
                async with self._connection() as connection:
                    try:
                        await connection.execute(begin)
                        yield connection
                    except BaseException:
                        await _roll_back(connection)
                        raise
                    await self._commit(connection, read_only=read_only)
            if self._after_write is not None and not read_only:
                # In full, even for a caller who is gone: what is committed stays committed.
                await asyncio.shield(self._after_write(user_id))
        except ScaleError:
            raise
        except Exception as error:
            translated = translate(error)
            if translated is None:
                raise
            log.warning("database error", error=str(error), kind=type(error).__name__)
            raise translated from error
        finally:
            elapsed = time.monotonic() - started
            if elapsed > self._settings.slow_query_s:
                SLOW_TRANSACTIONS.inc()
                log.warning("slow transaction", duration_s=round(elapsed, 3), statement_timeout_ms=timeout_ms)

    @staticmethod
    async def _commit(connection: asyncpg.Connection, *, read_only: bool) -> None:
        started = time.perf_counter()
        await connection.execute("COMMIT")
        if not read_only:
            DB_LATENCY.labels("write").observe(time.perf_counter() - started)

    async def fetch_value(self, query: str, *, timeout_s: float) -> Any:
        """The first value that a query about the server itself gives, as nobody. Raises what `translate` makes of the driver's errors, the
        driver's own otherwise, and TimeoutError."""
        try:
            async with asyncio.timeout(timeout_s), self._connection() as connection:
                return await connection.fetchval(query)
        except (ScaleError, TimeoutError):
            raise
        except Exception as error:
            translated = translate(error)
            if translated is None:
                raise
            raise translated from error

    def figures(self) -> dict[str, object]:
        """The pool's figures, without asking the server."""
        if self._pool is None:
            name = "NullPool" if self._settings.use_null_pool else "Pool"
            return {"pool_size": 0, "checked_in": 0, "checked_out": 0, "overflow": 0, "pool_class": name}
        size, idle = self._pool.get_size(), self._pool.get_idle_size()
        return {
            "pool_size": self._settings.min_connections,
            "checked_in": idle,
            "checked_out": size - idle,
            "overflow": max(0, size - self._settings.min_connections),
            "pool_class": "Pool",
        }

    async def health(self) -> dict[str, object]:
        """The pool's figures, and under `ok` whether the server answers within two seconds."""
        try:
            with DB_LATENCY.labels("read").time():
                ok = await self.fetch_value("SELECT true", timeout_s=2)
        except (ScaleError, TimeoutError, asyncpg.PostgresError):
            ok = False
        return {**self.figures(), "ok": ok}


async def _roll_back(connection: asyncpg.Connection) -> None:
    """After an error, which stays the one that the caller hears of. A connection that cannot be rolled back is given up."""
    try:
        if not connection.is_closed():
            await asyncio.shield(connection.execute("ROLLBACK"))
    except (asyncpg.InterfaceError, asyncpg.InternalClientError):
        # Closed meanwhile; or still within a COPY that was cancelled: asyncpg takes rows that were on their way for the end of it.
        with suppress(asyncpg.InterfaceError):
            connection.terminate()


def _settings(user_id: UUID, timeout_ms: int) -> str:
    # All that begins a transaction is one round trip in the simple protocol, which takes no parameters.
    user = f"set_config('app.user_id','{UUID(int=user_id.int)}',true)"
    return f"SELECT {user},set_config('statement_timeout','{timeout_ms}',true)"  # sql: of a UUID and a number, made here


def _admission(user_id: UUID) -> str:
    """Keeps an erasure waiting until the transaction is over, and lets nobody in who signed in before the last one."""
    caller = context.identity_or_none()
    if caller is None or caller.user_id != user_id:
        # Upkeep, which has no token: it changes what is there, and finds nothing of a user who is erased.
        return f"pg_advisory_xact_lock_shared({_user_lock(user_id)})"
    return f"auth.{'admit_background' if caller.role == 'service' else 'admit'}({_signed_in_at(user_id)})"


def _user_lock(user_id: UUID) -> str:
    """As `auth.user_lock()`, which services may not call."""
    return f"hashtextextended('auth.user {UUID(int=user_id.int)}',0)"


def _signed_in_at(user_id: UUID) -> str:
    caller = context.identity_or_none()
    known = caller is not None and caller.user_id == user_id
    return f"{caller.signed_in_at:.6f}" if known and caller is not None and caller.signed_in_at is not None else "NULL"


def recommended_pool_size(max_connections: int, instances: int, *, reserved: int = 10) -> int:
    """Connections per instance so that all of them together leave `reserved` free: (100 - 10) / 3 is 30."""
    return max(1, (max_connections - reserved) // instances)
