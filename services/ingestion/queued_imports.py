"""What a worker does: carries queued imports out, and picks up what a dead one held or a lost message named."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from uuid import UUID

import structlog

from services.ingestion.domain import (
    AttemptOver,
    Failure,
    Import,
    ImportStage,
    Progress,
    StalledImport,
    upload_damaged,
)
from services.ingestion.formats import choose_format
from services.ingestion.import_run import ImportRuns
from services.ingestion.metrics import IMPORT_DURATION, IMPORTS, IMPORTS_REQUEUED
from services.ingestion.protocols import ImportQueue, QueuedImportsRepository
from services.ingestion.stored_uploads import StoredUploads
from services.ingestion.upload import Spooled, UploadSpool
from services.kit.errors import InvalidArgument, NotFound, ScaleError, Unauthenticated, Unavailable
from services.kit.queue import to_send_again

log = structlog.get_logger()

MAX_TRIES = 5
"""That died, or failed in a way that waiting does not mend."""
MAX_ATTEMPTS = 20
"""All together, since it was queued: what is away may be so for more than an hour."""
_FIRST_WAIT_S = 10.0
_LONGEST_WAIT_S = 300.0
"""Each wait is twice as long as the one before."""
_STALLED_AT_ONCE = 100


class QueuedImports:
    """Queued imports, from the message to their end. Whatever dies on the way, each is carried out once in the ledger."""

    def __init__(
        self,
        *,
        repository: QueuedImportsRepository,
        runs: ImportRuns,
        uploads: StoredUploads,
        queue: ImportQueue,
        spool: UploadSpool,
        lease_s: float,
        message_lease_s: float,
    ) -> None:
        """`message_lease_s`: after how long a message is looked for."""
        self._repository = repository
        self._runs = runs
        self._uploads = uploads
        self._queue = queue
        self._spool = spool
        self._lease_s = lease_s
        self._message_lease_s = message_lease_s

    async def run_queued_import(self, user_id: UUID, import_id: UUID) -> None:
        """Carries an import out, unless it is done or somebody else does. Its failures are stored, not raised."""
        try:
            await self._claim_and_carry_out(user_id, import_id)
        except Unauthenticated as error:
            if error.reason != "USER_ERASED":
                raise
            log.info("a queued import ends: its user has erased everything", import_id=str(import_id))

    async def _claim_and_carry_out(self, user_id: UUID, import_id: UUID) -> None:
        started = time.perf_counter()
        running = await self._repository.claim_queued(user_id, import_id, lease_s=self._lease_s)
        if running is None:
            log.info("nothing to do for a queued import", import_id=str(import_id))
            return
        try:
            ended = await self._carry_out(running)
        except AttemptOver:
            return
        except Exception as error:
            if not isinstance(error, ScaleError) or type(error) is ScaleError:
                log.error("a queued import failed unexpectedly", import_id=str(import_id), exc_info=error)
            ended = await self._try_again_later(running, error)
        finally:
            IMPORT_DURATION.observe(time.perf_counter() - started)
        if ended is not None:
            await self._runs.announce(ended)
            await self._uploads.remove(ended)

    async def _carry_out(self, running: Import) -> Import | None:
        await self._runs.announce(running)
        if running.tries > MAX_TRIES:
            return await self._give_up(running, "the process that read it died each time")
        try:
            async with AsyncExitStack() as spooled:
                async with self._runs.lease(running, lambda: Progress(ImportStage.READING)):
                    upload = await spooled.enter_async_context(self._spool.receive(self._uploads.read(running)))
                return await self._read(running, upload)
        except InvalidArgument as error:
            return await self._runs.refuse(running, error)
        except NotFound as error:
            if error.reason != "OBJECT_NOT_FOUND":
                raise
            return await self._give_up(running, "its upload is no longer there")

    async def _read(self, running: Import, upload: Spooled) -> Import:
        if upload.sha256 != running.file_hash:
            raise upload_damaged()
        file_format = choose_format(upload.head, running.options.file_format)
        work = self._runs.statement_import(file_format)
        # The rows of a workbook are no lines of its file.
        lines = 0 if file_format == "workbook" else upload.line_count
        return await self._runs.run(running, work, path=upload.path, options=running.options, line_count=lines)

    async def _try_again_later(self, running: Import, error: Exception) -> Import | None:
        """What is not the file's fault; after the last try the import has failed. Something that is away for a while costs no try."""
        away = isinstance(error, Unavailable)
        if running.begun >= MAX_ATTEMPTS or (running.tries >= MAX_TRIES and not away):
            known = isinstance(error, ScaleError) and type(error) is not ScaleError
            return await self._give_up(running, str(error).rstrip(".") if known else "something broke on our side")
        wait_s = min(_FIRST_WAIT_S * 2 ** (running.begun - 1), _LONGEST_WAIT_S)
        log.warning("a queued import will be tried again", import_id=str(running.id), tries=running.tries, wait_s=wait_s, error=str(error))
        pending = await self._repository.put_back(running, lease_s=wait_s, counts=not away)
        if pending is not None:
            await self._runs.announce(pending)
        return None

    async def _give_up(self, running: Import, why: str) -> Import | None:
        IMPORTS.labels("failed").inc()
        message = f"The import could not be carried out: {why}. Send the file again with the same Idempotency-Key: no row is doubled."
        return await self._repository.fail(running, Failure(message, "IMPORT_GIVEN_UP", True))

    async def requeue_stalled_imports(self) -> int:
        """Sends a message for each queued import that nobody works on; returns how many.

        A dead worker's, and those whose time to be tried again has come, at once. Others have a message in the queue; only when there are
        fewer messages than there should be, some were lost, and the oldest imports are named again.
        """
        stalled = await self._repository.stalled(_STALLED_AT_ONCE)
        if not stalled:
            return 0
        missing = await self._repository.count_in_queue() - await self._queue.length()
        return sum([await self._requeue(one) for one in to_send_again(stalled, missing=missing)])

    async def _requeue(self, stalled: StalledImport) -> bool:
        # Two at once: only one gets the lease.
        if not await self._repository.requeue(stalled, lease_s=self._message_lease_s):
            return False
        await self._queue.enqueue(stalled.user_id, stalled.import_id)
        IMPORTS_REQUEUED.labels("lost" if stalled.in_queue else "stalled").inc()
        log.info("a queued import was queued again", import_id=str(stalled.import_id), message_lost=stalled.in_queue)
        return True

    async def remove_orphaned_uploads(self) -> int:
        """Removes uploads that no import waits for; returns how many."""
        return await self._uploads.remove_orphans()
