"""Addresses of artefacts that carry their own permission: good for one path, for some minutes, for whoever has them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence

from services.training.registry.domain import signature_expired, signature_invalid

_LABEL = b"scale artifact address v1"
_KEY_ID_CHARS = 8
LEAST_KEY_CHARS = 32


class ArtifactLinks:
    """HMAC-SHA256 over path and expiry, under a key that the signature names.

    The first of `secrets` signs, all of them are believed: a new one is put in front, and the old one taken away when its addresses have
    expired.
    """

    def __init__(self, secrets: Sequence[str], *, lifetime_s: float, clock: Callable[[], float] = time.time) -> None:
        """ValueError for no secret, or one of fewer than 32 characters."""
        if not secrets or any(len(secret) < LEAST_KEY_CHARS for secret in secrets):
            raise ValueError(f"each key needs at least {LEAST_KEY_CHARS} characters")
        self.lifetime_s = lifetime_s
        self._keys = dict(map(_key, secrets))
        self._signing = _key(secrets[0])[0]
        self._clock = clock

    def sign(self, path: str) -> tuple[int, str]:
        """When the address of a path expires, in Unix seconds, and its signature."""
        expires = int(self._clock() + self.lifetime_s)
        return expires, f"{self._signing}.{_mac(self._keys[self._signing], path, expires)}"

    def check(self, path: str, expires: int, signature: str) -> None:
        """Raises PermissionDenied with reason SIGNATURE_INVALID or, only for one that was handed out, SIGNATURE_EXPIRED."""
        key_id, _, mac = signature.partition(".")
        key = self._keys.get(key_id)
        if key is None or not hmac.compare_digest(mac.encode(), _mac(key, path, expires).encode()):
            raise signature_invalid()
        if expires < self._clock():
            raise signature_expired()


def _key(secret: str) -> tuple[str, bytes]:
    # The secret may be one that signs other things, too: neither of them can stand for the other.
    key = hmac.new(secret.encode(), _LABEL, hashlib.sha256).digest()
    return hashlib.sha256(key).hexdigest()[:_KEY_ID_CHARS], key


def _mac(key: bytes, path: str, expires: int) -> str:
    digest = hmac.new(key, f"{expires}\n{path}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
