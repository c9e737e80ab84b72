"""Tokens of background work: a worker signs them with a key of its own, for one user and one service, valid for a minute.

The user's own token has long expired when a worker gets to the work. A worker that is broken into can act for users at the services that
take its tokens, in the calls they allow; a service that is broken into holds public keys only.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Iterable
from functools import lru_cache
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LIFETIME_S = 60
ALGORITHM = "EdDSA"
KEY_ID_PREFIX = "service:"
_KEY_BYTES = 32
_MAX_HEADER_CHARS = 400


class ServiceTokens:
    """Mints the tokens of one service. `key`: base64url of an Ed25519 seed, 32 bytes. ValueError for anything else."""

    def __init__(self, service: str, key: str) -> None:
        self._key_id = f"{KEY_ID_PREFIX}{service}"
        self._service = service
        self._key = Ed25519PrivateKey.from_private_bytes(_key_bytes(key))

    @property
    def public_key(self) -> str:
        """What SCALE_SERVICE_PUBLIC_KEYS says of this service: name=key."""
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"{self._service}={base64.urlsafe_b64encode(raw).decode().rstrip('=')}"

    def mint(self, user_id: UUID, *, audience: str, signed_in_at: float | None = None) -> str:
        """A token with which `audience`, and no other service, lets this one act for the user, as one who signed in at `signed_in_at`: in
        Unix seconds, when the work was taken up. Without it nothing can be written for a user who has ever erased everything."""
        now = int(time.time())
        claims: dict[str, object] = {
            "sub": str(user_id),
            "aud": audience,
            "iss": self._key_id,
            "iat": now,
            "exp": now + LIFETIME_S,
            "app_metadata": {"role": "service"},
        }
        if signed_in_at is not None:
            claims["auth_time"] = signed_in_at
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self._key_id})


def read_public_keys(entries: Iterable[str]) -> dict[str, Ed25519PublicKey]:
    """Keys by key id, from name=base64url entries. ValueError says which entry is wrong."""
    keys: dict[str, Ed25519PublicKey] = {}
    for entry in entries:
        service, found, encoded = entry.partition("=")
        if not found or not service.isidentifier():
            raise ValueError(f"{entry[:80]!r} is not service=key")
        try:
            keys[f"{KEY_ID_PREFIX}{service}"] = Ed25519PublicKey.from_public_bytes(_key_bytes(encoded))
        except ValueError as error:
            raise ValueError(f"the key of {service} {error}") from None
    return keys


def _key_bytes(encoded: str) -> bytes:
    try:
        raw = base64.b64decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64url") from None
    if len(raw) != _KEY_BYTES:
        raise ValueError(f"holds {len(raw)} bytes instead of {_KEY_BYTES}")
    return raw


def service_key_id(token: str) -> str | None:
    """The key id of a token that says it is a service's; None for all others. Nothing of it is verified yet."""
    header, _, _ = token.partition(".")
    return _service_key_id(header) if len(header) <= _MAX_HEADER_CHARS else None


@lru_cache(maxsize=256)
def _service_key_id(header: str) -> str | None:
    # Users' tokens share a handful of headers, so that this costs a request a look-up.
    try:
        fields = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (ValueError, RecursionError):
        return None
    key_id = fields.get("kid") if isinstance(fields, dict) else None
    return key_id if isinstance(key_id, str) and key_id.startswith(KEY_ID_PREFIX) else None
