"""What carries training jobs out, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import uuid_utils.compat

from services.training.domain import Job, ModelVersion, Progress, Stage, Trained
from services.training.notifications.domain import NewNotification
from services.training.protocols import Report
from tests.support.training_fakes import DOWN, FakeJobEvents


class FakeJobQueue:
    """`JobQueue`. `down`: it cannot be reached."""

    def __init__(self) -> None:
        self.messages: list[tuple[UUID, UUID]] = []
        self.down = False

    async def enqueue(self, user_id: UUID, job_id: UUID) -> None:
        if self.down:
            raise DOWN
        self.messages.append((user_id, job_id))

    async def length(self) -> int:
        if self.down:
            raise DOWN
        return len(self.messages)

    async def discard(self, user_id: UUID) -> None:
        if self.down:
            raise DOWN
        self.messages = [message for message in self.messages if message[0] != user_id]


class FakeEvents(FakeJobEvents):
    """`JobEvents`, all of them in `told`, too."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Job] = []

    async def publish(self, job: Job) -> None:
        self.told.append(job)
        await super().publish(job)


class FakeNotificationEvents:
    """`NotificationEvents`."""

    def __init__(self) -> None:
        self.told: list[NewNotification] = []

    async def publish(self, notification: NewNotification) -> None:
        self.told.append(notification)

    async def forget(self, user_id: UUID) -> None:
        self.told = [one for one in self.told if one.user_id != user_id]


class FakeStatuses:
    """`JobStatuses`. `down`: nothing can be removed."""

    def __init__(self) -> None:
        self.copies: dict[UUID, Job] = {}
        self.down = False

    async def put(self, job: Job) -> None:
        self.copies[job.id] = job

    async def get(self, user_id: UUID, job_id: UUID) -> Job | None:
        found = self.copies.get(job_id)
        return found if found is not None and found.user_id == user_id else None

    async def forget(self, job_ids: Sequence[UUID]) -> None:
        if self.down and job_ids:
            raise DOWN
        for job_id in job_ids:
            self.copies.pop(job_id, None)


class FakeLock:
    """`StartLock` of one process."""

    def __init__(self) -> None:
        self.held: set[UUID] = set()

    @asynccontextmanager
    async def hold(self, user_id: UUID) -> AsyncIterator[bool]:
        mine = user_id not in self.held
        self.held.add(user_id)
        try:
            yield mine
        finally:
            if mine:
                self.held.discard(user_id)


@dataclass
class FakeTrainer:
    """`Trainer` that takes `steps` steps of `pause_s` each, then what `ends` gives or raises."""

    steps: int = 3
    pause_s: float = 0
    better: bool = True
    raises: list[Exception] = field(default_factory=list)
    """One for each try, first to last; without one left it succeeds."""
    calls: int = 0
    at_step: Callable[[int], object] = lambda step: None
    stopped_by: BaseException | None = None
    collected: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the first report is made: from there on it says nothing for `pause_s`."""

    async def train(self, job: Job, report: Report) -> Trained:
        self.calls += 1
        try:
            await report(Progress(0, self.steps, None, "collecting"))
            self.collected.set()
            for step in range(1, self.steps + 1):
                await asyncio.sleep(self.pause_s)
                self.at_step(step)
                await report(Progress(step, self.steps, 1 / step, "training"))
        except BaseException as error:
            self.stopped_by = error
            raise
        if self.raises:
            raise self.raises.pop(0)
        return Trained(b"weights", self.better, {"accuracy": 0.9, "rows": 12}, "hypcd-1", datetime.now(UTC))


class FakeRegistry:
    """`Registry`. `raises` as with `FakeTrainer`."""

    def __init__(self) -> None:
        self.versions: dict[UUID, ModelVersion] = {}
        self.raises: list[Exception] = []

    async def register(self, job: Job, trained: Trained) -> ModelVersion:
        if self.raises:
            raise self.raises.pop(0)
        now, number = datetime.now(UTC), len(self.versions) + 1
        made = ModelVersion(
            id=uuid_utils.compat.uuid7(),
            user_id=job.user_id,
            model_type=job.model_type,
            number=number,
            version=f"{number}-{'a' * 8}",
            stage=Stage.LIVE if trained.better else Stage.CANDIDATE,
            metrics=trained.metrics,
            content_hash="a" * 64,
            size_bytes=len(trained.artifact),
            artifact_key="models/x",
            parent_version=trained.parent_version,
            data_cutoff_at=trained.data_cutoff_at,
            code_version="test",
            job_id=job.id,
            created_at=now,
            promoted_at=now if trained.better else None,
            delivered_at=None,
        )
        return self.versions.setdefault(job.id, made)
