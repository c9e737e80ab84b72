"""Erasing everything takes two steps, goes through all services, and says what is still to do."""

from __future__ import annotations

import time
from typing import Any

import httpx
import jwt
import pytest
from pydantic import SecretStr

from scale.accounts.v1 import user_data_service_pb2 as accounts_pb
from scale.categorization.v1 import user_data_service_pb2 as categorization_pb
from scale.federation.v1 import user_data_service_pb2 as federation_pb
from scale.forecasting.v1 import user_data_service_pb2 as forecasting_pb
from scale.ingestion.v1 import user_data_service_pb2 as ingestion_pb
from scale.training.v1 import user_data_service_pb2 as training_pb
from services.gateway.confirmations import LIFETIME_S, Confirmations
from services.kit.auth import Identity
from services.kit.errors import InvalidArgument, Unauthenticated, Unavailable
from tests.support.gateway_app import Gateway, assert_problem, bearer, gateway_settings
from tests.support.upstream_fakes import SECRET, FakeSubject


@pytest.fixture
def services(gateway: Gateway) -> list[FakeSubject]:
    """Federation's, training's, forecasting's, categorization's, ingestion's, then the ledger's."""
    return with_rows(gateway)


def with_rows(gateway: Gateway) -> list[FakeSubject]:
    names = ("Federation", "Training", "Forecasting", "Categorization", "Ingestion", "Accounts")
    found = [gateway.subjects[f"{name}UserDataService"] for name in names]
    phones = [federation_pb.ErasedTable(table="devices", row_count=6)]
    found[0].answers["EraseUser"] = federation_pb.EraseUserResponse(tables=phones)
    models = [training_pb.ErasedTable(table="model_versions", row_count=4)]
    found[1].answers["EraseUser"] = training_pb.EraseUserResponse(tables=models)
    odd = [forecasting_pb.ErasedTable(table="anomalies", row_count=5)]
    found[2].answers["EraseUser"] = forecasting_pb.EraseUserResponse(tables=odd)
    tables = [categorization_pb.ErasedTable(table="anchors", row_count=3)]
    found[3].answers["EraseUser"] = categorization_pb.EraseUserResponse(tables=tables)
    found[4].answers["EraseUser"] = ingestion_pb.EraseUserResponse(tables=[ingestion_pb.ErasedTable(table="imports", row_count=2)])
    found[5].answers["EraseUser"] = accounts_pb.EraseUserResponse(tables=[accounts_pb.ErasedTable(table="accounts", row_count=1)])
    return found


