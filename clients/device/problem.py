"""Why a device does not go on."""

from __future__ import annotations


class DeviceProblem(Exception):
    """Something that the person at the device can put right; the text says what."""


class PolicyRefused(DeviceProblem):
    """The device does not do what it was asked to. `reason` is a stable name."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class CoordinatorRefused(DeviceProblem):
    """The coordinator said no. `code` is gRPC's name of it, `reason` the coordinator's own."""

    def __init__(self, code: str, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
