"""Ingestion's nouns and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
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


UNFINISHED = frozenset({ImportState.PENDING, ImportState.RUNNING})


class ImportStage(StrEnum):
    """What an unfinished import is doing."""

    WAITING = "waiting"
    """In the queue."""
    READING = "reading"
    STORING = "storing"
    """All rows are read; the ledger is taking them in."""


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
    line_count: int = 0
    """Line ends, in a text file about the number of its lines."""
    may_be_encrypted: bool = False
    """Then it is read within its request and kept nowhere."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an unfinished import is."""

    stage: ImportStage
    row_count: int = 0
    """Rows read so far."""
    fraction: float | None = None
    """How much of the file has been read, 0 to 1; None where the format does not tell."""


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
    """Running on paper, but whoever ran it has not been heard of within the lease. Never a queued one: a worker takes that up."""
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
    options: ImportOptions = field(default_factory=ImportOptions)
    """As they were given, but for the password."""
    progress: Progress | None = None
    """None once the state is final."""
    object_key: str = ""
    """Where the upload of a queued import lies, until it was removed."""
    begun: int = 0
    """How often a worker has begun since it was queued."""
    tries: int = 0
    """The same, but for what failed because something was away."""

    @property
    def queued(self) -> bool:
        """Whether a worker carries it out, now or later."""
        return bool(self.object_key) and self.state in UNFINISHED

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
class CsvLayout:
    """What a user said of CSV files with one header."""

    header_hash: str
    """Lower-case hex SHA-256."""
    header: Sequence[str]
    """The names, as the file had them; of very long headers the beginning."""
    columns: Mapping[str, str]
    """As they were given; empty when only the date format was."""
    date_format: str | None


@dataclass(frozen=True, slots=True)
class CsvProfile:
    """A layout that is remembered."""

    layout: CsvLayout
    import_id: UUID
    """The import that taught it."""
    updated_at: datetime


class CsvProfilePosition(NamedTuple):
    """Where in the order of profiles (the latest first, then by hash) a page ended."""

    updated_at: datetime
    header_hash: str


@dataclass(frozen=True, slots=True)
class Success:
    """How a finished import went."""

    counts: Counts
    file_format: str
    detected: Mapping[str, Any]
    account_id: UUID | None
    """None when the rows went to several accounts, or there was none to write."""
    taught: CsvLayout | None = None
    """What is remembered for files with the same header."""


class StalledImport(NamedTuple):
    """A queued import whose lease ran out: its worker died, its time to be tried again has come, or its message was lost."""

    user_id: UUID
    import_id: UUID
    in_queue: bool
    """Whether there should be a message about it."""


class ImportEvent(NamedTuple):
    """One step of an import, as it was logged."""

    id: str
    state: ImportState
    progress: Progress | None


class ImportStep(NamedTuple):
    """What a watcher is told."""

    event_id: str
    """Empty for a step that was not logged."""
    found: Import


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


def import_not_found(import_id: UUID) -> NotFound:
    """No such import, or not the caller's."""
    return NotFound(f"There is no import {import_id}.", reason="IMPORT_NOT_FOUND", metadata={"import_id": str(import_id)})


def csv_profile_not_found(header_hash: str) -> NotFound:
    """Nothing is remembered for this header."""
    return NotFound(f"There is no CSV profile {header_hash}.", reason="CSV_PROFILE_NOT_FOUND", metadata={"header_hash": header_hash})


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


class AttemptOver(Aborted):
    """Another process took the import over."""


def attempt_over(import_id: UUID) -> AttemptOver:
    """For the one whose attempt is over."""
    return AttemptOver(
        "Another request took this import over; ask for its result.",
        reason="IMPORT_TAKEN_OVER",
        metadata={"import_id": str(import_id)},
        retry_after_s=1,
    )


def too_many_imports() -> ResourceExhausted:
    """All places are taken, in the queue too."""
    return ResourceExhausted("Too many imports at once; send this one again in a few seconds.", reason="TOO_MANY_IMPORTS", retry_after_s=5)


def queue_full() -> ResourceExhausted:
    """Too many large files wait for a worker."""
    return ResourceExhausted(
        "Too many large files are waiting to be read; send this one again in a while.", reason="QUEUE_FULL", retry_after_s=30
    )


def upload_damaged() -> Aborted:
    """What the storage gives back is not what it was given."""
    return Aborted("The stored upload is damaged.", reason="UPLOAD_DAMAGED")


def upload_incomplete(received_bytes: int, announced_bytes: int) -> Aborted:
    """The upload broke off, or is longer than it was said to be."""
    return Aborted(
        f"{received_bytes} of {announced_bytes} bytes came; nothing was imported. Send the file again.",
        reason="UPLOAD_INCOMPLETE",
        metadata={"received_bytes": str(received_bytes), "size_bytes": str(announced_bytes)},
        retry_after_s=1,
    )
