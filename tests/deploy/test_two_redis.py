"""Queue and cache on servers of their own: what must stay is never where something is evicted, and the other way round."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr
from redis import Redis

from services.local import LocalSystem
from tests.categorization.conftest import categorization, ledger_service
from tests.support.gateway_app import RedisProcess, StartGateway, redis_url, start_gateway
from tests.training.stack import training_stack

__all__ = ["redis_url", "start_gateway"]

pytestmark = pytest.mark.requirement("CACHE-12")

ROOT = Path(__file__).resolve().parents[2]


def documented(heading: str) -> set[str]:
    """The beginnings of keys in the table of docs/redis.md under a heading."""
    section = (ROOT / "docs/redis.md").read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`<{]+)", row)}


STAYS = documented("What must stay")
MAY_GO = documented("What may go")


class Servers(NamedTuple):
    """Two, one for each kind."""

    queue: RedisProcess
    cache: RedisProcess

    def kinds(self) -> tuple[set[str], set[str]]:
        """The documented beginnings of what lies on each. A key that begins with none is given whole."""
        return _kinds(self.queue), _kinds(self.cache)


def _kinds(server: RedisProcess) -> set[str]:
    with Redis.from_url(server.url, decode_responses=True) as redis:
        keys: Any = redis.keys("*")
    return {next((one for one in STAYS | MAY_GO if key.startswith(one)), key) for key in keys}


@pytest.fixture
def two() -> Iterator[Servers]:
    made = Servers(RedisProcess(), RedisProcess())
    for server in made:
        server.start()
    yield made
    for server in made:
        server.kill()


async def test_a_training_job_leaves_messages_and_events_here_and_its_copy_there(
    two: Servers, servers: LocalSystem, tmp_path: Path
) -> None:
    async with training_stack(servers.service_url("training"), two.queue.url, tmp_path, cache_url=two.cache.url) as stack:
        await stack.ended((await stack.start()).job_id)
        on_queue, on_cache = two.kinds()
    assert {"events:", "_kombu."} <= on_queue <= STAYS
    assert on_cache == {"job:"}


async def test_what_is_kept_of_categories_and_of_the_model_may_go(two: Servers, servers: LocalSystem, tmp_path: Path) -> None:
    (tmp_path / "version.json").write_text("hypcd-test+1", encoding="utf-8")
    urls: dict[str, Any] = {"SCALE_REDIS_URL": two.queue.url, "SCALE_CACHE_URL": two.cache.url}
    async with ledger_service(servers, **urls) as ledger, categorization(servers, ledger, tmp_path, **urls) as stack:
        await stack.classify("REWE")
        on_queue, on_cache = two.kinds()
    assert on_queue <= STAYS
    assert on_cache == {"cache:", "emb:"}


async def test_requests_are_counted_where_counts_may_go(two: Servers, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(redis_url=two.queue.url, cache_url=SecretStr(two.cache.url))
    assert (await gateway.get("/api/v1/transactions")).status_code == 200
    assert two.kinds() == (set(), {"rl:"})


async def test_readiness_names_the_one_that_is_gone(two: Servers, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(redis_url=two.queue.url, cache_url=SecretStr(two.cache.url))
    two.cache.kill()
    dependencies = (await gateway.client.get("/ready")).json()["dependencies"]
    assert (dependencies["redis"]["status"], dependencies["cache"]["status"]) == ("up", "down")
    assert (await gateway.get("/api/v1/transactions")).status_code == 200


async def test_with_one_server_it_holds_both(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    assert "cache" not in (await gateway.client.get("/ready")).json()["dependencies"]
