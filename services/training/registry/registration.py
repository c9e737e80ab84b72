"""`Registry` and `LiveModels`: what a job has made becomes a version, and what is live is there to be compared with."""

from __future__ import annotations

import hashlib
import math
from uuid import UUID

import uuid_utils.compat

from services.training.domain import Job, LiveArtifact, Metrics, ModelVersion, Stage, Trained
from services.training.registry.adding import Adding
from services.training.registry.artifacts import Artifacts
from services.training.registry.delivery import Delivery
from services.training.registry.domain import ArtifactGone, NewVersion
from services.training.registry.protocols import VersionsRepository


class ModelRegistry:
    """`Registry` and `LiveModels` on a repository and a storage."""

    def __init__(
        self, repository: VersionsRepository, artifacts: Artifacts, delivery: Delivery, *, code_version: str, kept_versions: int
    ) -> None:
        """`kept_versions`: how many of the latest of each model are kept, whatever they are worth."""
        self._repository = repository
        self._artifacts = artifacts
        self._delivery = delivery
        self._adding = Adding(repository, artifacts, kept_versions=kept_versions)
        self._code_version = code_version

    async def register(self, job: Job, trained: Trained) -> ModelVersion:
        """See `Registry`."""
        found = await self._repository.of_job(job.user_id, job.id)
        if found is None:
            found = await self._add(job, trained)
        if found.stage is Stage.LIVE and found.delivered_at is None:
            await self._delivery.try_to_deliver(job.user_id, job.model_type)
            # One that could not answer has made way.
            found = await self._repository.of_job(job.user_id, job.id) or found
        await self._adding.remove_surplus(found)
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
        added, again = await self._adding.add(self._draft(job, trained), trained.artifact, live=trained.better)
        if again:
            # It may be damaged where it answers, which is why somebody trains once more.
            await self._repository.tell_again(job.user_id, job.model_type)
            await self._delivery.try_to_deliver(job.user_id, job.model_type)
        return added

    def _draft(self, job: Job, trained: Trained) -> NewVersion:
        return NewVersion(
            id=uuid_utils.compat.uuid7(),
            user_id=job.user_id,
            model_type=job.model_type,
            number=0,
            metrics=_finite(trained.metrics),
            content_hash=hashlib.sha256(trained.artifact).hexdigest(),
            size_bytes=len(trained.artifact),
            parent_version=trained.parent_version,
            data_cutoff_at=trained.data_cutoff_at,
            code_version=self._code_version,
            job_id=job.id,
            attempt=job.attempt,
        )


def _finite(metrics: Metrics) -> Metrics:
    """JSON has no word for what is not a number."""
    return {name: value for name, value in metrics.items() if not isinstance(value, float) or math.isfinite(value)}
