"""Tokens of background work: who may mint them, for which service, for how long; and every way to get one wrongly."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr, ValidationError

from services.kit import context
from services.kit.auth import Identity, TokenVerifier, mint_token
from services.kit.errors import Unauthenticated
from services.kit.service_tokens import LIFETIME_S, ServiceTokens, read_public_keys, service_key_id
from services.kit.settings import ProcessSettings, service_config

SECRET = "a-secret-of-at-least-thirty-two-characters"
SEED = secrets.token_bytes(32)
KEY = Ed25519PrivateKey.from_private_bytes(SEED)
PUBLIC = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
WORKER = ServiceTokens("ingestion", base64.urlsafe_b64encode(SEED).decode())
OTHER_WORKER = ServiceTokens("training", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
KEY_ID = {"kid": "service:ingestion"}


class Settings(ProcessSettings):
    """Of some service."""

    model_config = service_config("probe")


def verifier(service: str | None = "accounts", **changes: Any) -> TokenVerifier:
    keys = (WORKER.public_key, OTHER_WORKER.public_key)
    values: dict[str, Any] = {"port": 1, "environment": "development", "auth_secret": SecretStr(SECRET), "service_public_keys": keys}
    return TokenVerifier(Settings(**{**values, **changes}), service)


def claims(**changes: Any) -> dict[str, Any]:
    """Those that the worker itself makes; None takes one away."""
    now = int(time.time())
    made = {
        "sub": str(uuid4()),
        "aud": "accounts",
        "iss": "service:ingestion",
        "iat": now,
        "exp": now + 60,
        "app_metadata": {"role": "service"},
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def signed(key: Any = KEY, algorithm: str = "EdDSA", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=KEY_ID if headers is None else headers)


async def refused(token: str, subject: TokenVerifier | None = None) -> str:
    with pytest.raises(Unauthenticated) as caught:
        await (subject or verifier()).verify(token)
    return caught.value.reason


async def test_a_minted_token_says_who_and_where_for_a_minute() -> None:
    user_id = uuid4()
    caller = await verifier().verify_authorization(f"Bearer {WORKER.mint(user_id, audience='accounts')}")
    assert (caller.user_id, caller.role) == (user_id, "service")
    assert 55 < caller.expires_at - time.time() <= LIFETIME_S


async def test_a_token_is_as_old_as_the_work_was_when_it_was_taken_up() -> None:
    """Not as the token, which is new each time: what the user erases in the middle of the work is closed to it."""
    token = WORKER.mint(uuid4(), audience="accounts", signed_in_at=1_700_000_000.5)
    assert (await verifier().verify(token)).signed_in_at == 1_700_000_000.5
    assert (await verifier().verify(WORKER.mint(uuid4(), audience="accounts"))).signed_in_at is None


async def test_the_claims_of_these_tests_are_good() -> None:
    """Else every refusal below would prove nothing."""
    assert (await verifier().verify(signed())).role == "service"


async def test_expired() -> None:
    now = int(time.time())
    assert await refused(signed(iat=now - 120, exp=now - 60)) == "TOKEN_EXPIRED"


async def test_replay_at_another_service() -> None:
    token = WORKER.mint(uuid4(), audience="accounts")
    assert await refused(token, verifier("forecasting")) == "TOKEN_INVALID"


async def test_the_gateway_takes_none() -> None:
    for audience in ("accounts", "gateway", "authenticated"):
        assert await refused(WORKER.mint(uuid4(), audience=audience), verifier(None)) == "TOKEN_INVALID"


async def test_without_configured_keys_none_is_believed() -> None:
    assert await refused(WORKER.mint(uuid4(), audience="accounts"), verifier(service_public_keys=())) == "TOKEN_INVALID"


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "ingestion"},
        {"aud": None},
        {"aud": ["accounts", "forecasting"]},
        {"aud": ["accounts"]},
        {"iss": "service:training"},
        {"iss": None},
        {"iat": None},
        {"exp": None},
        {"iat": "now"},
        {"exp": "soon"},
        {"sub": None},
        {"sub": "root"},
        {"app_metadata": None},
        {"app_metadata": {}},
        {"app_metadata": {"role": "user"}},
        {"app_metadata": {"role": "admin"}},
        {"app_metadata": {"role": ["service"]}},
        {"app_metadata": "service"},
    ],
    ids=str,
)
async def test_wrong_claims(change: dict[str, Any]) -> None:
    assert await refused(signed(**change)) == "TOKEN_INVALID"


@pytest.mark.parametrize(("made_s", "ends_s"), [(0, 3600), (-61, 0), (-100, 20), (3600, 3660), (60, 0), (0, 61)])
async def test_wrong_lifetimes(made_s: int, ends_s: int) -> None:
    now = int(time.time())
    assert await refused(signed(iat=now + made_s, exp=now + ends_s)) == "TOKEN_INVALID"


async def test_a_lifetime_between_the_limits_of_its_leeway() -> None:
    """Clocks may differ by half a minute; the lifetime that a token claims may not exceed its own."""
    now = int(time.time())
    assert (await verifier().verify(signed(iat=now - 70, exp=now - 10))).role == "service"
    assert await refused(signed(iat=now - 70, exp=now - 9)) == "TOKEN_INVALID"


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(lambda: signed(Ed25519PrivateKey.generate()), id="another key"),
        pytest.param(lambda: signed(headers={"kid": "service:training"}), id="one service in the name of another"),
        pytest.param(lambda: signed(headers={"kid": "service:training"}, iss="service:training"), id="the same, with its issuer"),
        pytest.param(lambda: signed(headers={"kid": "service:gateway"}, iss="service:gateway"), id="a service without a key"),
        pytest.param(lambda: signed(headers={"kid": "service:"}, iss="service:"), id="no service"),
        pytest.param(lambda: signed(headers={}), id="no key id"),
        pytest.param(lambda: signed(headers={"kid": "ingestion"}), id="a key id of the users' issuer"),
        pytest.param(lambda: mint_token(SECRET, user_id=uuid4(), role="service"), id="the users' issuer"),
        pytest.param(lambda: jwt.encode(claims(), SECRET, "HS256", KEY_ID), id="the users' secret under a service's key id"),
        pytest.param(lambda: forged("HS256", PUBLIC), id="HS256 with the public key as its secret"),
        pytest.param(lambda: forged("HS256", WORKER.public_key.partition("=")[2].encode()), id="HS256 with the public key's text"),
        pytest.param(lambda: forged("none", None), id="alg none"),
        pytest.param(lambda: forged("None", None), id="alg None"),
    ],
)
async def test_forgeries(token: Callable[[], str]) -> None:
    assert await refused(token()) == "TOKEN_INVALID"


def forged(algorithm: str, secret: bytes | None) -> str:
    """Put together by hand, for libraries refuse to."""
    header = {"alg": algorithm, "typ": "JWT", **KEY_ID}
    signing_input = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims()))
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = hmac.sign(signing_input, secret) if secret else b""
    return (signing_input + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


async def test_users_are_not_disturbed() -> None:
    """Also where tokens of services are expected, and by a key id that their issuer gives."""
    user_id = uuid4()
    token = jwt.encode({"sub": str(user_id), "aud": "authenticated", "exp": time.time() + 60}, SECRET, headers={"kid": "2026-11"})
    assert (await verifier().verify(token)).user_id == user_id
    assert (await verifier().verify(mint_token(SECRET, user_id=user_id))).role == "user"


@pytest.mark.parametrize("header", ["", "x", "e30", "W10", "bnVsbA", base64.urlsafe_b64encode(b'{"kid": 7}').decode(), "é" * 10, "[" * 399])
def test_rubbish_is_nobodys(header: str) -> None:
    assert service_key_id(f"{header}.e30.e30") is None


# Keys


def test_public_keys_are_read() -> None:
    keys = read_public_keys([WORKER.public_key, OTHER_WORKER.public_key + "="])
    assert list(keys) == ["service:ingestion", "service:training"]
    assert keys["service:ingestion"].public_bytes(Encoding.Raw, PublicFormat.Raw) == PUBLIC


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("ingestion", "is not service=key"),
        ("=abc", "is not service=key"),
        ("a service=abc", "is not service=key"),
        ("ingestion=abc", "the key of ingestion"),
        ("ingestion=" + "A" * 20, "holds 15 bytes instead of 32"),
        ("ingestion=" + "é" * 43, "is not base64url"),
    ],
)
def test_wrong_keys_stop_the_start(value: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        verifier(service_public_keys=value)


def test_keys_come_comma_separated_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALE_SERVICE_PUBLIC_KEYS", f"{WORKER.public_key}, {OTHER_WORKER.public_key}")
    monkeypatch.setenv("SCALE_AUTH_SECRET", SECRET)
    monkeypatch.setenv("SCALE_ENVIRONMENT", "development")
    assert Settings(port=1).service_public_keys == (WORKER.public_key, OTHER_WORKER.public_key)


@pytest.mark.parametrize("key", ["", "short", "A" * 42, "*" * 43])
def test_a_wrong_private_key_says_so_and_not_itself(key: str) -> None:
    with pytest.raises(ValueError) as caught:
        ServiceTokens("ingestion", key)
    assert not key or key not in str(caught.value)


# In the context of a call


@pytest.fixture(autouse=True)
def nobody() -> None:
    context.bind_identity(None)


async def test_each_service_gets_a_token_of_its_own_while_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import may take longer than a minute: no call carries an old token."""
    user_id = uuid4()
    context.bind_background(user_id, WORKER, since=1_700_000_000)
    assert (context.identity().user_id, context.identity().role) == (user_id, "service")
    token = context.token_for("accounts")
    assert token is not None
    assert (await verifier().verify(token)).user_id == user_id
    assert await refused(context.token_for("training") or "") == "TOKEN_INVALID"
    later = time.time() + 50
    monkeypatch.setattr("services.kit.service_tokens.time.time", lambda: later)
    newer = jwt.decode(context.token_for("accounts") or "", options={"verify_signature": False})
    assert (newer["exp"], newer["auth_time"]) == (int(later) + LIFETIME_S, 1_700_000_000)


def test_a_caller_ends_background_work() -> None:
    """What a request binds is never mixed with what a task bound before it in the same context."""
    context.bind_background(uuid4(), WORKER)
    context.bind_identity(Identity(UUID(int=1), "user", "the user's", 0))
    assert context.token_for("accounts") == "the user's"
    context.bind_identity(None)
    assert context.token_for("accounts") is None
