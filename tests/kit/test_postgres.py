"""The database plumbing against a real server: the user of a transaction, timeouts, the pool, and a server that goes away."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import uuid_utils

from services.kit import context
from services.kit.errors import Aborted, DeadlineExceeded, Unavailable
from services.kit.postgres import Database, affected, recommended_pool_size, translate
from services.kit.settings import DatabaseSettings
from services.local.home import free_port_base
from services.local.system import LocalSystem

_USER = "SELECT current_setting('app.user_id', true)"


def new_user() -> UUID:
    return UUID(int=uuid_utils.uuid7().int)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    """A server of this module's own: one test kills it."""
    home: Path = tmp_path_factory.mktemp("postgres") / "home"
    with LocalSystem(home, free_port_base(), durable=False) as system:
        system.start(services=(), migrate=False)
        yield system


@pytest.fixture
async def database(server: LocalSystem) -> AsyncIterator[Database]:
    opened = Database(server.migrator_url, DatabaseSettings(DB_POOL_SIZE=2, DB_MAX_OVERFLOW=1, DB_POOL_TIMEOUT=0.3))
    await opened.open()
    yield opened
    await opened.close()


async def test_whose_rows_a_write_may_have_changed_is_told_once_it_is_in(server: LocalSystem) -> None:
    told: list[UUID] = []

    async def after_write(user_id: UUID) -> None:
        async with telling.transaction(user_id, read_only=True) as connection:
            assert await connection.fetchval("SELECT count(*) FROM told") == len(told) + 1
        told.append(user_id)

    telling = Database(server.migrator_url, DatabaseSettings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=0), after_write=after_write)
    await telling.open()
    owner = await asyncpg.connect(server.migrator_url)
    await owner.execute("CREATE TABLE told (number int)")
    user = new_user()
    async with telling.transaction(user) as connection:
        await connection.execute("INSERT INTO told VALUES (1)")
        assert told == []
    assert told == [user]
    async with telling.transaction(user, read_only=True) as connection:
        await connection.fetchval("SELECT 1")
    with pytest.raises(ZeroDivisionError):
        async with telling.transaction(user) as connection:
            await connection.execute("INSERT INTO told VALUES (2)")
            raise ZeroDivisionError
    assert told == [user]
    await telling.close()
    await owner.execute("DROP TABLE told")
    await owner.close()


async def test_affected_counts_what_a_statement_did(database: Database) -> None:
    async with database.transaction(new_user()) as connection:
        done = [
            await connection.execute(statement)
            for statement in (
                "CREATE TEMPORARY TABLE counted ON COMMIT DROP AS SELECT number FROM generate_series(1, 12) AS number",
                "INSERT INTO counted VALUES (13), (14)",
                "UPDATE counted SET number = 0 WHERE number > 9",
                "DELETE FROM counted WHERE number > 99",
            )
        ]
    assert [affected(one) for one in done] == [12, 2, 5, 0]


async def test_transaction_carries_its_user_and_leaves_nothing_behind(database: Database) -> None:
    user = new_user()
    async with database.transaction(user) as connection:
        assert await connection.fetchval(_USER) == str(user)
        assert await connection.fetchval("SHOW statement_timeout") == "5s"
    async with database._connection() as connection:
        assert not await connection.fetchval(_USER)


