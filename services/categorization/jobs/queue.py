"""The queue of jobs, on Redis."""

from __future__ import annotations

from uuid import UUID

from services.categorization.jobs.domain import JobKind
from services.kit.queue import LONG_INFERENCE, QueueRules, TaskQueue, inference_of, rules_of

QUEUE = inference_of("categorization")
CLASSIFY = "categorization.classify_payments"
RECATEGORIZE = "categorization.recategorize_ledger"
DISCOVER = "categorization.discover_categories"
_BEHIND = "low"
"""The priority of what waits for everything else."""
TASKS = {JobKind.CLASSIFICATION: CLASSIFY, JobKind.RECATEGORIZATION: RECATEGORIZE, JobKind.DISCOVERY: DISCOVER}


def rules_for(kind: JobKind) -> QueueRules:
    """A walk through a whole ledger may wait for somebody who asks about a few payments."""
    return rules_of(QUEUE) if kind is JobKind.CLASSIFICATION else LONG_INFERENCE


class RedisJobQueue:
    """`JobQueue` on the kit's task queue. A message holds two ids, nothing else."""

    def __init__(self, redis_url: str) -> None:
        self._tasks = TaskQueue(redis_url, services=["categorization"])

    async def enqueue(self, user_id: UUID, job_id: UUID, kind: JobKind, *, behind: bool = False) -> None:
        """See `JobQueue`."""
        priority = _BEHIND if behind else rules_for(kind).priority
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
