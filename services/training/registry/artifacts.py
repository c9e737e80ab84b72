"""Artefacts in the object storage, under models/<owner>/<model>/<version>: written before their version is registered, read with a look at
their hash, removed after it is gone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from services.kit.errors import InvalidArgument, NotFound, ScaleError
from services.training.domain import ModelVersion
from services.training.registry.domain import ARTIFACTS, NewVersion, artifact_gone, read_path
from services.training.registry.protocols import ArtifactStorage, VersionsRepository

log = structlog.get_logger()

_ORPHAN_AFTER = timedelta(hours=1)
"""A younger artefact may be one whose version is being registered."""
_PER_LOOK = 1000


class Artifacts:
    """The storage, and which of its artefacts belong to a version."""

    def __init__(self, storage: ArtifactStorage, repository: VersionsRepository) -> None:
        self._storage = storage
        self._repository = repository

    async def keep(self, new: NewVersion | ModelVersion, content: bytes) -> None:
        """Stores the artefact of a version to be, or one that was lost. Raises Unavailable, with reason NO_STORAGE_ROOM where a disk is
        full."""
        await self._storage.put_bytes(new.artifact_key, content)

    async def read(self, version: ModelVersion) -> bytes:
        """The artefact, whole. Raises ArtifactGone when it is not there, or is not what was registered, and Unavailable."""
        parts, size = [], 0
        try:
            async for part in self._storage.read(version.artifact_key):
                parts.append(part)
                size += len(part)
                if size > version.size_bytes:
                    break
        except NotFound:
            raise artifact_gone(version.version, "is gone") from None
        content = b"".join(parts)
        if len(content) != version.size_bytes or hashlib.sha256(content).hexdigest() != version.content_hash:
            log.error("an artefact is not what was registered", key=version.artifact_key)
            raise artifact_gone(version.version, "is damaged")
        return content

    async def bucket_url(self, version: ModelVersion, *, lifetime_s: float) -> str | None:
        """Where the storage itself hands it out for so long; None where it does not."""
        return await self._storage.signed_url(version.artifact_key, lifetime_s=lifetime_s)

    async def remove(self, key: str) -> None:
        """Removes an artefact that no version needs. What fails here, `remove_orphans` does later."""
        try:
            await self._storage.delete(key)
        except ScaleError as error:
            log.warning("an artefact could not be removed yet", key=key, error=str(error))

    async def erase(self, user_id: UUID) -> None:
        """Removes whatever lies there for a user. Raises Unavailable; harmless to repeat."""
        await self._storage.delete_folder(f"{ARTIFACTS}{user_id}/")

    async def remove_orphans(self) -> int:
        """Removes artefacts of no version; returns how many."""
        removed, old = 0, []
        before = datetime.now(UTC) - _ORPHAN_AFTER
        async for found in self._storage.list(ARTIFACTS):
            # What is not under such a name, somebody else may need.
            if found.modified_at < before and _names_a_version(found.key):
                old.append(found.key)
            if len(old) == _PER_LOOK:
                removed += await self._remove_unknown(old)
                old = []
        return removed + await self._remove_unknown(old)

    async def _remove_unknown(self, keys: Sequence[str]) -> int:
        known = await self._repository.known_artifacts(keys)
        orphans = [key for key in keys if key not in known]
        for key in orphans:
            await self._storage.delete(key)
            log.info("an artefact of no version was removed", key=key)
        return len(orphans)


def _names_a_version(key: str) -> bool:
    try:
        read_path(key.removeprefix(ARTIFACTS))
    except InvalidArgument:
        return False
    return True
