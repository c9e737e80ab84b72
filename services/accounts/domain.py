"""The ledger's nouns and errors."""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.kit.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, invalid

UNCATEGORIZED = "uncategorized"
"""As a filter: transactions without a category. No category may have this slug."""
DEFAULT_CURRENCY = "EUR"
AMOUNT_STEPS = 10_000
"""Steps in one unit of money: the ledger counts in ten-thousandths."""


class TransactionType(StrEnum):
    """Direction, generated from the sign of the amount."""

    CREDIT = "credit"
    DEBIT = "debit"


class TransactionStatus(StrEnum):
    """Where a transaction stands."""

    POSTED = "posted"
    PENDING = "pending"
    VOID = "void"


class CategorySource(StrEnum):
    """Who set a category."""

    USER = "user"
    RULE = "rule"
    MODEL = "model"
    FILE = "file"
    FALLBACK = "fallback"


class AccountType(StrEnum):
    """Kinds of account."""

    CHECKING = "checking"
    SAVINGS = "savings"
    CREDIT_CARD = "credit_card"
    CASH = "cash"
    LOAN = "loan"
    INVESTMENT = "investment"
    OTHER = "other"


class TransferState(StrEnum):
    """Where a transfer stands."""

    SUGGESTED = "suggested"
    CONFIRMED = "confirmed"
    UNDONE = "undone"


class Transaction(NamedTuple):
    """One row of the ledger. A tuple, because pages are made of them by the thousand a second."""

    id: UUID
    account_id: UUID
    transaction_date: date
    amount_steps: int
    """Signed, in ten-thousandths of `currency`; negative when money leaves."""
    currency: str
    description: str
    merchant: str | None
    category: str | None
    category_source: str | None
    confidence: float | None
    status: str
    note: str
    payment_method: str | None
    import_id: UUID | None
    created_at: datetime
    suspected_duplicate_of: UUID | None = None
    suspicion: str | None = None
    transfer_id: UUID | None = None
    primary_category: str | None = None

    @property
    def amount(self) -> Decimal:
        """Signed and exact."""
        return Decimal(self.amount_steps).scaleb(-4)


@dataclass(frozen=True, slots=True)
class TransactionFilters:
    """Which transactions; None means any. Dates and amounts are inclusive."""

    date_from: date | None = None
    date_to: date | None = None
    amount_min: Decimal | None = None
    amount_max: Decimal | None = None
    category: str | None = None
    merchant: str | None = None
    type: TransactionType | None = None
    status: TransactionStatus | None = None
    account_id: UUID | None = None
    query: str | None = None
    filter: str | None = None
    suspected_duplicate: bool | None = None


class TransactionPosition(NamedTuple):
    """Where in the order of transactions a page ended."""

    transaction_date: date
    id: UUID


@dataclass(frozen=True, slots=True)
class TransactionChanges:
    """What a user changes; None leaves it. An empty category takes the category away."""

    note: str | None = None
    category: str | None = None


class ImportLine(NamedTuple):
    """A line of an imported file and the transaction it became."""

    line: int
    transaction_id: UUID


class ImportLines:
    """Many lines, in 24 bytes each: a file of millions of rows that are all known already must fit as well."""

    def __init__(self, lines: Iterable[ImportLine] = ()) -> None:
        self._lines = array("q")
        self._ids = bytearray()
        self.extend(lines)

    def extend(self, lines: Iterable[tuple[int, UUID]]) -> None:
        """Adds lines at the end."""
        for line, transaction_id in lines:
            self._lines.append(line)
            self._ids += transaction_id.bytes

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[ImportLine]:
        for place, line in enumerate(self._lines):
            yield ImportLine(line, UUID(bytes=bytes(self._ids[16 * place : 16 * place + 16])))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImportLines) and (self._lines, self._ids) == (other._lines, other._ids)

    __hash__ = None  # type: ignore[assignment]


class SuspectedDuplicate(NamedTuple):
    """A row that is in the ledger, flagged until the user decides."""

    line: int
    transaction_id: UUID
    duplicate_of: UUID
    reason: str


class TypedTransaction(NamedTuple):
    """What a transaction that the user typed in says beside its row."""

    id: UUID
    category: str | None
    """A slug, the user's own word."""
    note: str
    allow_equal: bool
    """Whether it is another payment than an equal one that the ledger holds."""


class RowIdentity(NamedTuple):
    """What a fingerprint is made of."""

    line: int
    account_id: UUID
    transaction_date: date
    amount: Decimal
    currency: str
    description: str
    occurrence: int


FingerprintSource = Callable[[Sequence[RowIdentity]], Awaitable[list[str]]]
"""Gives the fingerprint of each row, in order: only ingestion can make them."""


@dataclass(frozen=True, slots=True)
class AppendOutcome:
    """What became of an import's rows; those that `duplicates` does not name were inserted."""

    inserted_count: int
    """Suspected duplicates included."""
    duplicates: ImportLines
    """Lines that the ledger already held, each with the transaction that was there before; rising."""
    suspected: Sequence[SuspectedDuplicate] = ()


