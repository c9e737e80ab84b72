"""What ingestion needs from what lies around it: its database, the ledger, and for large files a queue and a storage."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

from services.ingestion.domain import (
    AccountRef,
    Appended,
    CsvProfile,
    Failure,
    Import,
    ImportEvent,
    ImportLine,
    ImportPosition,
    ImportRow,
    LayoutAccount,
    NewImport,
    Progress,
    RowOutcome,
    StalledImport,
    Success,
    UndoOutcome,
)


class ImportsRepository(Protocol):
    """Where imports are kept. Each method is one transaction of one user."""

    async def begin(self, new: NewImport, *, lease_s: float) -> tuple[Import, bool]:
        """Records the upload and starts its import: (import, True); or the import that has the request id: (import, False)."""

    async def get(self, user_id: UUID, import_id: UUID) -> Import | None:
        """One import."""

    async def claim(self, taken: Import, *, lease_s: float) -> Import | None:
        """Starts a claimable import again; None when somebody else was faster."""

    async def find_request(self, user_id: UUID, request_id: str) -> Import | None:
        """The import that has the request id."""

    async def renew(self, running: Import, *, lease_s: float, progress: Progress) -> bool:
        """Keeps the lease and notes how far it is; False when the attempt is over."""

    async def succeed(self, running: Import, success: Success, rows: Iterable[Sequence[ImportRow]]) -> Import | None:
        """Stores the outcome, with the rows (in chunks) that were not inserted, and what it taught; None when the attempt is over."""

    async def fail(self, running: Import, failure: Failure) -> Import | None:
        """Stores why; None when the attempt is over."""

    async def undone(self, user_id: UUID, import_id: UUID) -> Import | None:
        """Notes that a finished import was taken back, and forgets what it taught; None when it was not finished."""

    async def list_imports(self, user_id: UUID, *, limit: int, after: ImportPosition | None) -> list[Import]:
        """Newest first."""

    async def list_rows(
        self, user_id: UUID, import_id: UUID, *, outcome: RowOutcome | None, after_line: int, limit: int
    ) -> list[ImportRow]:
        """Rows that were not inserted, in file order."""

    async def layout_account(self, user_id: UUID, layout_hash: str, currency: str) -> LayoutAccount:
        """The place of a layout among those of the currency; takes the next number for a new one."""

    async def remember_layout_account(self, user_id: UUID, layout_hash: str, currency: str, account_id: UUID) -> None:
        """Keeps which account a layout has."""

    async def list_csv_profiles(self, user_id: UUID) -> list[CsvProfile]:
        """What is remembered of CSV headers, the latest first: a hundred at most."""

    async def delete_csv_profile(self, user_id: UUID, header_hash: str) -> bool:
        """Forgets one; False when there was none."""


class QueuedImportsRepository(ImportsRepository, Protocol):
    """Where imports are kept that go on after their request was answered."""

    async def enqueue(self, running: Import, *, object_key: str, lease_s: float) -> Import | None:
        """Leaves it to a worker: PENDING, its upload under `object_key`; None when the attempt is over. When the lease is over, its message
        is looked for."""

    async def claim_queued(self, user_id: UUID, import_id: UUID, *, lease_s: float) -> Import | None:
        """Begins a queued import; None when there is none, or somebody works on it."""

    async def put_back(self, running: Import, *, lease_s: float, counts: bool) -> Import | None:
        """PENDING again, to be tried when the lease is over; None when the attempt is. `counts`: as one of its tries."""

    async def stalled(self, limit: int) -> list[StalledImport]:
        """Queued imports of all users whose lease is over: those first that have no message, then the longest over."""

    async def count_in_queue(self) -> int:
        """About how many imports, of all users, there should be a message."""

    async def requeue(self, stalled: StalledImport, *, lease_s: float) -> bool:
        """Takes note that there will be a message about it; False when its lease is not over any more."""

    async def forget_upload(self, finished: Import) -> None:
        """Notes that the upload was removed."""


class ImportQueue(Protocol):
    """Tells the workers which imports to carry out. Every method raises Unavailable when it cannot be reached."""

    async def enqueue(self, user_id: UUID, import_id: UUID) -> None:
        """Adds a message."""

    async def length(self) -> int:
        """How many messages wait."""

    async def discard(self, user_id: UUID) -> None:
        """Takes back all messages about a user's imports."""


