"""What the clock asks of training's worker."""

from __future__ import annotations

from services.kit.queue import Every, upkeep_of

UPKEEP = upkeep_of("training")
REQUEUE_STALLED_JOBS = "training.requeue_stalled_jobs"
EXPIRE_NOTIFICATIONS = "training.expire_notifications"
CHECK_ACCURACY = "training.check_accuracy"

SCHEDULE = (
    Every(10, REQUEUE_STALLED_JOBS, UPKEEP),
    Every(3600, CHECK_ACCURACY, UPKEEP),
    Every(3600, EXPIRE_NOTIFICATIONS, UPKEEP),
)
