"""A circuit breaker: after a run of failures, nobody waits for a thing that is down."""

from __future__ import annotations

import time
from collections.abc import Callable


class CircuitBreaker:
    """Closed: calls go through. Open, after `failures` in a row: none does. Half open, `retry_after_s` later: one is let through, and its
    result closes or opens the circuit. Not for threads."""

    def __init__(self, *, failures: int = 5, retry_after_s: float = 30, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._retry_after_s = retry_after_s
        self._clock = clock
        self._failures = 0
        self._retry_at = 0.0

    @property
    def state(self) -> str:
        """closed, open or half-open."""
        if self._failures < self._limit:
            return "closed"
        return "open" if self._clock() < self._retry_at else "half-open"

    @property
    def opens_for_s(self) -> float:
        """Seconds until somebody is let through, at least one."""
        return max(1.0, self._retry_at - self._clock())

    def allows(self) -> bool:
        """Whether to try. In the half-open state the first caller is told yes and the others no, until it has reported."""
        if self._failures < self._limit:
            return True
        if self._clock() < self._retry_at:
            return False
        self._retry_at = self._clock() + self._retry_after_s
        return True

    def succeeded(self) -> None:
        """Reports a call that worked."""
        self._failures = 0

    def failed(self) -> None:
        """Reports a call that did not."""
        self._failures += 1
        if self._failures >= self._limit:
            self._retry_at = self._clock() + self._retry_after_s
