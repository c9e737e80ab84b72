"""`Registry` and `LiveModels`: what a job has made becomes a version, and what is live is there to be compared with."""

from __future__ import annotations

import hashlib
import math
from contextlib import suppress
from uuid import UUID

import structlog
import uuid_utils.compat

from services.kit.errors import Aborted, ScaleError, Unauthenticated
from services.training.domain import Job, LiveArtifact, Metrics, ModelVersion, Stage, Trained
from services.training.metrics import VERSIONS
from services.training.registry.artifacts import Artifacts
from services.training.registry.delivery import Delivery
from services.training.registry.domain import ArtifactGone, NewVersion, surplus
from services.training.registry.protocols import VersionsRepository

log = structlog.get_logger()

_TRIES = 5
_MOST_LOOKED_AT = 1000


class ModelRegistry:
    """`Registry` and `LiveModels` on a repository and a storage. The artefact comes first, so that no version is without one; what a crash
    in between leaves behind is removed by the clock (`Artifacts.remove_orphans`)."""

    def __init__(
        self, repository: VersionsRepository, artifacts: Artifacts, delivery: Delivery, *, code_version: str, kept_versions: int
    ) -> None:
        """`kept_versions`: how many of the latest of each model are kept, whatever they are worth."""
        self._repository = repository
        self._artifacts = artifacts
        self._delivery = delivery
        self._code_version = code_version
        self._kept_versions = kept_versions

    async def register(self, job: Job, trained: Trained) -> ModelVersion:
        """See `Registry`."""
        found = await self._repository.of_job(job.user_id, job.id)
        if found is None:
            found = await self._add(job, trained)
            VERSIONS.labels(found.model_type, found.stage.value).inc()
            log.info("a version was registered", job_id=str(job.id), version=found.version, stage=found.stage.value)
        if found.stage is Stage.LIVE and found.delivered_at is None:
            await self._delivery.try_to_deliver(job.user_id, job.model_type)
            # One that could not answer has made way.
            found = await self._repository.of_job(job.user_id, job.id) or found
        with suppress(ScaleError):  # the next version of this model tries again
            await self._remove_surplus(found)
        return found

    async def live(self, user_id: UUID, model_type: str) -> LiveArtifact | None:
        """See `LiveModels`."""
        found = await self._repository.live(user_id, model_type)
        if found is None:
            return None
        try:
            return LiveArtifact(found.version, await self._artifacts.read(found))
        except ArtifactGone:
            # It answers no more than one that is not there.
            return None

    async def _add(self, job: Job, trained: Trained) -> ModelVersion:
        if not trained.artifact:
            raise ValueError("a trainer returned an empty artefact")
        for _ in range(_TRIES):
            new = self._new(job, trained, await self._repository.next_number(job.user_id, job.model_type))
            await self._artifacts.keep(new, trained.artifact)
            try:
                again = await self._is_live(new)
                added = await self._repository.add(new, live=trained.better and not again)
            except Unauthenticated:
                # Of a user who has erased everything. What else is left over may by now be another attempt's, with the same content.
                await self._artifacts.remove(new.artifact_key)
                raise
            if added is not None:
                if again:
                    # It may be damaged where it answers, which is why somebody trains once more.
                    await self._repository.tell_again(job.user_id, job.model_type)
                    await self._delivery.try_to_deliver(job.user_id, job.model_type)
                return added
        raise Aborted("Other versions of this model are being registered; try again.", reason="NUMBER_TAKEN", retry_after_s=1)

    async def _is_live(self, new: NewVersion) -> bool:
        """From the same payments the same model is made: it is no better than itself."""
        live = await self._repository.live(new.user_id, new.model_type)
        return live is not None and live.content_hash == new.content_hash

    def _new(self, job: Job, trained: Trained, number: int) -> NewVersion:
        return NewVersion(
            id=uuid_utils.compat.uuid7(),
            user_id=job.user_id,
            model_type=job.model_type,
            number=number,
            metrics=_finite(trained.metrics),
            content_hash=hashlib.sha256(trained.artifact).hexdigest(),
            size_bytes=len(trained.artifact),
            parent_version=trained.parent_version,
            data_cutoff_at=trained.data_cutoff_at,
            code_version=self._code_version,
            job_id=job.id,
            attempt=job.attempt,
        )

    async def _remove_surplus(self, latest: ModelVersion) -> None:
        versions = await self._repository.list_versions(latest.user_id, latest.model_type, limit=_MOST_LOOKED_AT, below=None)
        gone = [one.id for one in surplus(versions, keep=self._kept_versions)]
        for removed in await self._repository.remove(latest.user_id, gone) if gone else ():
            await self._artifacts.remove(removed.artifact_key)


def _finite(metrics: Metrics) -> Metrics:
    """JSON has no word for what is not a number."""
    return {name: value for name, value in metrics.items() if not isinstance(value, float) or math.isfinite(value)}
