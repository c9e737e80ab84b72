"""Every error is an RFC 7807 problem, and gRPC codes become HTTP statuses in one place."""

from __future__ import annotations

from uuid import uuid4

import pytest

from services.gateway.errors import problem_of, status_of
from services.kit import errors
from tests.support.gateway_app import Gateway, StartGateway, assert_problem

TABLE = [
    (errors.InvalidArgument("no"), 422),
    (errors.InvalidArgument("big", reason="FILE_TOO_LARGE"), 413),
    (errors.Unauthenticated("who"), 401),
    (errors.PermissionDenied("no"), 403),
    (errors.NotFound("where"), 404),
    (errors.AlreadyExists("there"), 409),
    (errors.FailedPrecondition("not now"), 409),
    (errors.Aborted("lost"), 409),
    (errors.ResourceExhausted("later"), 429),
    (errors.Unavailable("down"), 503),
    (errors.DeadlineExceeded("slow"), 504),
    (errors.DeadlineExceeded("slow", reason="DB_STATEMENT_TIMEOUT"), 408),
    (errors.ScaleError("secret detail"), 500),
]


@pytest.mark.requirement("GW-22")
@pytest.mark.parametrize(("error", "status"), TABLE, ids=lambda value: getattr(value, "reason", str(value)))
def test_status_table(error: errors.ScaleError, status: int) -> None:
    assert status_of(error) == status


@pytest.mark.requirement("GW-04")
@pytest.mark.parametrize(("error", "status"), TABLE, ids=lambda value: getattr(value, "reason", str(value)))
async def test_error_handler_rfc7807(gateway: Gateway, error: errors.ScaleError, status: int) -> None:
    """Raised in a service, over a real channel, to the body that the client gets."""
    gateway.accounts.error = error
    response = await gateway.get("/api/v1/profile")
    body = assert_problem(response, status)
    assert body["instance"] == "/api/v1/profile"
    assert body["type"].startswith("urn:scale:problem:")
    assert ("www-authenticate" in response.headers) == (status == 401)
    if status == 500:
        assert "secret" not in response.text
    else:
        assert body["reason"] == error.reason
        assert body["detail"] == error.message


async def test_unexpected_error_hides_internals(gateway: Gateway) -> None:
    gateway.accounts.error = ZeroDivisionError("the password is swordfish")
    response = await gateway.get("/api/v1/profile")
    assert_problem(response, 500, "INTERNAL")
    assert "swordfish" not in response.text


async def test_bug_in_the_gateway_is_a_problem_too(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    del gateway.app.state.upstreams
    response = await gateway.get("/api/v1/profile", headers={"Origin": "https://x.example"})
    assert_problem(response, 500, "INTERNAL")
    assert "upstreams" not in response.text


@pytest.mark.requirement("GW-05")
async def test_error_includes_request_id(gateway: Gateway) -> None:
    request_id = str(uuid4())
    gateway.accounts.error = errors.NotFound("nothing")
    for path, headers in (("/api/v1/profile", {}), ("/nowhere", {}), ("/api/v1/profile", {"Authorization": "Bearer x"})):
        response = await gateway.get(path, headers={"X-Request-ID": request_id, **headers})
        assert response.status_code in {404, 401}
        assert response.json()["request_id"] == response.headers["x-request-id"] == request_id
    assert gateway.accounts.request_ids == [request_id]


async def test_field_errors_keep_line_field_and_reason(gateway: Gateway) -> None:
    gateway.accounts.error = errors.InvalidArgument(
        "two things", fields=[errors.FieldError("amount", "is not a number", 17), errors.FieldError("currency", "is unknown")]
    )
    body = assert_problem(await gateway.get("/api/v1/profile"), 422, "INVALID_ARGUMENT")
    assert body["errors"] == [
        {"line": 17, "field": "amount", "reason": "is not a number"},
        {"field": "currency", "reason": "is unknown"},
    ]


def test_retry_after_comes_from_the_service_and_is_rounded_up() -> None:
    assert problem_of(errors.Unavailable("x", retry_after_s=2.1)).headers["Retry-After"] == "3"
    assert problem_of(errors.Unavailable("x")).headers["Retry-After"] == "1"
    assert problem_of(errors.DeadlineExceeded("x")).headers["Retry-After"] == "1"
    assert problem_of(errors.Aborted("x", retry_after_s=1)).headers["Retry-After"] == "1"
    assert "Retry-After" not in problem_of(errors.NotFound("x")).headers


async def test_unknown_path_and_method(gateway: Gateway) -> None:
    assert_problem(await gateway.get("/api/v1/nothing"), 404, "NO_SUCH_PATH")
    assert_problem(await gateway.get("/api/v1/transactions/"), 404)
    response = await gateway.request("DELETE", "/api/v1/accounts")
    assert_problem(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "GET, HEAD, POST"
    response = await gateway.patch("/api/v1/accounts/profile", json={})
    assert_problem(response, 405)
    assert response.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"name": 1}',
        b'{"name": "a\\u0000b"}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b'{"name": "a", "unknown": 1}',
        b'{"name": "a", "currency": "euro"}',
        b'{"name": "a", "opening_balance": {"amount": "1e5", "currency": "EUR"}}',
        b'{"name": "a", "opening_balance": {"amount": 1.5, "currency": "EUR"}}',
        b"\xff\xfe{",
        b'{"name": ' + b"[" * 5000,
        b'{"name": ' + b"9" * 5000 + b"}",
    ],
)
async def test_bad_json_is_422(gateway: Gateway, content: bytes) -> None:
    response = await gateway.post("/api/v1/accounts", content=content, headers={"Content-Type": "application/json"})
    assert_problem(response, 422, "INVALID_ARGUMENT")
    assert not gateway.accounts.requests


