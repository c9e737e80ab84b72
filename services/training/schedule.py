"""What the clock asks of training's worker."""

from __future__ import annotations

from services.kit.queue import Every, upkeep_of

UPKEEP = upkeep_of("training")
REQUEUE_STALLED_JOBS = "training.requeue_stalled_jobs"
EXPIRE_NOTIFICATIONS = "training.expire_notifications"
EXPIRE_JOBS = "training.expire_jobs"
CHECK_ACCURACY = "training.check_accuracy"
TRAIN_FORECASTER = "training.train_forecaster"
DELIVER_VERSIONS = "training.deliver_versions"
REMOVE_ORPHANED_ARTIFACTS = "training.remove_orphaned_artifacts"
REMOVE_CHECKPOINTS = "training.remove_checkpoints"

SCHEDULE = (
    Every(10, REQUEUE_STALLED_JOBS, UPKEEP),
    Every(30, DELIVER_VERSIONS, UPKEEP),
    Every(24 * 3600, REMOVE_ORPHANED_ARTIFACTS, UPKEEP),
    Every(600, REMOVE_CHECKPOINTS, UPKEEP),
    Every(3600, CHECK_ACCURACY, UPKEEP),
    # Once a month something comes of it: a clock that was started anew counts from then on.
    Every(24 * 3600, TRAIN_FORECASTER, UPKEEP),
    Every(3600, EXPIRE_NOTIFICATIONS, UPKEEP),
    Every(24 * 3600, EXPIRE_JOBS, UPKEEP),
)
