"""Rules of who may take part."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog
import uuid_utils.compat
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.federation.devices.domain import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Enrollment, device_not_found
from services.federation.devices.proofs import enrollment_text, is_signed
from services.federation.devices.protocols import DevicesRepository, Listener
from services.federation.domain import Device
from services.kit.errors import invalid

log = structlog.get_logger()

_SIGNED_WITHIN_S = 300
_AHEAD_S = 60
_EVER = 10
"""Times as many devices as at once: those that were revoked stay known."""


class DevicesService:
    """Every call names the user, from the verified token."""

    def __init__(
        self,
        repository: DevicesRepository,
        *,
        listeners: Sequence[Listener],
        most_devices: int = 20,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._repository = repository
        self._listeners = listeners
        self._most = most_devices
        self._clock = clock

    async def enroll_device(self, user_id: UUID, new: Enrollment) -> Device:
        """Binds a key to the user. Raises InvalidArgument, FailedPrecondition for a key that was revoked, ResourceExhausted."""
        if len(new.public_key) != PUBLIC_KEY_BYTES:
            raise invalid("public_key", f"has {len(new.public_key)} bytes, an Ed25519 key has {PUBLIC_KEY_BYTES}")
        if len(new.signature) != SIGNATURE_BYTES:
            raise invalid("signature", f"has {len(new.signature)} bytes, an Ed25519 signature has {SIGNATURE_BYTES}")
        age = self._clock() - new.signed_at
        if not -_AHEAD_S <= age <= _SIGNED_WITHIN_S:
            reason = f"lies {abs(age):.0f} s {'back' if age > 0 else 'ahead'}; sign anew, and check the device's clock"
            raise invalid("sign_time", reason)
        key = Ed25519PublicKey.from_public_bytes(new.public_key)
        if not is_signed(key, new.signature, enrollment_text(user_id, new.signed_at, new.public_key)):
            raise invalid("signature", "is not of that key over what PROTOCOL.md says: the user's id, the time and the key")
        device = await self._repository.enroll(user_id, uuid_utils.compat.uuid7(), new, most=self._most, most_ever=_EVER * self._most)
        log.info("a device was enrolled", device_id=str(device.id))
        return device

    async def list_devices(self, user_id: UUID, *, limit: int, after: UUID | None) -> tuple[Sequence[Device], bool]:
        """A page, the newest first, and whether there are more."""
        found = await self._repository.list_devices(user_id, limit=limit + 1, after=after)
        return found[:limit], len(found) > limit

    async def revoke_device(self, user_id: UUID, device_id: UUID) -> Device:
        """Shuts a device out, at once. Harmless to repeat. Raises NotFound."""
        device = await self._repository.revoke(user_id, device_id)
        if device is None:
            raise device_not_found(device_id)
        for listener in self._listeners:
            listener.forget(user_id, device_id)
        log.info("a device was revoked", device_id=str(device_id))
        return device
