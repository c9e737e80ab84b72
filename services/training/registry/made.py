"""Versions of global models that other services make: each service its own models, each job once."""

from __future__ import annotations

import hashlib

import structlog
import uuid_utils.compat

from services.training.domain import NOBODY, ModelVersion
from services.training.registry.adding import Adding
from services.training.registry.artifacts import Artifacts
from services.training.registry.domain import (
    MAX_ARTIFACT_BYTES,
    REGISTRARS,
    ArtifactGone,
    Made,
    NewVersion,
    artifact_too_large,
    job_taken,
    may_not_register,
)
from services.training.registry.protocols import VersionsRepository

log = structlog.get_logger()


def check_may_register(service: str, model_type: str) -> None:
    """Raises PermissionDenied for whoever makes no versions of this model. `service`: of a verified key; empty for people."""
    if model_type not in REGISTRARS.get(service, ()):
        raise may_not_register(model_type)


class MadeVersions:
    """They live, are kept and go like those that are trained here. Nobody has to be told of them: whoever answers with them asks."""

    def __init__(self, repository: VersionsRepository, artifacts: Artifacts, *, kept_versions: int) -> None:
        """`kept_versions`: how many of the latest of each model are kept, whatever they are worth."""
        self._repository = repository
        self._artifacts = artifacts
        self._adding = Adding(repository, artifacts, kept_versions=kept_versions)

    async def register(self, made: Made) -> ModelVersion:
        """The version, or that of the same job, as it stands. Raises ResourceExhausted with reason ARTIFACT_TOO_LARGE, AlreadyExists for a
        job that has made a version of another model, and Unavailable."""
        if len(made.artifact) > MAX_ARTIFACT_BYTES:
            raise artifact_too_large(len(made.artifact))
        found = await self._repository.of_job(NOBODY, made.job_id)
        if found is None:
            found, _ = await self._adding.add(_draft(made), made.artifact, live=made.live)
            await self._adding.remove_surplus(found)
        elif found.model_type != made.model_type:
            raise job_taken(made.job_id, found.model_type)
        else:
            await self._put_back(found, made.artifact)
        return found

    async def _put_back(self, found: ModelVersion, content: bytes) -> None:
        """Whoever made it may have kept what the storage has lost."""
        if hashlib.sha256(content).hexdigest() != found.content_hash:
            return
        try:
            await self._artifacts.read(found)
        except ArtifactGone:
            log.warning("a lost artefact is put back", version=found.version)
            await self._artifacts.keep(found, content)


def _draft(made: Made) -> NewVersion:
    return NewVersion(
        id=uuid_utils.compat.uuid7(),
        user_id=NOBODY,
        model_type=made.model_type,
        number=0,
        metrics=made.metrics,
        content_hash=hashlib.sha256(made.artifact).hexdigest(),
        size_bytes=len(made.artifact),
        parent_version=made.parent_version,
        data_cutoff_at=made.data_cutoff_at,
        code_version=made.code_version,
        job_id=made.job_id,
        attempt=None,
    )
