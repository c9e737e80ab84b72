"""What is kept in Redis: the user's categories for an hour, and the model's anchors until another version."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from scale.accounts.v1 import accounts_service_pb2 as accounts_pb
from services.categorization.model_cache import PREFIX
from services.kit.redis import connect_redis, pseudonym
from services.local import LocalSystem
from tests.categorization.conftest import Stack, categorization, ledger_service

KEY = "a key for tests"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = connect_redis(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def cached(servers: LocalSystem, tmp_path: Path, redis_url: str) -> AsyncIterator[Stack]:
    """Both services with one Redis, and a model of their own."""
    (tmp_path / "version.json").write_text("hypcd-test+1", encoding="utf-8")
    shared: dict[str, Any] = {"SCALE_REDIS_URL": redis_url, "SCALE_CACHE_KEY": KEY}
    async with ledger_service(servers, **shared) as ledger, categorization(servers, ledger, tmp_path, **shared) as stack:
        yield stack


def asked(stack: Stack) -> list[str]:
    """Notes what is asked of the ledger."""
    methods: list[str] = []
    unary = stack.app.ledger._client.unary

    async def noted(method: str, request: object, **more: object) -> object:
        methods.append(method)
        return await unary(method, request, **more)  # type: ignore[arg-type]

    stack.app.ledger._client.unary = noted  # type: ignore[method-assign]
    return methods


@pytest.mark.requirement("CACHE-03", "CAT-12")
async def test_the_second_answer_asks_for_no_categories(cached: Stack, redis: Redis) -> None:
    """CAT-12."""
    methods = asked(cached)
    await cached.classify("REWE")
    assert methods == ["ListCategories"]
    place = f"cache:cat:{pseudonym(str(cached.user_id), KEY.encode())}"
    assert 3590 <= await redis.ttl(place) <= 3600
    await cached.classify("REWE")
    assert methods == ["ListCategories"]
    assert str(cached.user_id) not in str(await redis.keys("*"))


@pytest.mark.requirement("CACHE-13", "CAT-13", "REL-19")
async def test_a_new_category_is_there_within_a_second(cached: Stack) -> None:
    """CAT-13."""
    await cached.classify("REWE")
    request = accounts_pb.CreateCategoryRequest(request_id="1", name="Climbing", primary_slug="entertainment")
    await cached.ask_ledger("CreateCategory", request)
    started = time.monotonic()
    await cached.correct("BOULDERHALLE", "climbing")
    answer = await cached.classify("BOULDERHALLE")
    assert time.monotonic() - started < 1
    assert (answer.category, answer.primary_category) == ("climbing", "entertainment")


@pytest.mark.requirement("CACHE-04", "CAT-11")
async def test_the_models_anchors_are_there_from_the_start_until_another_version(cached: Stack, redis: Redis, tmp_path: Path) -> None:
    """CAT-11."""
    key = f"{PREFIX}hypcd-test+1"
    assert await redis.ttl(key) == -1
    content = orjson.loads(await redis.get(key) or b"{}")
    assert content["version"] == "hypcd-test+1"
    assert len(content["anchors"]) == 4
    (tmp_path / "version.json").write_text("hypcd-test+22", encoding="utf-8")
    async with asyncio.timeout(5):
        while not await redis.exists(f"{PREFIX}hypcd-test+22"):
            await asyncio.sleep(0.02)
    assert await redis.keys(f"{PREFIX}*") == [f"{PREFIX}hypcd-test+22".encode()]
