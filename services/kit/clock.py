"""Celery's own scheduler, which also counts: the golden signals of the process that keeps the clock."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry

from services.kit.telemetry import CLOCK_FAILURES, CLOCK_LATE, CLOCK_LATENCY, CLOCK_MESSAGES


class CountingScheduler(PersistentScheduler):
    """Says how many tasks got into their queue or did not, how long that took, and how late they were."""

    def apply_async(self, entry: ScheduleEntry, *arguments: Any, **options: Any) -> Any:
        """Puts the task of an entry that is due into its queue."""
        CLOCK_LATE.set(max(0.0, _late(entry)))
        started = time.perf_counter()
        try:
            with CLOCK_FAILURES.labels(entry.task).count_exceptions():
                sent = super().apply_async(entry, *arguments, **options)
        finally:
            CLOCK_LATENCY.observe(time.perf_counter() - started)
        CLOCK_MESSAGES.labels(entry.task).inc()
        return sent


def _late(entry: ScheduleEntry) -> float:
    every: timedelta = entry.schedule.run_every
    return float((entry.schedule.now() - entry.last_run_at - every).total_seconds())
