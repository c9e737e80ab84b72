"""The nouns of training: jobs, what they made, versions of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

NOBODY = UUID(int=0)
"""Whom jobs and versions of global models belong to."""

CATEGORIZER = "categorizer"
"""The user's own categorizer."""
CATEGORIZER_GLOBAL = "categorizer-global"
"""The one that everybody begins with."""

Metrics = Mapping[str, float | int | str | bool]


class JobStatus(StrEnum):
    """Where a job stands."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (JobStatus.PENDING, JobStatus.PROCESSING)


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
