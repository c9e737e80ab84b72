"""One statement from its file to the ledger: read, normalise, append, with a bounded number of rows in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import aclosing, suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import polars as pl
import structlog

from services.ingestion.account_finder import AccountFinder
from services.ingestion.arrow import Message
from services.ingestion.csv_profiles import for_reader, taught_by
from services.ingestion.domain import Counts, ImportOptions, ImportStage, Progress, RowOutcome, Success
from services.ingestion.formats import mistaken_for
from services.ingestion.normalise import Normaliser, OpenBatch, layout_hash
from services.ingestion.outcomes import RowOutcomes
from services.ingestion.predictions import NOTE, UNAVAILABLE, Asked, Predictions
from services.ingestion.protocols import ImportsRepository, Ledger
from services.ingestion.readers.statement import MAX_ERRORS_SHOWN, ReadOptions, RowError, Statement, Taught, UnreadableStatement
from services.ingestion.threads import run_to_end
from services.kit.errors import ScaleError

log = structlog.get_logger()

Reader = Callable[[Path, ReadOptions], Statement]
Result = TypeVar("Result")


class _Messages:
    """What goes to the ledger, one batch made ahead, and of another it is being asked what its rows are for. `exhausted` says that all of
    it has been taken."""

    def __init__(self, normaliser: Normaliser, accounts: AccountFinder, predictions: Predictions, executor: Executor) -> None:
        self._normaliser = normaliser
        self._accounts = accounts
        self._predictions = predictions
        self._executor = executor
        self._asked: tuple[OpenBatch, Asked] | None = None
        self._at_end = False
        self._ready: list[Message] = []
        self._ahead: asyncio.Task[list[Message] | None] | None = None
        self.exhausted = False

    @property
    def rows_read(self) -> int:
        """How many rows have been read, those that are no good included."""
        return self._normaliser.rows_read

    @property
    def last_line(self) -> int:
        """Up to which line."""
        return self._normaliser.last_line

    async def any(self) -> bool:
        """Whether there is a message at all."""
        return bool(self._ready) or await self._fill()

    def __aiter__(self) -> _Messages:
        return self

    async def __anext__(self) -> Message:
        if not self._ready and not await self._fill():
            raise StopAsyncIteration
        return self._ready.pop()

    async def close(self) -> None:
        """Stops reading ahead and lets the reader close its file."""
        if self._ahead is not None:
            self._ahead.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._ahead
        await self._predictions.close()
        await run_to_end(self._executor, self._normaliser.close)

    async def _fill(self) -> bool:
        while not self._ready and not self.exhausted:
            if self._ahead is None:
                self._ahead = asyncio.create_task(self._next_batch())
            messages = await self._ahead
            if messages is None:
                self.exhausted = True
            else:
                # The next batch is read while this one travels.
                self._ahead = asyncio.create_task(self._next_batch())
                self._ready = messages[::-1]
        return bool(self._ready)

    async def _next_batch(self) -> list[Message] | None:
        current = self._asked or await self._read()
        if current is None:
            return None
        # While it is worked out what these rows are for, the next ones are read.
        self._asked = await self._read()
        batch, asked = current
        await self._accounts.find(batch.keys)
        predicted = await self._predictions.answer(asked)
        return await run_to_end(self._executor, self._normaliser.encode, batch, self._accounts.found, predicted)

    async def _read(self) -> tuple[OpenBatch, Asked] | None:
        while not self._at_end:
            batch = await run_to_end(self._executor, _reading, self._normaliser.read)
            if batch is None:
                self._at_end = True
            elif not batch.rows.is_empty():
                return batch, await self._predictions.ask(batch.rows)
        return None


class StatementImport:
    """One try at one import. `run` once."""

    def __init__(
        self, *, ledger: Ledger, repository: ImportsRepository, executor: Executor, reader: Reader, predictions: Predictions
    ) -> None:
        self._ledger = ledger
        self._predictions = predictions
        self._repository = repository
        self._executor = executor
        self._reader = reader
        self._messages: _Messages | None = None
        self._line_count = 0
        self.outcomes = RowOutcomes()

    @property
    def handed_over(self) -> bool:
        """Whether the ledger has every row and may have committed: from here on the import is better finished than stopped."""
        return self._messages is not None and self._messages.exhausted

    @property
    def progress(self) -> Progress:
        """How far it is."""
        if self._messages is None:
            return Progress(ImportStage.READING)
        stage = ImportStage.STORING if self.handed_over else ImportStage.READING
        fraction = None
        if self._line_count > 1:
            fraction = 1.0 if self.handed_over else min(1.0, self._messages.last_line / self._line_count)
        return Progress(stage, self._messages.rows_read, fraction)

    async def run(
        self, *, user_id: UUID, import_id: UUID, path: Path, file_name: str, options: ImportOptions, line_count: int = 0
    ) -> Success:
        """Reads the file into the ledger. `outcomes` then has the rows that did not enter it. `line_count` (0: unknown) tells how far
        a line is through the file.

        Raises UnreadableStatement, also when no row is good; InvalidArgument for wrong options; what the ledger raises.
        """
        profiles = for_reader(await self._repository.list_csv_profiles(user_id))
        read_options = _read_options(options, file_name, profiles)
        self._line_count = line_count
        statement = await run_to_end(self._executor, _reading, lambda: self._reader(path, read_options))
        accounts = AccountFinder(self._ledger, self._repository, user_id=user_id, options=options, layout_hash=layout_hash(statement))
        await accounts.check_named_by_caller()
        normaliser = Normaliser(statement, options, self.outcomes)
        self._messages = _Messages(normaliser, accounts, self._predictions, self._executor)
        try:
            duplicates = await self._append(import_id, self._messages)
        finally:
            await self._messages.close()
        counts = self._count(normaliser.rows_sent, duplicates)
        mistaken = mistaken_for(options.file_format, statement.file_format)
        notes = [*statement.detected.get("notes", ()), *accounts.notes(), *([mistaken] if mistaken else [])]
        detected = {**statement.detected, "notes": notes}
        if self._predictions.missing:
            detected |= {"categorization": UNAVAILABLE, "notes": [*notes, NOTE]}
        if several := accounts.described():
            detected["accounts"] = several
        account_id = options.account_id or accounts.only_account
        return Success(counts, statement.file_format, detected, account_id, taught_by(statement, options))

    async def _append(self, import_id: UUID, messages: _Messages) -> int:
        if not await messages.any():
            self._refuse_without_rows()
            return 0
        duplicates = 0
        async with aclosing(self._ledger.append_transactions(import_id, messages)) as parts:
            async for part in parts:
                self.outcomes.duplicates(part.duplicates)
                self.outcomes.suspected(part.suspected)
                duplicates += len(part.duplicates)
        return duplicates

    def _refuse_without_rows(self) -> None:
        rejected = self.outcomes.count(RowOutcome.REJECTED)
        if self.outcomes.count(RowOutcome.ZERO_AMOUNT):
            return
        if not rejected:
            # A month without a payment: the reader has seen to it that the file is a statement.
            return
        first = islice(self.outcomes.rows(RowOutcome.REJECTED), MAX_ERRORS_SHOWN)
        shown = [RowError(row.line, row.field, row.reason) for row in first]
        more = f"; the first {len(shown)} are listed" if rejected > len(shown) else ""
        raise UnreadableStatement(f"None of the file's {rejected} rows can be read{more}.", shown)

    def _count(self, sent: int, duplicates: int) -> Counts:
        zero, rejected = self.outcomes.count(RowOutcome.ZERO_AMOUNT), self.outcomes.count(RowOutcome.REJECTED)
        if duplicates > sent:
            raise ScaleError(f"the ledger named {duplicates} duplicates among {sent} rows")
        suspected = self.outcomes.count(RowOutcome.SUSPECTED_DUPLICATE)
        return Counts(sent + zero + rejected, sent - duplicates, duplicates, suspected, zero, rejected)


def _reading(step: Callable[[], Result]) -> Result:
    """One step of a reader. A file that breaks it is refused, not tried again for ever; what went wrong is for us to see."""
    try:
        return step()
    except (UnreadableStatement, ScaleError, OSError, MemoryError):
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        log.error("a reader failed", exc_info=error)
        raise UnreadableStatement("This file cannot be read: the reader failed on it. That is our fault; please report it.") from error


def _read_options(options: ImportOptions, file_name: str, profiles: Mapping[str, Taught]) -> ReadOptions:
    return ReadOptions(
        date_format=options.date_format,
        columns=dict(options.columns) or None,
        currency=options.currency,
        file_name=file_name,
        password=options.password,
        profiles=profiles,
    )
