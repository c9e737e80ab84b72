"""Liveness and readiness."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest
import redis.asyncio

from services.gateway.schemas.health import Readiness
from services.kit.presence import key_of
from tests.support.gateway_app import MODEL, Gateway, RedisProcess, StartGateway, assert_problem
from tests.support.ports import free_port
from tests.support.proxy import Proxy
from tests.support.upstream_fakes import FIGURES

READY_PATHS = ("/ready", "/health/ready", "/api/v1/health/ready")


async def wait_until_ready(gateway: Gateway) -> None:
    for _ in range(100):
        if (await gateway.client.get("/ready")).status_code == 200:
            return
        await asyncio.sleep(0.1)
    raise AssertionError((await gateway.client.get("/ready")).text)


@pytest.mark.requirement("GW-15")
async def test_health_liveness(start_gateway: StartGateway) -> None:
    """Also when nothing else is up."""
    gateway = await start_gateway(accounts_up=False, ingestion_up=False, redis_url=f"redis://127.0.0.1:{free_port()}/0")
    for path in ("/health", "/api/v1/health"):
        response = await gateway.client.get(path)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.requirement("DB-46", "GW-16")
async def test_health_readiness_all_up(gateway: Gateway) -> None:
    await wait_until_ready(gateway)
    for path in READY_PATHS:
        body = (await gateway.client.get(path)).json()
        Readiness.model_validate(body)
        assert body["state"] == "ready"
        assert {name: found["status"] for name, found in body["dependencies"].items()} == {
            "redis": "up",
            "accounts": "up",
            "ingestion": "up",
            "categorization": "up",
            "forecasting": "up",
            "training": "up",
            "federation": "up",
        }
        for service in ("accounts", "ingestion", "categorization", "forecasting", "training", "federation"):
            assert body["dependencies"][service]["database"] == {"ok": True, **FIGURES}
        assert body["dependencies"]["categorization"]["model"] == MODEL


@pytest.mark.requirement("CAT-10")
async def test_readiness_tells_that_rules_stand_in_for_the_model(start_gateway: StartGateway) -> None:
    """CAT-10: it is ready all the same."""
    gateway = await start_gateway(model="fallback")
    await wait_until_ready(gateway)
    body = (await gateway.client.get("/ready")).json()
    Readiness.model_validate(body)
    assert (body["state"], body["dependencies"]["categorization"]["model"]) == ("ready", "fallback")


@pytest.mark.parametrize("service", ["categorization", "forecasting", "training", "federation"])
async def test_without_it_the_rest_is_degraded(start_gateway: StartGateway, service: str) -> None:
    gateway = await start_gateway(**{f"{service}_up": False})
    body = assert_problem(await gateway.client.get("/ready"), 503, "NOT_READY")
    assert (body["state"], body["detail"]) == ("degraded", f"Down: {service}.")


@pytest.mark.requirement("GW-16")
async def test_health_readiness_redis_down(start_gateway: StartGateway, own_redis: RedisProcess) -> None:
    """503 with the details, and requests go on being answered; when Redis is back, so is readiness."""
    gateway = await start_gateway(redis_url=own_redis.url)
    await wait_until_ready(gateway)
    own_redis.kill()
    await asyncio.sleep(0.6)
    for path in READY_PATHS:
        body = assert_problem(await gateway.client.get(path), 503, "NOT_READY")
        assert body["state"] == "degraded"
        assert body["dependencies"]["redis"]["status"] == "down"
        assert body["dependencies"]["accounts"]["status"] == "up"
    assert (await gateway.get("/api/v1/transactions")).status_code == 200
    own_redis.start()
    await wait_until_ready(gateway)


async def test_readiness_names_each_dependency_that_is_down(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(accounts_up=False)
    body = assert_problem(await gateway.client.get("/ready"), 503, "NOT_READY")
    assert body["state"] == "unavailable"
    assert body["dependencies"]["accounts"] == {**body["dependencies"]["accounts"], "status": "down", "error": "no answer"}
    assert "accounts" in body["detail"]
    assert "127.0.0.1" not in str(body)


async def test_readiness_follows_a_services_database(start_gateway: StartGateway) -> None:
    database = {"up": True}
    gateway = await start_gateway(well=lambda: database["up"])
    await wait_until_ready(gateway)
    database["up"] = False
    await asyncio.sleep(1.7)
    body = assert_problem(await gateway.client.get("/ready"), 503)
    assert body["dependencies"]["accounts"]["error"] == "its database does not answer"
    assert body["dependencies"]["accounts"]["database"]["ok"] is False
    database["up"] = True
    await wait_until_ready(gateway)


async def test_readiness_without_redis_url(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(redis_url=None)
    body = assert_problem(await gateway.client.get("/ready"), 503)
    assert "SCALE_REDIS_URL" in body["dependencies"]["redis"]["error"]


async def test_readiness_is_bounded_in_time_and_number(start_gateway: StartGateway) -> None:
    """A Redis that accepts and never answers: one second, and many askers ask it once."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(100)
        gateway = await start_gateway(redis_url=f"redis://127.0.0.1:{hole.getsockname()[1]}/0")
        started = time.perf_counter()
        answers = await asyncio.gather(*[gateway.client.get("/ready") for _ in range(20)])
        assert time.perf_counter() - started < 2.5
        assert {answer.status_code for answer in answers} == {503}
        assert answers[0].json()["dependencies"]["redis"]["error"] == "no answer within 1 s"
        assert len({answer.json()["dependencies"]["redis"]["latency_ms"] for answer in answers}) == 1


