"""How many requests a caller has made in the last window: in Redis for all replicas together, in this process while Redis is away.

The window slides in thirtieths. One is counted until all of it is older than the window, so that no window, wherever it starts, ever
holds more than the limit.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.kit.circuit import CircuitBreaker
from services.kit.redis import pseudonym

log = structlog.get_logger()

SLOTS = 30
_MAX_KEYS_IN_PROCESS = 100_000
_WARN_EVERY_S = 30.0

# One hash per caller, slot number to count. ARGV: limit, window in ms. Answers: allowed, remaining, ms until the oldest slot leaves.
_SCRIPT = f"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local width = ARGV[2] / {SLOTS}
local slot = math.floor(now / width)
local counts = redis.call('HGETALL', KEYS[1])
local used, oldest = 0, slot
for i = 1, #counts, 2 do
  local this = tonumber(counts[i])
  if this + {SLOTS} < slot then
    redis.call('HDEL', KEYS[1], counts[i])
  else
    used = used + counts[i + 1]
    if this < oldest then oldest = this end
  end
end
local wait = math.ceil((oldest + {SLOTS} + 1) * width - now)
if used >= tonumber(ARGV[1]) then
  return {{0, 0, math.min(wait, redis.call('PTTL', KEYS[1]))}}
end
redis.call('HINCRBY', KEYS[1], string.format('%d', slot), 1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {{1, ARGV[1] - used - 1, wait}}
"""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request may go on, how many more may follow, and in how many seconds the oldest ones stop counting."""

    allowed: bool
    remaining: int
    reset_s: int


class ProcessWindow:
    """The same count in this process, for at most 100,000 callers (those not seen for longest are forgotten)."""

    def __init__(self, limit: int, window_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._width = window_s / SLOTS
        self._clock = clock
        self._slots: OrderedDict[str, deque[list[int]]] = OrderedDict()

    def hit(self, key: str) -> Decision:
        """Counts one request of `key`, unless the limit is reached."""
        now = self._clock()
        slot = int(now / self._width)
        counts = self._slots.setdefault(key, deque())
        self._slots.move_to_end(key)
        if len(self._slots) > _MAX_KEYS_IN_PROCESS:
            self._slots.popitem(last=False)
        while counts and counts[0][0] + SLOTS < slot:
            counts.popleft()
        used = sum(count for _, count in counts)
        oldest = counts[0][0] if counts else slot
        reset_s = max(1, math.ceil((oldest + SLOTS + 1) * self._width - now))
        if used >= self._limit:
            return Decision(False, 0, reset_s)
        if counts and counts[-1][0] == slot:
            counts[-1][1] += 1
        else:
            counts.append([slot, 1])
        return Decision(True, self._limit - used - 1, reset_s)


class RateLimiter:
    """Counts in Redis, one round trip per request; when Redis fails or is slow, in this process, and after five failures in a row for five
    seconds without asking Redis at all. The limit is then per replica."""

    def __init__(self, redis: Redis | None, *, limit: int, window_s: int, timeout_s: float, key: bytes = b"") -> None:
        """`key` hides the callers in Redis."""
        self.limit = limit
        self.window_s = window_s
        self._timeout_s = timeout_s
        self._key = key
        self._script: Any = redis.register_script(_SCRIPT) if redis is not None else None
        self._arguments = (limit, window_s * 1000)
        self._process = ProcessWindow(limit, window_s)
        self._circuit = CircuitBreaker(failures=5, retry_after_s=5)
        self._warned_at = float("-inf")

    async def hit(self, caller: str) -> Decision:
        """Counts one request of `caller`, a user id or an address."""
        key = f"rl:{pseudonym(caller, self._key)}:{self.window_s}"
        if self._script is not None and self._circuit.allows():
            try:
                async with asyncio.timeout(self._timeout_s):
                    allowed, remaining, wait_ms = await self._script(keys=(key,), args=self._arguments)
            except (RedisError, OSError, TimeoutError) as error:
                self._circuit.failed()
                self._warn(error)
            else:
                self._circuit.succeeded()
                return Decision(bool(allowed), int(remaining), max(1, math.ceil(wait_ms / 1000)))
        return self._process.hit(key)

    def _warn(self, error: Exception) -> None:
        if time.monotonic() - self._warned_at > _WARN_EVERY_S:
            self._warned_at = time.monotonic()
            log.warning("Redis does not answer; requests are counted in this process", error=str(error) or type(error).__name__)
