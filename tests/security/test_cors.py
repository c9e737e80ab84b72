"""Which web apps may call from a browser."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.support.gateway_app import Gateway, StartGateway, assert_problem, gateway_settings

APP, STRANGER = "https://app.example.com", "https://evil.example.com"


@pytest.fixture
async def with_origins(start_gateway: StartGateway) -> Gateway:
    return await start_gateway(allowed_origins=(APP, "http://localhost:3000"), rate_limit=3)


def preflight(origin: str, **headers: str) -> dict[str, str]:
    return {"Origin": origin, "Access-Control-Request-Method": "POST", **headers}


@pytest.mark.requirement("GW-07", "SEC-14", "SEC-21")
async def test_cors_allows_configured_origin(with_origins: Gateway) -> None:
    response = await with_origins.get("/api/v1/profile", headers={"Origin": APP})
    assert response.headers["access-control-allow-origin"] == APP
    assert "X-Request-ID" in response.headers["access-control-expose-headers"]
    assert "Origin" in response.headers["vary"]
    assert "access-control-allow-credentials" not in response.headers


@pytest.mark.requirement("GW-07", "SEC-14", "SEC-21")
async def test_cors_blocks_unknown_origin(with_origins: Gateway) -> None:
    response = await with_origins.get("/api/v1/profile", headers={"Origin": STRANGER})
    assert "access-control-allow-origin" not in response.headers
    refused = await with_origins.client.options("/api/v1/profile", headers=preflight(STRANGER))
    assert_problem(refused, 403, "CORS_REFUSED")
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.requirement("GW-01", "GW-07")
async def test_preflight_is_answered_before_auth_and_limiter(with_origins: Gateway) -> None:
    for _ in range(10):
        headers = preflight(APP, **{"Access-Control-Request-Headers": "authorization,idempotency-key,content-type"})
        response = await with_origins.client.options("/api/v1/imports", headers=headers)
        assert response.status_code == 204
        assert response.content == b""
        assert response.headers["access-control-allow-origin"] == APP
        assert "POST" in response.headers["access-control-allow-methods"]
        assert response.headers["x-request-id"]


async def test_errors_carry_cors_headers(with_origins: Gateway) -> None:
    """Else the web app could not read why."""
    unauthenticated = await with_origins.client.get("/api/v1/profile", headers={"Origin": APP})
    assert_problem(unauthenticated, 401)
    limited = [await with_origins.get("/api/v1/profile", headers={"Origin": APP}) for _ in range(4)][-1]
    assert_problem(limited, 429)
    for response in (unauthenticated, limited):
        assert response.headers["access-control-allow-origin"] == APP


async def test_no_origin_is_allowed_by_default(gateway: Gateway) -> None:
    response = await gateway.get("/api/v1/profile", headers={"Origin": APP})
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.requirement("GW-07", "SEC-21")
def test_wildcard_is_refused_in_production() -> None:
    production = {"environment": "production", "auth_issuer": "https://issuer.example"}
    with pytest.raises(ValidationError, match="must list the origins in production"):
        gateway_settings(allowed_origins=("*",), **production)
    assert gateway_settings(allowed_origins=("*",)).allowed_origins == ("*",)
    for wrong in ("app.example.com", "https://app.example.com/", "https://app.example.com/path"):
        with pytest.raises(ValidationError, match="is not an origin"):
            gateway_settings(allowed_origins=(wrong,))


@pytest.mark.requirement("GW-07")
def test_origins_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", f"{APP}, http://localhost:3000")
    assert gateway_settings().allowed_origins == (APP, "http://localhost:3000")
