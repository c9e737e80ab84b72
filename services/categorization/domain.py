"""Categorization's nouns and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.kit.errors import AlreadyExists, FailedPrecondition, ScaleError

UNCATEGORIZED = "uncategorized"
"""Stands for no category: in an answer that nothing was likely enough; in a correction that the user takes the own word back."""
MOST_INPUTS = 1000
"""In one call, one message of a stream, one chunk of a job."""


class Source(StrEnum):
    """Who decided on a category."""

    USER = "user"
    RULE = "rule"
    MODEL = "model"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class Payment:
    """What is to be classified, or was."""

    description: str
    merchant: str
    """Empty where the bank names none."""
    amount: Decimal
    """Signed: negative when money leaves."""
    currency: str
    transaction_date: date | None = None
    transaction_id: UUID | None = None
    """In the user's ledger, when it is there."""


@dataclass(frozen=True, slots=True)
class Category:
    """One of the taxonomy, or the user's own."""

    slug: str
    name: str
    primary_slug: str


Categories = Mapping[str, Category]
"""Everything that a user's payment may be, by slug."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """A category that was not chosen."""

    category: str
    primary_category: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Classification:
    """An answer."""

    category: str
    primary_category: str
    confidence: float
    source: Source
    reasons: Sequence[str]
    model_version: str
    abstained: bool = False
    alternatives: Sequence[Alternative] = ()
    degraded: bool = False


class Verdict(NamedTuple):
    """What a rule of the user's says of a payment."""

    category: str
    rule_name: str


class Anchor(NamedTuple):
    """The last word of a user on one payment."""

    subject: str
    """The transaction's id, or a digest of a payment that is in no ledger."""
    merchant_key: str
    category: str
    description: str
    merchant: str
    amount: Decimal
    transaction_date: date | None
    said_at: datetime


@dataclass(frozen=True, slots=True)
class Words:
    """What a user has said, as far as a call needs it."""

    revision: UUID | None
    """Another one with each change; None when the user has never said anything."""
    by_subject: Mapping[str, Anchor]
    """On the very payments that were asked for."""


class UserModel(NamedTuple):
    """What training made for one user, as it is kept."""

    version: str
    """As in the registry."""
    base_version: str
    """The ball that it goes with, or one global model that has it."""
    content_hash: str
    """SHA-256 of the artefact, in hex."""
    artifact: bytes
    """Empty where whoever asked has the one with this hash."""


class Said(NamedTuple):
    """What a user has said, and what was made of it."""

    revision: UUID | None
    """As in `Words`."""
    anchors: Sequence[Anchor]
    """The latest last."""
    model: UserModel | None


@dataclass(frozen=True, slots=True)
class Correction:
    """A user's word on a payment, as it was said."""

    id: UUID
    user_id: UUID
    request_id: str
    request_hash: bytes
    payment: Payment
    category: str
    previous_category: str
    """What was answered before, or stood in the ledger."""
    merchant_key: str
    created_at: datetime | None = None
    """None until it is stored."""


class LedgerTransaction(NamedTuple):
    """A transaction as far as its category goes."""

    payment: Payment
    category: str
    """Empty for none."""
    source: str
    """Who set it, as the ledger names them; empty for nobody."""
    confidence: float | None


class CategorySet(NamedTuple):
    """A transaction whose category its user has set."""

    transaction: LedgerTransaction
    """As it is now."""
    previous_category: str
    """Empty for none."""
    previous_source: str
    """Who had set that, as the ledger names them; empty for nobody."""


class LedgerPage(NamedTuple):
    """Some of a user's transactions, the newest first."""

    transactions: Sequence[LedgerTransaction]
    next_page_token: str


class WorkedOut(NamedTuple):
    """A category for a transaction."""

    transaction_id: UUID
    category: str
    """Empty when none was likely enough."""
    confidence: float | None
    source: Source


class ModelInfo(NamedTuple):
    """What answers now."""

    version: str
    degraded: bool
    reason: str
    """Why it is degraded."""
    category_count: int
    minimum_confidence: float
    dimension: int
    loaded_at: datetime
    hashes: Mapping[str, str]
    """SHA-256 of each artefact, by file name."""
    own_version: str = ""
    """The user's own, which answers in its place; empty for none."""


def request_reused(what: str) -> ScaleError:
    """The same id came with another body."""
    return AlreadyExists(
        f"This request id was used for another {what}; send a new one.", reason="REQUEST_ID_REUSED", metadata={"subject": what}
    )


def queue_missing() -> ScaleError:
    """Background work was asked of a service without a queue."""
    return FailedPrecondition(
        "This service has no queue (SCALE_REDIS_URL): it classifies up to 1000 payments a call, and nothing in the background.",
        reason="QUEUE_NOT_CONFIGURED",
    )
