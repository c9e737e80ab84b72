"""Imports that a worker carries out: the record is the truth, a message in the queue only says where to look."""

from __future__ import annotations

from uuid import UUID

from services.ingestion.domain import Import, StalledImport
from services.ingestion.repository.records import COLUMNS, import_of
from services.kit.postgres import Database

_ENQUEUE = f"""
    UPDATE ingestion.imports
    SET state = 'pending', object_key = $4, in_queue = true, begun = 0, tries = 0, progress = '{{}}',
        lease_expires_at = now() + $5::float8 * interval '1 second'
    WHERE user_id = $1 AND id = $2 AND attempt = $3 AND state = 'running'
    RETURNING {COLUMNS}
"""  # nosec B608
_CLAIM_QUEUED = f"""
    UPDATE ingestion.imports
    SET state = 'running', attempt = attempt + 1, begun = begun + 1, tries = tries + 1, in_queue = false, progress = '{{}}',
        lease_expires_at = now() + $3::float8 * interval '1 second'
    WHERE user_id = $1 AND id = $2 AND object_key <> '' AND (state = 'pending' OR (state = 'running' AND lease_expires_at < now()))
    RETURNING {COLUMNS}
"""  # nosec B608
_PUT_BACK = f"""
    UPDATE ingestion.imports
    SET state = 'pending', in_queue = false, tries = tries - $5, progress = '{{}}',
        lease_expires_at = now() + $4::float8 * interval '1 second'
    WHERE user_id = $1 AND id = $2 AND attempt = $3 AND state = 'running' AND object_key <> ''
    RETURNING {COLUMNS}
"""  # nosec B608
_STALLED = "SELECT user_id, import_id, in_queue FROM ingestion.stalled_imports($1)"
_COUNT_IN_QUEUE = "SELECT ingestion.count_in_queue()"
_REQUEUE = """
    UPDATE ingestion.imports
    SET state = 'pending', in_queue = true, progress = '{}', lease_expires_at = now() + $3::float8 * interval '1 second'
    WHERE user_id = $1 AND id = $2 AND object_key <> '' AND state IN ('pending', 'running') AND lease_expires_at < now()
    RETURNING id
"""
_FORGET_UPLOAD = """
    UPDATE ingestion.imports SET object_key = ''
    WHERE user_id = $1 AND id = $2 AND object_key = $3 AND state NOT IN ('pending', 'running')
"""
_NOBODY = UUID(int=0)


class QueuedRecords:
    """What changes on a record while its import is queued."""

    _database: Database

    async def enqueue(self, running: Import, *, object_key: str, lease_s: float) -> Import | None:
        """See `QueuedImportsRepository`."""
        async with self._database.transaction(running.user_id) as connection:
            found = await connection.fetchrow(_ENQUEUE, running.user_id, running.id, running.attempt, object_key, lease_s)
        return import_of(found) if found else None

    async def claim_queued(self, user_id: UUID, import_id: UUID, *, lease_s: float) -> Import | None:
        """See `QueuedImportsRepository`."""
        async with self._database.transaction(user_id) as connection:
            found = await connection.fetchrow(_CLAIM_QUEUED, user_id, import_id, lease_s)
        return import_of(found) if found else None

    async def put_back(self, running: Import, *, lease_s: float, counts: bool) -> Import | None:
        """See `QueuedImportsRepository`."""
        async with self._database.transaction(running.user_id) as connection:
            found = await connection.fetchrow(_PUT_BACK, running.user_id, running.id, running.attempt, lease_s, 0 if counts else 1)
        return import_of(found) if found else None

    async def stalled(self, limit: int) -> list[StalledImport]:
        """See `QueuedImportsRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            found = await connection.fetch(_STALLED, limit)
        return [StalledImport(user_id, import_id, in_queue) for user_id, import_id, in_queue in found]

    async def count_in_queue(self) -> int:
        """See `QueuedImportsRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            return int(await connection.fetchval(_COUNT_IN_QUEUE))

    async def requeue(self, stalled: StalledImport, *, lease_s: float) -> bool:
        """See `QueuedImportsRepository`."""
        async with self._database.transaction(stalled.user_id) as connection:
            return await connection.fetchval(_REQUEUE, stalled.user_id, stalled.import_id, lease_s) is not None

    async def forget_upload(self, finished: Import) -> None:
        """See `QueuedImportsRepository`."""
        async with self._database.transaction(finished.user_id) as connection:
            await connection.execute(_FORGET_UPLOAD, finished.user_id, finished.id, finished.object_key)
