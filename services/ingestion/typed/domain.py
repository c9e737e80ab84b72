"""The nouns of typed transactions, and their errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from services.kit.errors import AlreadyExists


@dataclass(frozen=True, slots=True)
class NewTransaction:
    """What a user typed in."""

    account_id: UUID
    transaction_date: date
    amount: Decimal
    """Signed, never zero."""
    currency: str
    """ISO 4217; empty: the account's."""
    description: str
    merchant: str | None = None
    category: str | None = None
    """A slug."""
    payment_method: str | None = None
    status: str = "posted"
    note: str = ""
    allow_equal: bool = False
    """Whether it is another payment than an equal one that the ledger holds."""


@dataclass(frozen=True, slots=True)
class TypedRequest:
    """A request for one transaction, as it was first seen."""

    request_id: str
    request_hash: bytes
    transaction_id: UUID
    """What the transaction is, or will be, called."""
    is_done: bool = False
    """Whether the ledger has taken it."""


def transaction_exists(transaction_id: UUID) -> AlreadyExists:
    """The ledger holds an equal row."""
    return AlreadyExists(
        f"Transaction {transaction_id} is the same: account, day, amount and description are equal. "
        "If this is another payment, send it with allow_equal under a new Idempotency-Key.",
        reason="TRANSACTION_EXISTS",
        metadata={"transaction_id": str(transaction_id)},
    )


def request_id_reused() -> AlreadyExists:
    """The same request id with another body."""
    return AlreadyExists("This Idempotency-Key was used for another transaction; make a new key.", reason="IDEMPOTENCY_KEY_REUSED")
