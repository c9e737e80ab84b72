"""Rules of versions as callers see them: their own, and those of global models."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import UUID

import structlog

from services.kit.errors import Unavailable
from services.kit.signed_links import SignedLinks, signature_invalid
from services.training.domain import NOBODY, ModelVersion, Stage, for_admins
from services.training.registry.artifacts import Artifacts
from services.training.registry.domain import (
    ARTIFACTS,
    Download,
    no_live_model,
    nothing_to_roll_back,
    owner_of,
    read_path,
    version_not_found,
)
from services.training.registry.protocols import DeliveryQueue, VersionsRepository

log = structlog.get_logger()

ARTIFACTS_PATH = "/api/v1/artifacts/"
"""Below it the gateway hands out what ReadArtifact reads."""


class ModelRegistryService:
    """Every call names the user, from the verified token, but for `read_artifact`, where a signature says who may."""

    def __init__(
        self,
        repository: VersionsRepository,
        artifacts: Artifacts,
        links: SignedLinks,
        deliveries: DeliveryQueue | None,
        *,
        from_bucket: bool = False,
    ) -> None:
        """Without `deliveries` the clock alone sees to it that a promoted version answers. `from_bucket`: people download from the bucket,
        where it can sign addresses, past the gateway."""
        self._repository = repository
        self._artifacts = artifacts
        self._links = links
        self._deliveries = deliveries
        self._from_bucket = from_bucket

    async def list_versions(self, user_id: UUID, model_type: str, *, limit: int, below: int | None) -> tuple[Sequence[ModelVersion], bool]:
        """A page, the newest first, and whether there are more."""
        owner = owner_of(model_type, user_id)
        found = await self._repository.list_versions(owner, model_type, limit=limit + 1, below=below)
        return found[:limit], len(found) > limit

    async def get_version(self, user_id: UUID, model_type: str, version: str) -> ModelVersion:
        """One version. Raises NotFound."""
        found = await self._repository.get(owner_of(model_type, user_id), model_type, version)
        if found is None:
            raise version_not_found(model_type, version)
        return found

    async def get_live_version(self, user_id: UUID, model_type: str) -> ModelVersion:
        """What answers. Raises NotFound with reason NO_LIVE_MODEL."""
        found = await self._repository.live(owner_of(model_type, user_id), model_type)
        if found is None:
            raise no_live_model(model_type)
        return found

    async def promote_version(self, user_id: UUID, model_type: str, version: str, *, administrator: bool) -> ModelVersion:
        """Lets a version answer from now on. Raises NotFound, also where its artefact is gone, and PermissionDenied."""
        found = await self.get_version(user_id, model_type, version)
        _check_may_decide(found.user_id, model_type, administrator=administrator)
        if found.stage is not Stage.LIVE:
            # What cannot be read must not take the place of what answers.
            await self._artifacts.read(found)
        promoted = await self._repository.promote(found.user_id, model_type, version)
        if promoted is None:
            raise version_not_found(model_type, version)
        log.info("a version is live", user_id=str(promoted.user_id), model=model_type, version=version)
        await self._wake(promoted.user_id, model_type)
        return promoted

    async def roll_back(self, user_id: UUID, model_type: str, version: str, *, administrator: bool) -> ModelVersion | None:
        """Lets what was live before `version` (empty: before what is live) answer again; returns it, None for the shipped model. Where
        another version than the one named is live nothing changes. Raises FailedPrecondition, NotFound and PermissionDenied."""
        owner = owner_of(model_type, user_id)
        _check_may_decide(owner, model_type, administrator=administrator)
        if version:
            await self.get_version(user_id, model_type, version)
        else:
            live = await self._repository.live(owner, model_type)
            if live is None:
                raise nothing_to_roll_back(model_type)
            version = live.version
        await self._repository.roll_back(owner, model_type, version)
        now_live = await self._repository.live(owner, model_type)
        log.info("a model was rolled back", user_id=str(owner), model=model_type, version=now_live.version if now_live else None)
        await self._wake(owner, model_type)
        return now_live

    async def download_of(self, version: ModelVersion, *, for_service: bool) -> Download:
        """A fresh address of its artefact. A service gets one whose parts ReadArtifact takes."""
        if self._from_bucket and not for_service:
            asked_at = datetime.now(UTC).timestamp()
            url = await self._artifacts.bucket_url(version, lifetime_s=self._links.lifetime_s)
            if url is not None:
                return Download(url, datetime.fromtimestamp(asked_at + self._links.lifetime_s, UTC))
        path = version.artifact_key.removeprefix(ARTIFACTS)
        expires, signature = self._links.sign(path)
        url = f"{ARTIFACTS_PATH}{quote(path)}?expires={expires}&signature={signature}"
        return Download(url, datetime.fromtimestamp(expires, UTC))

    async def read_artifact(self, path: str, expires: int, signature: str) -> tuple[ModelVersion, bytes]:
        """What a signed address stands for. Raises PermissionDenied with reason SIGNATURE_INVALID or SIGNATURE_EXPIRED, NotFound when the
        version or its artefact is gone, and Unavailable."""
        self._links.check(path, expires, signature)
        place = read_path(path)
        found = await self._repository.get(*place)
        if found is None:
            raise version_not_found(place.model_type, place.version)
        if found.artifact_key != f"{ARTIFACTS}{path}":
            raise signature_invalid()
        return found, await self._artifacts.read(found)

    async def _wake(self, owner: UUID, model_type: str) -> None:
        if self._deliveries is None or owner == NOBODY:
            return
        try:
            await self._deliveries.enqueue(owner, model_type)
        except Unavailable as error:
            log.warning("a version waits to be delivered", user_id=str(owner), model=model_type, reason=error.reason)


def _check_may_decide(owner: UUID, model_type: str, *, administrator: bool) -> None:
    if owner == NOBODY and not administrator:
        raise for_admins(model_type)
