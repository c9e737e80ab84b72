"""The embedded servers as they really run: passwords, roles, and coming back after SIGKILL."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.local import LocalProblem, LocalSystem, free_port_base


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    # A name that a careless quoting would stumble over.
    home = tmp_path_factory.mktemp("servers") / "100% home 'of' \"mine\""
    system = LocalSystem(home, free_port_base(), environment={})
    system.start(services=())
    yield system
    system.stop()


def wait_for(condition: Callable[[], bool], seconds: float) -> float:
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if condition():
            return time.monotonic() - started
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


async def ask(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url, timeout=3)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def database_answers(url: str) -> bool:
    try:
        return asyncio.run(ask(url, "SELECT 1")) == 1
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False


async def test_the_migration_role_is_no_superuser(system: LocalSystem) -> None:
    role = "SELECT rolsuper::text || rolbypassrls || rolcreaterole FROM pg_roles WHERE rolname = current_user"
    assert await ask(system.migrator_url, role) == "falsetruetrue"
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    assert await ask(system.migrator_url, owner) == "scale_migrator"


@pytest.mark.parametrize("service", ["accounts", "ingestion", "categorization"])
async def test_each_service_signs_in_with_its_own_password(system: LocalSystem, service: str) -> None:
    url = system.service_url(service)
    assert await ask(url, "SELECT current_user") == f"scale_{service}"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(system.migrator_url.replace("scale_migrator:", f"scale_{service}:"), "SELECT 1")


async def test_nobody_gets_in_without_a_password(system: LocalSystem) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(f"postgresql://postgres:wrong@127.0.0.1:{system.ports.postgres}/scale", "SELECT 1")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=system.ports.redis, retry=Retry(NoBackoff(), 0)).ping()


async def test_text_is_utf8_and_sorts_by_code_point(system: LocalSystem) -> None:
    assert await ask(system.migrator_url, "SHOW server_encoding") == "UTF8"
    assert await ask(system.migrator_url, "SELECT lower('ÄÖ')") == "äö"


async def test_the_log_of_the_database_holds_no_cell(system: LocalSystem) -> None:
    connection = await asyncpg.connect(system.migrator_url, timeout=3)
    try:
        await connection.execute("CREATE TEMPORARY TABLE refused (amount integer CONSTRAINT never CHECK (amount > 0), note text)")
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.copy_records_to_table("refused", records=[(-4711, "secret of a COPY")])
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("INSERT INTO refused VALUES ($1, $2)", -4712, "secret of a parameter")
    finally:
        await connection.close()
    log = system.home.logs / "postgres.log"
    wait_for(lambda: log.read_text(encoding="utf-8").count('violates check constraint "never"') == 2, 5)
    text = log.read_text(encoding="utf-8")
    # The statement is still there to look for.
    assert "INSERT INTO refused VALUES ($1, $2)" in text
    for cell in ("4711", "4712", "secret of"):
        assert cell not in text


@pytest.mark.chaos
@pytest.mark.alone
def test_postgres_is_back_within_five_seconds_though_a_query_was_running(system: LocalSystem) -> None:
    killed = system.pid("postgres")
    # A query that never looks whether its server still lives holds on to the shared memory.
    busy = "DO $$ DECLARE n bigint := 0; BEGIN WHILE n < 3000000000 LOOP n := n + 1; END LOOP; END $$"
    with ThreadPoolExecutor(1) as pool:
        query = pool.submit(asyncio.run, ask(system.migrator_url, busy))
        wait_for(lambda: len(busy_backends(killed)) > 0, 5)
        backends = busy_backends(killed)
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: system.pid("postgres") not in (0, killed) and database_answers(system.migrator_url), 5)
        assert query.exception() is not None
    assert not any(is_running(backend) for backend in backends)


@pytest.mark.chaos
@pytest.mark.alone
def test_redis_is_back_within_five_seconds_and_forgot_nothing(system: LocalSystem) -> None:
    with redis.Redis.from_url(system.redis_url, socket_timeout=1) as client:
        client.set("kept", "yes")
        client.execute_command("WAIT", 0, 0)
        time.sleep(1.2)  # appendfsync everysec
        killed = system.pid("redis")
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: system.pid("redis") not in (0, killed) and redis_answers(client), 5)
        assert client.get("kept") == b"yes"


@pytest.mark.chaos
@pytest.mark.alone
def test_a_process_that_dies_again_and_again_is_brought_back_each_time(system: LocalSystem) -> None:
    for _ in range(4):
        killed = system.pid("redis")
        os.kill(killed, signal.SIGKILL)
        wait_for(partial(has_another_pid, system, "redis", killed), 5)


def test_two_systems_side_by_side(system: LocalSystem, tmp_path: Path) -> None:
    with LocalSystem(tmp_path, free_port_base(), environment={}, durable=False) as second:
        second.start(services=(), migrate=False)
        assert second.ports.base != system.ports.base
        assert database_answers(second.migrator_url)
        assert database_answers(system.migrator_url)


def test_servers_of_ones_own_are_used_and_none_is_started(system: LocalSystem, tmp_path: Path) -> None:
    outside = {
        "SCALE_DATABASE_URL": system.migrator_url,
        "SCALE_ACCOUNTS_DATABASE_URL": system.service_url("accounts"),
        "SCALE_INGESTION_DATABASE_URL": system.service_url("ingestion"),
        "SCALE_CATEGORIZATION_DATABASE_URL": system.service_url("categorization"),
        "SCALE_FORECASTING_DATABASE_URL": system.service_url("forecasting"),
        "SCALE_TRAINING_DATABASE_URL": system.service_url("training"),
        "SCALE_FEDERATION_DATABASE_URL": system.service_url("federation"),
        "SCALE_REDIS_URL": system.redis_url,
    }
    with LocalSystem(tmp_path, free_port_base(), environment=outside) as second:
        second.start(services=("accounts",))
        assert second.pid("accounts") > 0
        with pytest.raises(KeyError):
            second.pid("postgres")
        assert not (tmp_path / "postgres").exists()
    assert database_answers(system.migrator_url)


def test_stopping_leaves_no_process_and_the_data_stays(tmp_path: Path) -> None:
    system = LocalSystem(tmp_path, free_port_base(), environment={})
    system.start(services=(), migrate=False)
    asyncio.run(ask(system.migrator_url, "CREATE TABLE kept AS SELECT 7 AS answer"))
    pids = [system.supervisor_pid, system.pid("postgres"), system.pid("redis")]
    system.stop()
    system.stop()
    assert not [pid for pid in pids if is_running(pid)]
    system.start(services=(), migrate=False)
    assert asyncio.run(ask(system.migrator_url, "SELECT answer FROM kept")) == 7
    system.stop()


def test_a_start_that_fails_says_what_the_server_said_and_leaves_nothing(tmp_path: Path) -> None:
    system = LocalSystem(tmp_path, free_port_base(), environment={})
    system.start(services=(), migrate=False)
    system.stop()
    (tmp_path / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(LocalProblem, match=r"(?s)PostgreSQL did not start.*pg_control"):
        system.start(services=(), migrate=False, deadline_s=2)
    assert system.supervisor_pid == 0
    assert not [p for p in psutil.process_iter() if str(tmp_path) in " ".join(words(p))]


def has_another_pid(system: LocalSystem, name: str, killed: int) -> bool:
    return system.pid(name) not in (0, killed)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def busy_backends(server: int) -> list[int]:
    return [child.pid for child in psutil.Process(server).children() if "scale_migrator" in " ".join(words(child))]


def redis_answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
