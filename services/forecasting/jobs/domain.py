"""The nouns and errors of work in the background."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.kit.errors import AlreadyExists, FailedPrecondition, NotFound, ResourceExhausted, ScaleError


class JobKind(StrEnum):
    """What a job does."""

    FORECAST = "forecast"
    SCAN = "scan"


class JobState(StrEnum):
    """Where a job stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to begin. What it shall make has the same id."""

    id: UUID
    user_id: UUID
    kind: JobKind
    request_id: str
    request_hash: bytes
    """Of all that was asked, 32 bytes: another body under the same request id has another one."""


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work."""

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
    error_message: str
    error_reason: str
    created_at: datetime
    completed_at: datetime | None

    @property
    def over(self) -> bool:
        """Its state is final."""
        return self.state in (JobState.SUCCEEDED, JobState.FAILED)


class Begun(StrEnum):
    """What became of a request for a job."""

    NEW = "new"
    NEW_BEHIND = "new_behind"
    """Others of the user go on."""
    NEW_DELAYED = "new_delayed"
    """It is taken up after a while, without a message."""
    WOKEN = "woken"
    """The job is the user's open scan, which waited and needs to wait no longer."""
    REPEATED = "repeated"
    """The job has the same request id."""
    ANOTHER_OPEN = "another_open"
    """The job is the user's open scan."""
    TOO_MANY_OPEN = "too_many_open"
    """The job is one of the user's that go on."""


class StalledJob(NamedTuple):
    """A job that nobody works on."""

    user_id: UUID
    job_id: UUID
    kind: JobKind
    in_queue: bool
    """There should be a message about it."""


def request_reused(kind: JobKind) -> ScaleError:
    """The same id came with another body."""
    return AlreadyExists(
        f"This request id was used for another {kind.value}; send a new one.", reason="REQUEST_ID_REUSED", metadata={"subject": kind.value}
    )


def job_not_found(kind: JobKind, job_id: UUID) -> ScaleError:
    """Unknown, no longer kept, or somebody else's."""
    return NotFound(f"There is no {kind.value} {job_id}.", reason=f"{kind.name}_NOT_FOUND", metadata={f"{kind.value}_id": str(job_id)})


def too_many_open(job: Job, most: int) -> ScaleError:
    """One user alone would keep the workers from all others."""
    return ResourceExhausted(
        f"{most} forecasts of yours are being made, as many as one user may have; wait until one is done, such as {job.id}.",
        reason="TOO_MANY_OPEN_FORECASTS",
        metadata={"forecast_id": str(job.id), "limit": str(most)},
        retry_after_s=5,
    )


def queue_full() -> ScaleError:
    """Too many jobs wait for a worker."""
    return ResourceExhausted("Too many jobs wait for a worker; try again in a minute.", reason="QUEUE_FULL", retry_after_s=60)


def queue_missing() -> ScaleError:
    """Background work was asked of a service without a queue."""
    return FailedPrecondition(
        "This service has no queue (SCALE_REDIS_URL), and so makes no forecasts and looks through no ledger.", reason="QUEUE_NOT_CONFIGURED"
    )


def worker_died(times: int) -> ScaleError:
    """Whoever took it up was gone before it was done: killed at the time limit, or for its memory."""
    return FailedPrecondition(f"The process that worked on it died, {times} times.", reason="WORKER_DIED")
