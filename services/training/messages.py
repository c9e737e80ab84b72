"""Between the nouns of training and the contract's messages, and the checks that need nothing but the request."""

from __future__ import annotations

from typing import Any

from scale.training.v1 import training_service_pb2 as pb
from services.kit.dates import to_timestamp
from services.kit.errors import invalid
from services.kit.fields import text_of
from services.training.domain import Job, JobEvent, JobStatus, Trigger

_MAX_REQUEST_ID_CHARS = 36
_MAX_MODEL_CHARS = 63
_STATUSES: dict[JobStatus, Any] = {one: pb.TrainingJobStatus.Value(f"TRAINING_JOB_STATUS_{one.name}") for one in JobStatus}
_STATUS_NOUNS = {number: one for one, number in _STATUSES.items()}
_TRIGGERS: dict[Trigger, Any] = {one: pb.TrainingTrigger.Value(f"TRAINING_TRIGGER_{one.name}") for one in Trigger}
_FINAL_KINDS: dict[JobStatus, Any] = {
    JobStatus.COMPLETED: pb.TRAINING_EVENT_KIND_COMPLETE,
    JobStatus.FAILED: pb.TRAINING_EVENT_KIND_FAILED,
    JobStatus.CANCELLED: pb.TRAINING_EVENT_KIND_FAILED,
}


def request_id_of(value: str) -> str:
    """A request id. Raises InvalidArgument."""
    return text_of("request_id", value, _MAX_REQUEST_ID_CHARS, required=True)


def model_of(value: str, *, required: bool = True) -> str:
    """The name of a model, whether there is one of that name or not. Raises InvalidArgument."""
    return text_of("model", value, _MAX_MODEL_CHARS, required=required)


def status_of(value: Any) -> JobStatus | None:
    """A status; None where none is said. Raises InvalidArgument."""
    if not value:
        return None
    found = _STATUS_NOUNS.get(value)
    if found is None:
        raise invalid("status", f"{value} is not a value of this enum")
    return found


def job_message(job: Job) -> pb.TrainingJob:
    """A job as it stands."""
    message = pb.TrainingJob(
        job_id=str(job.id),
        model=job.model_type,
        status=_STATUSES[job.status],
        error_message=job.error_message,
        error_reason=job.error_reason,
        model_version=job.model_version,
        published=job.published,
        cancel_requested=job.cancel_requested,
        trigger=_TRIGGERS[job.trigger],
        create_time=to_timestamp(job.created_at),
        start_time=to_timestamp(job.started_at) if job.started_at is not None else None,
        update_time=to_timestamp(job.updated_at),
        complete_time=to_timestamp(job.completed_at) if job.completed_at is not None else None,
    )
    message.metrics.update(job.metrics)
    if job.total or job.phase:
        message.progress.CopyFrom(pb.TrainingProgress(step=job.step, total=job.total, loss=job.loss, phase=job.phase))
    return message


def event_message(event: JobEvent) -> pb.WatchTrainingJobResponse:
    """One step of a job."""
    kind = _FINAL_KINDS.get(event.job.status, pb.TRAINING_EVENT_KIND_PROGRESS)
    return pb.WatchTrainingJobResponse(event_id=event.id, kind=kind, job=job_message(event.job))
