"""One try at an import that was begun or taken over: its place among the others, its lease, its outcome."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import UUID

import structlog

from services.ingestion.domain import Failure, Import, ImportOptions, Progress, attempt_over
from services.ingestion.metrics import IMPORT_ROWS, IMPORTS, IMPORTS_RUNNING, IMPORTS_WAITING
from services.ingestion.predictions import Predictions
from services.ingestion.protocols import Categorizer, ImportEvents, ImportsRepository, Ledger, LedgerWatcher
from services.ingestion.readers.statement import UnreadableStatement
from services.ingestion.statement_import import Reader, StatementImport
from services.kit.errors import FieldError, InvalidArgument
from services.kit.leases import Lease, keep_lease

log = structlog.get_logger()

_STEP_S = 2.0
"""Between two steps that a watcher is told."""
_MAX_NEEDS_BYTES = 850
"""An error's metadata travels in HTTP/2 trailers, which are short."""


class ImportRuns:
    """Carries imports out, a few at a time. Who begins them says what becomes of those that fail."""

    def __init__(
        self,
        *,
        repository: ImportsRepository,
        ledger: Ledger,
        readers: Mapping[str, Reader],
        lease_s: float,
        parallel_imports: int,
        events: ImportEvents | None = None,
        categorizer: Categorizer | None = None,
        classify_timeout_s: float = 5,
        watcher: LedgerWatcher | None = None,
    ) -> None:
        """`readers` by file format. `parallel_imports` are read at once; others wait for a place. The steps of queued imports go to
        `events`. `categorizer` says what rows are for; an import waits `classify_timeout_s` for it, and goes on without. `watcher` hears of
        each import that brought something."""
        self._repository = repository
        self._ledger = ledger
        self._readers = readers
        self._events = events
        self._categorizer = categorizer
        self._classify_timeout_s = classify_timeout_s
        self._watcher = watcher
        self._lease_s = lease_s
        self._places = asyncio.Semaphore(parallel_imports)
        # Each import uses one thread at a time, and one more while it reads ahead of a slow ledger.
        self._executor = ThreadPoolExecutor(2 * parallel_imports, thread_name_prefix="statement")

    def close(self) -> None:
        """Ends the threads."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def statement_import(self, file_format: str) -> StatementImport:
        """For `run`, once."""
        predictions = Predictions(self._categorizer, executor=self._executor, timeout_s=self._classify_timeout_s)
        return StatementImport(
            ledger=self._ledger,
            repository=self._repository,
            executor=self._executor,
            reader=self._readers[file_format],
            predictions=predictions,
        )

    async def run(self, running: Import, work: StatementImport, *, path: Path, options: ImportOptions, line_count: int = 0) -> Import:
        """The import, succeeded.

        Raises InvalidArgument when the file or the options are wrong, Aborted when somebody else took the import over, and what the
        ledger and the database raise.
        """
        async with self.lease(running, lambda: work.progress) as lease, self._place():
            try:
                success = await work.run(
                    user_id=running.user_id,
                    import_id=running.id,
                    path=path,
                    file_name=running.file_name,
                    options=options,
                    line_count=line_count,
                )
            except UnreadableStatement as error:
                raise _unreadable(error) from error
            lease.conclude()
            finished = await self._repository.succeed(running, success, work.outcomes.chunks())
        if finished is None:
            raise attempt_over(running.id)
        _measure(finished)
        if finished.counts.inserted:
            self.ledger_changed(finished.id)
        return finished

    def ledger_changed(self, change_id: UUID) -> None:
        """Tells whoever wants to know."""
        if self._watcher is not None:
            self._watcher.ledger_changed(change_id)

    async def refuse(self, running: Import, error: InvalidArgument) -> Import | None:
        """Stores that the request itself is wrong; a repeat gets the same error. None when the attempt is over."""
        IMPORTS.labels("rejected").inc()
        # With the right password the same request may come again under the same id.
        again = any(found.field == "password" for found in error.fields)
        return await self._repository.fail(running, Failure(error.message, error.reason, again, error.metadata, error.fields))

    @asynccontextmanager
    async def lease(self, running: Import, progress: Callable[[], Progress]) -> AsyncIterator[Lease]:
        """Keeps others away from the import for the time of the block, and tells how far it is. Raises AttemptOver, and ends the block,
        within two seconds when somebody else has ended the attempt: its work is in vain, and keeps the ledger, or an erasure,
        waiting."""

        async def renew() -> bool:
            step = progress()
            if not await self._repository.renew(running, lease_s=self._lease_s, progress=step):
                return False
            await self.announce(dataclasses.replace(running, progress=step))
            return True

        every_s = min(self._lease_s / 3, _STEP_S)
        over = partial(attempt_over, running.id)
        async with keep_lease(renew, every_s=every_s, over=over, work=f"import {running.id}") as lease:
            yield lease

    async def announce(self, found: Import) -> None:
        """Tells whoever watches a queued import how it stands."""
        if self._events is not None and found.object_key:
            await self._events.publish(found)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        with IMPORTS_WAITING.track_inprogress():
            await self._places.acquire()
        try:
            with IMPORTS_RUNNING.track_inprogress():
                yield
        finally:
            self._places.release()


def _unreadable(error: UnreadableStatement) -> InvalidArgument:
    fields = [FieldError(found.field, found.reason, found.line or None) for found in error.errors]
    metadata = {"needs": _short_json(error.needs)} if error.needs else {}
    return InvalidArgument(error.message, reason="UNREADABLE_STATEMENT", metadata=metadata, fields=fields)


def _short_json(needs: Mapping[str, list[str]]) -> str:
    """`needs` as JSON; of long lists the beginning."""
    longest = max((len(values) for values in needs.values()), default=0)
    while True:
        text = json.dumps({name: [value[:100] for value in values[:longest]] for name, values in needs.items()}, ensure_ascii=False)
        if len(text.encode()) <= _MAX_NEEDS_BYTES or longest <= 1:
            return text
        longest -= 1


def _measure(finished: Import) -> None:
    IMPORTS.labels("succeeded").inc()
    counts = finished.counts
    for outcome, count in (
        ("inserted", counts.inserted),
        ("duplicate", counts.duplicates),
        ("suspected_duplicate", counts.suspected_duplicates),
        ("zero_amount", counts.zero_amount),
        ("rejected", counts.rejected),
    ):
        IMPORT_ROWS.labels(outcome).inc(count)
    log.info("import finished", import_id=str(finished.id), rows=counts.rows, inserted=counts.inserted, duplicates=counts.duplicates)
