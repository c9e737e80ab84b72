"""The verifier of tokens, with a secret and with a JWKS address; and every way a token can be wrong."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import SecretStr, ValidationError

from services.kit import auth
from services.kit.auth import JwksKeys, TokenVerifier, mint_token
from services.kit.errors import Unauthenticated, Unavailable
from services.kit.settings import ProcessSettings, service_config

SECRET = "a-secret-of-at-least-thirty-two-characters"
ISSUER = "https://auth.example.com"


class Settings(ProcessSettings):
    """Of some service."""

    model_config = service_config("probe")


def settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {"port": 1, "environment": "development", "auth_secret": SecretStr(SECRET), "auth_issuer": ISSUER}
    return Settings(**{**values, **changes})


def claims(**changes: Any) -> dict[str, Any]:
    """Those that Supabase would make; None takes one away."""
    now = int(time.time())
    made = {"sub": str(uuid4()), "aud": "authenticated", "iss": ISSUER, "iat": now, "exp": now + 600, "role": "authenticated", **changes}
    return {name: value for name, value in made.items() if value is not None}


def signed(key: Any = SECRET, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)


async def refusal(token: str, **options: Any) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as caught:
        await TokenVerifier(settings(**options)).verify(token)
    return caught.value


# With a secret


@pytest.mark.requirement("SEC-01")
async def test_auth_valid_jwt() -> None:
    user_id = uuid4()
    token = signed(sub=str(user_id), aal="aal2", app_metadata={"role": "admin"})
    caller = await TokenVerifier(settings()).verify_authorization(f"Bearer {token}")
    assert (caller.user_id, caller.role, caller.token, caller.assurance_level) == (user_id, "admin", token, "aal2")
    assert caller.expires_at == pytest.approx(time.time() + 600, abs=5)


@pytest.mark.requirement("SEC-02")
async def test_auth_expired_jwt() -> None:
    error = await refusal(signed(exp=int(time.time()) - 60))
    assert error.reason == "TOKEN_EXPIRED"


@pytest.mark.requirement("SEC-03")
@pytest.mark.parametrize("header", [None, ""])
async def test_auth_missing_jwt(header: str | None) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await TokenVerifier(settings()).verify_authorization(header)
    assert caught.value.reason == "TOKEN_MISSING"


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic abc", "abc", "Token abc"])
async def test_other_schemes(header: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await TokenVerifier(settings()).verify_authorization(header)
    assert caught.value.reason == "TOKEN_INVALID"


async def test_minted_token_is_valid() -> None:
    user_id = uuid4()
    token = mint_token(SECRET, user_id=user_id, issuer=ISSUER)
    caller = await TokenVerifier(settings()).verify_authorization(f"bearer  {token}")
    assert (caller.user_id, caller.role, caller.assurance_level) == (user_id, "user", "aal1")
    assert caller.expires_at == pytest.approx(time.time() + 12 * 3600, abs=5)
    assert (await TokenVerifier(settings(auth_issuer=None)).verify(mint_token(SECRET, user_id=user_id, role="admin"))).role == "admin"


def unsigned(algorithm: str) -> str:
    parts = [{"alg": algorithm, "typ": "JWT"}, claims()]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


@pytest.mark.requirement("SEC-04")
@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
async def test_alg_none(algorithm: str) -> None:
    assert (await refusal(unsigned(algorithm))).reason == "TOKEN_INVALID"


@pytest.mark.requirement("SEC-04")
@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
async def test_another_algorithm_with_the_right_secret(algorithm: str) -> None:
    assert (await refusal(signed(algorithm=algorithm))).reason == "TOKEN_INVALID"


@pytest.mark.requirement("SEC-04")
@pytest.mark.parametrize(
    "change",
    [
        {"aud": "somebody-else"},
        {"aud": None},
        {"aud": ["a", "b"]},
        {"iss": "https://evil.example.com"},
        {"iss": None},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": 4_102_444_800},
        {"iat": 4_102_444_800},
        {"sub": None},
        {"sub": ""},
        {"sub": "admin"},
        {"sub": "12345"},
        {"role": "anon"},
        {"role": "service_role"},
        {"app_metadata": {"role": "root"}},
        {"app_metadata": {"role": "service"}},
        {"app_metadata": {"role": ["admin"]}},
        {"app_metadata": {"role": None}},
    ],
    ids=str,
)
async def test_wrong_claims(change: dict[str, Any]) -> None:
    assert (await refusal(signed(**change))).reason == "TOKEN_INVALID"


@pytest.mark.parametrize("token", ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "\x00", "é.é.é", "a" * 100_000, "." * 1000])
async def test_rubbish(token: str) -> None:
    assert (await refusal(token)).reason == "TOKEN_INVALID"


@pytest.mark.requirement("SEC-04")
async def test_any_changed_character_breaks_the_signature() -> None:
    token = signed()
    for position in range(0, len(token), 7):
        other = "A" if token[position] != "A" else "B"
        changed = token[:position] + other + token[position + 1 :]
        assert (await refusal(changed)).reason == "TOKEN_INVALID"


async def test_leeway_is_thirty_seconds() -> None:
    assert (await TokenVerifier(settings()).verify(signed(exp=int(time.time()) - 20))).role == "user"
    assert (await TokenVerifier(settings()).verify(signed(nbf=int(time.time()) + 20))).role == "user"
    assert (await refusal(signed(exp=int(time.time()) - 20), auth_leeway_s=0)).reason == "TOKEN_EXPIRED"


@pytest.mark.requirement("SEC-06")
@pytest.mark.parametrize(
    "claim", [{"role": "admin"}, {"user_metadata": {"role": "admin"}}, {"app_metadata": "admin"}, {"app_metadata": ["admin"]}], ids=str
)
async def test_role_only_from_app_metadata(claim: dict[str, Any]) -> None:
    """Users can edit user_metadata; `role` is the database role in Supabase's tokens."""
    assert (await TokenVerifier(settings()).verify(signed(**claim))).role == "user"


