"""Ingestion's nouns, errors, and what it needs from its database and from the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from services.kit.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    FieldError,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    ScaleError,
)

IMPORTED = "Imported"
"""Name of the account for files that name none."""


class ImportState(StrEnum):
    """Where an import stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNDONE = "undone"


class RowOutcome(StrEnum):
    """What became of a row."""

    INSERTED = "inserted"
    DUPLICATE = "duplicate"
    SUSPECTED_DUPLICATE = "suspected_duplicate"
    ZERO_AMOUNT = "zero_amount"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the caller said about the file; None is left to detection."""

    account_id: UUID | None = None
    currency: str | None = None
    """ISO 4217."""
    date_format: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    """Field to header name or 1-based column number."""
    file_format: str | None = None
    password: str | None = field(default=None, repr=False)
    """Of an encrypted workbook. Never stored, and no part of what makes two requests the same."""


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """The bytes that came in: where they lie for the moment, and what they are."""

    path: str
    name: str
    sha256: str
    """Lower-case hex."""
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows became what. rows = inserted + duplicates + zero_amount + rejected."""

    rows: int = 0
    inserted: int = 0
    """Suspected duplicates included."""
    duplicates: int = 0
    suspected_duplicates: int = 0
    zero_amount: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an import failed. One that is `retryable` was not the file's fault: the same request may be sent again."""

    message: str
    reason: str
    retryable: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    fields: Sequence[FieldError] = ()

    def error(self) -> ScaleError:
        """The error that the first request got."""
        return InvalidArgument(self.message, reason=self.reason, metadata=self.metadata, fields=self.fields)


@dataclass(frozen=True, slots=True)
class Import:
    """One upload and what became of it."""

    id: UUID
    user_id: UUID
    request_id: str
    request_hash: bytes
    state: ImportState
    attempt: int
    """Counts who works on it: a worker whose attempt is over can change nothing."""
    abandoned: bool
    """Running on paper, but whoever ran it has not been heard of within the lease."""
    file_name: str
    file_format: str
    file_hash: str
    account_id: UUID | None
    counts: Counts
    detected: Mapping[str, Any]
    same_file_as: UUID | None
    failure: Failure | None
    created_at: datetime
    completed_at: datetime | None

    @property
    def claimable(self) -> bool:
        """Whether the same request may start it again."""
        return self.abandoned or (self.state is ImportState.FAILED and self.failure is not None and self.failure.retryable)


@dataclass(frozen=True, slots=True)
class NewImport:
    """An import about to begin."""

    id: UUID
    user_id: UUID
    request_id: str
    request_hash: bytes
    file_id: UUID
    file: UploadedFile
    options: ImportOptions


@dataclass(frozen=True, slots=True)
class Success:
    """How a finished import went."""

    counts: Counts
    file_format: str
    detected: Mapping[str, Any]
    account_id: UUID | None
    """None when the rows went to several accounts, or there was none to write."""


class ImportRow(NamedTuple):
    """What became of one row."""

    line: int
    outcome: RowOutcome
    field: str = ""
    reason: str = ""
    transaction_id: UUID | None = None
    duplicate_of: UUID | None = None
    """For a suspected duplicate the earlier transaction."""


class ImportLine(NamedTuple):
    """A line of a file and its transaction in the ledger."""

    line: int
    transaction_id: UUID


class SuspectedLine(NamedTuple):
    """A line that is in the ledger and may repeat an earlier transaction."""

    line: int
    transaction_id: UUID
    duplicate_of: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Appended:
    """A part of what became of an import's rows; those that no part names were inserted."""

    duplicates: Sequence[ImportLine] = ()
    suspected: Sequence[SuspectedLine] = ()


class KeptRow(NamedTuple):
    """A row that an undo left, and why."""

    transaction_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class UndoOutcome:
    """What became of the rows of an import that was taken back."""

    removed_count: int
    kept_count: int
    kept: Sequence[KeptRow]
    """The first of them."""


class ImportPosition(NamedTuple):
    """Where in the order of imports a page ended."""

    created_at: datetime
    id: UUID


class AccountRef(NamedTuple):
    """An account of the ledger, as far as ingestion cares."""

    id: UUID
    currency: str


