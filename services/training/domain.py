"""The nouns of training: jobs, what they made, versions of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.kit.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ScaleError,
    invalid,
)

NOBODY = UUID(int=0)
"""Whom jobs and versions of global models belong to."""

CATEGORIZER = "categorizer"
"""The user's own categorizer."""
CATEGORIZER_GLOBAL = "categorizer-global"
"""The one that everybody begins with."""
FORECASTER_GLOBAL = "forecaster-global"
"""What everybody's forecasts are made with."""
MODELS = (CATEGORIZER, CATEGORIZER_GLOBAL, FORECASTER_GLOBAL)
GLOBAL_MODELS = frozenset({CATEGORIZER_GLOBAL, FORECASTER_GLOBAL})
"""Administrators' and the clock's to train; their jobs and versions belong to NOBODY."""

Metrics = Mapping[str, float | int | str | bool]


class JobStatus(StrEnum):
    """Where a job stands."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (JobStatus.PENDING, JobStatus.PROCESSING)


class Caller(NamedTuple):
    """Who asks, from the verified token."""

    user_id: UUID
    admin: bool = False

    def owner_of(self, model_type: str) -> UUID:
        """Whose jobs are meant. Raises PermissionDenied where only administrators may."""
        if model_type not in GLOBAL_MODELS:
            return self.user_id
        if not self.admin:
            raise for_admins(model_type)
        return NOBODY


class Trigger(StrEnum):
    """Who asked for a job."""

    USER = "user"
    ACCURACY = "accuracy"
    SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is."""

    step: int
    total: int
    loss: float | None = None
    phase: str = ""
    """collecting, training, evaluating or publishing."""


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of training."""

    id: UUID
    user_id: UUID
    request_id: str
    model_type: str
    trigger: Trigger
    status: JobStatus
    cancel_requested: bool
    attempt: int
    """Counts who works on it: a worker whose attempt is over can change nothing."""
    begun: int
    """How often a worker has taken it up."""
    tries: int
    """How many of these count against it."""
    step: int
    total: int
    loss: float | None
    phase: str
    metrics: Metrics
    checkpoint_path: str
    model_version: str
    published: bool
    error_message: str
    error_reason: str
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    completed_at: datetime | None
    requested_by: UUID | None = None
    """Who asked for a job of nobody's, and hears of its end; None where the clock did, or who did has erased everything."""

    @property
    def over(self) -> bool:
        """Nothing of it changes any more."""
        return self.status not in OPEN

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(self.step, self.total, self.loss, self.phase)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to begin."""

    id: UUID
    user_id: UUID
    request_id: str
    model_type: str
    trigger: Trigger
    requested_by: UUID | None = None
    """Of one of nobody's."""


class Begun(StrEnum):
    """What became of a request for a job."""

    NEW = "new"
    REPEATED = "repeated"
    """The job has the same request id."""
    ANOTHER_OPEN = "another_open"
    """The job is another one, and goes on."""


class JobPosition(NamedTuple):
    """Where a page of jobs goes on."""

    created_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class Trained:
    """What a trainer made."""

    artifact: bytes
    better: bool
    """On the part held out, than what answers now: only then it is published."""
    metrics: Metrics
    parent_version: str
    """What it was trained from: a version of the registry, or that of the shipped model."""
    data_cutoff_at: datetime
    """What it learned from is older than this."""


class Stage(StrEnum):
    """Whether a version answers."""

    CANDIDATE = "candidate"
    LIVE = "live"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of one model."""

    id: UUID
    user_id: UUID
    model_type: str
    number: int
    version: str
    stage: Stage
    metrics: Metrics = field(repr=False)
    content_hash: str
    size_bytes: int
    artifact_key: str
    parent_version: str
    data_cutoff_at: datetime
    code_version: str
    job_id: UUID
    created_at: datetime
    promoted_at: datetime | None
    delivered_at: datetime | None
    """When the service that answers with it was told."""


class LiveArtifact(NamedTuple):
    """What answers now, where it is not the model that comes with the product."""

    version: str
    content: bytes


class StalledJob(NamedTuple):
    """A job that nobody works on."""

    user_id: UUID
    job_id: UUID
    in_queue: bool
    """There should be a message about it."""


class JobEvent(NamedTuple):
    """A job as it was at one step."""

    id: str
    """Grows with every step; empty where the step is in no log."""
    job: Job


class OverdueJob(NamedTuple):
    """A job that a worker has had for too long."""

    user_id: UUID
    job_id: UUID


class AttemptOver(Aborted):
    """Somebody else works on the job now, or it is over."""


class JobCancelled(Aborted):
    """The user has given the job up."""


def attempt_over(job_id: UUID) -> AttemptOver:
    """The worker that finds this out stops, and changes nothing."""
    return AttemptOver(f"Training job {job_id} is carried on by another worker.", reason="ATTEMPT_OVER", metadata={"job_id": str(job_id)})


def job_cancelled(job_id: UUID) -> JobCancelled:
    """The worker that finds this out stops, and says so."""
    return JobCancelled(f"Training job {job_id} was cancelled.", reason="JOB_CANCELLED", metadata={"job_id": str(job_id)})


def model_unknown(model_type: str) -> ScaleError:
    """No such model is trained here."""
    return invalid("model", f"{model_type[:63]!r} is none that is trained here: {', '.join(MODELS)}")


def for_admins(model_type: str) -> ScaleError:
    """Everybody's model is not anybody's to train."""
    return PermissionDenied(f"The model {model_type} is for administrators.", reason="ADMINS_ONLY", metadata={"model": model_type})


def job_not_found(job_id: UUID) -> ScaleError:
    """Unknown, or somebody else's."""
    return NotFound(f"There is no training job {job_id}.", reason="TRAINING_JOB_NOT_FOUND", metadata={"job_id": str(job_id)})


def job_open(job: Job) -> ScaleError:
    """One at a time for each user."""
    return AlreadyExists(
        f"Training job {job.id} is {job.status.value}; wait until it is done, or cancel it.",
        reason="TRAINING_JOB_OPEN",
        metadata={"job_id": str(job.id), "model": job.model_type, "status": job.status.value},
    )


def request_reused() -> ScaleError:
    """The same id came with another body."""
    return AlreadyExists(
        "This request id was used for another training job; send a new one.",
        reason="REQUEST_ID_REUSED",
        metadata={"subject": "training job"},
    )


def job_ended(job: Job) -> ScaleError:
    """Too late to give it up."""
    return FailedPrecondition(
        f"Training job {job.id} is {job.status.value} already.",
        reason="TRAINING_JOB_ENDED",
        metadata={"job_id": str(job.id), "status": job.status.value},
    )


def queue_full() -> ScaleError:
    """Too many jobs wait for a worker."""
    return ResourceExhausted("Too many training jobs wait for a worker; try again in a minute.", reason="QUEUE_FULL", retry_after_s=60)


def queue_missing() -> ScaleError:
    """Training was asked of a service without a queue."""
    return FailedPrecondition("This service has no queue (SCALE_REDIS_URL), so that nobody would train.", reason="QUEUE_NOT_CONFIGURED")