class SignedIn:
    """One sign-in: every request carries the same token, as a confirmation is bound to it."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway, self._headers = gateway, bearer(gateway.user_id)

    async def erase(self, **options: Any) -> httpx.Response:
        return await self._gateway.post("/api/v1/erase", headers=self._headers, **options)


@pytest.fixture
def user(gateway: Gateway) -> SignedIn:
    return SignedIn(gateway)


ROWS = {
    "federation": {"devices": 6},
    "training": {"model_versions": 4},
    "forecasting": {"anomalies": 5},
    "categorization": {"anchors": 3},
    "ingestion": {"imports": 2},
    "accounts": {"accounts": 1},
}


def orders(services: list[FakeSubject]) -> list[list[bool]]:
    """What each service was asked: True for counting only."""
    return [[request.validate_only for request in service.requests] for service in services]


@pytest.mark.parametrize("first", [{}, {"json": {}}, {"json": {"confirmation": None}}])
async def test_the_first_step_erases_nothing_and_the_second_one_everything(
    gateway: Gateway, user: SignedIn, services: list[FakeSubject], first: dict[str, Any]
) -> None:
    offer = await user.erase(**first)
    assert (offer.status_code, offer.headers["cache-control"]) == (200, "no-store")
    assert offer.json()["rows"] == ROWS
    assert offer.json()["expires_at"].endswith("Z")
    assert orders(services) == [[True]] * len(ROWS)
    done = await user.erase(json={"confirmation": offer.json()["confirmation"]})
    assert (done.status_code, done.json()) == (200, {"erased": ROWS})
    assert done.headers["cache-control"] == "no-store"
    assert orders(services) == [[True, False]] * len(ROWS)
    assert {caller for service in services for caller in service.callers} == {gateway.user_id}


async def test_a_confirmation_of_somebody_else_or_of_nobody_erases_nothing(
    gateway: Gateway, user: SignedIn, services: list[FakeSubject]
) -> None:
    others = (await gateway.client.post("/api/v1/erase", headers=bearer())).json()["confirmation"]
    for wrong in (others, "x", "", others[:-2], "é" * 20, bearer(gateway.user_id)["Authorization"].removeprefix("Bearer ")):
        refused = await user.erase(json={"confirmation": wrong})
        problem = assert_problem(refused, 422, "CONFIRMATION_INVALID")
        assert problem["errors"][0]["field"] == "confirmation"
    for wrong_type in (7, ["x"], {"a": 1}):
        assert_problem(await user.erase(json={"confirmation": wrong_type}), 422)
    assert_problem(await user.erase(json={"confirm": "yes"}), 422)
    assert orders(services) == [[True]] * len(ROWS)


async def test_a_service_that_is_down_is_named_and_the_rest_is_done(user: SignedIn, services: list[FakeSubject]) -> None:
    ingestion = services[4]
    offer = (await user.erase()).json()
    ingestion.error = Unavailable("down", reason="DB_UNAVAILABLE")
    problem = assert_problem(await user.erase(json={"confirmation": offer["confirmation"]}), 503, "ERASURE_INCOMPLETE")
    assert problem["erased"] == {name: rows for name, rows in ROWS.items() if name != "ingestion"}
    assert problem["unfinished"] == {"ingestion": "DB_UNAVAILABLE"}
    assert "same request again" in problem["detail"]
    ingestion.error = None
    done = await user.erase(json={"confirmation": offer["confirmation"]})
    assert done.json() == {"erased": ROWS}


async def test_what_is_being_written_is_waited_for_by_the_caller(user: SignedIn, services: list[FakeSubject]) -> None:
    offer = (await user.erase()).json()
    services[0].error = Unavailable("an import", reason="USER_BUSY", retry_after_s=5)
    assert_problem(await user.erase(json={"confirmation": offer["confirmation"]}), 503, "USER_BUSY")
    assert orders(services)[1:] == [[True]] * (len(ROWS) - 1)


async def test_who_has_started_anew_is_not_erased_by_an_older_token(user: SignedIn, services: list[FakeSubject]) -> None:
    offer = (await user.erase()).json()
    services[0].error = Unauthenticated("erased", reason="USER_ERASED")
    refused = await user.erase(json={"confirmation": offer["confirmation"]})
    assert_problem(refused, 401, "USER_ERASED")
    assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert orders(services)[1:] == [[True]] * (len(ROWS) - 1)


# Confirmations


def caller(gateway: Gateway, signed_in_at: float | None = 1_700_000_000) -> Identity:
    return Identity(gateway.user_id, "user", "", 0, signed_in_at=signed_in_at)


def refusal(confirmations: Confirmations, text: str, step: str, by: Identity) -> str:
    with pytest.raises(InvalidArgument) as caught:
        confirmations.check(text, step, by)
    return caught.value.reason


def test_one_is_for_one_step_one_sign_in_and_ten_minutes(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    confirmations = Confirmations(SECRET.encode())
    user = caller(gateway)
    text, until = confirmations.make("erase", user)
    assert 0 < until - time.time() <= LIFETIME_S == 600
    Confirmations(SECRET.encode()).check(text, "erase", user)  # another replica
    assert refusal(confirmations, text, "close", user) == "CONFIRMATION_INVALID"
    for other in (caller(gateway, 1_700_000_001), caller(gateway, None)):
        assert refusal(confirmations, text, "erase", other) == "CONFIRMATION_INVALID"
    for stranger in (Confirmations(b"x" * 32), Confirmations(None)):
        assert refusal(stranger, text, "erase", user) == "CONFIRMATION_INVALID"
    earlier = time.time() - LIFETIME_S - 1
    monkeypatch.setattr("services.gateway.confirmations.time.time", lambda: earlier)
    assert refusal(confirmations, confirmations.make("erase", user)[0], "erase", user) == "CONFIRMATION_EXPIRED"


async def test_none_is_a_token(gateway: Gateway, user: SignedIn) -> None:
    confirmation = (await user.erase()).json()["confirmation"]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(confirmation, SECRET, algorithms=["HS256"], audience="erase")
    refused = await gateway.client.get("/api/v1/profile", headers={"Authorization": f"Bearer {confirmation}"})
    assert_problem(refused, 401, "TOKEN_INVALID")


def test_their_key_is_that_of_the_tokens_or_one_of_its_own() -> None:
    assert gateway_settings().confirmation_secret == SECRET.encode()
    assert gateway_settings(confirmation_key=SecretStr("k" * 32)).confirmation_secret == b"k" * 32
    public = gateway_settings(auth_secret=None, auth_algorithm="RS256", auth_jwks_url="https://auth.example.com/keys")
    assert public.confirmation_secret is None
