"""The stages before the routes: their order, the request id, the log lines, the metrics."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.gateway.middleware.access_log import AccessLogMiddleware
from services.gateway.middleware.auth import AuthMiddleware
from services.gateway.middleware.cors import CorsMiddleware
from services.gateway.middleware.rate_limit import RateLimitMiddleware
from services.gateway.middleware.request_id import RequestIdMiddleware
from services.kit.errors import NotFound
from tests.support.gateway_app import Gateway, StartGateway, bearer

ORDER: list[object] = [RequestIdMiddleware, CorsMiddleware, RateLimitMiddleware, AuthMiddleware, AccessLogMiddleware]


@pytest.mark.requirement("GW-01")
async def test_stack_order(gateway: Gateway) -> None:
    assert [stage.cls for stage in gateway.app.user_middleware][: len(ORDER)] == ORDER


@pytest.mark.requirement("GW-02", "GW-03", "OBS-03")
async def test_request_id_of_the_caller_is_kept_and_passed_on(gateway: Gateway) -> None:
    mine = str(uuid4())
    response = await gateway.get("/api/v1/transactions", headers={"X-Request-ID": mine})
    assert response.headers["x-request-id"] == mine
    assert gateway.accounts.request_ids == [mine]


@pytest.mark.requirement("GW-02", "GW-03")
async def test_request_id_is_made_when_it_is_no_uuid(gateway: Gateway) -> None:
    for sent in ({}, {"X-Request-ID": "not-a-uuid"}, {"X-Request-ID": "a" * 5000}):
        response = await gateway.get("/api/v1/transactions", headers=sent)
        assert UUID(response.headers["x-request-id"]).version == 7
    assert len(set(gateway.accounts.request_ids)) == 3


@pytest.mark.requirement("GW-17", "OBS-02")
async def test_every_request_has_one_log_line(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(rate_limit=3)
    gateway.accounts.error = None
    with capture_logs() as lines:
        await gateway.get("/api/v1/transactions?q=secret-search")
        await gateway.get("/api/v1/nothing")
        gateway.accounts.error = NotFound("no")
        await gateway.get(f"/api/v1/accounts/{uuid4()}")
        await gateway.get("/api/v1/profile")
        await gateway.client.get("/api/v1/profile")
        await gateway.client.get("/health")
    found = [(line["route"], line["status"], line["user_id"] is not None) for line in lines if line["event"] == "request"]
    assert found == [
        ("/api/v1/transactions", 200, True),
        ("unmatched", 404, True),
        ("/api/v1/accounts/{account_id}", 404, True),
        ("unmatched", 429, True),
        ("unmatched", 401, False),
        ("/health", 200, False),
    ]
    assert all(line["duration_ms"] >= 0 for line in lines if line["event"] == "request")
    assert "secret-search" not in str(lines)


@pytest.mark.requirement("ING-16")
async def test_password_of_a_workbook_is_not_logged(gateway: Gateway) -> None:
    with capture_logs() as lines:
        form = {"password": "swordfish"}
        response = await gateway.post("/api/v1/imports", data=form, files={"file": ("a.csv", b"x")})
    assert response.status_code == 201
    assert gateway.ingestion.metadata.password == "swordfish"
    assert "swordfish" not in str(lines)


async def test_metrics_count_by_route_and_status(gateway: Gateway) -> None:
    labels = {"route": "/api/v1/imports/{import_id}", "method": "GET", "status": "200"}
    before = REGISTRY.get_sample_value("scale_http_duration_seconds_count", labels) or 0
    await gateway.get(f"/api/v1/imports/{uuid4()}")
    assert REGISTRY.get_sample_value("scale_http_duration_seconds_count", labels) == before + 1
    assert REGISTRY.get_sample_value("scale_http_running") == 0


async def test_head_answers_like_get_without_a_body(gateway: Gateway) -> None:
    for path in ("/api/v1/transactions", "/health", "/openapi.json", "/api/v1/nothing"):
        get, head = await gateway.get(path), await gateway.request("HEAD", path)
        assert head.status_code == get.status_code
        assert head.content == b""
        if get.status_code == 200:
            assert head.headers["content-length"] == get.headers["content-length"]
            assert head.headers.get("etag") == get.headers.get("etag")
    assert (await gateway.request("HEAD", "/api/v1/ingestion/import")).status_code == 405


@pytest.mark.requirement("GW-26")
async def test_no_cookies_and_no_server_header(gateway: Gateway) -> None:
    for path in ("/api/v1/transactions", "/health", "/docs", "/nowhere"):
        response = await gateway.get(path)
        assert "set-cookie" not in response.headers
        assert "server" not in response.headers


async def test_callers_do_not_mix(gateway: Gateway) -> None:
    """Sixty-four requests of as many users at once: each service call carries its own user and id."""
    gateway.accounts.delay_s = 0.02
    users = [uuid4() for _ in range(64)]
    ids = [str(uuid4()) for _ in users]
    calls = [
        gateway.client.get("/api/v1/transactions", headers={**bearer(user), "X-Request-ID": request_id})
        for user, request_id in zip(users, ids, strict=True)
    ]
    answers = await asyncio.gather(*calls)
    assert [answer.headers["x-request-id"] for answer in answers] == ids
    assert set(zip(gateway.accounts.callers, gateway.accounts.request_ids, strict=True)) == set(zip(users, ids, strict=True))
