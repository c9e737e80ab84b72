"""The shapes of training: jobs and how far they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from services.gateway.schemas.fields import Input, Output, PageQuery

MODEL_PATTERN = r"^[a-z][a-z0-9-]{0,62}$"

JobStatus = Literal["pending", "processing", "completed", "failed", "cancelled"]
Trigger = Literal["user", "accuracy", "schedule"]

_PROGRESS: dict[str, Any] = {"step": 120, "total": 400, "loss": 0.41, "phase": "training"}
_JOB: dict[str, Any] = {
    "job_id": "019b76da-a800-7000-8000-0000000000d0",
    "model": "categorizer",
    "status": "processing",
    "trigger": "user",
    "progress": _PROGRESS,
    "metrics": {},
    "error": None,
    "model_version": None,
    "published": False,
    "cancel_requested": False,
    "created_at": "2026-02-01T08:00:00.000000Z",
    "started_at": "2026-02-01T08:00:01.000000Z",
    "updated_at": "2026-02-01T08:00:09.000000Z",
    "completed_at": None,
}
_FAILURE: dict[str, Any] = {
    "message": "There is nothing to learn from yet: correct at least 20 payments first.",
    "reason": "TOO_FEW_EXAMPLES",
}
_MODEL = (
    "What is trained: `categorizer`, your own; or, for administrators, `categorizer-global`, which everybody begins with, or "
    "`forecaster-global`, with which everybody's forecasts are made."
)


class NewTrainingJob(Input):
    """What to train."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"model": "categorizer"}]})

    model: str = Field(pattern=MODEL_PATTERN, description=_MODEL)


class TrainingProgress(Output):
    """How far a job is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_PROGRESS]})

    step: int = Field(description="Steps done.")
    total: int = Field(description="Steps in all; more may come to light.")
    loss: float | None = Field(description="The loss after this step, lower is better; null where a step has none.")
    phase: str = Field(description="What it does: collecting, training, evaluating or publishing. The set grows.")


class TrainingFailure(Output):
    """Why a job has failed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_FAILURE]})

    message: str = Field(description="In words, with what to do.")
    reason: str = Field(description="Stable, in upper case: programs decide by it.")


class TrainingJob(Output):
    """A piece of training."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_JOB]})

    job_id: UUID = Field(description="The job.")
    model: str = Field(description=_MODEL)
    status: JobStatus = Field(description="Where it stands.")
    trigger: Trigger = Field(description="Who asked for it: you; the accuracy that you see, which was too low; the clock.")
    progress: TrainingProgress | None = Field(description="How far it is; null before the first step.")
    metrics: dict[str, Any] = Field(description="What came of it, such as accuracy on the part held out; empty before its end.")
    error: TrainingFailure | None = Field(description="Why it has failed; null for one that has not.")
    model_version: str | None = Field(description="The version that it made; null before, and where it made none.")
    published: bool = Field(description="Whether that version answers from now on: it was better than the one before.")
    cancel_requested: bool = Field(description="Whether you gave it up.")
    created_at: datetime = Field(description="When it was begun, UTC.")
    started_at: datetime | None = Field(description="When a worker first took it up, UTC.")
    updated_at: datetime = Field(description="When anything of it changed, UTC.")
    completed_at: datetime | None = Field(description="When it was done, had failed or was cancelled, UTC.")


class TrainingJobPage(Output):
    """Jobs, newest first."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_JOB], "next_page_token": None}]})  # nosec B105

    items: list[TrainingJob] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")


class TrainingJobQuery(PageQuery):
    """Which jobs."""

    status: JobStatus | None = Field(None, description="Only those that stand so.", examples=["completed"])
    model: str | None = Field(None, pattern=MODEL_PATTERN, description="Only those of this model.", examples=["categorizer"])
