"""How rounds go."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

ROUNDS = Counter("scale_federation_rounds_total", "Rounds that ended, by state and reason.", ("state", "reason"))
ROUND_DURATION = Histogram(
    "scale_federation_round_duration_seconds",
    "From the opening of a round to its end, by state.",
    ("state",),
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1800),
)
STAGE_DURATION = Histogram(
    "scale_federation_stage_duration_seconds", "One stage of a round.", ("stage",), buckets=(0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600)
)
SELECTED = Counter("scale_federation_selected_devices_total", "Devices that were given a place in a round.")
REPORTED = Counter("scale_federation_reported_devices_total", "Devices that did their part of a stage.", ("stage",))
DROPPED = Counter(
    "scale_federation_dropped_devices_total", "Devices that left a round, by the stage in which they were missed.", ("stage",)
)
REFUSED = Counter("scale_federation_refused_messages_total", "What devices sent against the protocol, by reason.", ("reason",))
MISFITS = Counter(
    "scale_federation_misfit_shares_total", "Shares that did not fit when a sum was opened; the log names the devices that can have lied."
)
BYTES_UP = Counter("scale_federation_received_bytes_total", "Received from devices in rounds.")
AVAILABLE = Gauge("scale_federation_available_devices", "Devices that have asked for work lately.")
ACTIVE = Gauge("scale_federation_active", "1 for the coordinator that runs rounds, 0 for one that stands by.")
MODEL_VERSION = Gauge("scale_federation_model_version", "The newest version of the federated model.")
EPSILON = Gauge(
    "scale_federation_epsilon", "What a device has spent that took part in all rounds, amplified by sampling or not.", ("kind",)
)
UPDATE_NORM = Gauge("scale_federation_update_norm", "Euclidean norm of the last round's mean update.")
ACCURACY = Gauge("scale_federation_accuracy_ratio", "Share of the rows held out that the newest version answers right.")