# With keys from a JWKS address

RSA_KEY, OTHER_RSA_KEY = (rsa.generate_private_key(65537, 2048) for _ in range(2))
EC_KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("said", "signed_in_at"),
    [
        ({"iat": 1_700_000_000}, 1_700_000_000),
        ({"iat": 1_700_000_000.25}, 1_700_000_000.25),
        ({"iat": None}, None),
        # A session that renews its tokens by itself is as old as its sign-in.
        ({"iat": 1_700_000_900, "auth_time": 1_700_000_000}, 1_700_000_000),
        ({"iat": 1_700_000_900, "amr": [{"method": "password", "timestamp": 1_700_000_000}]}, 1_700_000_000),
        ({"iat": 1_700_000_900, "amr": [{"timestamp": 1_700_000_000}, {"timestamp": 1_700_000_500}]}, 1_700_000_500),
        ({"iat": 1_700_000_900, "auth_time": 1_800_000_000}, 1_700_000_900),
        ({"iat": None, "auth_time": 1_700_000_000}, 1_700_000_000),
        ({"iat": None, "auth_time": 99_999_999_999}, None),
        ({"iat": 1_700_000_900, "auth_time": "now", "amr": ["pwd"]}, 1_700_000_900),
        ({"iat": 1_700_000_900, "auth_time": -1, "amr": [{"timestamp": True}, {}]}, 1_700_000_900),
        ({"iat": 1_700_000_900, "amr": {"timestamp": 1}}, 1_700_000_900),
    ],
)
async def test_when_the_caller_signed_in(said: dict[str, Any], signed_in_at: float | None) -> None:
    assert (await TokenVerifier(settings()).verify(signed(**said))).signed_in_at == signed_in_at


def public(key: Any, key_id: str | None) -> dict[str, Any]:
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    made: dict[str, Any] = json.loads(algorithm.to_jwk(key.public_key()))
    return made | ({"kid": key_id} if key_id else {})


class JwksServer:
    """An address that answers what it is told to."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.status = 200
        self.body: bytes | None = None
        self.requests = 0
        self.url = ""

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        body = self.body if self.body is not None else json.dumps({"keys": self.keys}).encode()
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (self.status, len(body)) + body)
        await writer.drain()
        writer.close()

    async def start(self) -> asyncio.Server:
        """Listens."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
        return server


@pytest.fixture
async def jwks() -> AsyncIterator[JwksServer]:
    subject = JwksServer()
    server = await subject.start()
    yield subject
    server.close()


def with_keys(jwks: JwksServer, algorithm: str = "RS256") -> TokenVerifier:
    return TokenVerifier(settings(auth_algorithm=algorithm, auth_secret=None, auth_jwks_url=jwks.url))


@pytest.mark.parametrize(("algorithm", "key"), [("RS256", RSA_KEY), ("ES256", EC_KEY)])
async def test_public_keys(jwks: JwksServer, algorithm: str, key: Any) -> None:
    jwks.keys = [public(key, "one")]
    user_id = uuid4()
    verifier = with_keys(jwks, algorithm)
    for _ in range(3):
        caller = await verifier.verify(signed(key, algorithm, {"kid": "one"}, sub=str(user_id)))
        assert caller.user_id == user_id
    assert jwks.requests == 1


@pytest.mark.requirement("SEC-04")
async def test_public_key_used_as_hmac_secret(jwks: JwksServer) -> None:
    """The confusion attack: an HS256 token signed with the text of the public key."""
    jwks.keys = [public(RSA_KEY, "one")]
    pem = RSA_KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    header, body = ({"alg": "HS256", "kid": "one", "typ": "JWT"}, claims())
    signing_input = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, body))
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = base64.urlsafe_b64encode(hmac.sign(signing_input, pem)).rstrip(b"=")
    with pytest.raises(Unauthenticated):
        await with_keys(jwks).verify((signing_input + b"." + signature).decode())


