"""How jobs go, and forecasts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

JOBS = Counter("scale_forecasting_jobs_total", "Jobs by kind and outcome: queued, succeeded, failed.", ("kind", "outcome"))
JOBS_REQUEUED = Counter(
    "scale_forecasting_jobs_requeued_total",
    "Jobs that got another message: stalled (their worker died, or they are tried again), lost (their message was).",
    ("reason",),
)
FORECASTS = Counter(
    "scale_forecasts_total",
    "Forecasts by what answered: model, baseline, degraded (models are missing), fresh (one that was kept).",
    ("answer",),
)
FORECAST_STAGE_SECONDS = Histogram(
    "scale_forecast_stage_seconds",
    "Time of each stage of a forecast: read (the ledger), series, model, project (a balance), store.",
    ("stage",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)
MODEL_DEGRADED = Gauge("scale_forecasting_model_degraded", "1 while models are missing and others answer.", multiprocess_mode="livemax")
MODEL_LOADS = Counter("scale_forecasting_model_loads_total", "Folders of models that were read: loaded, or failed.", ("outcome",))
