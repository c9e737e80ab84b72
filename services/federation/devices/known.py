"""Devices whose requests come one after the other: kept for some seconds, so that a request asks the database of few."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.federation.devices.protocols import DevicesRepository
from services.federation.domain import Device, DeviceIdentity

_KEPT_S = 5.0
_MOST_KEPT = 50_000
_SEEN_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A device, ready to check signatures by."""

    identity: DeviceIdentity
    key: Ed25519PublicKey
    enrolled_at: float | None
    """Unix seconds."""
    revoked: bool


class KnownDevices:
    """Devices as they were seconds ago; whatever this process changes about one counts at once."""

    def __init__(
        self,
        repository: DevicesRepository,
        *,
        kept_s: float = _KEPT_S,
        most_kept: int = _MOST_KEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._repository = repository
        self._kept_s = kept_s
        self._most_kept = most_kept
        self._clock = clock
        self._kept: OrderedDict[tuple[UUID, UUID], tuple[float, KnownDevice]] = OrderedDict()
        self._changes = 0
        self._seen: OrderedDict[UUID, float] = OrderedDict()

    async def find(self, user_id: UUID, device_id: UUID) -> KnownDevice | None:
        """One of that user's. Raises Unavailable."""
        kept = self._kept.get((user_id, device_id))
        if kept is not None and self._clock() < kept[0]:
            return kept[1]
        changes = self._changes
        found = await self._repository.get(user_id, device_id)
        if found is None:
            self._kept.pop((user_id, device_id), None)
            return None
        device = _known(found)
        # What was read before a change says nothing of what is after it.
        if changes == self._changes:
            self._kept[user_id, device_id] = self._clock() + self._kept_s, device
            self._kept.move_to_end((user_id, device_id))
            if len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)
        return device

    def forget(self, user_id: UUID, device_id: UUID) -> None:
        """See `Listener`."""
        self._changes += 1
        self._kept.pop((user_id, device_id), None)

    def forget_user(self, user_id: UUID) -> None:
        """All of a user's."""
        self._changes += 1
        for key in [one for one in self._kept if one[0] == user_id]:
            del self._kept[key]

    async def saw(self, device: DeviceIdentity) -> None:
        """Notes, at most once a minute, that it has asked for work. Raises Unauthenticated for a user who has erased everything."""
        now = self._clock()
        if now - self._seen.get(device.device_id, float("-inf")) < _SEEN_EVERY_S:
            return
        self._seen[device.device_id] = now
        self._seen.move_to_end(device.device_id)
        if len(self._seen) > self._most_kept:
            self._seen.popitem(last=False)
        await self._repository.saw(device.user_id, device.device_id)


def _known(device: Device) -> KnownDevice:
    return KnownDevice(
        identity=DeviceIdentity(device.user_id, device.id, device.public_key),
        key=Ed25519PublicKey.from_public_bytes(device.public_key),
        enrolled_at=device.enrolled_at.timestamp() if device.enrolled_at is not None else None,
        revoked=device.revoked_at is not None,
    )
