"""How answers go, for the accuracy objective."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

CLASSIFICATIONS = Counter(
    "scale_classifications_total", "Payments that were classified, by who decided; abstained: nobody did.", ("source",)
)
CORRECTIONS = Counter(
    "scale_category_corrections_total",
    "Corrections, by what had been said before: another category, the same one, or nothing.",
    ("before",),
)
ACCEPTED_RATIO = Gauge(
    "scale_categories_accepted_ratio",
    "Share of the categories given in the last 24 hours by this process that no user has put right; NaN without any.",
)
CLASSIFY_DURATION = Histogram(
    "scale_classify_duration_seconds",
    "Time in the model's thread, a batch.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
MODEL_DEGRADED = Gauge("scale_categorization_model_degraded", "1 while the rules answer in the model's place.", multiprocess_mode="livemax")
MODEL_LOADS = Counter("scale_categorization_model_loads_total", "Models that were read: loaded, or failed.", ("outcome",))
USER_MODEL_LOADS = Counter(
    "scale_categorization_user_model_loads_total",
    "Users' own models that were read: loaded, or failed (the global one answers).",
    ("outcome",),
)
TALLIES_LOST = Counter(
    "scale_categorization_acceptance_lost_total",
    "Categories given or put right that nobody will count: the database was away for too long.",
)
JOBS = Counter("scale_categorization_jobs_total", "Jobs by kind and outcome: queued, succeeded, failed.", ("kind", "outcome"))
JOBS_REQUEUED = Counter(
    "scale_categorization_jobs_requeued_total",
    "Jobs that got another message: stalled (their worker died, or they are tried again), lost (their message was).",
    ("reason",),
)
