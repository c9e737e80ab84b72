"""What the database server says of itself, as a service's role; nothing, and soon, where it does not answer."""

from __future__ import annotations

import asyncio
import time

import pytest

from services.kit.database_metrics import DatabaseServer
from services.kit.errors import Unavailable
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem


def collected(server: DatabaseServer) -> dict[str, float]:
    return {sample.name: sample.value for family in server.collect() for sample in family.samples}


@pytest.mark.requirement("OBS-12", "OBS-17", "OBS-18")
async def test_a_services_role_may_ask_for_all(servers: LocalSystem) -> None:
    database = Database(servers.service_url("accounts"), DatabaseSettings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=0))
    await database.open()
    server, found = DatabaseServer(database, asyncio.get_running_loop()), dict[str, float]()
    try:
        async with asyncio.timeout(60):
            while not found:  # a busy server may be too late for one scrape: the next one asks again
                found = await asyncio.to_thread(collected, server)
    finally:
        await database.close()
    assert 1 <= found["scale_db_server_connections"] <= found["scale_db_server_max_connections"]
    assert found["scale_db_server_size_bytes"] > 1_000_000
    assert {found["scale_db_server_large_table_scans_total"] >= 0, found["scale_db_server_unused_indexes"] >= 0} == {True}


class Away:
    """A database that does not answer."""

    def __init__(self, *, hangs: bool) -> None:
        self._hangs = hangs

    def figures(self) -> dict[str, object]:
        return {}

    async def fetch_value(self, query: str, *, timeout_s: float) -> object:
        if self._hangs:
            await asyncio.sleep(60)
        raise Unavailable("away", reason="DB_UNAVAILABLE")


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_server_that_is_away_leaves_the_figures_out(hangs: bool) -> None:
    server = DatabaseServer(Away(hangs=hangs), asyncio.get_running_loop())
    started = time.monotonic()
    assert await asyncio.to_thread(collected, server) == {}
    assert time.monotonic() - started < 10
