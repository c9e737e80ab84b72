"""What the clock asks of categorization's worker."""

from __future__ import annotations

from services.kit.queue import Every, upkeep_of

UPKEEP = upkeep_of("categorization")
REQUEUE_STALLED_JOBS = "categorization.requeue_stalled_jobs"
EXPIRE_RESULTS = "categorization.expire_results"
EXPIRE_ACCEPTANCE = "categorization.expire_acceptance"

SCHEDULE = (
    Every(10, REQUEUE_STALLED_JOBS, UPKEEP),
    Every(3600, EXPIRE_RESULTS, UPKEEP),
    Every(3600, EXPIRE_ACCEPTANCE, UPKEEP),
)
