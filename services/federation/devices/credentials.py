"""What devices call themselves: handed out once at enrolment, and known again without asking the database."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from uuid import UUID

from services.federation.devices.domain import device_unknown

_PURPOSE = b"scale federation device credential v1"
_MAC_BYTES = 16


class Credentials:
    """`<user id>.<device id>.<mac>`, the mac under a secret of the deployment: who makes one up costs no look into the database. It proves
    nothing more; that the device asks is said by its signature.

    The first of `secrets` makes them, all of them are believed: a new one is put in front. Devices of one that is taken away enrol anew.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets:
            raise ValueError("credentials need a secret")
        self._keys = [hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256) for secret in secrets]

    def of(self, user_id: UUID, device_id: UUID) -> str:
        """For a device that was enrolled."""
        return f"{user_id}.{device_id}.{_mac(self._keys[0], user_id, device_id)}"

    def check(self, user_id: UUID, device_id: UUID, mac: str) -> None:
        """Raises Unauthenticated for one that was not handed out here."""
        given = mac.encode()
        if not any(hmac.compare_digest(given, _mac(key, user_id, device_id).encode()) for key in self._keys):
            raise device_unknown()


def _mac(key: bytes, user_id: UUID, device_id: UUID) -> str:
    digest = hmac.digest(key, user_id.bytes + device_id.bytes, hashlib.sha256)[:_MAC_BYTES]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