async def test_transaction_commits_on_success_and_rolls_back_on_error(database: Database) -> None:
    user = new_user()
    table = f"t{user.hex}"
    async with database.transaction(user) as connection:
        await connection.execute(f"CREATE TABLE {table} (n int)")
        await connection.execute(f"INSERT INTO {table} VALUES (1)")

    async def fail_half_way() -> None:
        async with database.transaction(user) as connection:
            await connection.execute(f"INSERT INTO {table} VALUES (2)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_half_way()
    async with database.transaction(user) as connection:
        assert await connection.fetchval(f"SELECT sum(n) FROM {table}") == 1


async def test_read_only_transaction_refuses_a_write(database: Database) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with database.transaction(new_user(), read_only=True) as connection:
            await connection.execute("CREATE TABLE never (n int)")


@pytest.mark.requirement("DB-48", "GW-22")
async def test_slow_statement_is_cancelled_and_named_and_the_pool_is_whole_again(database: Database) -> None:
    with pytest.raises(DeadlineExceeded) as caught:
        async with database.transaction(new_user(), statement_timeout_s=0.1) as connection:
            await connection.execute("SELECT pg_sleep(5)")
    assert caught.value.reason == "DB_STATEMENT_TIMEOUT"
    assert database.figures()["checked_out"] == 0


async def test_cancelled_task_leaves_no_transaction_open(database: Database) -> None:
    async def slow() -> None:
        async with database.transaction(new_user()) as connection:
            await connection.execute("SELECT pg_sleep(4)")

    task = asyncio.create_task(slow())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(4):
        async with database.transaction(new_user()) as connection:
            assert await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'") == 0
    assert database.figures()["checked_out"] == 0


@pytest.mark.parametrize("taking_s", [0, 10])
async def test_a_copy_that_is_broken_off_is_over_at_once(database: Database, taking_s: float) -> None:
    """While rows are taken, or waited for."""

    async def copy(begun: asyncio.Event) -> None:
        async def take(_: bytes) -> None:
            begun.set()
            await asyncio.sleep(taking_s)

        async with database.transaction(new_user()) as connection:
            await connection.copy_from_query(
                "SELECT repeat('x', 500) FROM generate_series(1, 3000) AS a, generate_series(1, 3000) AS b", output=take
            )

    for _ in range(20):  # more than there are connections
        begun = asyncio.Event()
        task = asyncio.create_task(copy(begun))
        await asyncio.wait_for(begun.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 10)
        async with database.transaction(new_user()) as connection:
            assert await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'") == 0
    assert database.figures()["checked_out"] == 0


@pytest.mark.requirement("DB-46", "DB-48", "REL-05")
async def test_exhausted_pool_answers_within_its_timeout(database: Database) -> None:
    async def hold(release: asyncio.Event) -> None:
        async with database.transaction(new_user()) as connection:
            await connection.fetchval("SELECT 1")
            await release.wait()

    release = asyncio.Event()
    holders = [asyncio.create_task(hold(release)) for _ in range(3)]
    await asyncio.sleep(0.2)
    figures = database.figures()
    assert (figures["pool_size"], figures["checked_out"], figures["overflow"]) == (2, 3, 1)
    started = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        async with database.transaction(new_user()):
            pass
    assert time.monotonic() - started < 2
    assert caught.value.reason == "DB_POOL_EXHAUSTED"
    assert caught.value.retry_after_s
    release.set()
    await asyncio.gather(*holders)
    async with database.transaction(new_user()) as connection:
        assert await connection.fetchval("SELECT 1") == 1


@pytest.mark.requirement("REL-05")
async def test_exhausted_pool_answers_while_the_caller_still_waits(server: LocalSystem) -> None:
    """However patient the pool is: else the caller's deadline would end the call, without a word why."""
    database = Database(server.migrator_url, DatabaseSettings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=0, DB_POOL_TIMEOUT=30))
    await database.open()
    async with database.transaction(new_user()):
        context.bind_deadline(2)
        started = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            async with database.transaction(new_user()):
                pass
        context.bind_deadline(None)
    assert time.monotonic() - started < 2
    assert caught.value.reason == "DB_POOL_EXHAUSTED"
    await database.close()


@pytest.mark.requirement("DB-45")
async def test_null_pool_keeps_no_connection(server: LocalSystem) -> None:
    database = Database(server.migrator_url, DatabaseSettings(DB_USE_NULL_POOL=True))
    await database.open()
    async with database.transaction(new_user()) as connection:
        pid = await connection.fetchval("SELECT pg_backend_pid()")
    async with database.transaction(new_user()) as connection:
        assert await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid) == 0
    assert database.figures()["pool_class"] == "NullPool"
    assert (await database.health())["ok"]
    await database.close()


