"""What a caller gets first and sends back to confirm a step that cannot be undone."""

from __future__ import annotations

import hashlib
import secrets
import time

import jwt

from services.kit.auth import Identity
from services.kit.errors import FieldError, InvalidArgument

LIFETIME_S = 600
_ALGORITHM = "HS256"


class Confirmations:
    """Makes and checks them. One is bound to the step, to the user and to the sign-in, and nothing is stored: whoever has erased everything
    signs in anew, and what was confirmed before confirms nothing in that new life."""

    def __init__(self, key: bytes | None) -> None:
        """Without a key only this process knows its own."""
        # Derived, so that none of them is ever a token.
        self._key = hashlib.sha256(b"confirmation:" + (key or secrets.token_bytes(32))).digest()

    def make(self, step: str, caller: Identity) -> tuple[str, int]:
        """A confirmation, and the Unix second until which it is valid."""
        until = int(time.time()) + LIFETIME_S
        claims = {"sub": str(caller.user_id), "aud": step, "auth_time": caller.signed_in_at, "exp": until}
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM), until

    def check(self, confirmation: str, step: str, caller: Identity) -> None:
        """Raises InvalidArgument with reason CONFIRMATION_EXPIRED or CONFIRMATION_INVALID."""
        try:
            claims = jwt.decode(
                confirmation,
                self._key,
                algorithms=[_ALGORITHM],
                audience=step,
                subject=str(caller.user_id),
                options={"require": ["exp", "sub", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise _refused("has expired; ask for a new one", "CONFIRMATION_EXPIRED") from None
        except (jwt.PyJWTError, ValueError):
            raise _refused("was not given to you for this; ask for a new one", "CONFIRMATION_INVALID") from None
        if claims.get("auth_time") != caller.signed_in_at:
            raise _refused("was given to you before you signed in again; ask for a new one", "CONFIRMATION_INVALID")


def _refused(why: str, reason: str) -> InvalidArgument:
    return InvalidArgument(f"confirmation: {why}", reason=reason, fields=[FieldError("confirmation", why)])