async def test_other_content_types_are_415(gateway: Gateway) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        response = await gateway.post("/api/v1/accounts", content=b'{"name":"a"}', headers={"Content-Type": content_type})
        assert_problem(response, 415, "UNSUPPORTED_MEDIA_TYPE")
    response = await gateway.post("/api/v1/accounts", content=b'{"name":"a"}', headers={"Content-Type": "application/json; charset=utf-8"})
    assert response.status_code == 201


@pytest.mark.requirement("SEC-11")
async def test_json_body_limit(start_gateway: StartGateway) -> None:
    """By its declared length, and by counting where there is none."""
    gateway = await start_gateway(max_body_bytes=2000)
    body = b'{"name": "' + b"x" * 3000 + b'"}'
    headers = {"Content-Type": "application/json"}
    assert_problem(await gateway.post("/api/v1/accounts", content=body, headers=headers), 413, "BODY_TOO_LARGE")

    async def parts():
        for start in range(0, len(body), 500):
            yield body[start : start + 500]

    assert_problem(await gateway.post("/api/v1/accounts", content=parts(), headers=headers), 413, "BODY_TOO_LARGE")
    assert_problem(await gateway.patch("/api/v1/profile", content=body, headers=headers), 413, "BODY_TOO_LARGE")
    assert not gateway.accounts.requests


@pytest.mark.requirement("GW-24")
async def test_dead_service_is_503_with_retry_after(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(accounts_up=False)
    body = assert_problem(await gateway.get("/api/v1/transactions"), 503, "SERVICE_UNAVAILABLE")
    assert "accounts" in body["detail"]


@pytest.mark.requirement("GW-23")
async def test_slow_service_is_504_and_its_call_is_cancelled(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(timeout_s=0.3)
    gateway.accounts.delay_s = 30
    assert_problem(await gateway.get("/api/v1/transactions"), 504, "DEADLINE_EXCEEDED")
    # gRPC tells a service the time that is left in whole milliseconds, rounded up.
    assert 0 < gateway.accounts.deadlines[0] <= 0.301
    await gateway.accounts.cancelled.wait()


async def test_field_names_are_those_of_rest(gateway: Gateway) -> None:
    for contract, rest in (("query", "q"), ("profile.locale", "locale"), ("account.name", "name"), ("amount_min", "amount_min")):
        gateway.accounts.error = errors.invalid(contract, "is odd")
        body = assert_problem(await gateway.get("/api/v1/profile"), 422)
        assert (body["errors"], body["detail"]) == ([{"field": rest, "reason": "is odd"}], f"{rest}: is odd")
