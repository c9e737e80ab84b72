"""The queue of jobs, on Redis."""

from __future__ import annotations

from uuid import UUID

from services.forecasting.jobs.domain import JobKind
from services.kit.queue import LONG_INFERENCE, TaskQueue, inference_of

QUEUE = inference_of("forecasting")
FORECAST = "forecasting.make_forecast"
SCAN = "forecasting.scan_ledger"
RULES = LONG_INFERENCE
_BEHIND = "low"
"""The priority of what waits for everything else."""
TASKS = {JobKind.FORECAST: FORECAST, JobKind.SCAN: SCAN}


class RedisJobQueue:
    """`JobQueue` on the kit's task queue. A message holds two ids, nothing else."""

    def __init__(self, redis_url: str) -> None:
        self._tasks = TaskQueue(redis_url, services=["forecasting"])

    async def enqueue(self, user_id: UUID, job_id: UUID, kind: JobKind, *, behind: bool = False) -> None:
        """See `JobQueue`."""
        priority = _BEHIND if behind else RULES.priority
        await self._tasks.enqueue(TASKS[kind], [str(user_id), str(job_id)], queue=QUEUE, priority=priority)

    async def length(self) -> int:
        """See `JobQueue`."""
        return await self._tasks.length(QUEUE)

    async def discard(self, user_id: UUID) -> None:
        """See `JobQueue`."""
        await self._tasks.discard(str(user_id))

    async def close(self) -> None:
        """Closes all connections."""
        await self._tasks.close()
