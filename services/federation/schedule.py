"""What the clock asks of federation's worker."""

from __future__ import annotations

from services.kit.queue import Every

QUEUE = "fl"
RUN_ROUND = "federation.run_round"

# Each time it looks whether a round is due and has devices enough: SCALE_FEDERATION_INTERVAL_HOURS says how often one is.
SCHEDULE = (Every(60, RUN_ROUND, QUEUE),)
