"""What long work has to tell while it runs: a short Redis Stream for each piece of work, which a reader can leave and take up again."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from services.kit.errors import Unavailable
from services.kit.redis import connect_redis, within

log = structlog.get_logger()

KEPT_EVENTS = 200
"""At least so many of the newest are kept, the last one always."""
LIFETIME_S = 3600
"""Seconds after the last event for which a stream stays, where its owner says nothing else."""
_PUBLISH_TIMEOUT_S = 1.0
_PAUSE_S = 5.0
_MAX_READERS = 256
_PER_READ = 256
_PER_FORGET = 1000
_EVENT_ID = re.compile(r"[0-9]{1,19}(-[0-9]{1,19})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Event:
    """One step. `id` grows with every event of a key; after the `final` one none follows."""

    id: str
    payload: Mapping[str, Any]
    final: bool


class EventLog:
    """Events of any number of keys, such as "import:<id>". Who may read a key is for the caller to decide."""

    def __init__(self, redis_url: str, *, lifetime_s: int = LIFETIME_S) -> None:
        self._redis = connect_redis(redis_url, max_connections=_MAX_READERS)
        self._lifetime_s = lifetime_s
        self._silent_until = 0.0

    async def publish(self, key: str, payload: Mapping[str, Any], *, final: bool = False) -> None:
        """Adds an event. Without Redis it is lost: nobody's work stops because it cannot be watched."""
        if not final and time.monotonic() < self._silent_until:
            return
        try:
            async with within(_PUBLISH_TIMEOUT_S, reason="EVENTS_UNAVAILABLE"), self._redis.pipeline(transaction=True) as pipeline:
                pipeline.xadd(_stream(key), {"payload": orjson.dumps(payload), "final": int(final)}, maxlen=KEPT_EVENTS)
                pipeline.expire(_stream(key), self._lifetime_s)
                await pipeline.execute()
        except Unavailable as error:
            if not self._silent_until:
                log.warning("events cannot be published", error=str(error.__cause__) or type(error.__cause__).__name__)
            self._silent_until = time.monotonic() + _PAUSE_S
        else:
            if self._silent_until:
                log.info("events can be published again")
            self._silent_until = 0.0

    async def read(self, key: str, *, after: str, wait_s: float) -> list[Event]:
        """Events later than the id `after` (empty, or no id at all: from the first one kept), waiting for one if there is none. Empty
        when none came. Raises Unavailable without Redis, and beyond 256 readers in one process."""
        start = after if _EVENT_ID.fullmatch(after) else "0"
        block = max(1, round(wait_s * 1000)) if wait_s > 0 else None
        async with within(max(wait_s, 0) + 2, reason="EVENTS_UNAVAILABLE"):
            answer = await self._redis.xread({_stream(key): start}, count=_PER_READ, block=block)
        return [_event(entry_id, fields) for _, entries in _pairs(answer) for entry_id, fields in entries]

    async def forget(self, keys: Sequence[str]) -> None:
        """Removes all events of these keys. Raises Unavailable without Redis."""
        for start in range(0, len(keys), _PER_FORGET):
            async with within(_PUBLISH_TIMEOUT_S, reason="EVENTS_UNAVAILABLE"):
                await self._redis.unlink(*map(_stream, keys[start : start + _PER_FORGET]))

    async def close(self) -> None:
        """Closes all connections."""
        await self._redis.aclose()


def _stream(key: str) -> str:
    return f"events:{key}"


def _pairs(answer: Any) -> list[tuple[Any, list[tuple[bytes, dict[bytes, bytes]]]]]:
    """The answer of XREAD is a list of pairs under protocol 2, a mapping to lists of batches under protocol 3."""
    if isinstance(answer, dict):
        return [(stream, [entry for batch in batches for entry in batch]) for stream, batches in answer.items()]
    return answer or []


def _event(entry_id: bytes, fields: dict[bytes, bytes]) -> Event:
    return Event(id=entry_id.decode(), payload=orjson.loads(fields[b"payload"]), final=fields[b"final"] == b"1")
