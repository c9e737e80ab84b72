"""What the clock asks of forecasting's worker."""

from __future__ import annotations

from services.kit.queue import Every, upkeep_of

UPKEEP = upkeep_of("forecasting")
REQUEUE_STALLED_JOBS = "forecasting.requeue_stalled_jobs"
EXPIRE_JOBS = "forecasting.expire_jobs"
START_DUE_SCANS = "forecasting.start_due_scans"

SCHEDULE = (
    Every(10, REQUEUE_STALLED_JOBS, UPKEEP),
    # Days count from the clock's start: what is due once a day never is where it starts anew every night.
    Every(3600, EXPIRE_JOBS, UPKEEP),
    # A few at a time: they share the queue with what people wait for.
    Every(300, START_DUE_SCANS, UPKEEP),
)
