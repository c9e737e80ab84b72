"""Between the JSON of training and the messages of `scale.training.v1`."""

from __future__ import annotations

from typing import Any

import orjson
from sse_starlette import ServerSentEvent

from scale.training.v1 import training_service_pb2 as pb
from services.gateway.accounts_json import MAX_PAGE_SIZE
from services.gateway.schemas import training as schemas
from services.gateway.wire import struct_value, timestamp_text

_STATUSES = {number: name.removeprefix("TRAINING_JOB_STATUS_").lower() for name, number in pb.TrainingJobStatus.items()}
_STATUS_NUMBERS: dict[str, Any] = {name: number for number, name in _STATUSES.items()}
_TRIGGERS = {number: name.removeprefix("TRAINING_TRIGGER_").lower() for name, number in pb.TrainingTrigger.items()}
_EVENTS = {number: name.removeprefix("TRAINING_EVENT_KIND_").lower() for name, number in pb.TrainingEventKind.items()}
OPEN = frozenset({pb.TRAINING_JOB_STATUS_PENDING, pb.TRAINING_JOB_STATUS_PROCESSING})


def job_json(job: pb.TrainingJob) -> dict[str, Any]:
    """One job."""
    return {
        "job_id": job.job_id,
        "model": job.model,
        "status": _STATUSES[job.status],
        "trigger": _TRIGGERS[job.trigger],
        "progress": _progress_json(job.progress) if job.HasField("progress") else None,
        "metrics": _metrics_json(job),
        "error": _error_json(job),
        "model_version": job.model_version or None,
        "published": job.published,
        "cancel_requested": job.cancel_requested,
        "created_at": timestamp_text(job.create_time),
        "started_at": timestamp_text(job.start_time) if job.HasField("start_time") else None,
        "updated_at": timestamp_text(job.update_time),
        "completed_at": _completed_at(job),
    }


def _progress_json(progress: pb.TrainingProgress) -> dict[str, Any]:
    return {
        "step": progress.step,
        "total": progress.total,
        "loss": progress.loss if progress.HasField("loss") else None,
        "phase": progress.phase,
    }


def _error_json(job: pb.TrainingJob) -> dict[str, Any] | None:
    return {"message": job.error_message, "reason": job.error_reason} if job.error_reason else None


def _metrics_json(job: pb.TrainingJob) -> dict[str, Any]:
    # On the wire they have no order.
    return dict(sorted(struct_value(job.metrics).items()))


def _completed_at(job: pb.TrainingJob) -> str | None:
    return timestamp_text(job.complete_time) if job.HasField("complete_time") else None


def job_event(step: pb.WatchTrainingJobResponse) -> ServerSentEvent:
    """One step of a job, for a stream."""
    job = step.job
    content: dict[str, Any] = {"job_id": job.job_id, "status": _STATUSES[job.status]}
    if step.kind == pb.TRAINING_EVENT_KIND_PROGRESS:
        # What it does says more than that somebody is at it.
        progress = _progress_json(job.progress)
        content["status"] = progress.pop("phase") or content["status"]
        content |= progress | {"cancel_requested": job.cancel_requested, "updated_at": timestamp_text(job.update_time)}
    elif step.kind == pb.TRAINING_EVENT_KIND_COMPLETE:
        content |= {
            "metrics": _metrics_json(job),
            "model_version": job.model_version or None,
            "published": job.published,
            "completed_at": _completed_at(job),
        }
    else:
        content |= {"error": _error_json(job), "completed_at": _completed_at(job)}
    # An empty id would take back the one that the client remembers.
    return ServerSentEvent(orjson.dumps(content).decode(), event=_EVENTS[step.kind], id=step.event_id or None)


def list_jobs_request(query: schemas.TrainingJobQuery) -> pb.ListTrainingJobsRequest:
    """The request for a page of jobs."""
    return pb.ListTrainingJobsRequest(
        status=_STATUS_NUMBERS[query.status] if query.status else pb.TRAINING_JOB_STATUS_UNSPECIFIED,
        model=query.model or "",
        page_size=min(query.page_size, MAX_PAGE_SIZE),
        page_token=query.page_token,
    )
