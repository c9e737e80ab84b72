"""Who is calling: one verifier of Supabase-style JSON Web Tokens for the gateway and for every service behind it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import jwt

from services.kit.errors import Unauthenticated, Unavailable
from services.kit.settings import ProcessSettings

if TYPE_CHECKING:
    import httpx

ROLES = ("user", "admin", "service")
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


class KeySource(Protocol):
    """Finds the key that a token was signed with."""

    async def key_for(self, token: str) -> Any:
        """The key. Raises Unauthenticated when the token names none that is known."""


class SharedSecret:
    """HS256: one secret for all."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def key_for(self, token: str) -> str:
        """The secret."""
        return self._secret


class JwksKeys:
    """RS256 and ES256: public keys from a JWKS address, kept for ten minutes, fetched again at once (at most every ten seconds) for a key
    id that is new. Old keys stay in use while the address does not answer."""

    def __init__(self, url: str, *, client: httpx.AsyncClient | None = None) -> None:
        self._url = url
        self._client = client
        self._keys: dict[str, Any] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def key_for(self, token: str) -> Any:
        """The public key whose id the token's header names."""
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError:
            raise Unauthenticated("The token is malformed.", reason="TOKEN_INVALID") from None
        now = time.monotonic()
        if key_id not in self._keys or now - self._fetched_at > _KEYS_LIFETIME_S:
            await self._refresh(known=key_id in self._keys)
        if key_id not in self._keys:
            raise Unauthenticated("The token is signed with an unknown key.", reason="TOKEN_INVALID")
        return self._keys[key_id]

    async def _refresh(self, *, known: bool) -> None:
        async with self._lock:
            if time.monotonic() - self._tried_at < _KEYS_COOL_DOWN_S:
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
            except (httpx.HTTPError, ValueError, jwt.PyJWTError) as error:
                if known:
                    return
                raise Unavailable(
                    "The signing keys cannot be fetched; try again shortly.",
                    reason="KEYS_UNAVAILABLE",
                    retry_after_s=_KEYS_COOL_DOWN_S,
                ) from error
            self._keys = {key.key_id: key.key for key in keys.keys if key.key_id}
            self._fetched_at = time.monotonic()


class TokenVerifier:
    """Checks signature, algorithm, expiry, not-before, audience and issuer. The algorithm is fixed by configuration, never by the token."""

    def __init__(self, settings: ProcessSettings, *, keys: KeySource | None = None) -> None:
        self._algorithms = [settings.auth_algorithm]
        self._audience = settings.auth_audience
        self._issuer = settings.auth_issuer
        self._leeway = settings.auth_leeway_s
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
        key = await self._keys.key_for(token)
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway,
                options=self._options,
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The token has expired; sign in again.", reason="TOKEN_EXPIRED") from None
        except jwt.InvalidTokenError as error:
            raise Unauthenticated(f"The token is not valid: {error}.", reason="TOKEN_INVALID") from None
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
        )

    async def verify_authorization(self, header: str | None) -> Identity:
        """The caller that an `Authorization` header stands for. Raises Unauthenticated, also when there is none."""
        if not header:
            raise Unauthenticated("This call needs an Authorization header with a bearer token.", reason="TOKEN_MISSING")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("The Authorization header must read: Bearer <token>.", reason="TOKEN_INVALID")
        return await self.verify(token.strip())


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
