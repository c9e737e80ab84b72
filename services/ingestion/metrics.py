"""How imports go, for the import-success objective."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

IMPORTS = Counter(
    "scale_imports_total",
    "Imports by outcome: succeeded; rejected (the file's fault); failed (not the file's fault); repeated (an earlier answer again); "
    "queued (for a worker, which counts its outcome again).",
    ("outcome",),
)
for _outcome in ("succeeded", "rejected", "failed", "repeated", "queued"):
    # From zero on: Prometheus sees no increase in what begins with its first event, and the first failure would not count.
    IMPORTS.labels(_outcome)
IMPORT_ROWS = Counter("scale_import_rows_total", "Rows of successful imports by outcome.", ("outcome",))
IMPORT_DURATION = Histogram(
    "scale_import_duration_seconds",
    "Time from the whole file to its outcome, waiting for a free place included.",
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 600),
)
IMPORTS_RUNNING = Gauge("scale_imports_running", "Imports that are being read (saturation).")
IMPORTS_WAITING = Gauge("scale_imports_waiting", "Imports that wait for a free place.")
IMPORTS_UNPREDICTED = Counter(
    "scale_imports_unpredicted_total",
    "Imports, and transactions typed in, that went on without predictions: categorization was unavailable, slow, or its answer wrong.",
    ("reason",),
)
IMPORTS_REQUEUED = Counter(
    "scale_imports_requeued_total",
    "Queued imports that got another message: stalled (their worker died, or they are tried again), lost (their message was).",
    ("reason",),
)
