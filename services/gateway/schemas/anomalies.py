"""The shapes of anomalies."""

from __future__ import annotations

import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from services.gateway.schemas.fields import Day, Identifier, Output, PageQuery

AnomalyKind = Literal[
    "duplicate_charge", "price_rise", "missed_income", "missed_payment", "new_merchant", "unusual_amount", "burst", "regime_change"
]
Severity = Literal["low", "medium", "high"]
AnomalyState = Literal["open", "dismissed", "resolved"]
ScanState = Literal["pending", "running", "succeeded", "failed"]

_ANOMALY: dict[str, Any] = {
    "id": "019b76da-a800-7000-8000-0000000000a1",
    "kind": "price_rise",
    "severity": "medium",
    "state": "open",
    "score": 0.82,
    "reason": "Netflix rose from 12.99 to 15.99 EUR (+23 %).",
    "evidence": {"usual_amount": "12.99", "count": 14},
    "transaction_ids": ["019b76da-a800-7000-8000-000000000001"],
    "account_id": "019b76da-a800-7000-8000-000000000002",
    "category": "entertainment_streaming",
    "merchant": "Netflix",
    "amount": "-15.99",
    "currency": "EUR",
    "date": "2026-01-31",
    "created_at": "2026-02-01T08:00:00.000000Z",
    "closed_at": None,
}
_SCAN: dict[str, Any] = {
    "id": "019b76da-a800-7000-8000-0000000000a2",
    "state": "succeeded",
    "transactions": 4123,
    "found": 3,
    "resolved": 1,
    "error": None,
    "created_at": "2026-02-01T08:00:00.000000Z",
    "completed_at": "2026-02-01T08:00:02.000000Z",
}


class AnomalyFilters(PageQuery):
    """Which anomalies."""

    kind: AnomalyKind | None = Field(None, description="Only of this kind.", examples=["price_rise"])
    min_severity: Severity | None = Field(None, description="At least so severe.", examples=["medium"])
    state: Literal["open", "dismissed", "resolved", "any"] = Field("open", description="Where they stand.")
    account_id: Identifier | None = Field(None, description="One account.")
    date_from: Day | None = Field(None, description="First day.", examples=["2026-01-01"])
    date_to: Day | None = Field(None, description="Last day, inclusive.", examples=["2026-12-31"])


class Anomaly(Output):
    """Something odd."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_ANOMALY]})

    id: UUID = Field(description="The anomaly.")
    kind: AnomalyKind = Field(description="What it is.")
    severity: Severity = Field(description="How much it matters.")
    state: AnomalyState = Field(description="Open until you dismiss it, or what comes later settles it.")
    score: float = Field(description="How odd it is, 0 to 1.")
    reason: str = Field(description="Why, in words.")
    evidence: dict[str, Any] = Field(description="What that goes by; amounts are decimals in strings. The set of names grows.")
    transaction_ids: list[UUID] = Field(description="What it is about, the newest first; empty for a payment that did not come.")
    account_id: UUID | None = Field(description="The account; null when it is about more than one.")
    category: str | None = Field(description="The category that it is about.")
    merchant: str | None = Field(description="The merchant that it is about.")
    amount: str | None = Field(description="A signed decimal; null when it is about no single amount.")
    currency: str | None = Field(description="ISO 4217 of `amount`.")
    date: datetime.date = Field(description="The day of what is odd, or on which something should have come.")
    created_at: datetime.datetime = Field(description="When it was found, UTC.")
    closed_at: datetime.datetime | None = Field(description="When it was dismissed or settled, UTC.")


class AnomalyPage(Output):
    """Anomalies, the latest day first."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"items": [_ANOMALY], "next_page_token": None, "scanned_at": "2026-02-01T08:00:02.000000Z"}]  # nosec B105
        },
    )

    items: list[Anomaly] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")
    scanned_at: datetime.datetime | None = Field(description="When your ledger was last looked through, UTC; null when it never was.")


class ScanFailure(Output):
    """Why a scan was given up."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"message": "The ledger could not be read.", "reason": "JOB_GIVEN_UP"}]}
    )

    message: str = Field(description="In words, with what to do.")
    reason: str = Field(description="Stable, in upper case: programs decide by it.")


class Scan(Output):
    """A look through your ledger."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_SCAN]})

    id: UUID = Field(description="The scan.")
    state: ScanState = Field(description="Where it stands.")
    transactions: int = Field(description="Transactions looked at.")
    found: int = Field(description="Anomalies that were not known before.")
    resolved: int = Field(description="Of those known before, what is settled by now.")
    error: ScanFailure | None = Field(description="Why it was given up; null for one that was not.")
    created_at: datetime.datetime = Field(description="When it was asked for, UTC.")
    completed_at: datetime.datetime | None = Field(description="When it was over, UTC.")
