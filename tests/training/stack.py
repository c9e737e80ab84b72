"""The training service behind a real channel, with or without its worker as a process, on the real database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc.aio
import uuid_utils.compat
from redis.asyncio import Redis

from scale.training.v1 import notifications_service_pb2 as notifications_pb
from scale.training.v1 import training_service_pb2 as pb
from scale.training.v1.notifications_service_pb2_grpc import NotificationsServiceStub
from scale.training.v1.training_service_pb2_grpc import TrainingServiceStub
from services.kit.auth import mint_token
from services.kit.queue import PRIORITIES, TaskQueue, first_argument, list_of, rules_of
from services.kit.status import from_rpc_error
from services.training.app import NAME, TrainingApp
from services.training.queue import QUEUE, TRAIN_MODEL
from services.training.schedule import REQUEUE_STALLED_JOBS, UPKEEP
from services.training.settings import TrainingSettings
from tests.ingestion.conftest import SECRET, process_settings, serving
from tests.support.service_keys import service_key
from tests.support.worker_process import HANGS_AFTER_S, WorkerProcess

PENDING, PROCESSING = pb.TRAINING_JOB_STATUS_PENDING, pb.TRAINING_JOB_STATUS_PROCESSING
COMPLETED, FAILED = pb.TRAINING_JOB_STATUS_COMPLETED, pb.TRAINING_JOB_STATUS_FAILED
FINAL = (COMPLETED, FAILED, pb.TRAINING_JOB_STATUS_CANCELLED)
LEASE_S = 1


@dataclass
class Stack:
    """The service, as some user, and its worker."""

    app: TrainingApp
    channel: grpc.aio.Channel
    folder: Path
    redis_url: str
    started_worker: WorkerProcess | None = None
    user_id: UUID = field(default_factory=uuid_utils.compat.uuid7)
    role: str = "user"

    def other_user(self) -> Stack:
        return Stack(self.app, self.channel, self.folder, self.redis_url, self.started_worker)

    @property
    def worker(self) -> WorkerProcess:
        assert self.started_worker is not None
        return self.started_worker

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {mint_token(SECRET, user_id=self.user_id, role=self.role)}"),)

    async def call(self, method: str, request: Any) -> Any:
        """Raises the ScaleError that the service raised."""
        stub = TrainingServiceStub(self.channel) if hasattr(TrainingServiceStub(self.channel), method) else None
        try:
            return await getattr(stub or NotificationsServiceStub(self.channel), method)(request, metadata=self.metadata, timeout=30)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service=NAME) from error

    async def start(self, model: str = "categorizer") -> pb.TrainingJob:
        request = pb.StartTrainingJobRequest(request_id=str(uuid_utils.compat.uuid7()), model=model)
        return (await self.call("StartTrainingJob", request)).job

    async def job(self, job_id: str, until: Callable[[Any], bool] = lambda found: True) -> pb.TrainingJob:
        """As soon as it is so."""
        deadline = time.monotonic() + HANGS_AFTER_S
        while True:
            job: pb.TrainingJob = (await self.call("GetTrainingJob", pb.GetTrainingJobRequest(job_id=job_id))).job
            if until(job):
                return job
            assert time.monotonic() < deadline, f"{job}\n{self.worker.log.read_text()}"
            await asyncio.sleep(0.02)

    async def ended(self, job_id: str) -> pb.TrainingJob:
        return await self.job(job_id, lambda found: found.status in FINAL)

    async def training(self, job_id: str) -> pb.TrainingJob:
        return await self.job(job_id, lambda found: found.status == PROCESSING and found.progress.step > 0)

    async def watch(self, job_id: str, after: str = "") -> list[pb.WatchTrainingJobResponse]:
        """To the end."""
        request = pb.WatchTrainingJobRequest(job_id=job_id, after_event_id=after)
        return [event async for event in TrainingServiceStub(self.channel).WatchTrainingJob(request, metadata=self.metadata, timeout=60)]

    async def notifications(self) -> list[notifications_pb.Notification]:
        return list((await self.call("ListNotifications", notifications_pb.ListNotificationsRequest())).notifications)

    def tries(self, job_id: str) -> list[int]:
        """The processes that tried to train it."""
        path = self.folder / "tries"
        lines = path.read_text().splitlines() if path.exists() else []
        return [int(line.split()[1]) for line in lines if line.startswith(job_id)]

    async def redis_texts(self) -> list[str]:
        """All keys of Redis, and whose jobs messages are about."""
        redis: Any = Redis.from_url(self.redis_url)  # whose types say that it answers texts
        keys = [key.decode() for key in await redis.keys()]
        messages = await redis.lrange(list_of(QUEUE, PRIORITIES[rules_of(QUEUE).priority]), 0, -1)
        await redis.aclose()
        return [*keys, *(str(first_argument(message)) for message in messages)]

    async def look_for_stalled_jobs(self) -> None:
        await self._enqueue(REQUEUE_STALLED_JOBS, [], UPKEEP)

    async def send_again(self, job_id: str) -> None:
        await self._enqueue(TRAIN_MODEL, [str(self.user_id), job_id], QUEUE)

    async def _enqueue(self, task: str, arguments: list[str], queue: str) -> None:
        tasks = TaskQueue(self.redis_url, services=["training"])
        await tasks.enqueue(task, arguments, queue=queue)
        await tasks.close()


@asynccontextmanager
async def serving_training(database_url: str, redis_url: str | None, folder: Path, cache_url: str | None = None) -> AsyncIterator[Stack]:
    """The service alone; versions of models lie in `folder`."""
    settings = TrainingSettings(
        **process_settings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=9, SCALE_REDIS_URL=redis_url, SCALE_STORAGE_URL=(folder / "objects").as_uri()),
        cache_url=cache_url,
        database_url=database_url,
    )
    app = TrainingApp(settings)
    await app.open()
    try:
        async with serving(app.server) as channel:
            yield Stack(app, channel, folder, redis_url or "")
    finally:
        await app.close()


@asynccontextmanager
async def training_stack(
    database_url: str, redis_url: str, folder: Path, *, cache_url: str | None = None, **worker_settings: object
) -> AsyncIterator[Stack]:
    """Both, the worker ready. `worker_settings` by name without the prefix."""
    environment = {
        "SCALE_ENVIRONMENT": "development",
        "SCALE_REDIS_URL": redis_url,
        "SCALE_CACHE_URL": cache_url or redis_url,
        "SCALE_STORAGE_URL": (folder / "objects").as_uri(),
        "SCALE_TRAINING_DATABASE_URL": database_url,
        "SCALE_TRAINING_SERVICE_KEY": service_key(),
        "SCALE_TRAINING_LEASE_S": str(LEASE_S),
    } | {f"SCALE_TRAINING_{name.upper()}": str(value) for name, value in worker_settings.items()}
    worker = WorkerProcess(environment, folder, "tests.support.training_worker", str(folder))
    worker.start()
    try:
        async with serving_training(database_url, redis_url, folder, cache_url) as stack:
            stack.started_worker = worker
            worker.wait_until_ready()
            yield stack
    finally:
        worker.kill()