@pytest.mark.parametrize(
    ("key", "algorithm", "key_id"),
    [
        (OTHER_RSA_KEY, "RS256", "one"),  # somebody else's key under a known id
        (RSA_KEY, "RS512", "one"),
        (EC_KEY, "ES256", "two"),  # a known key, but not of the configured algorithm
        (RSA_KEY, "RS256", "unknown"),
        (RSA_KEY, "RS256", None),
    ],
)
async def test_wrong_keys(jwks: JwksServer, key: Any, algorithm: str, key_id: str | None) -> None:
    jwks.keys = [public(RSA_KEY, "one"), public(EC_KEY, "two")]
    with pytest.raises(Unauthenticated) as caught:
        await with_keys(jwks).verify(signed(key, algorithm, {"kid": key_id} if key_id else None))
    assert caught.value.reason == "TOKEN_INVALID"


async def test_key_of_another_kind_is_no_server_error(jwks: JwksServer) -> None:
    """Header says RS256 and names the id of an EC key."""
    jwks.keys = [public(EC_KEY, "two")]
    with pytest.raises(Unauthenticated):
        await with_keys(jwks).verify(signed(RSA_KEY, "RS256", {"kid": "two"}))


async def test_malformed_token_asks_nobody(jwks: JwksServer) -> None:
    for token in ("x", "a.b.c", unsigned("none")):
        with pytest.raises(Unauthenticated):
            await with_keys(jwks).verify(token)
    assert jwks.requests == 0


async def test_unknown_ids_fetch_at_most_every_ten_seconds(jwks: JwksServer) -> None:
    jwks.keys = [public(RSA_KEY, "one")]
    verifier = with_keys(jwks)
    for number in range(20):
        with pytest.raises(Unauthenticated):
            await verifier.verify(signed(RSA_KEY, "RS256", {"kid": f"random-{number}"}))
    assert jwks.requests == 1


async def test_key_rotation(jwks: JwksServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_KEYS_COOL_DOWN_S", 0.0)
    jwks.keys = [public(RSA_KEY, "one")]
    verifier = with_keys(jwks)
    await verifier.verify(signed(RSA_KEY, "RS256", {"kid": "one"}))
    jwks.keys = [public(OTHER_RSA_KEY, "two")]
    await verifier.verify(signed(OTHER_RSA_KEY, "RS256", {"kid": "two"}))
    with pytest.raises(Unauthenticated):  # the old key is gone
        await verifier.verify(signed(RSA_KEY, "RS256", {"kid": "one"}))


async def test_stale_keys_are_renewed_in_the_background(jwks: JwksServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_KEYS_COOL_DOWN_S", 0.0)
    jwks.keys = [public(RSA_KEY, "one")]
    verifier = with_keys(jwks)
    token = signed(RSA_KEY, "RS256", {"kid": "one"})
    await verifier.verify(token)
    monkeypatch.setattr(auth, "_KEYS_LIFETIME_S", 0.0)
    jwks.status = 500
    await asyncio.gather(*[verifier.verify(token) for _ in range(10)])  # the address is down: nobody notices
    for _ in range(100):
        if jwks.requests > 1:
            break
        await asyncio.sleep(0.01)
    assert jwks.requests == 2
    jwks.status = 200
    jwks.keys = []
    jwks.body = json.dumps({"keys": [public(OTHER_RSA_KEY, "two")]}).encode()
    for _ in range(100):
        try:
            await verifier.verify(token)
        except Unauthenticated:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the withdrawn key is still accepted")


@pytest.mark.parametrize(("status", "body"), [(500, b""), (404, b"{}"), (200, b"not json"), (200, b'{"keys": []}'), (200, b"[]")])
async def test_unreachable_keys_are_503_not_401(jwks: JwksServer, status: int, body: bytes) -> None:
    """Nobody is logged out because the identity provider is away."""
    jwks.status, jwks.body = status, body
    verifier = with_keys(jwks)
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            await verifier.verify(signed(RSA_KEY, "RS256", {"kid": "one"}))
        assert caught.value.reason == "KEYS_UNAVAILABLE"
        assert caught.value.retry_after_s == 10
    assert jwks.requests == 1


async def test_nobody_listens() -> None:
    keys = JwksKeys("http://127.0.0.1:9/jwks.json", client=httpx.AsyncClient(timeout=1))
    with pytest.raises(Unavailable):
        await keys.key_for(signed(RSA_KEY, "RS256", {"kid": "one"}))


# Settings


def test_a_public_key_is_no_secret() -> None:
    pem = RSA_KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(jwt.InvalidKeyError):
        TokenVerifier(settings(auth_secret=SecretStr(pem.decode())))


def test_settings_want_a_key() -> None:
    with pytest.raises(ValidationError, match="at least 32 characters"):
        settings(auth_secret=SecretStr("short"))
    with pytest.raises(ValidationError, match="at least 32 characters"):
        settings(auth_secret=None)
    with pytest.raises(ValidationError, match="SCALE_AUTH_JWKS_URL must be set"):
        settings(auth_algorithm="RS256")
    with pytest.raises(ValidationError, match="SCALE_AUTH_ISSUER must be set in production"):
        settings(environment="production", auth_issuer=None)
    with pytest.raises(ValidationError):
        settings(auth_algorithm="none")
