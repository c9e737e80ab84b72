"""Who is calling: one verifier of Supabase-style JSON Web Tokens for the gateway and for every service behind it."""

from __future__ import annotations

import asyncio
import base64
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import jwt
import structlog

from services.kit import service_tokens
from services.kit.errors import Unauthenticated, Unavailable
from services.kit.settings import ProcessSettings

if TYPE_CHECKING:
    import httpx

log = structlog.get_logger()

ROLES = ("user", "admin", "service")
# Database roles in the claim `role` of Supabase's tokens: of visitors who have not signed in, and of its own administration.
_NOBODYS_ROLES = ("anon", "service_role")
_LARGEST_LEEWAY_S = 300.0
_KEYS_LIFETIME_S = 600.0
_KEYS_COOL_DOWN_S = 10.0


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified caller. `role` comes from `app_metadata`, which users cannot edit, never from `user_metadata`."""

    user_id: UUID
    role: str
    token: str
    expires_at: int
    """Unix seconds."""
    assurance_level: str = "aal1"
    signed_in_at: float | None = None
    """Unix seconds; None when the token does not say. What the user erased since is closed to this token."""
    service: str = ""
    """Whose worker asks; empty for people."""


class KeySource(Protocol):
    """Finds the key that a token was signed with."""

    async def key_for(self, token: str) -> Any:
        """The key. Raises Unauthenticated when the token names none that is known."""


class _CheckedSecret(jwt.algorithms.HMACAlgorithm):
    """HS256 with a secret that was checked when the process started. PyJWT would check it again, as long as the signature takes, at every
    token."""

    def prepare_key(self, key: str | bytes) -> bytes:
        """The key as it is."""
        assert isinstance(key, bytes)  # nosec B101
        return key

    def check_key_length(self, key: bytes) -> str | None:
        """ProcessSettings wants 32 characters."""
        return None


class SharedSecret:
    """HS256: one secret for all."""

    def __init__(self, secret: str) -> None:
        jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).prepare_key(secret)  # raises for a public key, say
        self._key = jwt.PyJWK({"kty": "oct", "k": base64.urlsafe_b64encode(secret.encode()).decode(), "alg": "HS256"})
        self._key.Algorithm = _CheckedSecret(jwt.algorithms.HMACAlgorithm.SHA256)

    async def key_for(self, token: str) -> jwt.PyJWK:
        """The secret."""
        return self._key


class JwksKeys:
    """RS256 and ES256: public keys from a JWKS address, fetched again in the background after ten minutes, and at once (at most every ten
    seconds) for a key id that is new. Known keys stay in use while the address does not answer."""

    def __init__(self, url: str, *, client: httpx.AsyncClient | None = None) -> None:
        self._url = url
        self._client = client
        self._keys: dict[str, Any] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None

    async def key_for(self, token: str) -> Any:
        """The public key whose id the token's header names. Raises Unavailable when it is new and the address does not answer."""
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError:
            raise Unauthenticated("The token is malformed.", reason="TOKEN_INVALID") from None
        key = self._keys.get(key_id) if key_id else None
        if key is not None:
            if time.monotonic() - self._fetched_at > _KEYS_LIFETIME_S and (self._refreshing is None or self._refreshing.done()):
                self._refreshing = asyncio.create_task(self._refresh_quietly())
            return key
        if key_id:
            await self._refresh()
        if key_id not in self._keys:
            raise Unauthenticated("The token is signed with an unknown key.", reason="TOKEN_INVALID")
        return self._keys[key_id]

    async def _refresh_quietly(self) -> None:
        with suppress(Unavailable):
            await self._refresh()

    async def _refresh(self) -> None:
        async with self._lock:
            if time.monotonic() - self._tried_at < _KEYS_COOL_DOWN_S:
                if self._fetched_at < self._tried_at:
                    raise _keys_unavailable()
                return
            self._tried_at = time.monotonic()
            # Only here: a process with a shared secret need not load an HTTP client.
            import httpx

            if self._client is None:
                self._client = httpx.AsyncClient(timeout=5)
            try:
                response = await self._client.get(self._url)
                response.raise_for_status()
                keys = jwt.PyJWKSet.from_dict(response.json())
            except (httpx.HTTPError, ValueError, AttributeError, jwt.PyJWTError) as error:
                log.warning("signing keys cannot be fetched", error=repr(error))
                raise _keys_unavailable() from error
            self._keys = {key.key_id: key.key for key in keys.keys if key.key_id}
            self._fetched_at = time.monotonic()


def _keys_unavailable() -> Unavailable:
    message = "The signing keys cannot be fetched; try again shortly."
    return Unavailable(message, reason="KEYS_UNAVAILABLE", retry_after_s=_KEYS_COOL_DOWN_S)


