"""The queue of imports, and the log of their steps, on Redis."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.ingestion.domain import UNFINISHED, Import, ImportEvent, ImportStage, ImportState, Progress
from services.kit.events import EventLog
from services.kit.queue import TaskQueue

QUEUE = "ingest"
IMPORT_STATEMENT = "ingestion.import_statement"


class RedisImportQueue:
    """`ImportQueue` on the kit's task queue. A message holds two ids, nothing else."""

    def __init__(self, redis_url: str) -> None:
        self._tasks = TaskQueue(redis_url)

    async def enqueue(self, user_id: UUID, import_id: UUID) -> None:
        """See `ImportQueue`."""
        await self._tasks.enqueue(IMPORT_STATEMENT, [str(user_id), str(import_id)], queue=QUEUE)

    async def length(self) -> int:
        """See `ImportQueue`."""
        return await self._tasks.length(QUEUE)

    async def discard(self, user_id: UUID) -> None:
        """See `ImportQueue`."""
        await self._tasks.discard(str(user_id))

    async def close(self) -> None:
        """Closes all connections."""
        await self._tasks.close()


class RedisImportEvents:
    """`ImportEvents` on the kit's event log."""

    def __init__(self, redis_url: str) -> None:
        self._log = EventLog(redis_url)

    async def publish(self, found: Import) -> None:
        """See `ImportEvents`."""
        payload: dict[str, object] = {"state": found.state.value}
        if found.progress is not None:
            payload["stage"] = found.progress.stage.value
            payload["row_count"] = found.progress.row_count
            payload["fraction"] = found.progress.fraction
        await self._log.publish(_key(found.id), payload, final=found.state not in UNFINISHED)

    async def read(self, import_id: UUID, *, after: str, wait_s: float) -> Sequence[ImportEvent]:
        """See `ImportEvents`."""
        found = await self._log.read(_key(import_id), after=after, wait_s=wait_s)
        return [ImportEvent(event.id, ImportState(event.payload["state"]), _progress(event.payload)) for event in found]

    async def forget(self, import_ids: Sequence[UUID]) -> None:
        """See `ImportEvents`."""
        await self._log.forget([_key(import_id) for import_id in import_ids])

    async def close(self) -> None:
        """Closes all connections."""
        await self._log.close()


def _key(import_id: UUID) -> str:
    return f"import:{import_id}"


def _progress(payload: object) -> Progress | None:
    assert isinstance(payload, dict)  # nosec B101  # published above
    return Progress(ImportStage(payload["stage"]), payload["row_count"], payload["fraction"]) if "stage" in payload else None
