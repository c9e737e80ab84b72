"""Nobody can ask without end, and nobody can use up somebody else's quota."""

from __future__ import annotations

from uuid import uuid4

import jwt
import pytest

from tests.support.gateway_app import StartGateway, assert_problem, bearer


@pytest.mark.requirement("SEC-09", "SEC-14")
async def test_rate_limiter_allows_under_limit(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(rate_limit=100)
    answers = [await gateway.get("/api/v1/transactions") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["99", "98", "97", "96", "95"]
    assert answers[0].headers["ratelimit-limit"] == "100"


@pytest.mark.requirement("SEC-10", "SEC-14")
async def test_rate_limiter_blocks_over_limit(start_gateway: StartGateway) -> None:
    """100 per 60 s is the default; the 101st gets 429 with Retry-After, and another user does not notice."""
    gateway = await start_gateway(rate_limit=100)
    assert type(gateway.settings).model_fields["rate_limit"].default == 100
    assert gateway.settings.rate_limit_window_s == 60
    answers = [await gateway.get("/api/v1/profile") for _ in range(101)]
    assert [answer.status_code for answer in answers] == [200] * 100 + [429]
    assert_problem(answers[-1], 429, "RATE_LIMITED")
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 62
    assert answers[-1].headers["ratelimit-remaining"] == "0"
    assert (await gateway.client.get("/api/v1/profile", headers=bearer())).status_code == 200


@pytest.mark.requirement("SEC-07")
async def test_unverified_subject_is_never_the_key(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(rate_limit=5)
    forged = jwt.encode({"sub": str(gateway.user_id), "aud": "authenticated", "exp": 4_000_000_000}, "x" * 32, algorithm="HS256")
    for _ in range(5):
        assert (await gateway.client.get("/api/v1/profile", headers={"Authorization": f"Bearer {forged}"})).status_code == 401
    # The forger's address has used up its own quota; the user has all of theirs.
    assert (await gateway.client.get("/api/v1/profile", headers={"Authorization": f"Bearer {forged}"})).status_code == 429
    assert [(await gateway.get("/api/v1/profile")).status_code for _ in range(5)] == [200] * 5


@pytest.mark.requirement("CACHE-10")
async def test_limiter_works_without_redis(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(rate_limit=3, redis_url=None)
    assert [(await gateway.get("/api/v1/profile")).status_code for _ in range(4)] == [200, 200, 200, 429]


async def test_health_and_docs_are_not_counted(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(rate_limit=1)
    for path in ("/health", "/api/v1/health", "/ready", "/docs", "/openapi.json") * 3:
        response = await gateway.client.get(path)
        assert response.status_code == 200, path
        assert "ratelimit-limit" not in response.headers


@pytest.mark.requirement("CACHE-07", "SEC-05")
async def test_no_token_is_left_in_redis(start_gateway: StartGateway, redis_url: str) -> None:
    from redis.asyncio import Redis

    gateway = await start_gateway()
    token = bearer(uuid4())["Authorization"].removeprefix("Bearer ")
    await gateway.client.get("/api/v1/profile", headers={"Authorization": f"Bearer {token}"})
    redis = Redis.from_url(redis_url)
    async for key in redis.scan_iter():
        stored = key + str(await redis.hgetall(key)).encode() if await redis.type(key) == b"hash" else key
        assert token.encode() not in stored
        assert token.split(".")[2].encode() not in stored
    await redis.aclose()