@pytest.mark.parametrize("path", READY_PATHS)
async def test_readiness_needs_no_token_and_leaks_nothing(gateway: Gateway, path: str) -> None:
    response = await gateway.client.get(path, headers={"Authorization": "Bearer rubbish"})
    assert response.status_code in {200, 503}
    assert "redis://" not in response.text


SERVICES = ("accounts", "ingestion", "categorization", "forecasting", "training", "federation")


async def say_at_work(url: str, *services: str) -> None:
    """As the workers of these services do."""
    async with redis.asyncio.Redis.from_url(url) as client:
        for service in services:
            await client.set(key_of(f"{service}-worker"), b"1", px=60_000)


async def rung_of(gateway: Gateway) -> dict[str, Any]:
    """What readiness says now, whatever the status."""
    await asyncio.sleep(0.55)  # an answer is kept for half a second
    body: dict[str, Any] = (await gateway.client.get("/ready")).json()
    return body


@pytest.mark.requirement("REL-11")
async def test_the_rung_of_full_service(start_gateway: StartGateway, own_redis: RedisProcess) -> None:
    await say_at_work(own_redis.url, *SERVICES)
    gateway = await start_gateway(redis_url=own_redis.url)
    await wait_until_ready(gateway)
    body = await rung_of(gateway)
    assert (body["rung"], body["degradations"], body["state"]) == ("full", [], "ready")
    assert {body["dependencies"][service]["worker"] for service in SERVICES} == {"up"}


@pytest.mark.requirement("REL-11")
async def test_the_rung_of_work_that_waits_for_a_worker(start_gateway: StartGateway, own_redis: RedisProcess) -> None:
    """Ready all the same: what is asked in the background is accepted."""
    await say_at_work(own_redis.url, *(service for service in SERVICES if service != "training"))
    gateway = await start_gateway(redis_url=own_redis.url)
    await wait_until_ready(gateway)
    body = await rung_of(gateway)
    Readiness.model_validate(body)
    assert (body["rung"], body["state"], body["dependencies"]["training"]["worker"]) == ("paused", "ready", "down")
    assert body["degradations"] == ["No worker takes the work of training in the background: it is accepted, and waits."]
    await say_at_work(own_redis.url, "training")
    assert (await rung_of(gateway))["rung"] == "full"


@pytest.mark.requirement("REL-11")
async def test_the_rung_of_a_redis_that_nobody_waits_for(start_gateway: StartGateway, own_redis: RedisProcess) -> None:
    await say_at_work(own_redis.url, *SERVICES)
    async with Proxy(own_redis.port) as proxy:
        gateway = await start_gateway(redis_url=f"redis://127.0.0.1:{proxy.port}/0", redis_timeout_s=0.05)
        await wait_until_ready(gateway)
        proxy.delay_s = 0.2
        body = await rung_of(gateway)
        assert (body["rung"], body["state"]) == ("uncached", "ready")
        assert (await gateway.get("/api/v1/transactions")).status_code == 200
        proxy.delay_s = 0
        assert (await rung_of(gateway))["rung"] == "full"


@pytest.mark.requirement("REL-11", "REL-03")
async def test_the_rung_without_redis(start_gateway: StartGateway, own_redis: RedisProcess) -> None:
    gateway = await start_gateway(redis_url=own_redis.url)
    await wait_until_ready(gateway)
    own_redis.kill()
    body = await rung_of(gateway)
    assert (body["rung"], body["state"], body["status"]) == ("unlimited", "degraded", 503)
    assert "worker" not in body["dependencies"]["training"]
    assert [told.split(" ")[0] for told in body["degradations"]] == ["Without", "The"]
    assert (await gateway.get("/api/v1/transactions")).status_code == 200


@pytest.mark.requirement("REL-11", "REL-04")
async def test_the_rung_of_errors_where_a_database_is_down(start_gateway: StartGateway, own_redis: RedisProcess) -> None:
    await say_at_work(own_redis.url, *SERVICES)
    gateway = await start_gateway(redis_url=own_redis.url, training_up=False)
    body = await rung_of(gateway)
    assert (body["rung"], body["state"]) == ("errors", "degraded")
    assert body["degradations"] == ["Calls that need training are answered with 503 and Retry-After; all others work."]
    assert_problem(await gateway.get("/api/v1/training/jobs"), 503)
    assert (await gateway.get("/api/v1/transactions")).status_code == 200


@pytest.mark.requirement("REL-11")
async def test_the_rung_of_total_failure(start_gateway: StartGateway) -> None:
    """Every call says when to come back; the process is alive, and nobody restarts it."""
    nothing = {f"{service}_up": False for service in SERVICES}
    gateway = await start_gateway(**nothing, redis_url=f"redis://127.0.0.1:{free_port()}/0")
    body = await rung_of(gateway)
    assert (body["rung"], body["state"], len(body["degradations"])) == ("maintenance", "unavailable", 3)
    assert_problem(await gateway.get("/api/v1/transactions"), 503)
    assert (await gateway.client.get("/health")).status_code == 200
