"""The queue of training jobs, and the lock on starting one, on Redis."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import structlog

from services.kit.errors import Unavailable
from services.kit.queue import TaskQueue
from services.kit.redis import connect_redis, pseudonym, within

log = structlog.get_logger()

QUEUE = "training"
TRAIN_MODEL = "training.train_model"
_LOCK_S = 5
_LOCK_TIMEOUT_S = 0.5
_PAUSE_S = 5.0
# Only one's own: after its time somebody else may hold it.
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('UNLINK', KEYS[1]) else return 0 end"


class RedisJobQueue:
    """`JobQueue` on the kit's task queue. A message holds two ids, nothing else."""

    def __init__(self, redis_url: str) -> None:
        self._tasks = TaskQueue(redis_url)

    async def enqueue(self, user_id: UUID, job_id: UUID) -> None:
        """See `JobQueue`."""
        await self._tasks.enqueue(TRAIN_MODEL, [str(user_id), str(job_id)], queue=QUEUE)

    async def length(self) -> int:
        """See `JobQueue`."""
        return await self._tasks.length(QUEUE)

    async def discard(self, user_id: UUID) -> None:
        """See `JobQueue`."""
        await self._tasks.discard(str(user_id))

    async def close(self) -> None:
        """Closes all connections."""
        await self._tasks.close()


class RedisStartLock:
    """`StartLock` at `lock:training:<user>`. `key` hides users' ids. A process that dies holds it for five seconds."""

    def __init__(self, redis_url: str, *, key: bytes = b"") -> None:
        self._redis = connect_redis(redis_url)
        self._key = key
        self._paused_until = 0.0

    @asynccontextmanager
    async def hold(self, user_id: UUID) -> AsyncIterator[bool]:
        """See `StartLock`."""
        place, mine = f"lock:training:{pseudonym(str(user_id), self._key)}", secrets.token_hex(16)
        taken = await self._take(place, mine)
        try:
            yield taken is not False
        finally:
            if taken:
                await self._release(place, mine)

    async def forget(self, user_id: UUID) -> None:
        """Removes it. Raises Unavailable."""
        async with within(_LOCK_TIMEOUT_S, reason="LOCK_UNAVAILABLE"):
            await self._redis.unlink(f"lock:training:{pseudonym(str(user_id), self._key)}")

    async def close(self) -> None:
        """Closes all connections."""
        await self._redis.aclose()

    async def _take(self, place: str, mine: str) -> bool | None:
        """Whether it is taken now; None when Redis does not say."""
        if time.monotonic() < self._paused_until:
            return None
        try:
            async with within(_LOCK_TIMEOUT_S, reason="LOCK_UNAVAILABLE"):
                return bool(await self._redis.set(place, mine, nx=True, ex=_LOCK_S))
        except Unavailable as error:
            log.warning("starts of training are not locked", error=str(error.__cause__) or type(error.__cause__).__name__)
            self._paused_until = time.monotonic() + _PAUSE_S
            return None

    async def _release(self, place: str, mine: str) -> None:
        try:
            async with within(_LOCK_TIMEOUT_S, reason="LOCK_UNAVAILABLE"):
                await self._redis.eval(_RELEASE, 1, place, mine)
        except Unavailable:
            log.warning("a lock is left to its time")
