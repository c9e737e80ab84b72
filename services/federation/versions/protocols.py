"""What versions of the federated model need from around them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol
from uuid import UUID

from services.federation.domain import FederatedVersion
from services.federation.protocols import VersionsRepository
from services.federation.versions.domain import Answering, HandOver, Origin, ToRegister


class HandedOverRepository(VersionsRepository, Protocol):
    """And which of them the registry does not know yet."""

    async def open_round(self) -> UUID | None:
        """The round that is making the next version; None while none is."""

    async def to_hand_over(self) -> Sequence[HandOver]:
        """Those, the oldest first. What came from the registry, or begins the line, is none of them."""


class PartsStorage(Protocol):
    """Where encoders lie; `services.kit.storage.ObjectStorage` is one."""

    async def put_bytes(self, key: str, content: bytes) -> None:
        """Stores an object. Raises Unavailable, with reason NO_STORAGE_ROOM where a disk is full."""

    def read(self, key: str) -> AsyncIterator[bytes]:
        """An object in pieces. Raises NotFound, or Unavailable."""


class Registry(Protocol):
    """The registry of models that categorization asks."""

    async def answering(self) -> Answering | None:
        """The categorizer that answers everybody; None for the one that comes with the product. Raises ScaleError."""

    async def live_version(self) -> str:
        """Its name in the registry; empty for the one that comes with the product. Raises ScaleError."""

    async def register(self, new: ToRegister) -> str:
        """Its name, whether it is new or was registered before. In the service's own name. Raises ScaleError."""

    async def promote(self, registry_version: str) -> None:
        """Lets a version answer. In the caller's name. Raises ScaleError, NotFound where the registry has forgotten it."""


class Categorizers(Protocol):
    """Categorizers as artefacts, taken apart and put together again. Off the event loop."""

    async def shipped(self) -> Origin:
        """The one that comes with the product. Raises FailedPrecondition with reason NO_GLOBAL_MODEL where it cannot be read."""

    async def take_apart(self, artifact: bytes) -> Origin:
        """One of the registry. Raises as `shipped` does."""

    async def write(self, encoder: bytes, head: bytes, version: str, folder: Path) -> None:
        """A categorizer's folder, of this encoder and this head; `version` is its own. Raises FailedPrecondition with reason MODEL_INVALID
        for parts that do not fit."""

    async def put_together(self, encoder: bytes, head: bytes, version: str) -> bytes:
        """The same as an artefact that the registry takes."""


class VersionEvents(Protocol):
    """Tells whoever listens that there is a new version."""

    async def publish(self, version: FederatedVersion) -> None:
        """Once for each, sometimes twice. Lost where nobody can be told: raises nothing."""
