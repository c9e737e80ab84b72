"""What the rules of devices need from what lies around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

from services.federation.devices.domain import Enrollment
from services.federation.domain import Contribution, Device, DeviceIdentity


class DevicesRepository(Protocol):
    """Where devices are kept. Each method is one transaction of the device's user."""

    async def enroll(self, user_id: UUID, device_id: UUID, new: Enrollment, *, most: int, most_ever: int) -> Device:
        """The new device, or the one that has that key, under its new name; where an export brought that back, also under the new id, since
        an export may say any. Raises FailedPrecondition for one that was revoked, and
        ResourceExhausted where the user has `most` that are not, or `most_ever` in all."""

    async def get(self, user_id: UUID, device_id: UUID) -> Device | None:
        """One, without what it has spent."""

    async def list_devices(self, user_id: UUID, *, limit: int, after: UUID | None) -> Sequence[Device]:
        """Newest first, with what each has spent."""

    async def revoke(self, user_id: UUID, device_id: UUID) -> Device | None:
        """It is revoked, from now on or from earlier on; None: there is no such device."""

    async def saw(self, user_id: UUID, device_id: UUID) -> None:
        """It has asked for work."""


class LedgerRepository(Protocol):
    """Where it is kept what devices have spent."""

    async def noise_multipliers(self, device: DeviceIdentity) -> Sequence[float]:
        """Of the rounds that it has given an update to, oldest first."""

    async def charge(self, device: DeviceIdentity, contribution: Contribution, allow: Callable[[Sequence[float]], None]) -> None:
        """Adds a contribution, unless it is there. `allow` is told what has been spent before and raises where that is too much; nothing
        comes between its word and the commit. Raises Unauthenticated for a device that was revoked, or is not there."""


class Accountant(Protocol):
    """The arithmetic of privacy (`models.federated.privacy`)."""

    def __call__(self, noise_multipliers: Sequence[float]) -> float:
        """Epsilon of rounds with that noise, at the delta of the budget, without amplification; all are above zero."""


class Listener(Protocol):
    """Who must hear that a device is shut out."""

    def forget(self, user_id: UUID, device_id: UUID) -> None:
        """What is known of it is no longer true."""
