"""Jobs as the training service tells them to the gateway."""

from __future__ import annotations

from typing import Any

from scale.training.v1 import training_service_pb2 as pb

JOB = "019b76da-a800-7000-8000-0000000000d0"
INSTANT = "2026-02-02T02:40:00.000000Z"
_SECONDS = 1_770_000_000


def job(status: Any = pb.TRAINING_JOB_STATUS_PENDING, **changes: Any) -> pb.TrainingJob:
    """One that waits."""
    message = pb.TrainingJob(**{"job_id": JOB, "model": "categorizer", "status": status, "trigger": pb.TRAINING_TRIGGER_USER, **changes})
    message.create_time.seconds = message.update_time.seconds = _SECONDS
    return message


def processing(step: int, **changes: Any) -> pb.TrainingJob:
    """One that a worker has."""
    progress = pb.TrainingProgress(step=step, total=10, loss=0.25, phase="training")
    message = job(pb.TRAINING_JOB_STATUS_PROCESSING, progress=progress, **changes)
    message.start_time.seconds = _SECONDS
    return message


def completed() -> pb.TrainingJob:
    """One that made a version that is live."""
    message = job(
        pb.TRAINING_JOB_STATUS_COMPLETED, progress=pb.TrainingProgress(step=10, total=10), model_version="3-1a2b3c4d", published=True
    )
    message.metrics.update({"accuracy": 0.875, "examples": 40, "better": True})
    message.start_time.seconds = message.complete_time.seconds = _SECONDS
    return message


def failed(status: Any = pb.TRAINING_JOB_STATUS_FAILED) -> pb.TrainingJob:
    """One that made none."""
    message = job(status)
    if status == pb.TRAINING_JOB_STATUS_FAILED:
        message.error_message, message.error_reason = "The disk is full.", "NO_STORAGE_ROOM"
    message.complete_time.seconds = _SECONDS
    return message


def step(event_id: str, told: pb.TrainingJob) -> pb.WatchTrainingJobResponse:
    """What a watcher of it gets."""
    kinds = {
        pb.TRAINING_JOB_STATUS_COMPLETED: pb.TRAINING_EVENT_KIND_COMPLETE,
        pb.TRAINING_JOB_STATUS_FAILED: pb.TRAINING_EVENT_KIND_FAILED,
        pb.TRAINING_JOB_STATUS_CANCELLED: pb.TRAINING_EVENT_KIND_FAILED,
    }
    return pb.WatchTrainingJobResponse(event_id=event_id, kind=kinds.get(told.status, pb.TRAINING_EVENT_KIND_PROGRESS), job=told)
