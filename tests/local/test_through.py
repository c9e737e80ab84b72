"""The system behind PgBouncer in transaction mode and with mutual TLS between its services, both at once; the end-to-end tests run through
each of them by `make test-e2e THROUGH=...`."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.kit.credentials import channel_credentials
from services.kit.tls import SCHEME, ClientTls
from services.local import LocalSystem, free_port_base
from services.local.environment import DATABASE_SERVICES, client_tls
from services.local.pgbouncer import CONSOLE, EmbeddedPgBouncer
from services.local.postgres import binaries
from tests.support import through
from tests.support.certificates import Authority
from tests.support.rest import RestUser

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# Those without which the gateway is not ready, and one that asks in the background.
PROCESSES = (*DATABASE_SERVICES, "forecasting-worker", "gateway")
USERS = 4
# What PgBouncer itself keeps the same between a client and its server; and what the driver changes and puts back while it looks types up.
TRACKED = {"application_name", "client_encoding", "DateStyle", "IntervalStyle", "standard_conforming_strings", "TimeZone", "jit"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    """Whoever shares this file shares it."""
    folder = tmp_path_factory.mktemp("through")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCALE_")}
    environment |= through.pgbouncer() | through.mutual_tls(Authority(folder))
    system = LocalSystem(folder / "home", free_port_base(), durable=False, environment=environment)
    with system:
        system.start(PROCESSES)
        yield system


@pytest.fixture(scope="module")
def pgbouncer(system: LocalSystem) -> EmbeddedPgBouncer:
    assert system.pgbouncer is not None
    return system.pgbouncer


@pytest.fixture(scope="module")
def users(system: LocalSystem) -> Iterator[list[RestUser]]:
    """Users who have worked with the system, all at once: each has a ledger, and one a forecast."""
    users = [RestUser(system) for _ in range(USERS)]
    with ThreadPoolExecutor(USERS) as pool:
        list(pool.map(works, users))
    assert len(users[0].forecast({"horizon": 7})["points"]) == 7
    yield users
    for user in users:
        user.close()


def works(user: RestUser) -> None:
    """Imports, lists and classifies."""
    first = datetime.now(UTC).date() - timedelta(days=60)
    rows = [f"{first + timedelta(days=n)},{-12 - n % 5}.00,EUR,{text} {n}\n" for n in range(60) for text in ("GOLF CLUB", "MARKET HALL")]
    assert user.imported("Date,Amount,Currency,Description\n" + "".join(rows))["counts"]["inserted"] == len(rows)
    assert len(user.transactions()) == len(rows)
    body = {"description": "REWE SAGT DANKE 4711", "amount": "-12.30", "currency": "EUR"}
    assert user.http.post("/classify", json=body).json()["category"] == "groceries_supermarket"


def shown(pgbouncer: EmbeddedPgBouncer, what: str) -> list[dict[str, str]]:
    """What PgBouncer says of itself; it knows the simple protocol only."""
    url = pgbouncer.url("scale_accounts", CONSOLE)
    done = subprocess.run([binaries() / "psql", url, "-X", "--csv", "-c", f"SHOW {what}"], check=True, capture_output=True, text=True)
    return list(csv.DictReader(io.StringIO(done.stdout)))


@pytest.mark.requirement("DB-41", "C-44")
def test_few_sessions_of_the_database_serve_many_connections_and_each_user_sees_their_own(
    system: LocalSystem, pgbouncer: EmbeddedPgBouncer, users: list[RestUser]
) -> None:
    ids = [{row["id"] for row in user.transactions()} for user in users]
    assert len(set.union(*ids)) == sum(map(len, ids)) == USERS * 120
    pools = {pool["user"]: pool for pool in shown(pgbouncer, "POOLS") if pool["database"] == "scale"}
    assert set(pools) == {f"scale_{service}" for service in DATABASE_SERVICES}
    assert {pool["pool_mode"] for pool in pools.values()} == {"transaction"}
    clients = sum(int(pool["cl_active"]) for pool in pools.values())
    servers = [server for server in shown(pgbouncer, "SERVERS") if server["database"] == "scale"]
    assert len(servers) < clients
    # Nobody asks the database by another way, but for the coordinator that leads.
    by_the_way = {int(server["local_port"]) for server in servers}
    query = "SELECT usename || ' ' || client_port FROM pg_stat_activity WHERE usename LIKE 'scale\\_%' AND usename <> 'scale_migrator'"
    found = [line.split() for line in execute(system, query).split("\n") if line]
    assert [role for role, port in found if int(port) not in by_the_way] == ["scale_federation"]


@pytest.mark.requirement("DB-41")
def test_a_session_keeps_nothing_of_who_used_it(system: LocalSystem, pgbouncer: EmbeddedPgBouncer, users: list[RestUser]) -> None:
    async def left_behind(connection: asyncpg.Connection) -> tuple[int, set[str]]:
        async with connection.transaction():
            # Held until each of the others has one as well, so that each has a session of its own.
            await barrier.wait()
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            names = {row["name"] for row in await connection.fetch("SELECT name FROM pg_settings WHERE source = 'session'")}
            assert not await connection.fetchval("SELECT current_setting('app.user_id', true)")
            names |= {row["name"] for row in await connection.fetch("SELECT name FROM pg_prepared_statements WHERE name LIKE '\\_\\_%'")}
            names |= {row["relname"] for row in await connection.fetch("SELECT relname FROM pg_class WHERE relpersistence = 't'")}
            await barrier.wait()
            return int(pid), names - TRACKED

    async def look() -> list[tuple[int, set[str]]]:
        async with AsyncExitStack() as stack:
            return await asyncio.gather(*[left_behind(await opened(pgbouncer, 0, stack)) for _ in range(len(used))])

    used = {server["remote_pid"] for server in shown(pgbouncer, "SERVERS") if server["user"] == "scale_accounts"}
    barrier = asyncio.Barrier(len(used))
    found = asyncio.run(look())
    assert used <= {str(pid) for pid, _ in found}
    assert [names for _, names in found if names] == []
    # The one lock that outlives a transaction is the leader's, in a session of its own.
    locks = execute(system, "SELECT DISTINCT usename FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory'")
    assert locks.split() == ["scale_federation"]


@pytest.mark.requirement("DB-41", "C-44")
async def test_what_a_connection_has_prepared_is_not_where_its_next_transaction_runs(pgbouncer: EmbeddedPgBouncer) -> None:
    """So that services keep no statements here (DB_STATEMENT_CACHE_SIZE=0)."""
    async with AsyncExitStack() as stack:
        for cache in (100, 0):
            first, second = [await opened(pgbouncer, cache, stack) for _ in range(2)]
            await first.fetchval("SELECT 1")
            # The server that came back last is lent first.
            async with second.transaction():
                await second.fetchval("SELECT 2")
                if cache:
                    with pytest.raises(asyncpg.InvalidSQLStatementNameError):
                        await first.fetchval("SELECT 1")
                else:
                    assert await first.fetchval("SELECT 1") == 1


@pytest.mark.requirement("SEC-26", "K8S-16")
@pytest.mark.parametrize("service", DATABASE_SERVICES)
def test_only_a_certificate_opens_a_service_and_only_a_token_gets_an_answer(system: LocalSystem, service: str, tmp_path: Path) -> None:
    ours = client_tls(system.environment)
    address = system.service_address(service)
    assert address.startswith(SCHEME)
    address = address.removeprefix(SCHEME)
    strangers = Authority(tmp_path).client("client")
    refused = {
        "plain": grpc.insecure_channel(address),
        "no certificate": grpc.secure_channel(address, channel_credentials(ClientTls(ours.ca_file))),
        "a stranger's": grpc.secure_channel(address, channel_credentials(ClientTls(ours.ca_file, strangers.cert_file, strangers.key_file))),
    }
    for who, channel in refused.items():
        with channel, pytest.raises(grpc.RpcError) as raised:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE, who
    with grpc.secure_channel(address, channel_credentials(ours)) as channel:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        for metadata in ((), (("x-user-id", "00000000-0000-7000-8000-000000000001"),)):
            with pytest.raises(grpc.RpcError) as raised:
                channel.unary_unary(f"/scale.{service}.v1.UserDataService/EraseUser")(b"", timeout=5, metadata=metadata)
            assert raised.value.code() == grpc.StatusCode.UNAUTHENTICATED


async def opened(pgbouncer: EmbeddedPgBouncer, cache: int, stack: AsyncExitStack) -> asyncpg.Connection:
    connection = await asyncpg.connect(pgbouncer.url("scale_accounts"), statement_cache_size=cache)
    stack.push_async_callback(connection.close)
    return connection


def test_pgbouncer_that_dies_is_back_and_requests_meanwhile_are_refused_not_lost(system: LocalSystem, users: list[RestUser]) -> None:
    os.kill(system.pid("pgbouncer"), signal.SIGKILL)
    deadline = time.monotonic() + 30
    statuses: list[int] = []
    while statuses[-3:] != [200] * 3:
        assert time.monotonic() < deadline, statuses
        statuses.append(users[0].http.get("/transactions").status_code)
        time.sleep(0.1)
    assert set(statuses) <= {200, 503}
    assert len(users[0].transactions()) == 120


def execute(system: LocalSystem, sql: str) -> str:
    """As the superuser, past PgBouncer."""
    assert system.postgres is not None
    return system.postgres.execute(sql, role="postgres")
