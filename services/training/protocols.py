"""What the rules of training need from around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from services.training.domain import Job, JobEvent, LiveArtifact, ModelVersion, Progress, Trained


class Report(Protocol):
    """Tells how far a job is."""

    async def __call__(self, progress: Progress) -> None:
        """Stores and publishes it. Raises JobCancelled when the user has given the job up and AttemptOver when another worker has it: the
        trainer lets both through, and stops. Call it once a second or so, and at every change of phase."""


class Trainer(Protocol):
    """Trains one kind of model."""

    async def train(self, job: Job, report: Report) -> Trained:
        """Collects, trains, and compares with what answers now on a part held out. Computes in a thread of its own: the event loop must
        keep the lease. Raises FailedPrecondition with reason TOO_FEW_EXAMPLES, in words for the user, where there is nothing to learn."""


class LiveModels(Protocol):
    """What answers now."""

    async def live(self, user_id: UUID, model_type: str) -> LiveArtifact | None:
        """The live version of a user's model, or of a global one, which is NOBODY's; None where none is. Raises Unavailable."""


class Registry(Protocol):
    """Keeps versions of models."""

    async def register(self, job: Job, trained: Trained) -> ModelVersion:
        """Stores the artefact and its version; one that is better goes live, and the service that answers with it is told. Harmless to
        repeat for one job. Raises Unavailable, with reason NO_STORAGE_ROOM where a disk is full."""


class JobEvents(Protocol):
    """The log of the steps of jobs. Who may read one is for the caller to decide."""

    async def publish(self, job: Job) -> None:
        """Adds the job as it is now; lost where the log is away. After one with a final status none follows."""

    async def read(self, job_id: UUID, *, after: str, wait_s: float) -> Sequence[JobEvent]:
        """Events later than `after` (empty: from the first one kept), waiting for one if there is none. Raises Unavailable."""

    async def forget(self, job_ids: Sequence[UUID]) -> None:
        """Removes all events of these jobs. Raises Unavailable."""


class JobStatuses(Protocol):
    """Copies of jobs for those who ask often. Without them, and wherever they fail, the database answers."""

    async def put(self, job: Job) -> None:
        """Keeps a copy, unless a later one, or that of a job that is over, is there. Does nothing where it cannot."""

    async def get(self, user_id: UUID, job_id: UUID) -> Job | None:
        """The copy of a job of this user, at most five seconds behind; None when there is none."""

    async def forget(self, job_ids: Sequence[UUID]) -> None:
        """Removes the copies of these jobs. Raises Unavailable."""
