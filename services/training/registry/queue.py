"""`DeliveryQueue` on Redis: upkeep of the training service, which waits behind no training."""

from __future__ import annotations

from uuid import UUID

from services.kit.queue import TaskQueue, upkeep_of

DELIVER_VERSION = "training.deliver_version"
_UPKEEP = upkeep_of("training")
_EXPIRES_S = 60.0
"""The clock has seen to it by then."""


class RedisDeliveryQueue:
    """Says that a worker has something to deliver. One per process."""

    def __init__(self, redis_url: str) -> None:
        self._tasks = TaskQueue(redis_url, services=["training"])

    async def enqueue(self, user_id: UUID, model_type: str) -> None:
        """See `DeliveryQueue`."""
        await self._tasks.enqueue(DELIVER_VERSION, [str(user_id), model_type], queue=_UPKEEP, expires_s=_EXPIRES_S)

    async def close(self) -> None:
        """Closes its connections."""
        await self._tasks.close()
