"""Connections to Redis that give up quickly: what is kept there is a wake-up or a cache, and everything goes on without it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from services.kit.errors import Unavailable

_CONNECT_TIMEOUT_S = 2.0


def connect_redis(url: str, *, max_connections: int = 128, connect_timeout_s: float = _CONNECT_TIMEOUT_S) -> Redis:
    """A client that never repeats a command. Connects at the first one; beyond `max_connections` at a time commands fail."""
    pool = ConnectionPool.from_url(
        url,
        # Callers bound each command as a whole.
        socket_timeout=None,
        socket_connect_timeout=connect_timeout_s,
        max_connections=max_connections,
        retry=Retry(NoBackoff(), 0),
        # With them the pool hands out connections that the server has closed: after its restart the first command of each would fail.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return Redis.from_pool(pool)


def pseudonym(name: str, key: bytes = b"") -> str:
    """What stands for a user's id in a key of Redis, where no plain one may lie. The same under the same `key` in every process."""
    return hashlib.blake2b(name.encode(), key=hashlib.sha256(key).digest() if key else b"", digest_size=16).hexdigest()


@asynccontextmanager
async def within(seconds: float, *, reason: str) -> AsyncIterator[None]:
    """Bounds what is done with Redis. Raises Unavailable with `reason` when it fails or takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable("Redis does not answer; try again shortly.", reason=reason, retry_after_s=1) from error
