"""Ways around the token, none of which works."""

from __future__ import annotations

import base64
import json
import re
import time
from uuid import uuid4

import grpc.aio
import jwt
import pytest
from fastapi import Depends

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceStub
from services.gateway.auth import require_role
from services.kit.auth import mint_token
from tests.support.gateway_app import Gateway, StartGateway, api_routes, assert_problem, bearer
from tests.support.upstream_fakes import SECRET

ROUTES = [
    ("GET", "/api/v1/transactions"),
    ("POST", "/api/v1/transactions"),
    ("POST", "/api/v1/accounts/transactions"),
    ("GET", f"/api/v1/transactions/{uuid4()}"),
    ("PATCH", f"/api/v1/transactions/{uuid4()}"),
    ("GET", "/api/v1/accounts"),
    ("POST", "/api/v1/accounts"),
    ("GET", "/api/v1/accounts/transactions"),
    ("GET", "/api/v1/accounts/profile"),
    ("GET", f"/api/v1/accounts/{uuid4()}"),
    ("PATCH", f"/api/v1/accounts/{uuid4()}"),
    ("GET", "/api/v1/accounts/balance"),
    ("GET", "/api/v1/balance"),
    ("GET", "/api/v1/budgets"),
    ("POST", "/api/v1/budgets"),
    ("GET", "/api/v1/accounts/budgets"),
    ("POST", "/api/v1/accounts/budgets"),
    ("GET", "/api/v1/budgets/utilization"),
    ("GET", f"/api/v1/budgets/{uuid4()}"),
    ("PATCH", f"/api/v1/budgets/{uuid4()}"),
    ("DELETE", f"/api/v1/budgets/{uuid4()}"),
    ("GET", "/api/v1/saved-filters"),
    ("POST", "/api/v1/saved-filters"),
    ("GET", f"/api/v1/saved-filters/{uuid4()}"),
    ("PATCH", f"/api/v1/saved-filters/{uuid4()}"),
    ("DELETE", f"/api/v1/saved-filters/{uuid4()}"),
    ("PATCH", "/api/v1/transactions"),
    ("POST", "/api/v1/forecasts"),
    ("POST", "/api/v1/forecast"),
    ("GET", "/api/v1/forecasts"),
    ("GET", "/api/v1/forecasts/model"),
    ("GET", f"/api/v1/forecasts/{uuid4()}"),
    ("GET", "/api/v1/anomalies"),
    ("POST", "/api/v1/anomalies/scans"),
    ("GET", f"/api/v1/anomalies/scans/{uuid4()}"),
    ("GET", f"/api/v1/anomalies/{uuid4()}"),
    ("POST", f"/api/v1/anomalies/{uuid4()}/dismiss"),
    ("POST", f"/api/v1/anomalies/{uuid4()}/reopen"),
    ("GET", "/api/v1/edits"),
    ("GET", f"/api/v1/edits/{uuid4()}"),
    ("POST", f"/api/v1/edits/{uuid4()}/undo"),
    ("GET", "/api/v1/rules"),
    ("POST", "/api/v1/rules"),
    ("POST", "/api/v1/rules/preview"),
    ("GET", f"/api/v1/rules/{uuid4()}"),
    ("PATCH", f"/api/v1/rules/{uuid4()}"),
    ("DELETE", f"/api/v1/rules/{uuid4()}"),
    ("POST", f"/api/v1/rules/{uuid4()}/apply"),
    ("POST", f"/api/v1/rules/{uuid4()}/undo"),
    ("GET", "/api/v1/profile"),
    ("PATCH", "/api/v1/profile"),
    ("GET", "/api/v1/categories"),
    ("POST", "/api/v1/categories"),
    ("GET", "/api/v1/categories/suggestions"),
    ("POST", "/api/v1/categories/suggestions"),
    ("POST", f"/api/v1/categories/suggestions/{uuid4()}/accept"),
    ("POST", f"/api/v1/categories/suggestions/{uuid4()}/dismiss"),
    ("POST", "/api/v1/classify"),
    ("POST", "/api/v1/classify/batch"),
    ("POST", "/api/v1/classify/feedback"),
    ("POST", "/api/v1/classify/recategorize"),
    ("GET", f"/api/v1/classify/jobs/{uuid4()}"),
    ("GET", f"/api/v1/classify/jobs/{uuid4()}/results"),
    ("GET", "/api/v1/classify/model"),
    ("POST", "/api/v1/erase"),
    ("POST", "/api/v1/imports"),
    ("GET", "/api/v1/export"),
    ("POST", "/api/v1/restore"),
    ("POST", "/api/v1/ingestion/import"),
    ("GET", "/api/v1/imports"),
    ("GET", f"/api/v1/imports/{uuid4()}"),
    ("DELETE", f"/api/v1/imports/{uuid4()}"),
    ("POST", f"/api/v1/transactions/{uuid4()}/merge"),
    ("POST", f"/api/v1/transactions/{uuid4()}/keep"),
    ("GET", f"/api/v1/imports/{uuid4()}/rows"),
    ("GET", "/api/v1/csv-profiles"),
    ("DELETE", f"/api/v1/csv-profiles/{'0' * 64}"),
    ("GET", f"/api/v1/imports/{uuid4()}/stream"),
    ("GET", "/api/v1/cash-flow"),
    ("GET", "/api/v1/recurring"),
    ("GET", "/api/v1/transactions/stats"),
    ("GET", "/api/v1/accounts/stats/categories"),
    ("GET", "/api/v1/summaries/monthly"),
    ("GET", "/api/v1/accounts/summary/monthly"),
    ("GET", f"/api/v1/users/{uuid4()}/monthly-summary"),
    ("GET", "/api/v1/notifications"),
    ("POST", "/api/v1/notifications/read"),
    ("GET", "/api/v1/training/jobs"),
    ("POST", "/api/v1/training/jobs"),
    ("GET", f"/api/v1/training/jobs/{uuid4()}"),
    ("DELETE", f"/api/v1/training/jobs/{uuid4()}"),
    ("POST", f"/api/v1/training/jobs/{uuid4()}/cancel"),
    ("GET", f"/api/v1/training/status/{uuid4()}"),
    ("GET", f"/api/v1/training/stream/{uuid4()}"),
    ("GET", "/api/v1/training/models/categorizer/versions"),
    ("GET", "/api/v1/training/models/categorizer/versions/1-0a1b2c3d"),
    ("POST", "/api/v1/training/models/categorizer/versions/1-0a1b2c3d/promote"),
    ("GET", "/api/v1/training/models/categorizer/live"),
    ("POST", "/api/v1/training/models/categorizer/rollback"),
    ("GET", "/api/v1/federation/model"),
    ("GET", "/api/v1/federated/model"),
    ("GET", "/api/v1/federation/model/versions"),
    ("POST", "/api/v1/federation/model/promote"),
    ("POST", "/api/v1/federation/model/rollback"),
    ("GET", "/api/v1/federation/devices"),
    ("DELETE", f"/api/v1/federation/devices/{uuid4()}"),
    ("GET", "/api/v1/federation/status"),
    ("GET", "/api/v1/federation/rounds"),
    ("POST", "/api/v1/federation/rounds"),
    ("GET", f"/api/v1/federation/rounds/{uuid4()}"),
    ("POST", f"/api/v1/federation/rounds/{uuid4()}/abort"),
    ("GET", "/api/v1/transfers"),
    ("GET", f"/api/v1/transfers/{uuid4()}"),
    ("POST", f"/api/v1/transfers/{uuid4()}/confirm"),
    ("POST", f"/api/v1/transfers/{uuid4()}/undo"),
]


