"""The nouns of notifications, and what they say of training jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.training.domain import GLOBAL_MODELS, Job

MOST_UNREAD = 1000
"""More are not counted."""


@dataclass(frozen=True, slots=True)
class NewNotification:
    """Something that a user should know."""

    id: UUID
    user_id: UUID
    kind: str
    """Stable name of what happened."""
    title: str
    body: str
    subject_id: str
    """What it is about: told once for each kind."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One that is kept."""

    id: UUID
    kind: str
    title: str
    body: str
    subject_id: str
    created_at: datetime
    read_at: datetime | None


def training_failed(notification_id: UUID, job: Job, message: str) -> NewNotification:
    """That a job was given up, and why."""
    whose = "" if job.model_type in GLOBAL_MODELS else "your model "
    title = f"Training of {whose}{job.model_type} failed"
    return NewNotification(notification_id, _told(job), "training_failed", title, message, str(job.id))


def training_completed(notification_id: UUID, job: Job, *, version: str, published: bool) -> NewNotification:
    """That a job is done, and what answers now."""
    if job.model_type in GLOBAL_MODELS:
        return _global_completed(notification_id, job, version=version, published=published)
    if published:
        title = f"Your model {job.model_type} has learned from your corrections"
        body = f"Version {version} answers from now on: on payments that it had not seen it did better than what answered before."
    else:
        title = f"Training of your model {job.model_type} is done; nothing changes"
        body = f"Version {version} did no better on payments that it had not seen than what answers now, so that this one stays."
    return NewNotification(notification_id, job.user_id, "training_completed", title, body, str(job.id))


def _global_completed(notification_id: UUID, job: Job, *, version: str, published: bool) -> NewNotification:
    if published:
        title = f"{job.model_type} was trained anew, and answers everybody"
        body = f"Version {version} did better on what was held out than what answered before. Each process takes it up when it asks next."
    else:
        title = f"{job.model_type} was trained anew; nothing changes"
        body = f"Version {version} did no better on what was held out than what answers now, so that this one stays."
    return NewNotification(notification_id, _told(job), "training_completed", title, body, str(job.id))


def _told(job: Job) -> UUID:
    """Whose job it is, or who asked for one of nobody's; NOBODY where no one did."""
    return job.requested_by or job.user_id
