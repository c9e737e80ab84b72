"""Use-cases and rules of ingestion: one import per request id, whatever is sent twice, at once, or dies half way."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import structlog
import uuid_utils.compat

from services.ingestion.domain import (
    UNFINISHED,
    AttemptOver,
    CsvProfile,
    CsvProfilePosition,
    Failure,
    Import,
    ImportOptions,
    ImportPosition,
    ImportRow,
    ImportState,
    ImportStep,
    NewImport,
    RowOutcome,
    UndoOutcome,
    UploadedFile,
    csv_profile_not_found,
    idempotency_key_reused,
    import_not_finished,
    import_not_found,
    too_many_imports,
)
from services.ingestion.import_handover import ImportHandover
from services.ingestion.import_run import ImportRuns
from services.ingestion.import_watch import ImportWatch
from services.ingestion.metrics import IMPORT_DURATION, IMPORTS
from services.ingestion.protocols import ImportsRepository, Ledger
from services.ingestion.restores import EXPORT_FORMAT, restore_not_undoable
from services.ingestion.statement_import import StatementImport
from services.kit.errors import InvalidArgument

log = structlog.get_logger()

_POLL_S = 0.2
_LEDGER_PAGE = 1000
_MAX_LEDGER_PAGES = 3
"""So many are read for one page of inserted rows before it is given short: an import may be all suspected duplicates."""


class IngestionService:
    """Takes statements in. Every call names the user, from the verified token."""

    def __init__(
        self,
        *,
        repository: ImportsRepository,
        ledger: Ledger,
        runs: ImportRuns,
        watch: ImportWatch,
        handover: ImportHandover | None = None,
        lease_s: float = 10,
        max_admitted: int = 200,
    ) -> None:
        """At most `max_admitted` uploads are in hand at once, others are refused. Without `handover` large files are read within their
        request, as all others."""
        self._repository = repository
        self._ledger = ledger
        self._runs = runs
        self._watch = watch
        self._handover = handover
        self._lease_s = lease_s
        self._admitted = 0
        self._max_admitted = max_admitted

    def close(self) -> None:
        """Ends the threads."""
        self._runs.close()

    @contextmanager
    def admission(self) -> Iterator[None]:
        """A place for one upload, from its first byte to its answer. Raises ResourceExhausted when there is none."""
        if self._admitted >= self._max_admitted:
            raise too_many_imports()
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1

    async def check_queue(self, user_id: UUID, *, request_id: str, size_bytes: int, options: ImportOptions) -> None:
        """Whether there is room for a file of this size, before it is taken in. Raises ResourceExhausted with reason QUEUE_FULL."""
        if self._handover is None or not self._handover.takes(size_bytes, options):
            return
        earlier = await self._repository.find_request(user_id, request_id)
        if earlier is None or earlier.claimable:
            await self._handover.check_room()

    async def import_statement(
        self, user_id: UUID, *, request_id: str, file_format: str, options: ImportOptions, file: UploadedFile
    ) -> tuple[Import, bool]:
        """The finished import, or a PENDING one that a worker carries on; and whether it is an earlier answer again.

        Raises InvalidArgument when the file or the options are wrong (with `needs` in its metadata when an answer would help),
        AlreadyExists when the request id was used for something else, and what the ledger raises. What is not the file's fault can be sent
        again under the same request id, as can what was too much at once (ResourceExhausted).
        """
        if not file.may_be_encrypted:
            await self.check_queue(user_id, request_id=request_id, size_bytes=file.size_bytes, options=options)
        started = time.perf_counter()
        new = NewImport(
            id=uuid_utils.compat.uuid7(),
            user_id=user_id,
            request_id=request_id,
            request_hash=_request_hash(file, options),
            file_id=uuid_utils.compat.uuid7(),
            file=file,
            options=options,
        )
        current, mine = await self._repository.begin(new, lease_s=self._lease_s)
        while not mine:
            if current.request_hash != new.request_hash:
                raise idempotency_key_reused()
            current = await self._settled(current)
            if not current.claimable:
                return self._repeat(current), True
            claimed = await self._repository.claim(current, lease_s=self._lease_s)
            mine = claimed is not None
            current = claimed or await self.get_import(user_id, current.id)
        if self._handover is not None:
            current = await self._hand_over(self._handover, current, options, file)
            if current.state is ImportState.PENDING:
                return current, False
        try:
            return await self._work(current, file_format, options, file), False
        finally:
            IMPORT_DURATION.observe(time.perf_counter() - started)

    async def _settled(self, current: Import) -> Import:
        """Waits while another request works on it: a second click gets the first one's answer, for a queued import how far it is."""
        while current.state in UNFINISHED and not current.abandoned and not current.queued:
            await asyncio.sleep(_POLL_S)
            current = await self.get_import(current.user_id, current.id)
        return current

    @staticmethod
    def _repeat(finished: Import) -> Import:
        IMPORTS.labels("repeated").inc()
        if finished.state is ImportState.FAILED and finished.failure is not None:
            raise finished.failure.error()
        return finished

    async def _hand_over(self, handover: ImportHandover, running: Import, options: ImportOptions, file: UploadedFile) -> Import:
        try:
            return await handover.hand_over(running, file, options)
        except AttemptOver:
            raise
        except BaseException as error:
            await self._give_up(running, error)
            raise

    async def _work(self, running: Import, file_format: str, options: ImportOptions, file: UploadedFile) -> Import:
        """Runs the import. A caller who goes away stops it, unless the ledger has every row: then it is finished first."""
        work = self._runs.statement_import(file_format)
        task = asyncio.create_task(self._run(running, work, options, file))
        gone: asyncio.CancelledError | None = None
        while not task.done():
            try:
                # Whatever happens, the upload stays open until nobody reads it any more.
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                gone = error
                if not work.handed_over:
                    task.cancel()
        if gone is not None:
            if not task.cancelled():
                task.exception()  # seen, so that nobody complains about it
            raise gone
        return task.result()

    async def _run(self, running: Import, work: StatementImport, options: ImportOptions, file: UploadedFile) -> Import:
        try:
            finished = await self._runs.run(running, work, path=Path(file.path), options=options, line_count=file.line_count)
        except InvalidArgument as error:
            await self._close(await self._runs.refuse(running, error))
            raise
        except AttemptOver:
            raise
        except BaseException as error:
            await self._give_up(running, error)
            raise
        await self._close(finished)
        return finished

    async def _close(self, ended: Import | None) -> None:
        if self._handover is not None:
            await self._handover.close(ended)

    async def _give_up(self, running: Import, error: BaseException) -> None:
        """Stores that the same request may be sent again."""
        IMPORTS.labels("failed").inc()
        message = getattr(error, "message", "") or "The import was interrupted."
        failure = Failure(f"{message} Send the file again with the same Idempotency-Key.", getattr(error, "reason", "INTERRUPTED"), True)
        # Where this fails too, the lease runs out and says the same.
        with suppress(Exception):
            await self._close(await asyncio.shield(self._repository.fail(running, failure)))

    async def get_import(self, user_id: UUID, import_id: UUID) -> Import:
        """One import. Raises NotFound."""
        found = await self._repository.get(user_id, import_id)
        if found is None:
            raise import_not_found(import_id)
        return found

    def watch_import(self, user_id: UUID, import_id: UUID, *, after: str) -> AsyncIterator[ImportStep]:
        """The import as it stands, or its steps after the event `after`; then each further one, its final state last; ends after five
        minutes without one. Raises NotFound."""
        return self._watch.watch(user_id, import_id, after=after)

    async def undo_import(self, user_id: UUID, import_id: UUID) -> tuple[Import, UndoOutcome]:
        """Takes back what an import brought; harmless to repeat. Raises NotFound, and FailedPrecondition when it has brought nothing."""
        found = await self.get_import(user_id, import_id)
        if found.state not in (ImportState.SUCCEEDED, ImportState.UNDONE):
            raise import_not_finished(import_id)
        if found.file_format == EXPORT_FORMAT:
            raise restore_not_undoable(import_id)
        # The ledger first: if this process dies in between, the next try finds nothing left to remove and finishes.
        outcome = await self._ledger.undo_import(import_id)
        undone = await self._repository.undone(user_id, import_id)
        if undone is None:
            raise import_not_finished(import_id)
        self._runs.ledger_changed(uuid5(import_id, "undone"))
        log.info("import undone", import_id=str(import_id), removed=outcome.removed_count, kept=outcome.kept_count)
        return undone, outcome

    async def list_imports(self, user_id: UUID, *, limit: int, after: ImportPosition | None) -> tuple[list[Import], bool]:
        """A page, newest first, and whether there is more."""
        found = await self._repository.list_imports(user_id, limit=limit + 1, after=after)
        return found[:limit], len(found) > limit

    async def list_csv_profiles(
        self, user_id: UUID, *, limit: int, after: CsvProfilePosition | None = None
    ) -> tuple[list[CsvProfile], bool]:
        """A page of what the user once said of layouts of CSV files, the latest first, and whether there is more."""
        found = await self._repository.list_csv_profiles(user_id)
        if after is not None:
            found = [one for one in found if (after.updated_at, one.layout.header_hash) > (one.updated_at, after.header_hash)]
        return found[:limit], len(found) > limit

    async def delete_csv_profile(self, user_id: UUID, header_hash: str) -> None:
        """Forgets one. Raises NotFound."""
        if not await self._repository.delete_csv_profile(user_id, header_hash):
            raise csv_profile_not_found(header_hash)

    async def list_import_rows(
        self, user_id: UUID, import_id: UUID, *, outcome: RowOutcome | None, after_line: int, limit: int
    ) -> tuple[list[ImportRow], int | None]:
        """A page in file order, and the line after which the next one begins (None: there is none). A page may be short of rows and still
        not be the last. Inserted rows come from the ledger, which alone knows them."""
        await self.get_import(user_id, import_id)
        kept: list[ImportRow] = []
        inserted: list[ImportRow] = []
        scanned_to: int | None = None
        if outcome is not RowOutcome.INSERTED:
            kept = await self._repository.list_rows(user_id, import_id, outcome=outcome, after_line=after_line, limit=limit + 1)
        if outcome in (None, RowOutcome.INSERTED):
            # Of all outcomes together one part of the ledger fills the page: what is suspected in it is among `kept`.
            parts = 1 if outcome is None else _MAX_LEDGER_PAGES
            inserted, scanned_to = await self._inserted_rows(user_id, import_id, after_line=after_line, wanted=limit + 1, parts=parts)
        if scanned_to is not None:
            # What the ledger has beyond this line is not known yet.
            kept = [row for row in kept if row.line <= scanned_to]
        rows = list(heapq.merge(kept, inserted, key=lambda row: row.line))
        return rows[:limit], rows[limit - 1].line if len(rows) > limit else scanned_to

    async def _inserted_rows(
        self, user_id: UUID, import_id: UUID, *, after_line: int, wanted: int, parts: int
    ) -> tuple[list[ImportRow], int | None]:
        """Rows that are in the ledger and suspected of nothing, and how far the ledger was read where it may hold more."""
        found: list[ImportRow] = []
        asked = min(wanted, _LEDGER_PAGE)
        for _ in range(parts):
            lines = await self._ledger.list_import_lines(import_id, after_line=after_line, limit=asked)
            if not lines:
                return found, None
            suspected = await self._suspected_lines(user_id, import_id, after_line=after_line, up_to=lines[-1].line)
            found += [ImportRow(line, RowOutcome.INSERTED, transaction_id=made) for line, made in lines if line not in suspected]
            after_line = lines[-1].line
            if len(lines) < asked:
                return found, None
            if len(found) >= wanted:
                break
            asked = _LEDGER_PAGE
        return found, after_line

    async def _suspected_lines(self, user_id: UUID, import_id: UUID, *, after_line: int, up_to: int) -> set[int]:
        found: set[int] = set()
        while True:
            rows = await self._repository.list_rows(
                user_id, import_id, outcome=RowOutcome.SUSPECTED_DUPLICATE, after_line=after_line, limit=_LEDGER_PAGE
            )
            found.update(row.line for row in rows)
            if len(rows) < _LEDGER_PAGE or rows[-1].line >= up_to:
                return found
            after_line = rows[-1].line


def _request_hash(file: UploadedFile, options: ImportOptions) -> bytes:
    """What must be equal for two requests to be the same one. The file's name may differ; a password is not part of it."""
    said: dict[str, Any] = {
        "file": file.sha256,
        "account_id": str(options.account_id or ""),
        "currency": options.currency or "",
        "date_format": options.date_format or "",
        "columns": dict(sorted(options.columns.items())),
        "file_format": options.file_format or "",
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest()
