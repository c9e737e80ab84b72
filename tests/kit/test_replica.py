"""Where reads go: the router by itself, and a real standby that falls behind, dies and comes back."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from services.kit.errors import Unavailable
from services.kit.postgres import Database
from services.kit.replica import ReplicaRouter, ReplicatedDatabase, database_at
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem, free_port_base
from services.local.home import LOOPBACK
from services.local.postgres import SUPERUSER, EmbeddedPostgres, binaries
from services.local.program import Program


class Standby:
    """Says how old it is when asked; counts the questions."""

    def __init__(self, age: float | None = 0.0) -> None:
        self.age: float | Exception | None = age
        self.now = 0.0
        self.asked = 0
        self.router = ReplicaRouter(self.answer, max_lag_s=10, check_every_s=3, clock=lambda: self.now)

    async def answer(self) -> float | None:
        self.asked += 1
        await asyncio.sleep(0)
        if isinstance(self.age, Exception):
            raise self.age
        return self.age


@pytest.mark.parametrize(
    ("age", "usable"),
    [
        (0.0, True),
        (10.0, True),
        (10.1, False),
        (None, False),
        (Unavailable("down", reason="DB_UNAVAILABLE"), False),
        (TimeoutError(), False),
    ],
)
async def test_only_a_replica_that_keeps_up_is_used(age: float | Exception | None, usable: bool) -> None:
    standby = Standby()
    standby.age = age
    assert await standby.router.usable() is usable


async def test_it_is_looked_at_every_few_seconds_and_not_with_every_read() -> None:
    standby = Standby()
    assert [await standby.router.usable() for _ in range(5)] == [True] * 5
    assert standby.asked == 1
    standby.age, standby.now = 60.0, 2.9
    assert await standby.router.usable()
    standby.now = 3.1
    assert not await standby.router.usable()
    standby.age, standby.now = 0.0, 6.2
    assert await standby.router.usable()
    assert standby.asked == 3


async def test_one_caller_looks_and_the_others_do_not_wait() -> None:
    standby = Standby()
    assert sorted(await asyncio.gather(*(standby.router.usable() for _ in range(4)))) == [False, False, False, True]
    assert standby.asked == 1


async def test_a_read_that_failed_there_sends_the_next_ones_to_the_primary() -> None:
    standby = Standby()
    assert await standby.router.usable()
    standby.router.failed("it died")
    assert not await standby.router.usable()
    standby.now = 3.1
    assert await standby.router.usable()


async def test_a_look_that_is_cancelled_is_made_again() -> None:
    standby = Standby()
    looking = asyncio.create_task(standby.router.usable())
    await asyncio.sleep(0)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    assert await standby.router.usable()


def test_without_a_replica_there_is_one_database() -> None:
    assert type(database_at("postgresql://x", None, DatabaseSettings())) is Database


# A real standby


class Pair:
    """A primary, and a standby that can be stopped and made to wait."""

    def __init__(self, primary: LocalSystem) -> None:
        self.primary = primary
        self.directory = primary.home.path / "standby"
        assert primary.postgres is not None
        self._postgres: EmbeddedPostgres = primary.postgres
        self.port = free_port_base()
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, primary_url: str) -> str:
        return primary_url.replace(f":{self.primary.ports.postgres}/", f":{self.port}/")

    def _as_server(self, *argv: str) -> list[str]:
        """Run as the user that PostgreSQL runs as."""
        name, user = f"standby-{Path(argv[0]).name}", self._postgres.program().user
        program = Program(name=name, argv=list(argv), environment={}, user=user, clear_orphans_of=str(self.directory))
        return program.command(self.primary.home)

    def create(self) -> None:
        password = self.primary.home.secret(f"postgres:{SUPERUSER}")
        where = f"host={LOOPBACK} port={self.primary.ports.postgres} user={SUPERUSER} password={password}"
        command = [
            str(binaries() / "pg_basebackup"),
            "-d",
            where,
            "-D",
            str(self.directory),
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "--no-sync",
        ]
        self.directory.mkdir(mode=0o700)
        user = self._postgres.program().user
        if user is not None:
            os.chown(self.directory, user, user)
        subprocess.run(self._as_server(*command), check=True, cwd=self.primary.home.path, capture_output=True)

    def start(self) -> None:
        options = ["-c", f"port={self.port}", "-c", f"listen_addresses={LOOPBACK}", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        # Lower ones than the primary has would keep a standby from starting.
        options += [
            "-c",
            "max_connections=200",
            "-c",
            "max_locks_per_transaction=256",
            "-c",
            "shared_buffers=32MB",
            "-c",
            "max_standby_streaming_delay=100ms",
            "-c",
            "wal_retrieve_retry_interval=100ms",
        ]
        command = self._as_server(str(binaries() / "postgres"), "-D", str(self.directory), *options)
        self._process = subprocess.Popen(command, cwd=self.primary.home.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ready = [str(binaries() / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(self.port)]
        deadline = time.monotonic() + 30
        while subprocess.run(ready, check=False).returncode != 0:
            assert time.monotonic() < deadline
            assert self._process.poll() is None, "the standby refuses to start: has the primary larger settings?"
            time.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def ask_standby(self, statement: str) -> object:
        connection = await asyncpg.connect(self.url(self.primary.superuser_url))
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with LocalSystem(tmp_path_factory.mktemp("replica") / "home", free_port_base(), durable=False, environment={}) as system:
        system.start(services=(), migrate=False)
        made = Pair(system)
        made.create()
        made.start()
        yield made
        made.kill()


@pytest.fixture
async def database(pair: Pair) -> AsyncIterator[ReplicatedDatabase]:
    settings = DatabaseSettings(DB_POOL_SIZE=1, DB_REPLICA_MAX_LAG=0.5, DB_STATEMENT_TIMEOUT=20)
    opened = database_at(pair.primary.migrator_url, pair.url(pair.primary.migrator_url), settings)
    assert isinstance(opened, ReplicatedDatabase)
    opened._router._check_every_s = 0.1
    await opened.open()
    yield opened
    await opened.close()


async def served_by_standby(database: Database, user_id: UUID, **options: bool) -> bool:
    async with database.transaction(user_id, **options) as connection:
        assert await connection.fetchval("SELECT current_setting('app.user_id')") == str(user_id)
        return bool(await connection.fetchval("SELECT pg_is_in_recovery()"))


async def until(database: Database, user_id: UUID, *, standby: bool) -> None:
    deadline = time.monotonic() + 15
    while await served_by_standby(database, user_id, replica=True) is not standby:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@pytest.mark.requirement("ACC-05", "DB-47")
async def test_only_reads_that_say_so_go_to_the_standby(database: ReplicatedDatabase, user_id: UUID) -> None:
    await until(database, user_id, standby=True)
    assert not await served_by_standby(database, user_id, read_only=True)
    assert not await served_by_standby(database, user_id)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with database.transaction(user_id, replica=True) as connection:
            await connection.execute("CREATE TABLE never (n int)")


@pytest.mark.requirement("DB-47")
async def test_a_standby_that_falls_behind_is_left_until_it_has_caught_up(pair: Pair, database: ReplicatedDatabase, user_id: UUID) -> None:
    await until(database, user_id, standby=True)
    await pair.ask_standby("SELECT pg_wal_replay_pause()")
    async with database.transaction(user_id) as connection:
        await connection.execute("CREATE TABLE written_meanwhile (n int)")
    await until(database, user_id, standby=False)
    await pair.ask_standby("SELECT pg_wal_replay_resume()")
    await until(database, user_id, standby=True)


@pytest.mark.requirement("DB-47")
async def test_a_standby_that_dies_costs_no_read_and_comes_back_by_itself(pair: Pair, database: ReplicatedDatabase, user_id: UUID) -> None:
    await until(database, user_id, standby=True)
    started = asyncio.Event()

    async def long_read() -> None:
        async with database.transaction(user_id, replica=True) as connection:
            started.set()
            await connection.execute("SELECT pg_sleep(10)")

    reading = asyncio.create_task(long_read())
    await started.wait()
    pair.kill()
    # What was being read there is asked for again; whatever begins now is served.
    with pytest.raises(Unavailable):
        await reading
    assert not await served_by_standby(database, user_id, replica=True)
    pair.start()
    await until(database, user_id, standby=True)


async def test_a_standby_that_is_away_at_the_start_keeps_nobody_waiting(pair: Pair, user_id: UUID) -> None:
    gone = pair.primary.migrator_url.replace(f":{pair.primary.ports.postgres}/", ":1/")
    database = database_at(pair.primary.migrator_url, gone, DatabaseSettings(DB_POOL_SIZE=1))
    await database.open()
    assert not await served_by_standby(database, user_id, replica=True)
    await database.close()


async def test_a_second_server_that_is_no_standby_serves_nothing(pair: Pair, user_id: UUID) -> None:
    database = database_at(pair.primary.migrator_url, pair.primary.migrator_url, DatabaseSettings(DB_POOL_SIZE=1))
    await database.open()
    assert isinstance(database, ReplicatedDatabase)
    assert await database._router.usable() is False
    await database.close()


async def test_a_read_that_the_standby_cancels_is_to_be_asked_again(pair: Pair, database: ReplicatedDatabase, user_id: UUID) -> None:
    async with database.transaction(user_id) as connection:
        await connection.execute("CREATE TABLE read_there AS SELECT 1 AS n")
    while not await pair.ask_standby("SELECT to_regclass('read_there') IS NOT NULL"):
        await asyncio.sleep(0.02)
    await until(database, user_id, standby=True)
    database._router._max_lag_s = 60
    with pytest.raises(Unavailable) as caught:
        async with database.transaction(user_id, replica=True) as connection:
            await connection.fetchval("SELECT n FROM read_there")
            async with database.transaction(user_id) as writing:
                await writing.execute("DROP TABLE read_there")
            await asyncio.sleep(0.5)
            await connection.fetchval("SELECT 1")
    assert caught.value.reason in {"DB_REPLICA_CONFLICT", "DB_UNAVAILABLE"}
    assert not await served_by_standby(database, user_id, replica=True)
