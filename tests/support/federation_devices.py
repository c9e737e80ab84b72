"""Devices as tests have them: a key, what it signs, and where they are kept instead of PostgreSQL."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

import uuid_utils.compat
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from scale.federation.v1 import devices_service_pb2 as pb
from services.federation.devices.domain import (
    Enrollment,
    device_not_enrolled,
    device_revoked,
    device_unknown,
    enrolled_while_revoked,
    too_many_devices,
    too_many_ever,
)
from services.federation.domain import Contribution, Device, DeviceIdentity

Metadata = tuple[tuple[str, str], ...]


@dataclass
class SigningDevice:
    """A device's key. What it signs is written out here, not asked of the service: PROTOCOL.md is what both follow."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    credential: str = ""
    """Once it is enrolled."""

    @property
    def public_key(self) -> bytes:
        """32 bytes."""
        return self.key.public_key().public_bytes_raw()

    def enrollment(self, user_id: UUID, *, at: int | None = None, display_name: str = "", platform: str = "") -> pb.EnrollDeviceRequest:
        """What enrols it."""
        seconds = int(time.time()) if at is None else at
        text = f"scale.federation.v1 enroll\n{user_id}\n{seconds}\n{self.public_key.hex()}"
        return pb.EnrollDeviceRequest(
            public_key=self.public_key,
            signature=self.key.sign(text.encode()),
            sign_time=Timestamp(seconds=seconds),
            display_name=display_name,
            platform=platform,
        )

    def signed(
        self, method: str, request: Message | bytes, *, at: int | None = None, nonce: bytes | None = None, credential: str | None = None
    ) -> Metadata:
        """The metadata of a request to `method`, such as /scale.federation.v1.ParticipationService/CheckIn."""
        body = request if isinstance(request, bytes) else request.SerializeToString()
        seconds = str(int(time.time()) if at is None else at)
        once = _base64(os.urandom(16) if nonce is None else nonce)
        device = self.credential if credential is None else credential
        text = f"scale.federation.v1\n{method}\n{device}\n{seconds}\n{once}\n{hashlib.sha256(body).hexdigest()}"
        return (
            ("x-scale-device", device),
            ("x-scale-time", seconds),
            ("x-scale-nonce", once),
            ("x-scale-signature", _base64(self.key.sign(text.encode()))),
        )

    def new(self, user_id: UUID, *, at: int | None = None) -> Enrollment:
        """The same as `enrollment`, as the service takes it."""
        request = self.enrollment(user_id, at=at)
        return Enrollment(request.public_key, request.signature, request.sign_time.seconds, "phone", "test")


def contribution(noise_multiplier: float, round_id: UUID | None = None) -> Contribution:
    """An update that was taken."""
    return Contribution(round_id or uuid_utils.compat.uuid7(), model_version=1, noise_multiplier=noise_multiplier, bytes_up=1000)


class FakeDevices:
    """`DevicesRepository` and `LedgerRepository` in memory."""

    def __init__(self) -> None:
        self.devices: dict[tuple[UUID, UUID], Device] = {}
        self.contributions: dict[tuple[UUID, UUID], dict[UUID, Contribution]] = {}
        self.reads = 0
        self.sightings = 0

    async def enroll(self, user_id: UUID, device_id: UUID, new: Enrollment, *, most: int, most_ever: int) -> Device:
        """See `DevicesRepository`."""
        mine = [one for one in self.devices.values() if one.user_id == user_id]
        known = next((one for one in mine if one.public_key == new.public_key), None)
        now = datetime.now(UTC)
        if known is not None:
            if known.revoked_at is not None:
                raise enrolled_while_revoked(known.id)
            given = self.contributions.pop((user_id, known.id), {})
            del self.devices[user_id, known.id]
            kept = known.id if known.enrolled_at is not None else device_id
            made = replace(known, id=kept, display_name=new.display_name, platform=new.platform, enrolled_at=now)
            self.contributions[user_id, kept] = given
        else:
            if sum(one.revoked_at is None for one in mine) >= most:
                raise too_many_devices(most)
            if len(mine) >= most_ever:
                raise too_many_ever(most_ever)
            made = Device(device_id, user_id, new.public_key, new.display_name, new.platform, now, now, None, None)
        self.devices[user_id, made.id] = made
        return self._spent(made)

    async def get(self, user_id: UUID, device_id: UUID) -> Device | None:
        """See `DevicesRepository`."""
        self.reads += 1
        return self.devices.get((user_id, device_id))

    async def list_devices(self, user_id: UUID, *, limit: int, after: UUID | None) -> Sequence[Device]:
        """See `DevicesRepository`."""
        mine = sorted((one for one in self.devices.values() if one.user_id == user_id), key=lambda one: one.id, reverse=True)
        return [self._spent(one) for one in mine if after is None or one.id < after][:limit]

    async def revoke(self, user_id: UUID, device_id: UUID) -> Device | None:
        """See `DevicesRepository`."""
        found = self.devices.get((user_id, device_id))
        if found is None:
            return None
        revoked = replace(found, revoked_at=found.revoked_at or datetime.now(UTC))
        self.devices[user_id, device_id] = revoked
        return self._spent(revoked)

    async def saw(self, user_id: UUID, device_id: UUID) -> None:
        """See `DevicesRepository`."""
        self.sightings += 1
        found = self.devices[user_id, device_id]
        self.devices[user_id, device_id] = replace(found, last_seen_at=datetime.now(UTC))

    async def noise_multipliers(self, device: DeviceIdentity) -> Sequence[float]:
        """See `LedgerRepository`."""
        self.reads += 1
        return [one.noise_multiplier for one in self.contributions.get((device.user_id, device.device_id), {}).values()]

    async def charge(self, device: DeviceIdentity, contribution: Contribution, allow: Callable[[Sequence[float]], None]) -> None:
        """See `LedgerRepository`."""
        key = device.user_id, device.device_id
        found = self.devices.get(key)
        if found is None:
            raise device_unknown()
        if found.revoked_at is not None:
            raise device_revoked()
        if found.enrolled_at is None:
            raise device_not_enrolled()
        given = self.contributions.setdefault(key, {})
        if contribution.round_id not in given:
            allow([one.noise_multiplier for one in given.values()])
            given[contribution.round_id] = contribution

    async def bring_back(self, device: Device) -> None:
        """As a restore does."""
        self.devices[device.user_id, device.id] = replace(device, enrolled_at=None)

    def _spent(self, device: Device) -> Device:
        given = self.contributions.get((device.user_id, device.id), {})
        return replace(device, noise_multipliers=tuple(one.noise_multiplier for one in given.values()))


class Heard:
    """A `Listener` that keeps what it is told."""

    def __init__(self) -> None:
        self.forgotten: list[tuple[UUID, UUID]] = []

    def forget(self, user_id: UUID, device_id: UUID) -> None:
        """See `Listener`."""
        self.forgotten.append((user_id, device_id))


def identity_of(device: Device) -> DeviceIdentity:
    """As its signature tells it."""
    return DeviceIdentity(device.user_id, device.id, device.public_key)


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
