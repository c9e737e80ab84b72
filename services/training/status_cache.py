"""Copies of jobs in Redis, so that whoever asks every second how far a job is costs no transaction."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import orjson
import structlog

from services.kit.errors import Unavailable
from services.kit.redis import connect_redis, within
from services.kit.telemetry import CACHE_READS
from services.training.domain import OPEN, Job
from services.training.job_copies import job_copy, job_of_copy

log = structlog.get_logger()

OPEN_S = 5
"""Seconds that the copy of an open job is believed: so far behind it is at most, should a change not have reached Redis."""
FINAL_S = 60
"""Seconds for which the copy of a job that is over stays."""
_TIMEOUT_S = 0.2
_PAUSE_S = 5.0

# A reader of the database may come late with what it read: the end is the end, and what changed later stays.
_PUT = """
local kept = redis.call('GET', KEYS[1])
if kept then
    local copy = cjson.decode(kept)
    if copy.completed_at ~= cjson.null then return 0 end
    if ARGV[3] == '' and copy.updated_at > ARGV[2] then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[4])
return 1
"""


class StatusCache:
    """`JobStatuses` on Redis: JSON at `job:<id>`, with the owner in it. Without Redis nothing is kept and nothing found."""

    def __init__(self, cache_url: str | None, *, open_s: int = OPEN_S, final_s: int = FINAL_S) -> None:
        self._redis = connect_redis(cache_url) if cache_url else None
        self._open_s = open_s
        self._final_s = final_s
        self._paused_until = 0.0

    async def put(self, job: Job) -> None:
        """See `JobStatuses`."""
        copy = job_copy(job)
        final, lifetime_s = (copy["completed_at"] or "", self._final_s) if job.status not in OPEN else ("", self._open_s)
        arguments = (orjson.dumps(copy), copy["updated_at"], final, lifetime_s)
        await self._ask(lambda redis: redis.eval(_PUT, 1, _key(job.id), *arguments))

    async def get(self, user_id: UUID, job_id: UUID) -> Job | None:
        """See `JobStatuses`."""
        kept = await self._ask(lambda redis: redis.get(_key(job_id)))
        if kept is None:
            CACHE_READS.labels("training_job", "miss").inc()
            return None
        try:
            job = job_of_copy(orjson.loads(kept))
        except (KeyError, TypeError, ValueError):  # of another version
            return None
        if job.user_id != user_id:
            return None
        CACHE_READS.labels("training_job", "hit").inc()
        return job

    async def forget(self, job_ids: Sequence[UUID]) -> None:
        """See `JobStatuses`."""
        if self._redis is not None and job_ids:
            async with within(1, reason="CACHE_UNAVAILABLE"):
                await self._redis.unlink(*map(_key, job_ids))

    async def close(self) -> None:
        """Closes all connections."""
        if self._redis is not None:
            await self._redis.aclose()

    async def _ask(self, command: Callable[[Any], Awaitable[Any]]) -> Any:
        """What Redis answers; None without it, when it fails, takes too long, or did so a moment ago."""
        if self._redis is None or time.monotonic() < self._paused_until:
            return None
        try:
            async with within(_TIMEOUT_S, reason="CACHE_UNAVAILABLE"):
                answer = await command(self._redis)
        except Unavailable as error:
            if not self._paused_until:
                log.warning("the status cache does not answer", error=str(error.__cause__) or type(error.__cause__).__name__)
            self._paused_until = time.monotonic() + _PAUSE_S
            return None
        if self._paused_until:
            log.info("the status cache answers again")
            self._paused_until = 0.0
        return answer


def _key(job_id: UUID) -> str:
    return f"job:{job_id}"
