"""Keyset pages with tokens that cannot be made or changed by a caller."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from uuid import UUID

from services.kit.errors import InvalidArgument, invalid

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
_MAC_BYTES = 16


def page_size(requested: int, *, default: int = DEFAULT_PAGE_SIZE, maximum: int = MAX_PAGE_SIZE) -> int:
    """The page size to use: 0 is the default, more than the maximum is the maximum. Raises InvalidArgument for a negative one."""
    if requested < 0:
        raise invalid("page_size", "must not be negative")
    return min(requested, maximum) if requested else default


class PageTokens:
    """Makes and reads page tokens. A token holds the position after which to go on and is bound, by an HMAC under `key`, to the user and
    to the filters that it was made for."""

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("the page token key needs at least 16 bytes")
        self._key = key

    def _mac(self, user_id: UUID, filters: str, payload: bytes) -> bytes:
        message = b"\x00".join([user_id.bytes, filters.encode(), payload])
        return hmac.new(self._key, message, hashlib.sha256).digest()[:_MAC_BYTES]

    def encode(self, *, user_id: UUID, filters: str, position: tuple[str, ...]) -> str:
        """The token for the page after `position`. `filters` is any text that is equal for equal filters."""
        payload = json.dumps(position, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._mac(user_id, filters, payload) + payload).decode().rstrip("=")

    def decode(self, token: str, *, user_id: UUID, filters: str) -> tuple[str, ...]:
        """The position in a token. Raises InvalidArgument when it was altered, or made for another user or other filters."""
        try:
            raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except (ValueError, UnicodeEncodeError):
            raise self._refused() from None
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        # b64decode skips foreign characters and spare bits; only the exact text that was handed out counts.
        exact = base64.urlsafe_b64encode(raw).decode().rstrip("=") == token
        if not exact or not payload or not hmac.compare_digest(mac, self._mac(user_id, filters, payload)):
            raise self._refused()
        return tuple(json.loads(payload))

    @staticmethod
    def _refused() -> InvalidArgument:
        return invalid("page_token", "is not one that was handed out for these filters; start again without it")
