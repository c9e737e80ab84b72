"""Whether anybody takes the tasks of a worker: a key of Redis that lives for as long as one does (`heartbeat.tell_while_working`).

Whoever asks for work in the background can say that it will wait, before somebody waits for it in vain.
"""

from __future__ import annotations

from collections.abc import Sequence

from redis.asyncio import Redis

EXPIRES_S = 10
"""A few beats: one that comes late is no absence."""


def key_of(worker: str) -> str:
    """Where a worker, such as ingestion-worker, says that it is at work; all its replicas say so in one place."""
    return f"at-work:{worker}"


async def at_work(redis: Redis, workers: Sequence[str]) -> dict[str, bool]:
    """Each worker, and whether at least one replica of it takes tasks now. Raises RedisError or OSError."""
    told = await redis.mget([key_of(worker) for worker in workers])
    return {worker: value is not None for worker, value in zip(workers, told, strict=True)}
