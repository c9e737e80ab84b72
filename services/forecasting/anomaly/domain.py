"""The nouns of anomalies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.kit.errors import FailedPrecondition, NotFound, ScaleError

Evidence = Mapping[str, str | int | Sequence[str]]
"""What a finding rests on; money as decimal strings, days as YYYY-MM-DD."""


class AnomalyKind(StrEnum):
    """What is odd."""

    DUPLICATE_CHARGE = "duplicate_charge"
    PRICE_RISE = "price_rise"
    MISSED_INCOME = "missed_income"
    MISSED_PAYMENT = "missed_payment"
    NEW_MERCHANT = "new_merchant"
    """With an unusual amount."""
    UNUSUAL_AMOUNT = "unusual_amount"
    """For the merchant, or for the category."""
    BURST = "burst"
    REGIME_CHANGE = "regime_change"
    """Not one payment: the whole series is another from some day on."""


class Severity(StrEnum):
    """How much it matters."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class AnomalyState(StrEnum):
    """What became of it."""

    OPEN = "open"
    DISMISSED = "dismissed"
    RESOLVED = "resolved"
    """It settled itself: a salary that came after all."""


class ScanState(StrEnum):
    """Where a look through a ledger stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One odd thing."""

    kind: AnomalyKind
    severity: Severity
    score: float
    """0 to 1: how sure it is that this is odd for this user."""
    reason: str
    """For the user, with the figures."""
    evidence: Evidence
    transaction_ids: tuple[UUID, ...]
    """What it is about, the newest first; for something missed, the ones that came before."""
    account_id: UUID | None
    category: str
    """Empty: none."""
    merchant: str
    """As the latest payment names it; empty for what is about no single one."""
    amount: Decimal | None
    """Signed."""
    currency: str
    occurred_on: date
    key: str
    """What it is, whatever comes after: the next look at a ledger that has grown finds it under the same key."""


@dataclass(frozen=True, slots=True)
class Dismissed:
    """A finding of which the user has said that it is no news."""

    kind: AnomalyKind
    merchant: str
    category: str
    amount: Decimal | None
    currency: str
    key: str
    dismissed_at: datetime


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A finding as it is kept: its words are those of the day on which it was found."""

    id: UUID
    kind: AnomalyKind
    severity: Severity
    state: AnomalyState
    score: float
    reason: str
    evidence: Evidence
    transaction_ids: tuple[UUID, ...]
    account_id: UUID | None
    category: str
    merchant: str
    amount: Decimal | None
    currency: str
    occurred_on: date
    created_at: datetime
    closed_at: datetime | None
    key: str


@dataclass(frozen=True, slots=True)
class Scan:
    """A look through a ledger."""

    id: UUID
    state: ScanState
    transaction_count: int
    found_count: int
    """That were not known before."""
    resolved_count: int
    """Of those known before, what is settled by now."""
    error_message: str
    error_reason: str
    created_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a look through a ledger changes in what is known."""

    transaction_count: int
    added: tuple[Finding, ...] = ()
    resolved: tuple[UUID, ...] = ()
    reopened: tuple[UUID, ...] = ()
    """What was settled, and is open again: the payment that had settled it is gone."""


class AnomalyFilter(NamedTuple):
    """Which anomalies; None means any."""

    state: AnomalyState | None = AnomalyState.OPEN
    kind: AnomalyKind | None = None
    minimum_severity: Severity | None = None
    account_id: UUID | None = None
    date_from: date | None = None
    date_to: date | None = None


class AnomalyPosition(NamedTuple):
    """After which a page goes on."""

    occurred_on: date
    id: UUID


def anomaly_not_found(anomaly_id: UUID) -> ScaleError:
    """Unknown, or somebody else's."""
    return NotFound(f"There is no anomaly {anomaly_id}.", reason="ANOMALY_NOT_FOUND", metadata={"anomaly_id": str(anomaly_id)})


def anomaly_resolved(anomaly_id: UUID) -> ScaleError:
    """Nobody dismissed it: there is nothing to take back."""
    return FailedPrecondition(
        f"Anomaly {anomaly_id} was settled by what came later; it opens again by itself if that is undone.",
        reason="ANOMALY_RESOLVED",
        metadata={"anomaly_id": str(anomaly_id)},
    )


def scan_not_found(scan_id: UUID) -> ScaleError:
    """Unknown, somebody else's, or no longer kept."""
    return NotFound(f"There is no scan {scan_id}.", reason="SCAN_NOT_FOUND", metadata={"scan_id": str(scan_id)})
