"""What the clock asks of the ledger's worker."""

from __future__ import annotations

from services.kit.queue import Every, upkeep_of

UPKEEP = upkeep_of("accounts")
REFRESH_FIGURES = "accounts.refresh_figures"
EXPIRE_EDITS = "accounts.expire_edits"
CREATE_PARTITIONS = "accounts.create_partitions"

SCHEDULE = (
    Every(15, REFRESH_FIGURES, UPKEEP),
    Every(3600, EXPIRE_EDITS, UPKEEP),
    Every(3600, CREATE_PARTITIONS, UPKEEP),
)