class TokenVerifier:
    """Checks signature, algorithm, expiry, not-before, audience and issuer. The algorithm is fixed by configuration, never by the token.

    Two kinds of token: the users', from their issuer; and the services' own (`service_tokens`), which only the service that they name
    as their audience takes. `service` is the name of the one that asks; without one, as in the gateway, no service's token is valid.
    """

    def __init__(self, settings: ProcessSettings, service: str | None = None, *, keys: KeySource | None = None) -> None:
        self._algorithms = [settings.auth_algorithm]
        self._audience = settings.auth_audience
        self._issuer = settings.auth_issuer
        self._leeway = settings.auth_leeway_s
        self._service = service
        self._service_keys = service_tokens.read_public_keys(settings.service_public_keys)
        if keys is None:
            if settings.auth_algorithm == "HS256":
                assert settings.auth_secret is not None  # nosec B101  # ProcessSettings checks it
                keys = SharedSecret(settings.auth_secret.get_secret_value())
            else:
                assert settings.auth_jwks_url is not None  # nosec B101  # tells mypy what the line above made sure of
                keys = JwksKeys(settings.auth_jwks_url)
        self._keys = keys
        required = ["exp", "sub", "aud"] + (["iss"] if self._issuer else [])
        self._options: Any = {"require": required}

    async def verify(self, token: str) -> Identity:
        """The caller that a token stands for. Raises Unauthenticated with reason TOKEN_EXPIRED or TOKEN_INVALID."""
        key_id = service_tokens.service_key_id(token)
        if key_id is not None:
            return self._verify_service_token(token, key_id)
        key = await self._keys.key_for(token)
        claims = _decode(
            token,
            key,
            algorithms=self._algorithms,
            audience=self._audience,
            issuer=self._issuer,
            leeway=self._leeway,
            options=self._options,
        )
        caller = _identity(token, claims, _signed_in_at(claims))
        if caller.role == "service":
            raise Unauthenticated("The role service is not given to users.", reason="TOKEN_INVALID")
        if claims.get("role") in _NOBODYS_ROLES:
            raise Unauthenticated("The token is nobody's: sign in.", reason="TOKEN_INVALID")
        return caller

    def _verify_service_token(self, token: str, key_id: str) -> Identity:
        key = self._service_keys.get(key_id)
        if self._service is None or key is None:
            raise Unauthenticated("The token is signed with an unknown key.", reason="TOKEN_INVALID")
        claims = _decode(
            token,
            key,
            algorithms=[service_tokens.ALGORITHM],
            audience=self._service,
            issuer=key_id,
            leeway=self._leeway,
            options={"require": ["exp", "iat", "sub", "aud", "iss"], "strict_aud": True},
        )
        # Made anew for each call: only the moment that the work was taken up at says what the user had ordered by then.
        caller = _identity(token, claims, _seconds(claims.get("auth_time")))
        if caller.role != "service" or not 0 < claims["exp"] - claims["iat"] <= service_tokens.LIFETIME_S:
            raise Unauthenticated("The token is not one that background work may have.", reason="TOKEN_INVALID")
        return replace(caller, service=key_id.removeprefix(service_tokens.KEY_ID_PREFIX))

    async def verify_authorization(self, header: str | None) -> Identity:
        """The caller that an `Authorization` header stands for. Raises Unauthenticated, also when there is none."""
        if not header:
            raise Unauthenticated("This call needs an Authorization header with a bearer token.", reason="TOKEN_MISSING")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("The Authorization header must read: Bearer <token>.", reason="TOKEN_INVALID")
        return await self.verify(token.strip())


def _decode(token: str, key: Any, **checks: Any) -> dict[str, Any]:
    """The claims of a token that passes `checks`."""
    try:
        claims: dict[str, Any] = jwt.decode(token, key, **checks)
        return claims
    except jwt.ExpiredSignatureError:
        raise Unauthenticated("The token has expired; sign in again.", reason="TOKEN_EXPIRED") from None
    except jwt.InvalidTokenError as error:
        raise Unauthenticated(f"The token is not valid: {error}.", reason="TOKEN_INVALID") from None
    except (jwt.PyJWTError, TypeError, ValueError, OverflowError):
        # A key of another kind than the algorithm wants, or claims that are no sensible numbers.
        raise Unauthenticated("The token is not valid.", reason="TOKEN_INVALID") from None


def _signed_in_at(claims: dict[str, Any]) -> float | None:
    """A session that renews its tokens by itself stays one sign-in: `auth_time` (OpenID Connect) or `amr` (Supabase) say when that was."""
    methods = claims.get("amr")
    at = [_seconds(method.get("timestamp")) for method in methods if isinstance(method, dict)] if isinstance(methods, list) else []
    signed_in = max((one for one in at if one is not None), default=_seconds(claims.get("auth_time")))
    known = [one for one in (signed_in, _seconds(claims.get("iat"))) if one is not None]
    return min(known, default=None)


def _seconds(claim: Any) -> float | None:
    if not isinstance(claim, int | float) or isinstance(claim, bool):
        return None
    # What lies ahead says nothing: no erasure could ever close it.
    return float(claim) if 0 <= claim <= time.time() + _LARGEST_LEEWAY_S else None


def _identity(token: str, claims: dict[str, Any], signed_in_at: float | None) -> Identity:
    try:
        user_id = UUID(claims["sub"])
    except (ValueError, AttributeError, TypeError):
        raise Unauthenticated("The token's subject is not a UUID.", reason="TOKEN_INVALID") from None
    metadata = claims.get("app_metadata")
    role = metadata.get("role", "user") if isinstance(metadata, dict) else "user"
    if role not in ROLES:
        raise Unauthenticated("The token names an unknown role.", reason="TOKEN_INVALID")
    return Identity(
        user_id=user_id,
        role=role,
        token=token,
        expires_at=int(claims["exp"]),
        assurance_level=str(claims.get("aal", "aal1")),
        signed_in_at=signed_in_at,
    )


def mint_token(
    secret: str,
    *,
    user_id: UUID,
    role: str = "user",
    audience: str = "authenticated",
    issuer: str | None = None,
    lifetime_s: int = 12 * 3600,
) -> str:
    """An HS256 token, for development and tests."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "sub": str(user_id),
        "aud": audience,
        "iat": now,
        "exp": now + lifetime_s,
        "role": "authenticated",
        "app_metadata": {"role": role},
    }
    if issuer:
        claims["iss"] = issuer
    return jwt.encode(claims, secret, algorithm="HS256")
