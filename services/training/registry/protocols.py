"""What the rules of the registry need from around them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from services.kit.storage import StoredObject
from services.training.domain import ModelVersion
from services.training.registry.domain import NewVersion, Pending


class VersionsRepository(Protocol):
    """Versions, each with its owner: a user, or nobody for global models."""

    async def get(self, user_id: UUID, model_type: str, version: str) -> ModelVersion | None:
        """One version."""

    async def list_versions(self, user_id: UUID, model_type: str, *, limit: int, below: int | None) -> Sequence[ModelVersion]:
        """Those with a number below the one given, the newest first."""

    async def live(self, user_id: UUID, model_type: str) -> ModelVersion | None:
        """The one that answers."""

    async def of_job(self, user_id: UUID, job_id: UUID) -> ModelVersion | None:
        """The one that a job made."""

    async def next_number(self, user_id: UUID, model_type: str) -> int:
        """The number for the next version, unless somebody takes it first."""

    async def add(self, new: NewVersion, *, live: bool) -> ModelVersion | None:
        """Registers a version, live in place of the present one or as a candidate; that of the same job where there is one already. None
        when its number was taken meanwhile. Raises AttemptOver for one that has a job here."""

    async def promote(self, user_id: UUID, model_type: str, version: str) -> ModelVersion | None:
        """Makes a version live, and retires the one that was; None when there is no such version."""

    async def tell_again(self, user_id: UUID, model_type: str) -> None:
        """What is live has still to be told, whatever was told before."""

    async def roll_back(self, user_id: UUID, model_type: str, version: str) -> None:
        """Retires a version, if it is live, and makes the one before it live."""

    def delivering(self, user_id: UUID, model_type: str) -> AbstractAsyncContextManager[Pending | None]:
        """What the service that answers has to be told; it is for the caller alone to tell until the block ends. None while it is somebody
        else's."""

    async def mark_delivered(self, user_id: UUID, model_type: str, told: Pending) -> bool:
        """Notes that it was told, unless something else is live by now; returns whether."""

    async def undelivered(self, limit: int) -> Sequence[tuple[UUID, str]]:
        """Users and models of which something has to be told, of all users; the longest waiting first."""

    async def remove(self, user_id: UUID, ids: Sequence[UUID]) -> Sequence[ModelVersion]:
        """Removes versions that are not live; returns those that it has removed."""

    async def known_artifacts(self, keys: Sequence[str]) -> set[str]:
        """Those of these that belong to a version, of whomever."""


class ArtifactStorage(Protocol):
    """Where artefacts lie; `services.kit.storage.ObjectStorage` is one."""

    async def put_bytes(self, key: str, content: bytes) -> None:
        """Stores an object. Raises Unavailable, with reason NO_STORAGE_ROOM where a disk is full."""

    def read(self, key: str) -> AsyncIterator[bytes]:
        """An object in pieces. Raises NotFound, or Unavailable."""

    async def signed_url(self, key: str, *, lifetime_s: float) -> str | None:
        """An address of the storage's own; None where it has none."""

    async def delete(self, key: str) -> None:
        """Removes an object, if it is there. Raises Unavailable."""

    async def delete_folder(self, prefix: str) -> None:
        """Removes all objects below a folder. Raises Unavailable."""

    def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Every object below a folder."""


class AnsweringService(Protocol):
    """The service that answers with users' own models."""

    async def set_user_model(self, version: str, artifact: bytes, content_hash: str) -> None:
        """Lets a version of the caller's answer from now on, none where it is empty. Raises VersionRefused for one that it cannot use."""


class DeliveryQueue(Protocol):
    """Wakes a worker."""

    async def enqueue(self, user_id: UUID, model_type: str) -> None:
        """Has the service that answers told at once. Raises Unavailable: then the clock sees to it."""
