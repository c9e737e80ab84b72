"""Large files are left to a worker: the upload goes to the storage, the import waits in the queue, and the request is answered."""

from __future__ import annotations

import structlog

from services.ingestion.domain import AttemptOver, Import, ImportOptions, ImportStage, Progress, UploadedFile, attempt_over, queue_full
from services.ingestion.import_run import ImportRuns
from services.ingestion.metrics import IMPORTS
from services.ingestion.protocols import ImportQueue, QueuedImportsRepository
from services.ingestion.stored_uploads import StoredUploads
from services.kit.errors import ScaleError, Unavailable

log = structlog.get_logger()


class ImportHandover:
    """Decides which imports go to the queue, and brings them there. Where that cannot be done now, the request carries them out itself."""

    def __init__(
        self,
        *,
        repository: QueuedImportsRepository,
        runs: ImportRuns,
        uploads: StoredUploads,
        queue: ImportQueue,
        above_bytes: int,
        max_queued: int,
        lease_s: float,
        message_lease_s: float,
    ) -> None:
        """Files above `above_bytes` are queued, unless `max_queued` wait. `message_lease_s`: after how long a message is looked for."""
        self._repository = repository
        self._runs = runs
        self._uploads = uploads
        self._queue = queue
        self._above_bytes = above_bytes
        self._max_queued = max_queued
        self._lease_s = lease_s
        self._message_lease_s = message_lease_s

    def takes(self, size_bytes: int, options: ImportOptions) -> bool:
        """Whether a file of this size is one for the queue. What has a password is kept nowhere, so it is none."""
        return size_bytes > self._above_bytes and options.password is None

    async def check_room(self) -> None:
        """Raises ResourceExhausted when the queue is full."""
        try:
            waiting = await self._queue.length()
        except Unavailable:
            # Then the request carries it out.
            return
        if waiting >= self._max_queued:
            raise queue_full()

    async def hand_over(self, running: Import, file: UploadedFile, options: ImportOptions) -> Import:
        """The import, PENDING when a worker will carry it on; else still RUNNING, for the request to do so."""
        if file.may_be_encrypted or not self.takes(file.size_bytes, options):
            return running
        try:
            await self._queue.length()
            async with self._runs.lease(running, lambda: Progress(ImportStage.WAITING)):
                key = await self._uploads.keep(running, file)
        except AttemptOver:
            raise
        except ScaleError as error:
            log.warning("a large import is carried out within its request", import_id=str(running.id), reason=error.reason)
            return running
        pending = await self._repository.enqueue(running, object_key=key, lease_s=self._message_lease_s)
        if pending is None:
            raise attempt_over(running.id)
        return await self._send(pending)

    async def _send(self, pending: Import) -> Import:
        try:
            await self._queue.enqueue(pending.user_id, pending.id)
        except Unavailable as error:
            log.warning("a large import is carried out within its request", import_id=str(pending.id), reason=error.reason)
            # As a worker would take it, so that none does, should the message have got through after all.
            taken = await self._repository.claim_queued(pending.user_id, pending.id, lease_s=self._lease_s)
            return taken or pending
        IMPORTS.labels("queued").inc()
        await self._runs.announce(pending)
        return pending

    async def close(self, ended: Import | None) -> None:
        """Ends what the request carried out after all: nobody waits for the upload any more."""
        if ended is not None and ended.object_key:
            await self._runs.announce(ended)
            await self._uploads.remove(ended)
