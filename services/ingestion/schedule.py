"""What the clock asks of ingestion's worker."""

from __future__ import annotations

from services.kit.queue import Every, upkeep_of

UPKEEP = upkeep_of("ingestion")
REQUEUE_STALLED_IMPORTS = "ingestion.requeue_stalled_imports"
REMOVE_ORPHANED_UPLOADS = "ingestion.remove_orphaned_uploads"

SCHEDULE = (
    Every(10, REQUEUE_STALLED_IMPORTS, UPKEEP),
    Every(3600, REMOVE_ORPHANED_UPLOADS, UPKEEP),
)
