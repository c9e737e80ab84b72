"""The nouns and errors of versions of the federated model."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid5

from services.federation.domain import FederatedVersion
from services.kit.errors import InvalidArgument, NotFound, PermissionDenied, ScaleError, invalid

ENCODER, HEAD = "encoder", "head"
PARTS = (ENCODER, HEAD)
LINKS_PURPOSE = "federated model part"
"""What lies behind the addresses that are signed here."""
_NAMESPACE = UUID("6f5b1f0e-2a37-5c0e-9d5b-7f6a1a7c4b1d")


class Part(NamedTuple):
    """A file of a version."""

    content: bytes
    content_hash: str
    """SHA-256, in hex."""


class PartAddress(NamedTuple):
    """Where a part can be had for some minutes, by whoever has the address."""

    name: str
    content_hash: str
    size_bytes: int
    url: str
    """A path of the gateway."""
    expires_at: datetime


class Origin(NamedTuple):
    """A categorizer, taken apart."""

    encoder: bytes
    head: bytes
    version: str
    """Its own."""


class Answering(NamedTuple):
    """The categorizer of the registry that answers everybody."""

    version: str
    """In the registry."""
    content: bytes


class ToRegister(NamedTuple):
    """A version of the federated model as the registry takes it."""

    job_id: UUID
    parent_version: str
    artifact: bytes
    metrics: dict[str, float | int | str | bool]
    made_at: datetime
    live: bool
    """It answers from now on."""


class HandOver(NamedTuple):
    """A version that is not in the registry yet."""

    version: FederatedVersion
    promote: bool | None
    """Whether its round shall answer; None: as the settings say, or, of a version that no round made, as the one before it does."""


def own_name(version: FederatedVersion) -> str:
    """Of the categorizer that it is, as answers name it."""
    return f"{version.categorizer_version}+fed{version.version}"


def job_id(version: FederatedVersion) -> UUID:
    """What the registry knows a version by: its round; a name of its own where no round made it."""
    return version.round_id or uuid5(_NAMESPACE, f"{version.version} {version.head_hash}")


def part_unknown(name: str) -> InvalidArgument:
    """There are two of them."""
    return invalid("name", f"{name[:63]!r} is neither {' nor '.join(PARTS)}" if name else "is required")


def part_gone(version: int, name: str, why: str) -> ScaleError:
    """The storage has lost it, or has something else in its place."""
    message = f"The {name} of version {version} of the federated model {why}."
    return NotFound(message, reason="MODEL_PART_GONE", metadata={"version": str(version), "name": name})


def administrators_only() -> ScaleError:
    """Everybody's model is not anybody's to change."""
    return PermissionDenied("Versions of the federated model are for administrators.", reason="ADMINS_ONLY")