class LayoutAccount(NamedTuple):
    """The account for files of one layout and currency that name none. The first of a currency has `number` 1."""

    number: int
    account_id: UUID | None

    @property
    def name(self) -> str:
        """What the account is called when it is opened."""
        return IMPORTED if self.number == 1 else f"{IMPORTED} ({self.number})"


class ImportsRepository(Protocol):
    """Where imports are kept. Each method is one transaction of one user."""

    async def begin(self, new: NewImport, *, lease_s: float) -> tuple[Import, bool]:
        """Records the upload and starts its import: (import, True); or the import that has the request id: (import, False)."""

    async def get(self, user_id: UUID, import_id: UUID) -> Import | None:
        """One import."""

    async def claim(self, taken: Import, *, lease_s: float) -> Import | None:
        """Starts a claimable import again; None when somebody else was faster."""

    async def renew(self, running: Import, *, lease_s: float) -> bool:
        """Keeps the lease; False when the attempt is over."""

    async def succeed(self, running: Import, success: Success, rows: Iterable[Sequence[ImportRow]]) -> Import | None:
        """Stores the outcome, with the rows (in chunks) that were not inserted; None when the attempt is over."""

    async def fail(self, running: Import, failure: Failure) -> Import | None:
        """Stores why; None when the attempt is over."""

    async def undone(self, user_id: UUID, import_id: UUID) -> Import | None:
        """Notes that a finished import was taken back; None when it was not finished."""

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


class Ledger(Protocol):
    """What ingestion asks of the service that owns the transactions. The caller's token says whose they are."""

    async def get_account(self, account_id: UUID) -> AccountRef:
        """Raises NotFound."""

    async def ensure_account(self, *, identifier: str, name: str, currency: str) -> AccountRef:
        """The account with this identifier, else with this name and currency, opened where there is none. "" is unknown."""

    async def default_currency(self) -> str:
        """For files and accounts that name none."""

    def append_transactions(self, import_id: UUID, batches: AsyncIterator[tuple[int, bytes]]) -> AsyncIterator[Appended]:
        """Adds all rows or none. `batches` gives (rows, Arrow IPC stream); an error in it adds nothing and is raised here.

        Yields, after the commit, the lines that were there before, rising, and those that are suspected.
        """

    async def undo_import(self, import_id: UUID) -> UndoOutcome:
        """Takes out what the import brought, but for what the user has changed. Harmless to repeat."""

    async def list_import_lines(self, import_id: UUID, *, after_line: int, limit: int) -> list[ImportLine]:
        """Which lines are in the ledger, rising."""


def import_not_found(import_id: UUID) -> NotFound:
    """No such import, or not the caller's."""
    return NotFound(f"There is no import {import_id}.", reason="IMPORT_NOT_FOUND", metadata={"import_id": str(import_id)})


def import_not_finished(import_id: UUID) -> FailedPrecondition:
    """Only an import that has brought rows can be undone."""
    return FailedPrecondition(
        f"Import {import_id} has not brought any rows: there is nothing to undo.",
        reason="IMPORT_NOT_FINISHED",
        metadata={"import_id": str(import_id)},
    )


def idempotency_key_reused() -> AlreadyExists:
    """The same key with another file or other options."""
    return AlreadyExists(
        "This Idempotency-Key was used for another file or other options; make a new key.", reason="IDEMPOTENCY_KEY_REUSED"
    )


def attempt_over(import_id: UUID) -> Aborted:
    """Another process took the import over."""
    return Aborted(
        "Another request took this import over; ask for its result.",
        reason="IMPORT_TAKEN_OVER",
        metadata={"import_id": str(import_id)},
        retry_after_s=1,
    )


def too_many_imports() -> ResourceExhausted:
    """All places are taken, in the queue too."""
    return ResourceExhausted("Too many imports at once; send this one again in a few seconds.", reason="TOO_MANY_IMPORTS", retry_after_s=5)


def upload_incomplete(received_bytes: int, announced_bytes: int) -> Aborted:
    """The upload broke off, or is longer than it was said to be."""
    return Aborted(
        f"{received_bytes} of {announced_bytes} bytes came; nothing was imported. Send the file again.",
        reason="UPLOAD_INCOMPLETE",
        metadata={"received_bytes": str(received_bytes), "size_bytes": str(announced_bytes)},
        retry_after_s=1,
    )