class KeptRow(NamedTuple):
    """A row that an undo left, and why."""

    transaction_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class UndoOutcome:
    """What became of an import that was taken back."""

    removed_count: int
    kept: Sequence[KeptRow]


class Transfer(NamedTuple):
    """Money that went from one of the user's accounts to another."""

    id: UUID
    state: TransferState
    reason: str
    """Why the two belong together, in words for the user."""
    created_at: datetime
    decided_at: datetime | None
    outgoing: Transaction
    incoming: Transaction


@dataclass(frozen=True, slots=True)
class Account:
    """A place where the user keeps money."""

    id: UUID
    name: str
    type: AccountType
    currency: str
    identifier: str
    opening_balance: Decimal
    active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to open. An empty currency means the profile's default."""

    name: str
    currency: str = ""
    identifier: str = ""
    type: AccountType = AccountType.CHECKING
    opening_balance: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class AccountChanges:
    """What a user changes; None leaves it."""

    name: str | None = None
    type: AccountType | None = None
    active: bool | None = None
    opening_balance: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """A user's settings."""

    user_id: UUID
    display_name: str
    default_currency: str
    locale: str
    time_zone: str
    created_at: datetime
    updated_at: datetime
    transfer_suggestions: bool = True


@dataclass(frozen=True, slots=True)
class ProfileChanges:
    """What a user changes; None leaves it."""

    display_name: str | None = None
    default_currency: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    transfer_suggestions: bool | None = None


@dataclass(frozen=True, slots=True)
class Category:
    """One entry of the taxonomy, or one of a user's own."""

    slug: str
    name: str
    primary_slug: str
    custom: bool = False


@dataclass(frozen=True, slots=True)
class FirstRequest:
    """Names a request that creates something, so that its repeat is told from another one under the same id."""

    request_id: str
    content_hash: bytes


def transaction_not_found(transaction_id: UUID) -> NotFound:
    """No such transaction, or not the caller's."""
    return NotFound(
        f"There is no transaction {transaction_id}.",
        reason="TRANSACTION_NOT_FOUND",
        metadata={"transaction_id": str(transaction_id)},
    )


def not_suspected(transaction_id: UUID) -> FailedPrecondition:
    """Only a suspected duplicate can be merged."""
    return FailedPrecondition(
        f"Transaction {transaction_id} is not a suspected duplicate.",
        reason="NOT_A_SUSPECTED_DUPLICATE",
        metadata={"transaction_id": str(transaction_id)},
    )


def transfer_not_found(transfer_id: UUID) -> NotFound:
    """No such transfer, or not the caller's."""
    return NotFound(f"There is no transfer {transfer_id}.", reason="TRANSFER_NOT_FOUND", metadata={"transfer_id": str(transfer_id)})


def transfer_side_taken(transfer_id: UUID) -> FailedPrecondition:
    """A transaction is one side of one transfer."""
    return FailedPrecondition(
        f"A side of transfer {transfer_id} is now part of another transfer; undo that one first.",
        reason="TRANSFER_SIDE_TAKEN",
        metadata={"transfer_id": str(transfer_id)},
    )


def account_not_found(account_id: UUID) -> NotFound:
    """No such account, or not the caller's."""
    return NotFound(f"There is no account {account_id}.", reason="ACCOUNT_NOT_FOUND", metadata={"account_id": str(account_id)})


def account_deleted() -> NotFound:
    """An account was deleted while rows for it were on their way."""
    return NotFound("An account of these rows was deleted meanwhile; nothing was added.", reason="ACCOUNT_NOT_FOUND")


def unknown_category(slug: str, field: str = "category") -> InvalidArgument:
    """A slug that neither the taxonomy nor the caller has."""
    return invalid(field, f"{slug!r} is none of your categories; list them to see which there are")


def account_exists(identifier: str, name: str, currency: str) -> AlreadyExists:
    """Another account has the identifier, or without one the name and currency."""
    if identifier:
        return AlreadyExists(
            f"You already have an account {identifier}.",
            reason="ACCOUNT_IDENTIFIER_TAKEN",
            metadata={"identifier": identifier},
        )
    return AlreadyExists(
        f"You already have an account named {name!r} in {currency}.",
        reason="ACCOUNT_NAME_TAKEN",
        metadata={"name": name, "currency": currency},
    )


def category_exists(slug: str) -> AlreadyExists:
    """The taxonomy or the caller already has that slug."""
    return AlreadyExists(f"There is a category {slug!r} already.", reason="CATEGORY_EXISTS", metadata={"slug": slug})


def request_id_reused(request_id: str) -> AlreadyExists:
    """The same request id with another body."""
    return AlreadyExists(
        "This request id was used for another request; make a new one.",
        reason="REQUEST_ID_REUSED",
        metadata={"request_id": request_id},
    )


def import_id_reused(import_id: UUID) -> AlreadyExists:
    """The same import id with other rows."""
    return AlreadyExists(
        f"The ledger holds other rows of import {import_id}; nothing was added.",
        reason="IMPORT_ID_REUSED",
        metadata={"import_id": str(import_id)},
    )
