"""Ingestion's database and ledger, in memory, with the same promises."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pyarrow as pa
import uuid_utils.compat

from services.ingestion.domain import (
    UNFINISHED,
    AccountRef,
    Appended,
    Counts,
    CsvLayout,
    CsvProfile,
    Failure,
    Import,
    ImportLine,
    ImportPosition,
    ImportRow,
    ImportStage,
    ImportState,
    LayoutAccount,
    NewImport,
    Progress,
    RowOutcome,
    StalledImport,
    Success,
    SuspectedLine,
    UndoOutcome,
)
from services.ingestion.import_run import ImportRuns
from services.ingestion.import_watch import ImportWatch
from services.ingestion.protocols import Categorizer, LedgerWatcher
from services.ingestion.repository.csv_profiles import MAX_PROFILES
from services.ingestion.service import IngestionService
from services.ingestion.statement_import import Reader
from services.kit.errors import NotFound, ScaleError


class FakeImportsRepository:
    """`QueuedImportsRepository` in memory. `broken` is raised by every method while it is set."""

    def __init__(self) -> None:
        self.broken: ScaleError | None = None
        self.files: list[NewImport] = []
        self.renewals = 0
        self._imports: dict[tuple[UUID, UUID], Import] = {}
        self._leases: dict[UUID, float] = {}
        self._rows: dict[tuple[UUID, UUID], list[ImportRow]] = {}
        self._layouts: dict[tuple[UUID, str, str], LayoutAccount] = {}
        self._profiles: dict[tuple[UUID, str], CsvProfile] = {}
        self._in_queue: set[UUID] = set()

    def _see(self, found: Import) -> Import:
        over = found.state in UNFINISHED and self._leases.get(found.id, 0) < time.monotonic()
        return dataclasses.replace(found, abandoned=over and not found.object_key)

    def _check(self) -> None:
        if self.broken is not None:
            raise self.broken

    def _put(self, new: Import, lease_s: float | None = None) -> Import:
        self._imports[new.user_id, new.id] = new
        if lease_s is not None:
            self._leases[new.id] = time.monotonic() + lease_s
        return self._see(new)

    def _held(self, running: Import) -> Import | None:
        now = self._imports.get((running.user_id, running.id))
        return now if now and now.attempt == running.attempt and now.state is ImportState.RUNNING else None

    async def begin(self, new: NewImport, *, lease_s: float) -> tuple[Import, bool]:
        self._check()
        for found in self._imports.values():
            if (found.user_id, found.request_id) == (new.user_id, new.request_id):
                return self._see(found), False
        self.files.append(new)
        started = Import(
            id=new.id,
            user_id=new.user_id,
            request_id=new.request_id,
            request_hash=new.request_hash,
            state=ImportState.RUNNING,
            attempt=1,
            abandoned=False,
            file_name=new.file.name,
            file_format="",
            file_hash=new.file.sha256,
            account_id=new.options.account_id,
            counts=Counts(),
            detected={},
            same_file_as=None,
            failure=None,
            created_at=datetime.now(UTC),
            completed_at=None,
            options=dataclasses.replace(new.options, password=None),
            progress=Progress(ImportStage.READING),
        )
        return self._put(started, lease_s), True

    async def get(self, user_id: UUID, import_id: UUID) -> Import | None:
        self._check()
        found = self._imports.get((user_id, import_id))
        return self._see(found) if found else None

    async def claim(self, taken: Import, *, lease_s: float) -> Import | None:
        self._check()
        now = self._see(self._imports[taken.user_id, taken.id])
        if now.attempt != taken.attempt or not now.claimable:
            return None
        again = dataclasses.replace(
            now,
            state=ImportState.RUNNING,
            attempt=now.attempt + 1,
            failure=None,
            completed_at=None,
            object_key="",
            begun=0,
            tries=0,
            progress=Progress(ImportStage.READING),
        )
        return self._put(again, lease_s)

    async def find_request(self, user_id: UUID, request_id: str) -> Import | None:
        self._check()
        found = (one for one in self._imports.values() if (one.user_id, one.request_id) == (user_id, request_id))
        return next(map(self._see, found), None)

    async def renew(self, running: Import, *, lease_s: float, progress: Progress) -> bool:
        self._check()
        held = self._held(running)
        if held:
            self.renewals += 1
            self._put(dataclasses.replace(held, progress=progress), lease_s)
        return held is not None

    async def enqueue(self, running: Import, *, object_key: str, lease_s: float) -> Import | None:
        self._check()
        held = self._held(running)
        return self._wait(held, lease_s, in_queue=True, object_key=object_key, begun=0, tries=0) if held else None

    async def claim_queued(self, user_id: UUID, import_id: UUID, *, lease_s: float) -> Import | None:
        self._check()
        found = self._imports.get((user_id, import_id))
        if found is None or not found.queued or (found.state is ImportState.RUNNING and not self._lease_over(found)):
            return None
        self._in_queue.discard(import_id)
        begun = dataclasses.replace(
            found,
            state=ImportState.RUNNING,
            attempt=found.attempt + 1,
            begun=found.begun + 1,
            tries=found.tries + 1,
            progress=Progress(ImportStage.READING),
        )
        return self._put(begun, lease_s)

    async def put_back(self, running: Import, *, lease_s: float, counts: bool) -> Import | None:
        self._check()
        held = self._held(running)
        return self._wait(held, lease_s, in_queue=False, tries=held.tries - (not counts)) if held and held.object_key else None

    def _wait(self, found: Import, lease_s: float, *, in_queue: bool, **changes: Any) -> Import:
        (self._in_queue.add if in_queue else self._in_queue.discard)(found.id)
        return self._put(dataclasses.replace(found, state=ImportState.PENDING, progress=Progress(ImportStage.WAITING), **changes), lease_s)

    def _lease_over(self, found: Import) -> bool:
        return self._leases[found.id] < time.monotonic()

    async def stalled(self, limit: int) -> list[StalledImport]:
        self._check()
        stuck = [found for found in self._imports.values() if found.queued and self._lease_over(found)]
        stuck.sort(key=lambda found: (found.id in self._in_queue, self._leases[found.id]))
        return [StalledImport(found.user_id, found.id, found.id in self._in_queue) for found in stuck[:limit]]

    async def count_in_queue(self) -> int:
        self._check()
        return sum(found.queued and found.id in self._in_queue for found in self._imports.values())

    async def requeue(self, stalled: StalledImport, *, lease_s: float) -> bool:
        self._check()
        found = self._imports[stalled.user_id, stalled.import_id]
        if not found.queued or not self._lease_over(found):
            return False
        self._wait(found, lease_s, in_queue=True)
        return True

    async def forget_upload(self, finished: Import) -> None:
        self._check()
        found = self._imports[finished.user_id, finished.id]
        if found.object_key == finished.object_key and found.state not in UNFINISHED:
            self._put(dataclasses.replace(found, object_key=""))

    async def succeed(self, running: Import, success: Success, rows: Iterable[Sequence[ImportRow]]) -> Import | None:
        self._check()
        held = self._held(running)
        if held is None:
            return None
        same = [
            found
            for found in self._imports.values()
            if found.user_id == held.user_id and found.file_hash == held.file_hash and found.state is ImportState.SUCCEEDED
        ]
        first = min(same, key=lambda found: (found.created_at, found.id), default=None)
        kept = [row for chunk in rows for row in chunk]
        assert len({row.line for row in kept}) == len(kept), "one outcome a line"
        self._rows[held.user_id, held.id] = sorted(kept, key=lambda row: row.line)
        counts = success.counts
        assert counts.rows == counts.inserted + counts.duplicates + counts.zero_amount + counts.rejected
        done = dataclasses.replace(
            held,
            state=ImportState.SUCCEEDED,
            counts=counts,
            file_format=success.file_format,
            detected=success.detected,
            account_id=success.account_id,
            same_file_as=first.id if first else None,
            completed_at=datetime.now(UTC),
            progress=None,
        )
        if success.taught is not None:
            self._learn(held, success.taught)
        return self._put(done)

    def _learn(self, held: Import, layout: CsvLayout) -> None:
        self._profiles[held.user_id, layout.header_hash] = CsvProfile(layout, held.id, datetime.now(UTC))
        mine = [key for key in self._profiles if key[0] == held.user_id]
        for key in sorted(mine, key=lambda key: self._profiles[key].updated_at)[:-MAX_PROFILES]:
            del self._profiles[key]

    async def fail(self, running: Import, failure: Failure) -> Import | None:
        self._check()
        held = self._held(running)
        if held is None:
            return None
        failed = dataclasses.replace(held, state=ImportState.FAILED, failure=failure, completed_at=datetime.now(UTC), progress=None)
        return self._put(failed)

    async def undone(self, user_id: UUID, import_id: UUID) -> Import | None:
        found = await self.get(user_id, import_id)
        if found is None or found.state not in (ImportState.SUCCEEDED, ImportState.UNDONE):
            return None
        self._profiles = {key: known for key, known in self._profiles.items() if known.import_id != import_id}
        return self._put(dataclasses.replace(found, state=ImportState.UNDONE))

    async def list_imports(self, user_id: UUID, *, limit: int, after: ImportPosition | None) -> list[Import]:
        self._check()
        mine = [self._see(found) for found in self._imports.values() if found.user_id == user_id]
        mine.sort(key=lambda found: (found.created_at, found.id), reverse=True)
        return [found for found in mine if after is None or (found.created_at, found.id) < after][:limit]

    async def list_rows(
        self, user_id: UUID, import_id: UUID, *, outcome: RowOutcome | None, after_line: int, limit: int
    ) -> list[ImportRow]:
        self._check()
        rows = self._rows.get((user_id, import_id), [])
        return [row for row in rows if row.line > after_line and outcome in (None, row.outcome)][:limit]

    async def layout_account(self, user_id: UUID, layout_hash: str, currency: str) -> LayoutAccount:
        self._check()
        taken = sum(key[:2] == (user_id, currency) for key in self._layouts)
        return self._layouts.setdefault((user_id, currency, layout_hash), LayoutAccount(taken + 1, None))

    async def remember_layout_account(self, user_id: UUID, layout_hash: str, currency: str, account_id: UUID) -> None:
        self._check()
        key = (user_id, currency, layout_hash)
        self._layouts[key] = self._layouts[key]._replace(account_id=account_id)

    async def list_csv_profiles(self, user_id: UUID) -> list[CsvProfile]:
        self._check()
        mine = [known for (owner, _), known in self._profiles.items() if owner == user_id]
        return sorted(mine, key=lambda known: known.updated_at, reverse=True)

    async def delete_csv_profile(self, user_id: UUID, header_hash: str) -> bool:
        self._check()
        return self._profiles.pop((user_id, header_hash), None) is not None


class FakeLedger:
    """`Ledger` of one user, in memory. `before_commit` is awaited when all rows are in; `broken` is raised by every method while set.
    A new row that says "again" is suspected of being a duplicate."""

    def __init__(self) -> None:
        self.broken: ScaleError | None = None
        self.before_commit: Any = None
        self.accounts: dict[UUID, tuple[str, str, str]] = {}
        """Id to identifier, name, currency."""
        self.transactions: dict[str, dict[str, Any]] = {}
        """By fingerprint."""
        self.largest_message = 0

    def _check(self) -> None:
        if self.broken is not None:
            raise self.broken

    async def get_account(self, account_id: UUID) -> AccountRef:
        self._check()
        if account_id not in self.accounts:
            raise NotFound("no such account")
        return AccountRef(account_id, self.accounts[account_id][2])

    async def ensure_account(self, *, identifier: str, name: str, currency: str) -> AccountRef:
        self._check()
        for account_id, (its_identifier, its_name, its_currency) in self.accounts.items():
            if (identifier and its_identifier == identifier) or (not identifier and (its_name, its_currency) == (name, currency)):
                return AccountRef(account_id, its_currency)
        opened = uuid_utils.compat.uuid7()
        self.accounts[opened] = (identifier, name, currency or "EUR")
        return AccountRef(opened, currency or "EUR")

    async def default_currency(self) -> str:
        self._check()
        return "EUR"

    async def append_transactions(self, import_id: UUID, batches: AsyncIterator[tuple[int, bytes]]) -> AsyncGenerator[Appended, None]:
        self._check()
        rows: list[dict[str, Any]] = []
        async for count, message in batches:
            self.largest_message = max(self.largest_message, len(message))
            table = pa.ipc.open_stream(io.BytesIO(message)).read_all()
            assert table.num_rows == count
            rows += table.to_pylist()
        assert [row["line"] for row in rows] == sorted({row["line"] for row in rows}), "lines rise"
        if self.before_commit is not None:
            await self.before_commit()
        self._check()
        duplicates, suspected = [], []
        for row in rows:
            held = self.transactions.setdefault(
                row["fingerprint"], {**row, "import_id": import_id, "transaction_id": uuid_utils.compat.uuid7()}
            )
            if (held["import_id"], held["line"]) != (import_id, row["line"]):
                duplicates.append(ImportLine(row["line"], held["transaction_id"]))
            elif "again" in row["description"]:
                earlier = uuid_utils.compat.uuid7()
                suspected.append(SuspectedLine(row["line"], held["transaction_id"], earlier, "resembles an earlier one"))
        await asyncio.sleep(0)
        if suspected:
            yield Appended(suspected=suspected)
        for start in range(0, len(duplicates), 2):
            yield Appended(duplicates[start : start + 2])

    async def undo_import(self, import_id: UUID) -> UndoOutcome:
        self._check()
        mine = [fingerprint for fingerprint, row in self.transactions.items() if row["import_id"] == import_id]
        for fingerprint in mine:
            del self.transactions[fingerprint]
        return UndoOutcome(len(mine), 0, [])

    async def list_import_lines(self, import_id: UUID, *, after_line: int, limit: int) -> list[ImportLine]:
        self._check()
        mine = [row for row in self.transactions.values() if row["import_id"] == import_id and row["line"] > after_line]
        return sorted(ImportLine(row["line"], row["transaction_id"]) for row in mine)[:limit]


def service_of(
    repository: FakeImportsRepository,
    ledger: FakeLedger,
    readers: Mapping[str, Reader],
    *,
    lease_s: float = 10,
    parallel_imports: int = 4,
    queued_imports: int = 200,
    categorizer: Categorizer | None = None,
    classify_timeout_s: float = 5,
    watcher: LedgerWatcher | None = None,
) -> IngestionService:
    """The rules, around fakes; without a queue."""
    runs = ImportRuns(
        repository=repository,
        ledger=ledger,
        readers=readers,
        lease_s=lease_s,
        parallel_imports=parallel_imports,
        categorizer=categorizer,
        classify_timeout_s=classify_timeout_s,
        watcher=watcher,
    )
    return IngestionService(
        repository=repository,
        ledger=ledger,
        runs=runs,
        watch=ImportWatch(repository, None),
        lease_s=lease_s,
        max_admitted=parallel_imports + queued_imports,
    )