class StoredUpload(Protocol):
    """An upload that waits in the storage."""

    @property
    def key(self) -> str:
        """Names it."""

    @property
    def modified_at(self) -> datetime:
        """When it was stored."""


class UploadStorage(Protocol):
    """Keeps the uploads of queued imports. Raises Unavailable when it cannot be reached or is full."""

    async def put_file(self, key: str, path: Path) -> None:
        """Keeps a copy, whole or not at all."""

    def read(self, key: str) -> AsyncIterator[bytes]:
        """Its bytes. Raises NotFound."""

    async def delete(self, key: str) -> None:
        """Removes it; harmless when it is gone."""

    def list(self, prefix: str) -> AsyncIterator[StoredUpload]:
        """All with a key that begins so."""

    async def delete_folder(self, prefix: str) -> None:
        """Removes all with a key that begins so, those half written included."""


class ImportEvents(Protocol):
    """A log of the steps of each queued import."""

    async def publish(self, found: Import) -> None:
        """Adds a step, the last one when the state is final. Never raises."""

    async def read(self, import_id: UUID, *, after: str, wait_s: float) -> Sequence[ImportEvent]:
        """Steps after the event `after` ("": all that are kept), waiting for one at most so long. Raises Unavailable."""

    async def forget(self, import_ids: Sequence[UUID]) -> None:
        """Removes all steps of these. Raises Unavailable."""


class CategorizerStream(Protocol):
    """One conversation about rows: answers come in the order of the questions."""

    def ask(self, row_count: int, record_batch: bytes) -> None:
        """Asks about the rows of an Arrow IPC stream. Never waits."""

    async def answer(self) -> bytes:
        """The next answer, an Arrow IPC stream. Raises ScaleError when there is none."""

    async def close(self, *, complete: bool) -> None:
        """Ends it; `complete` when every answer was taken."""


class Categorizer(Protocol):
    """What ingestion asks of the service that knows what payments are for. The caller's token says whose corrections count."""

    def open(self) -> CategorizerStream:
        """A conversation, for one import. Never waits."""


class LedgerWatcher(Protocol):
    """Who wants to know when a ledger has changed. The caller's token says whose."""

    def ledger_changed(self, change_id: UUID) -> None:
        """By what has this id, which may be told again. Never waits, never raises."""


class Ledger(Protocol):
    """What ingestion asks of the service that owns the transactions. The caller's token says whose they are."""

    async def get_account(self, account_id: UUID) -> AccountRef:
        """Raises NotFound."""

    async def ensure_account(self, *, identifier: str, name: str, currency: str) -> AccountRef:
        """The account with this identifier, else with this name and currency, opened where there is none. "" is unknown."""

    async def default_currency(self) -> str:
        """For files and accounts that name none."""

    def append_transactions(self, import_id: UUID, batches: AsyncIterator[tuple[int, bytes]]) -> AsyncGenerator[Appended, None]:
        """Adds all rows or none. `batches` gives (rows, Arrow IPC stream); an error in it adds nothing and is raised here.

        Yields, after the commit, the lines that were there before, rising, and those that are suspected.
        """

    async def undo_import(self, import_id: UUID) -> UndoOutcome:
        """Takes out what the import brought, but for what the user has changed. Harmless to repeat."""

    async def list_import_lines(self, import_id: UUID, *, after_line: int, limit: int) -> list[ImportLine]:
        """Which lines are in the ledger, rising."""
