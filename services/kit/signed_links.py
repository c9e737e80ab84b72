"""Addresses that carry their own permission: good for one path, for some minutes, for whoever has them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence

from services.kit.errors import PermissionDenied, ScaleError

_KEY_ID_CHARS = 8
LEAST_KEY_CHARS = 32


class SignedLinks:
    """HMAC-SHA256 over path and expiry, under a key that the signature names.

    The first of `secrets` signs, all of them are believed: a new one is put in front, and the old one taken away when its addresses have
    expired.
    """

    def __init__(self, secrets: Sequence[str], *, purpose: str, lifetime_s: float, clock: Callable[[], float] = time.time) -> None:
        """`purpose`: what lies behind these addresses; those of another are not believed, even under the same secret. ValueError for no
        secret, or one of fewer than 32 characters."""
        if not secrets or any(len(secret) < LEAST_KEY_CHARS for secret in secrets):
            raise ValueError(f"each key needs at least {LEAST_KEY_CHARS} characters")
        self.lifetime_s = lifetime_s
        keys = [_key(secret, purpose) for secret in secrets]
        self._keys = dict(keys)
        self._signing = keys[0][0]
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
            raise _signature_expired()


def signature_invalid() -> ScaleError:
    """Changed, made up, or signed with a key that is no longer believed."""
    return PermissionDenied("This address was not handed out here; ask for a new one.", reason="SIGNATURE_INVALID")


def _signature_expired() -> ScaleError:
    """It was good for some minutes."""
    return PermissionDenied("This address has expired; ask for a new one.", reason="SIGNATURE_EXPIRED")


def _key(secret: str, purpose: str) -> tuple[str, bytes]:
    # The secret may be one that signs other things, too: none of them can stand for another.
    key = hmac.new(secret.encode(), f"scale {purpose} address v1".encode(), hashlib.sha256).digest()
    return hashlib.sha256(key).hexdigest()[:_KEY_ID_CHARS], key


def _mac(key: bytes, path: str, expires: int) -> str:
    digest = hmac.new(key, f"{expires}\n{path}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