@pytest.mark.requirement("CACHE-08", "DB-41")
async def test_works_without_a_statement_cache_as_behind_pgbouncer(server: LocalSystem) -> None:
    database = Database(server.migrator_url, DatabaseSettings(DB_POOL_SIZE=1, DB_STATEMENT_CACHE_SIZE=0))
    await database.open()
    for number in range(3):
        async with database.transaction(new_user()) as connection:
            assert await connection.fetchval("SELECT $1::int + 1", number) == number + 1
            assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''") == 0
    await database.close()


@pytest.mark.requirement("CACHE-08", "DB-38")
async def test_only_one_pool_is_made(server: LocalSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    create_pool = asyncpg.create_pool

    def counted(dsn: str, **options: object) -> object:
        made.append(dsn)
        return create_pool(dsn, **options)

    monkeypatch.setattr(asyncpg, "create_pool", counted)
    database = Database(server.migrator_url, DatabaseSettings(DB_POOL_SIZE=1))
    await database.open()
    for _ in range(5):
        async with database.transaction(new_user()) as connection:
            await connection.fetchval("SELECT 1")
    await database.close()
    assert len(made) == 1


async def test_comes_back_by_itself_after_the_server_was_killed(server: LocalSystem, database: Database) -> None:
    async def started_at() -> datetime:
        async with database.transaction(new_user()) as connection:
            return await connection.fetchval("SELECT pg_postmaster_start_time()")

    before = await started_at()
    os.kill(server.pid("postgres"), signal.SIGKILL)
    refused: list[Unavailable] = []
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            # For a moment the killed server's children may still answer.
            if await started_at() > before:
                break
        except Unavailable as error:
            refused.append(error)
        await asyncio.sleep(0.05)
    assert await started_at() > before
    assert refused
    assert {error.reason for error in refused} == {"DB_UNAVAILABLE"}
    assert all(error.retry_after_s for error in refused)


async def test_opens_later_when_the_server_was_down_at_the_start(server: LocalSystem) -> None:
    port = server.ports.postgres
    database = Database(server.migrator_url.replace(f":{port}/", ":1/"), DatabaseSettings(DB_POOL_SIZE=1))
    await database.open()
    with pytest.raises(Unavailable):
        async with database.transaction(new_user()):
            pass
    assert not (await database.health())["ok"]
    database._dsn = server.migrator_url
    for _ in range(50):
        if (await database.health())["ok"]:
            break
        await asyncio.sleep(0.1)
    assert (await database.health())["ok"]
    await database.close()


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (asyncpg.QueryCanceledError(), DeadlineExceeded, "DB_STATEMENT_TIMEOUT"),
        (asyncpg.DeadlockDetectedError(), Aborted, "DB_CONFLICT"),
        (asyncpg.DiskFullError(), Unavailable, "DB_DISK_FULL"),
        (asyncpg.TooManyConnectionsError(), Unavailable, "DB_POOL_EXHAUSTED"),
        (ConnectionRefusedError(), Unavailable, "DB_UNAVAILABLE"),
        (asyncpg.CannotConnectNowError(), Unavailable, "DB_UNAVAILABLE"),
    ],
)
def test_driver_errors_have_their_meaning(error: Exception, kind: type[Exception], reason: str) -> None:
    translated = translate(error)
    assert type(translated) is kind
    assert translated.reason == reason
    assert translate(asyncpg.UniqueViolationError()) is None


async def test_an_argument_of_the_wrong_kind_is_our_bug_and_not_an_outage(database: Database) -> None:
    async with database.transaction(new_user()) as connection:
        with pytest.raises(asyncpg.DataError) as caught:
            await connection.fetchval("SELECT $1::int", "x")
    assert translate(caught.value) is None


@pytest.mark.requirement("DB-44")
def test_recommended_pool_size_shares_what_the_server_has() -> None:
    assert recommended_pool_size(100, 3) == 30
    assert recommended_pool_size(20, 5, reserved=5) == 3
    assert recommended_pool_size(5, 10) == 1