# A signature in the address is the permission, and the service checks it: tests/training/registry/test_servicer.py and
# tests/federation/versions.
SIGNED = {("GET", "/api/v1/artifacts/*/*/*"), ("GET", "/api/v1/federation/models/*/*")}


def claims(**changes: object) -> dict[str, object]:
    return {"sub": str(uuid4()), "aud": "authenticated", "exp": int(time.time()) + 600, **changes}


def unsigned(**changes: object) -> str:
    parts = [{"alg": "none", "typ": "JWT"}, claims(**changes)]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


@pytest.mark.requirement("CAT-02", "GW-08", "GW-13", "GW-21")
def test_route_list_is_complete(gateway_routes: set[tuple[str, str]]) -> None:
    listed = {(method, re.sub(r"[0-9a-f-]{36,64}|categorizer|1-0a1b2c3d", "*", path)) for method, path in ROUTES} | SIGNED
    assert listed == {(method, re.sub(r"{\w+}", "*", path)) for method, path in gateway_routes}


@pytest.fixture
async def gateway_routes(gateway: Gateway) -> set[tuple[str, str]]:
    """Each method and path once: two handlers of one place would hide each other (CAT-02)."""
    found = [
        (method, route.path_format)
        for route in api_routes(gateway.app)
        if route.path.startswith("/api/") and "health" not in route.path
        for method in route.methods or ()
    ]
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.requirement("ACC-01", "SEC-14", "SEC-19")
@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_no_route_answers_without_a_token(gateway: Gateway, method: str, path: str) -> None:
    response = await gateway.client.request(method, path)
    assert_problem(response, 401, "TOKEN_MISSING")
    assert response.headers["www-authenticate"] == "Bearer"
    assert not gateway.accounts.requests
    assert not gateway.ingestion.requests
    assert not gateway.categorization.requests
    assert not gateway.training.requests
    assert not gateway.notifications.requests
    assert not gateway.model_registry.requests


