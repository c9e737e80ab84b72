"""The errors of devices, and what a new one says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from services.kit.errors import FailedPrecondition, NotFound, ResourceExhausted, ScaleError, Unauthenticated

PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Enrollment:
    """A device and proof that it holds its key."""

    public_key: bytes
    """Ed25519, 32 bytes."""
    signature: bytes
    """Over `proofs.enrollment_text`."""
    signed_at: int
    """Unix seconds."""
    display_name: str
    platform: str


def device_not_found(device_id: UUID) -> ScaleError:
    """Unknown, or somebody else's."""
    return NotFound(f"There is no device {device_id} of yours.", reason="DEVICE_NOT_FOUND", metadata={"device_id": str(device_id)})


def too_many_devices(most: int) -> ScaleError:
    """For one who would enrol another."""
    message = f"You have {most} devices, and may have no more; revoke one that you no longer use."
    return ResourceExhausted(message, reason="TOO_MANY_DEVICES", metadata={"most": str(most)})


def too_many_ever(most: int) -> ScaleError:
    """The same, where those that were revoked count."""
    message = f"You have enrolled {most} devices, revoked ones counted, and may enrol no more."
    return ResourceExhausted(message, reason="TOO_MANY_DEVICES", metadata={"most": str(most)})


def enrolled_while_revoked(device_id: UUID) -> ScaleError:
    """For one who would enrol again what was revoked."""
    return FailedPrecondition(
        f"Device {device_id} was revoked and stays so; enrol it with a new key.",
        reason="DEVICE_REVOKED",
        metadata={"device_id": str(device_id)},
    )


def device_revoked() -> ScaleError:
    """For the device itself."""
    return Unauthenticated("This device was revoked.", reason="DEVICE_REVOKED")


def device_unknown() -> ScaleError:
    """For a device that there is not, and for one whose signature is not of its key: nobody learns which devices there are."""
    return Unauthenticated(
        "The signature is not of a device that is enrolled; see PROTOCOL.md for what is signed, or enrol anew.",
        reason="DEVICE_SIGNATURE_INVALID",
    )


def device_not_enrolled() -> ScaleError:
    """For a device that an export brought back."""
    return Unauthenticated("This device was brought back from an export; enrol it again with its key.", reason="DEVICE_NOT_ENROLLED")
