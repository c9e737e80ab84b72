"""How training goes."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from services.training.domain import MODELS

JOBS = Counter(
    "scale_training_jobs_total", "Training jobs by model and outcome: queued, completed, failed, cancelled, retried.", ("model", "outcome")
)
for _model in MODELS:
    for _outcome in ("queued", "completed", "failed", "cancelled", "retried"):
        # From zero on: Prometheus sees no increase in what begins with its first event, and the first failure would not count.
        JOBS.labels(_model, _outcome)
JOBS_REQUEUED = Counter(
    "scale_training_jobs_requeued_total",
    "Training jobs that got another message: stalled (their worker died, or they are tried again), lost (their message was).",
    ("reason",),
)
JOB_DURATION = Histogram(
    "scale_training_job_duration_seconds",
    "Time in a worker, a job that was completed.",
    ("model",),
    buckets=(1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 1800),
)
VERSIONS = Counter(
    "scale_training_model_versions_total", "Versions of models that were registered, by model and stage.", ("model", "stage")
)
DELIVERIES = Counter(
    "scale_training_deliveries_total",
    "Words to the service that answers with users' own models, by outcome: delivered, refused (it cannot use the version), waiting.",
    ("outcome",),
)
CHECKPOINT_BYTES = Gauge("scale_training_checkpoint_bytes", "What trainings keep of how far they are.", multiprocess_mode="mostrecent")
CHECKPOINT_DISK_USED = Gauge(
    "scale_training_checkpoint_disk_used_ratio", "How full the disk is on which they keep it.", multiprocess_mode="mostrecent"
)