@pytest.mark.requirement("SEC-14", "SEC-19")
@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Bearer not.a.token",
        "Bearer " + unsigned(),
        "Bearer " + jwt.encode(claims(), "another-secret-of-more-than-32-characters", algorithm="HS256"),
        "Bearer " + jwt.encode(claims(), SECRET, algorithm="HS384"),
        "Bearer " + jwt.encode(claims(aud="somebody-else"), SECRET),
        "Bearer " + jwt.encode(claims(exp=int(time.time()) - 3600), SECRET),
        "Bearer " + jwt.encode(claims(nbf=int(time.time()) + 3600), SECRET),
        "Bearer " + jwt.encode(claims(sub="admin"), SECRET),
        "Bearer " + jwt.encode({**claims(), "app_metadata": {"role": "root"}}, SECRET),
        "Bearer \xff\xfe",
        "Bearer " + "a" * 20_000,
    ],
)
async def test_bad_tokens_are_401(gateway: Gateway, authorization: str) -> None:
    response = await gateway.client.get("/api/v1/transactions", headers=[(b"Authorization", authorization.encode("latin-1"))])
    assert_problem(response, 401)
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert not gateway.accounts.requests


@pytest.mark.requirement("SEC-19")
@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/transactions/../health",
        "/api/v1//transactions",
        "//api/v1/transactions",
        "/API/V1/TRANSACTIONS",
        "/api/v1/transactions/",
        "/health/../api/v1/transactions",
        "/docs/../api/v1/transactions",
        "/api/v1/health/../transactions",
        "/api/v1/transactions%00",
        "/api/v1/transactions;x",
        "/health/",
    ],
)
async def test_odd_paths_open_nothing(gateway: Gateway, path: str) -> None:
    response = await gateway.client.get(path)
    assert response.status_code in {401, 200}
    if response.status_code == 200:  # the client itself took the dots out
        assert response.json() == {"status": "ok"}
    assert not gateway.accounts.requests


@pytest.mark.requirement("SEC-19")
async def test_identity_in_headers_is_ignored(gateway: Gateway) -> None:
    stranger = str(uuid4())
    headers = {"X-User-ID": stranger, "X-Scale-User-Id": stranger, "User-Id": stranger}
    assert (await gateway.get("/api/v1/profile", headers=headers)).status_code == 200
    assert gateway.accounts.callers == [gateway.user_id]


@pytest.mark.requirement("SEC-06")
async def test_role_comes_from_app_metadata_only(gateway: Gateway) -> None:
    """Users can edit user_metadata; and nobody who signs users in makes services."""
    gateway.app.get("/api/v1/admin-only", dependencies=[Depends(require_role("admin"))])(lambda: {"ok": True})
    posing = jwt.encode({**claims(), "role": "admin", "user_metadata": {"role": "admin"}}, SECRET)
    answers = [
        await gateway.client.get("/api/v1/admin-only", headers=headers)
        for headers in ({"Authorization": f"Bearer {posing}"}, bearer(role="admin"), bearer(role="user"), bearer(role="service"))
    ]
    assert [answer.status_code for answer in answers] == [403, 200, 403, 401]
    assert_problem(answers[0], 403, "ROLE_NOT_ALLOWED")


@pytest.mark.requirement("SEC-06")
async def test_second_factor_when_configured(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(require_aal2=True)
    assert_problem(await gateway.get("/api/v1/profile"), 403, "SECOND_FACTOR_REQUIRED")
    token = jwt.encode(claims(aal="aal2"), SECRET)
    assert (await gateway.client.get("/api/v1/profile", headers={"Authorization": f"Bearer {token}"})).status_code == 200


@pytest.mark.requirement("SEC-26")
async def test_services_verify_the_token_again(gateway: Gateway) -> None:
    """Calling a service past the gateway: no token, a forged identity in the metadata, a forged token."""
    async with grpc.aio.insecure_channel(gateway.settings.accounts_address) as channel:
        stub = AccountsServiceStub(channel)
        forged = mint_token("x" * 40, user_id=uuid4())
        for metadata in ((), (("x-user-id", str(uuid4())),), (("authorization", f"Bearer {forged}"),)):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetProfile(pb.GetProfileRequest(), metadata=metadata)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        good = mint_token(SECRET, user_id=uuid4())
        await stub.GetProfile(pb.GetProfileRequest(), metadata=(("authorization", f"Bearer {good}"),))
