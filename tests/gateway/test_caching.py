"""How long clients may keep an answer, and how they ask whether it is still good."""

from __future__ import annotations

from uuid import uuid4

import pytest

from services.gateway.answers import matches
from services.kit.errors import NotFound
from tests.support.gateway_app import Gateway

LIST = "private, max-age=0, stale-while-revalidate=60"
HEADERS = [
    ("/api/v1/transactions", LIST, True),
    ("/api/v1/accounts/transactions", LIST, True),
    (f"/api/v1/transactions/{uuid4()}", "private, no-cache", True),
    ("/api/v1/transfers", "private, no-cache", True),
    (f"/api/v1/transfers/{uuid4()}", "private, no-cache", True),
    ("/api/v1/accounts", "private, no-cache", True),
    (f"/api/v1/accounts/{uuid4()}", "private, no-cache", True),
    ("/api/v1/budgets", "private, no-cache", True),
    (f"/api/v1/budgets/{uuid4()}", "private, no-cache", True),
    ("/api/v1/budgets/utilization", "private, no-cache", True),
    ("/api/v1/categories", "private, max-age=86400", True),
    ("/api/v1/categories/suggestions", "private, no-cache", True),
    ("/api/v1/classify/model", "private, no-cache", True),
    (f"/api/v1/classify/jobs/{uuid4()}/results", "no-cache, no-store", False),
    ("/api/v1/profile", "private, max-age=3600", True),
    ("/api/v1/accounts/profile", "private, max-age=3600", True),
    ("/api/v1/balance", "no-store", False),
    ("/api/v1/cash-flow", "private, no-cache", True),
    ("/api/v1/recurring", "private, no-cache", True),
    ("/api/v1/transactions/stats", "private, no-cache", True),
    ("/api/v1/summaries/monthly", "private, no-cache", True),
    ("/api/v1/accounts/balance", "no-store", False),
    ("/api/v1/imports", "no-store", False),
    (f"/api/v1/imports/{uuid4()}", "no-store", False),
    (f"/api/v1/imports/{uuid4()}/rows", "no-store", False),
    ("/api/v1/training/jobs", "no-store", False),
    (f"/api/v1/training/jobs/{uuid4()}", "no-store", False),
    (f"/api/v1/training/status/{uuid4()}", "no-store", False),
    ("/api/v1/notifications", "private, no-cache", True),
    ("/health", "no-store", False),
    ("/ready", "no-store", False),
    ("/openapi.json", "public, max-age=3600", True),
    ("/docs", "public, max-age=3600", True),
    ("/docs/swagger-ui.css", "public, max-age=86400", True),
]


@pytest.mark.requirement("ACC-03", "ACC-13", "CACHE-01", "CACHE-02", "CAT-19", "GW-12", "GW-14")
@pytest.mark.parametrize(("path", "policy", "tagged"), HEADERS)
async def test_cache_headers(gateway: Gateway, path: str, policy: str, tagged: bool) -> None:
    """ACC-03, ACC-13, GW-14, CACHE-01."""
    response = await gateway.get(path)
    assert response.status_code == 200
    assert response.headers["cache-control"] == policy
    assert ("etag" in response.headers) == tagged
    if path.startswith("/api/"):
        assert response.headers["vary"] == "Authorization, Origin"
        # CACHE-02: no shared cache keeps what belongs to a user.
        assert "public" not in policy


@pytest.mark.requirement("ACC-03")
async def test_etag_gives_304_until_something_changes(gateway: Gateway) -> None:
    first = await gateway.get("/api/v1/transactions")
    again = await gateway.get("/api/v1/transactions", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["cache-control"] == LIST
    assert again.headers["x-request-id"]
    gateway.accounts.page.transactions[0].note = "changed"
    changed = await gateway.get("/api/v1/transactions", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


async def test_errors_are_never_kept(gateway: Gateway) -> None:
    gateway.accounts.error = NotFound("no")
    response = await gateway.get("/api/v1/transactions", headers={"If-None-Match": "*"})
    assert (response.status_code, response.headers["cache-control"]) == (404, "no-store")


@pytest.mark.parametrize(
    ("header", "tag", "same"),
    [
        ('W/"a"', 'W/"a"', True),
        ('"a"', 'W/"a"', True),
        ('"x", W/"a"', 'W/"a"', True),
        ("*", 'W/"a"', True),
        ('"b"', 'W/"a"', False),
        ("", 'W/"a"', False),
    ],
)
def test_weak_comparison(header: str, tag: str, same: bool) -> None:
    assert matches(header, tag) == same
