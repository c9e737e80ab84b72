"""Training in memory: jobs as they come, and the log of their steps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import uuid_utils.compat

from services.kit.errors import Unavailable
from services.training.domain import CATEGORIZER, Job, JobEvent, JobStatus, Trigger

DOWN = Unavailable("not reachable", reason="QUEUE_UNAVAILABLE")
BEGUN_AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def a_job(user_id: UUID, **changes: Any) -> Job:
    """A job that waits; `changes` make it another one."""
    values: dict[str, Any] = {
        "id": uuid_utils.compat.uuid7(),
        "user_id": user_id,
        "request_id": str(uuid_utils.compat.uuid7()),
        "model_type": CATEGORIZER,
        "trigger": Trigger.USER,
        "status": JobStatus.PENDING,
        "cancel_requested": False,
        "attempt": 0,
        "begun": 0,
        "tries": 0,
        "step": 0,
        "total": 0,
        "loss": None,
        "phase": "",
        "metrics": {},
        "checkpoint_path": "",
        "model_version": "",
        "published": False,
        "error_message": "",
        "error_reason": "",
        "created_at": BEGUN_AT,
        "started_at": None,
        "updated_at": BEGUN_AT,
        "completed_at": None,
    }
    return Job(**{**values, **changes})


class FakeJobEvents:
    """`JobEvents`. Ids are numbers; `down`: nothing can be read, and what is published is lost."""

    def __init__(self) -> None:
        self.logs: dict[UUID, list[JobEvent]] = {}
        self.down = False
        self._number = 0

    async def publish(self, job: Job) -> None:
        if not self.down:
            self._number += 1
            self.logs.setdefault(job.id, []).append(JobEvent(str(self._number), job))

    async def read(self, job_id: UUID, *, after: str, wait_s: float) -> Sequence[JobEvent]:
        if self.down:
            raise DOWN
        for waited in (False, True):
            found = [event for event in self.logs.get(job_id, []) if int(event.id) > int(after.partition("-")[0] or 0)]
            if found or waited or not wait_s:
                return found
            await asyncio.sleep(wait_s)
        return []

    async def forget(self, job_ids: Sequence[UUID]) -> None:
        if self.down:
            raise DOWN
        for job_id in job_ids:
            self.logs.pop(job_id, None)
