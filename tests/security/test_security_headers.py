"""Headers on every answer, good or bad."""

from __future__ import annotations

import pytest

from tests.support.gateway_app import StartGateway

EXPECTED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.mark.requirement("GW-18", "GW-19", "SEC-08", "SEC-14")
@pytest.mark.parametrize(
    ("path", "status", "with_token"),
    [
        ("/api/v1/transactions", 200, True),
        ("/api/v1/transactions", 401, False),
        ("/api/v1/nowhere", 404, True),
        ("/api/v1/transactions?page_size=x", 422, True),
        ("/health", 200, False),
        ("/docs", 200, False),
        ("/openapi.json", 200, False),
    ],
)
async def test_security_headers(start_gateway: StartGateway, path: str, status: int, with_token: bool) -> None:
    gateway = await start_gateway()
    response = await (gateway.get(path) if with_token else gateway.client.get(path))
    assert response.status_code == status
    assert {name: response.headers[name] for name in EXPECTED} == EXPECTED
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert ("script-src" in policy) == (path == "/docs")
    assert "unsafe-inline" not in policy.partition("style-src")[0]


@pytest.mark.requirement("GW-01", "GW-18", "SEC-08", "SEC-14")
async def test_429_and_preflight_have_them_too(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(rate_limit=1, allowed_origins=("https://a.example",))
    await gateway.get("/api/v1/profile")
    limited = await gateway.get("/api/v1/profile")
    preflight = await gateway.client.options("/x", headers={"Origin": "https://a.example", "Access-Control-Request-Method": "GET"})
    assert (limited.status_code, preflight.status_code) == (429, 204)
    for response in (limited, preflight):
        assert response.headers["x-content-type-options"] == "nosniff"
