"""A job as JSON, for what is kept of it in Redis: the copy of its status, and the log of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.training.domain import Job, JobStatus, Trigger


def job_copy(job: Job) -> dict[str, Any]:
    """All that its user may see of it, and whose it is."""
    return {
        "id": str(job.id),
        "user_id": str(job.user_id),
        "model_type": job.model_type,
        "trigger": job.trigger.value,
        "status": job.status.value,
        "cancel_requested": job.cancel_requested,
        "step": job.step,
        "total": job.total,
        "loss": job.loss,
        "phase": job.phase,
        "metrics": dict(job.metrics),
        "model_version": job.model_version,
        "published": job.published,
        "error_message": job.error_message,
        "error_reason": job.error_reason,
        "created_at": _text(job.created_at),
        "started_at": _text(job.started_at),
        "updated_at": _text(job.updated_at),
        "completed_at": _text(job.completed_at),
    }


def job_of_copy(copy: Mapping[str, Any]) -> Job:
    """The job again. What only its worker needs is not in the copy, and stands as for a job that nobody has taken up. Raises KeyError,
    TypeError or ValueError for a copy of another version."""
    return Job(
        id=UUID(copy["id"]),
        user_id=UUID(copy["user_id"]),
        request_id="",
        model_type=copy["model_type"],
        trigger=Trigger(copy["trigger"]),
        status=JobStatus(copy["status"]),
        cancel_requested=copy["cancel_requested"],
        attempt=0,
        begun=0,
        tries=0,
        step=copy["step"],
        total=copy["total"],
        loss=copy["loss"],
        phase=copy["phase"],
        metrics=copy["metrics"],
        checkpoint_path="",
        model_version=copy["model_version"],
        published=copy["published"],
        error_message=copy["error_message"],
        error_reason=copy["error_reason"],
        created_at=datetime.fromisoformat(copy["created_at"]),
        started_at=_moment(copy["started_at"]),
        updated_at=datetime.fromisoformat(copy["updated_at"]),
        completed_at=_moment(copy["completed_at"]),
    )


def _text(moment: datetime | None) -> str | None:
    # In one length, so that the later one is the greater text.
    return moment.astimezone(UTC).isoformat(timespec="microseconds") if moment is not None else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
