"""The nouns and errors of work in the background."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.kit.errors import FailedPrecondition, NotFound, ResourceExhausted, ScaleError

MOST_JOB_INPUTS = 50_000
MOST_JOB_BYTES = 16 * 1024 * 1024
"""Of all its payments together, as they came."""


class JobKind(StrEnum):
    """What a job does."""

    CLASSIFICATION = "classification"
    RECATEGORIZATION = "recategorization"
    DISCOVERY = "discovery"


class JobState(StrEnum):
    """Where a job stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to begin."""

    id: UUID
    user_id: UUID
    kind: JobKind
    request_id: str
    request_hash: bytes
    input_count: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work, and how far it is."""

    id: UUID
    user_id: UUID
    kind: JobKind
    request_id: str
    request_hash: bytes
    state: JobState
    attempt: int
    """Counts who works on it: a worker whose attempt is over can change nothing."""
    begun: int
    """How often a worker has taken it up."""
    tries: int
    """How many of these count against it."""
    cursor: str
    """Where a walk through the ledger goes on."""
    input_count: int
    done_count: int
    changed_count: int
    error_message: str
    error_reason: str
    model_version: str
    created_at: datetime
    completed_at: datetime | None


class Begun(StrEnum):
    """What became of a request for a job."""

    NEW = "new"
    NEW_BEHIND = "new_behind"
    """Others of the user go on."""
    REPEATED = "repeated"
    """The job has the same request id."""
    ANOTHER_OPEN = "another_open"
    """The job is another one of the same kind, and goes on."""
    TOO_MANY_OPEN = "too_many_open"
    """The job is one of the user's that go on."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is."""

    done_count: int
    changed_count: int
    cursor: str = ""


class StalledJob(NamedTuple):
    """A job that nobody works on."""

    user_id: UUID
    job_id: UUID
    kind: JobKind
    in_queue: bool
    """There should be a message about it."""


def job_not_found(job_id: UUID) -> ScaleError:
    """Unknown, or somebody else's."""
    return NotFound(f"There is no job {job_id}.", reason="JOB_NOT_FOUND", metadata={"job_id": str(job_id)})


def job_open(job: Job) -> ScaleError:
    """Two walks through one ledger would undo each other's work."""
    return FailedPrecondition(
        f"Job {job.id} does this already; wait until it is done.",
        reason="JOB_OPEN",
        metadata={"job_id": str(job.id), "kind": job.kind.value},
    )


def no_results(job: Job) -> ScaleError:
    """Its answers were asked for too early, or it has none."""
    return FailedPrecondition(
        f"Job {job.id} is a {job.kind.value} and {job.state.value}; a classification that has succeeded has answers.",
        reason="JOB_WITHOUT_RESULTS",
        metadata={"job_id": str(job.id), "state": job.state.value},
    )


def results_expired(job: Job) -> ScaleError:
    """Its answers were kept for some days."""
    return NotFound(f"The answers of job {job.id} are no longer kept; classify again.", reason="JOB_RESULTS_EXPIRED")


def too_many_open(job: Job, most: int) -> ScaleError:
    """One user alone would keep the workers from all others."""
    return ResourceExhausted(
        f"You have {most} jobs that are not done, as many as one user may have; wait until one is, such as {job.id}.",
        reason="TOO_MANY_OPEN_JOBS",
        metadata={"job_id": str(job.id), "limit": str(most)},
        retry_after_s=5,
    )


def job_too_large() -> ScaleError:
    """Payments are in memory until they are stored."""
    return ResourceExhausted(
        f"The payments have more than {MOST_JOB_BYTES // 1024**2} MiB together; send them as several jobs.", reason="JOB_TOO_LARGE"
    )


def queue_full() -> ScaleError:
    """Too many jobs wait for a worker."""
    return ResourceExhausted("Too many jobs wait for a worker; try again in a minute.", reason="QUEUE_FULL", retry_after_s=60)
