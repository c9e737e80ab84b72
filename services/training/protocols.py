"""What the rules of training need from around them."""

from __future__ import annotations

from typing import Protocol

from services.training.domain import Job, ModelVersion, Progress, Trained


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


class Registry(Protocol):
    """Keeps versions of models."""

    async def register(self, job: Job, trained: Trained) -> ModelVersion:
        """Stores the artefact and its version; one that is better goes live, and the service that answers with it is told. Harmless to
        repeat for one job. Raises Unavailable, with reason NO_STORAGE_ROOM where a disk is full."""
