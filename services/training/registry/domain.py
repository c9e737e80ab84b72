"""The nouns and errors of the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, ScaleError, invalid
from services.training.domain import GLOBAL_MODELS, MODELS, NOBODY, Metrics, ModelVersion, Stage

_HASH_CHARS = 8
ARTIFACTS = "models/"
"""The folder of all artefacts."""


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version to register."""

    id: UUID
    user_id: UUID
    model_type: str
    number: int
    metrics: Metrics
    content_hash: str
    size_bytes: int
    parent_version: str
    data_cutoff_at: datetime
    code_version: str
    job_id: UUID
    attempt: int
    """At the job: one that is over registers nothing."""

    @property
    def version(self) -> str:
        """Its name."""
        return f"{self.number}-{self.content_hash[:_HASH_CHARS]}"

    @property
    def artifact_key(self) -> str:
        """Where its artefact lies."""
        return f"{ARTIFACTS}{self.user_id}/{self.model_type}/{self.version}"


class Place(NamedTuple):
    """Whose version of which model."""

    user_id: UUID
    model_type: str
    version: str


class Pending(NamedTuple):
    """What the service that answers has not been told yet."""

    live: ModelVersion | None
    """What answers from now on; None for the model that comes with the product."""
    ids: Sequence[UUID]
    """Versions whose stage it has not heard of; empty when it knows all."""


class Download(NamedTuple):
    """An address of an artefact."""

    url: str
    expires_at: datetime


def owner_of(model_type: str, user_id: UUID) -> UUID:
    """To whom the versions of a model belong that this user sees. Raises InvalidArgument for a model that nobody knows."""
    if model_type not in MODELS:
        raise invalid("model", f"{model_type[:63]!r} is none of {', '.join(MODELS)}" if model_type else "is required")
    return NOBODY if model_type in GLOBAL_MODELS else user_id


def read_path(path: str) -> Place:
    """The place that a path names. Raises InvalidArgument."""
    try:
        user_id, model_type, version = path.split("/")
        return Place(UUID(user_id), model_type, version)
    except ValueError:
        raise invalid("path", "is not one that was handed out") from None


def surplus(versions: Sequence[ModelVersion], *, keep: int) -> list[ModelVersion]:
    """Versions of one model, newest first, that need not be kept: all but the last `keep`, the live one, the one that going back from it
    leads to, and the one with the best accuracy of those that have one."""
    live = next((one for one in versions if one.stage is Stage.LIVE), None)
    kept = {one.id for one in versions[:keep]}
    if live is not None:
        before = one_before(live, versions)
        kept |= {live.id} | ({before.id} if before is not None else set())
    measured = [(accuracy, one.number, one.id) for one in versions if (accuracy := accuracy_of(one)) is not None]
    if measured:
        kept.add(max(measured)[2])
    return [one for one in versions if one.id not in kept]


def one_before(live: ModelVersion, versions: Sequence[ModelVersion]) -> ModelVersion | None:
    """What was live before; None when nothing of these was."""
    assert live.promoted_at is not None  # nosec B101  # the database checks it
    retired = [(one.promoted_at, one) for one in versions if one.stage is Stage.RETIRED and one.promoted_at is not None]
    earlier = [(at, one) for at, one in retired if at < live.promoted_at]
    return max(earlier, key=lambda found: found[0])[1] if earlier else None


def accuracy_of(version: ModelVersion) -> float | None:
    """On the part held out, where it was measured."""
    found = version.metrics.get("accuracy")
    return float(found) if isinstance(found, int | float) else None


class ArtifactGone(NotFound):
    """There is no artefact that is what was registered."""


class VersionRefused(InvalidArgument):
    """The service that answers cannot use a version."""


def artifact_gone(version: str, why: str) -> ArtifactGone:
    """The storage has lost it, or has something else in its place."""
    return ArtifactGone(f"The artefact of version {version} {why}.", reason="ARTIFACT_GONE", metadata={"version": version})


def version_not_found(model_type: str, version: str) -> ScaleError:
    """Unknown, or somebody else's."""
    message = f"There is no version {version[:200]!r} of {model_type}."
    return NotFound(message, reason="MODEL_VERSION_NOT_FOUND", metadata={"model": model_type, "version": version})


def no_live_model(model_type: str) -> ScaleError:
    """For one who asks what answers."""
    message = f"No version of {model_type} is live: the model that comes with SCALE answers."
    return NotFound(message, reason="NO_LIVE_MODEL", metadata={"model": model_type})


def nothing_to_roll_back(model_type: str) -> ScaleError:
    """For one who wants to go back."""
    message = f"No version of {model_type} is live: there is nothing to go back from."
    return FailedPrecondition(message, reason="NO_LIVE_MODEL", metadata={"model": model_type})


def signature_invalid() -> ScaleError:
    """Changed, made up, or signed with a key that is no longer believed."""
    return PermissionDenied("This address was not handed out here; ask for the version again.", reason="SIGNATURE_INVALID")


def signature_expired() -> ScaleError:
    """It was good for some minutes."""
    return PermissionDenied("This address has expired; ask for the version again.", reason="SIGNATURE_EXPIRED")
