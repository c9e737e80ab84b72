"""The nouns and errors of the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.kit.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ScaleError,
    invalid,
)
from services.training.domain import CATEGORIZER_GLOBAL, GLOBAL_MODELS, MODELS, NOBODY, Metrics, ModelVersion, Stage

_HASH_CHARS = 8
MAX_ARTIFACT_BYTES = 64 * 1024 * 1024
"""Of what services register: whoever answers takes up no more."""
REGISTRARS = {"federation_models": frozenset({CATEGORIZER_GLOBAL})}
"""Services that make versions of global models themselves, by the name of their key."""
ARTIFACTS = "models/"
"""The folder of all artefacts."""
LINKS_PURPOSE = "artifact"
"""What lies behind the addresses that are signed here."""


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
    attempt: int | None
    """At the job: one that is over registers nothing. None for what another service made: it has no job here."""

    @property
    def version(self) -> str:
        """Its name."""
        return f"{self.number}-{self.content_hash[:_HASH_CHARS]}"

    @property
    def artifact_key(self) -> str:
        """Where its artefact lies."""
        return f"{ARTIFACTS}{self.user_id}/{self.model_type}/{self.version}"


@dataclass(frozen=True, slots=True)
class Made:
    """A version of a global model that another service has made."""

    model_type: str
    job_id: UUID
    """What made it."""
    artifact: bytes
    metrics: Metrics
    parent_version: str
    data_cutoff_at: datetime
    code_version: str
    live: bool
    """It answers from now on."""


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
    leads to, and the best of those that were measured."""
    live = next((one for one in versions if one.stage is Stage.LIVE), None)
    kept = {one.id for one in versions[:keep]}
    if live is not None:
        before = one_before(live, versions)
        kept |= {live.id} | ({before.id} if before is not None else set())
    measured = [(worth, one.number, one.id) for one in versions if (worth := worth_of(one)) is not None]
    if measured:
        kept.add(max(measured)[2])
    return [one for one in versions if one.id not in kept]


def one_before(live: ModelVersion, versions: Sequence[ModelVersion]) -> ModelVersion | None:
    """What was live before; None when nothing of these was."""
    assert live.promoted_at is not None  # nosec B101  # the database checks it
    retired = [(one.promoted_at, one) for one in versions if one.stage is Stage.RETIRED and one.promoted_at is not None]
    earlier = [(at, one) for at, one in retired if at < live.promoted_at]
    return max(earlier, key=lambda found: found[0])[1] if earlier else None


def worth_of(version: ModelVersion) -> float | None:
    """On the part held out, where it was measured, the more the better: its accuracy, or how little a forecaster loses."""
    for name, sign in (("accuracy", 1.0), ("pinball", -1.0)):
        found = version.metrics.get(name)
        if isinstance(found, int | float):
            return sign * found
    return None


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


def may_not_register(model_type: str) -> ScaleError:
    """Whoever asks makes no versions of this model."""
    message = f"Versions of {model_type[:63]!r} are not registered by whoever asks here."
    return PermissionDenied(message, reason="NOT_ITS_MODEL", metadata={"model": model_type[:63]})


def artifact_too_large(size_bytes: int) -> ScaleError:
    """Nobody could answer with it."""
    return ResourceExhausted(
        f"An artefact of {size_bytes} bytes is too large: at most {MAX_ARTIFACT_BYTES}.",
        reason="ARTIFACT_TOO_LARGE",
        metadata={"size_bytes": str(size_bytes), "most": str(MAX_ARTIFACT_BYTES)},
    )


def artifact_incomplete(why: str) -> ScaleError:
    """It was damaged on the way, or cut short."""
    return InvalidArgument(f"The artefact is not what its header says: {why}.", reason="ARTIFACT_INCOMPLETE")


def job_taken(job_id: UUID, model_type: str) -> ScaleError:
    """A job makes a version of one model."""
    message = f"Job {job_id} has made a version of {model_type}."
    return AlreadyExists(message, reason="JOB_TAKEN", metadata={"job_id": str(job_id), "model": model_type})
