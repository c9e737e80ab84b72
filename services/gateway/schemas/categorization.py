"""The shapes of categorization: answers with their reasons, corrections, suggested categories, jobs and the model."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from services.gateway.schemas.fields import Amount, Currency, Day, Identifier, Input, Output, PageQuery, Text

MAX_SYNCHRONOUS = 1000
MAX_ITEMS = 50_000

Source = Literal["user", "rule", "model", "fallback"]
JobKind = Literal["classification", "recategorization", "discovery"]
JobState = Literal["pending", "running", "succeeded", "failed"]
SuggestionState = Literal["open", "accepted", "dismissed"]

_PAYMENT: dict[str, Any] = {"description": "CARD PAYMENT REWE BERLIN", "amount": "-12.34", "currency": "EUR", "date": "2026-01-31"}
_ALTERNATIVE: dict[str, Any] = {"category": "dining_restaurant", "primary_category": "dining", "confidence": 0.04}
_CLASSIFICATION: dict[str, Any] = {
    "category": "groceries_supermarket",
    "primary_category": "groceries",
    "confidence": 0.93,
    "abstained": False,
    "reasons": ["You put REWE into Supermarket 3 times."],
    "alternatives": [_ALTERNATIVE],
    "model_version": "hypcd-1.0.0+1a2b3c4d",
    "source": "user",
    "degraded": False,
}
_JOB: dict[str, Any] = {
    "id": "019b76da-a800-7000-8000-0000000000a0",
    "kind": "recategorization",
    "state": "running",
    "total": 4711,
    "done": 2000,
    "changed": 312,
    "failure_reason": None,
    "failure": None,
    "model_version": "hypcd-1.0.0+1a2b3c4d",
    "created_at": "2026-02-01T08:00:00.000000Z",
    "completed_at": None,
}
_SUGGESTION: dict[str, Any] = {
    "id": "019b76da-a800-7000-8000-0000000000b0",
    "state": "open",
    "name": "Climbing",
    "primary_category": "entertainment",
    "category": None,
    "score": 0.71,
    "transactions": 14,
    "transaction_ids": ["019b76da-a800-7000-8000-000000000001"],
    "examples": ["BOULDERHALLE OST", "KLETTERZENTRUM"],
    "reason": "14 payments are closer to each other than to any category.",
    "created_at": "2026-02-01T08:00:00.000000Z",
}
_CORRECTION: dict[str, Any] = {
    "id": "019b76da-a800-7000-8000-0000000000c0",
    "transaction_id": "019b76da-a800-7000-8000-000000000001",
    "category": "groceries_supermarket",
    "previous_category": "dining",
    "merchant": "rewe",
    "created_at": "2026-02-01T08:00:00.000000Z",
}
_MODEL: dict[str, Any] = {
    "version": "hypcd-1.0.0+1a2b3c4d",
    "degraded": False,
    "reason": None,
    "categories": 104,
    "minimum_confidence": 0.4,
    "dimension": 64,
    "loaded_at": "2026-02-01T08:00:00.000000Z",
    "artifacts": {"hypcd_model.pt": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
    "own_version": "categorizer/3-1a2b3c4d",
}
_DESCRIPTION = "What the bank wrote. It may be left out where `merchant` is given."
_MERCHANT = "The shop or counterparty, where the bank names it."
_AMOUNT = "Signed decimal: negative when money leaves."
_CURRENCY = "ISO 4217."
_DATE = "Day of the payment, YYYY-MM-DD."
_CATEGORY = "A detailed slug, a primary slug when no more is known, or one of your own; `uncategorized` when nothing was likely enough."


class Payment(Input):
    """A payment to classify."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_PAYMENT]})

    description: Text = Field("", max_length=10_000, description=_DESCRIPTION)
    merchant: Text | None = Field(None, max_length=500, description=_MERCHANT)
    amount: Amount = Field(description=_AMOUNT)
    currency: Currency = Field(description=_CURRENCY)
    date: Day | None = Field(None, description=_DATE)
    transaction_id: Identifier | None = Field(
        None, description="When it is a transaction of your ledger: what you said of that one counts before all else."
    )

    @model_validator(mode="after")
    def _says_what_it_was(self) -> Self:
        if not self.description.strip() and not (self.merchant or "").strip():
            raise ValueError("must hold a description or a merchant")
        return self


class Batch(Input):
    """Payments to classify."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_PAYMENT]}]})

    items: list[Payment] = Field(
        min_length=1,
        max_length=MAX_ITEMS,
        description=f"At most {MAX_ITEMS:,}. Up to {MAX_SYNCHRONOUS:,} are answered at once, more in the background.",
    )


class Feedback(Input):
    """What a payment really was: a transaction of your ledger by its id, or any other payment as it was classified."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"transaction_id": "019b76da-a800-7000-8000-000000000001", "category": "groceries_supermarket"},
                {**_PAYMENT, "category": "groceries_supermarket"},
            ]
        },
    )

    category: Text = Field(
        min_length=1, max_length=100, description="A slug that GET /categories knows; `uncategorized` takes back what you said before."
    )
    transaction_id: Identifier | None = Field(
        None, description="The transaction. Its category changes, and the rest of the payment is read from the ledger."
    )
    description: Text = Field("", max_length=10_000, description=_DESCRIPTION)
    merchant: Text | None = Field(None, max_length=500, description=_MERCHANT)
    amount: Amount | None = Field(None, description=f"{_AMOUNT} Required without `transaction_id`.")
    currency: Currency | None = Field(None, description=f"{_CURRENCY} Required without `transaction_id`.")
    date: Day | None = Field(None, description=_DATE)

    @model_validator(mode="after")
    def _says_which_payment(self) -> Self:
        if self.transaction_id is not None:
            return self
        if self.amount is None or self.currency is None or not (self.description.strip() or (self.merchant or "").strip()):
            raise ValueError("must hold a transaction_id, or a payment: description or merchant, amount and currency")
        return self


class Alternative(Output):
    """A category that was not chosen."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_ALTERNATIVE]})

    category: str = Field(description="Its slug.")
    primary_category: str = Field(description="The primary slug above it.")
    confidence: float = Field(description="How likely it is right, 0 to 1.")


class Classification(Output):
    """What a payment was for, and why."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_CLASSIFICATION]})

    category: str = Field(description=_CATEGORY)
    primary_category: str = Field(description="One of the taxonomy's primary slugs, or `uncategorized`.")
    confidence: float = Field(description="How likely it is right: calibrated, 0 to 1.")
    abstained: bool = Field(description="Whether nothing was likely enough; `alternatives` then begin with what was likeliest.")
    reasons: list[str] = Field(description="Why, in words, the weightiest first.")
    alternatives: list[Alternative] = Field(description="What else it may be, the likeliest first.")
    model_version: str = Field(description="The model that answered, or the rules that stood in for it.")
    source: Source = Field(
        description="Who decided: `user` for your corrections, `rule` for a rule of yours, `model`, or `fallback` for the rules that ship "
        "with it."
    )
    degraded: bool = Field(description="Whether the model is missing, and rules answered in its place.")


class BatchResult(Output):
    """Answers in the order of the items."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_CLASSIFICATION]}]})

    items: list[Classification] = Field(description="One for each item, in the same order.")


class ClassificationPage(Output):
    """Answers in the order of the items."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_CLASSIFICATION], "next_page_token": None}]})  # nosec B105

    items: list[Classification] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")


class Correction(Output):
    """Your word on a payment."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_CORRECTION]})

    id: UUID = Field(description="The correction.")
    transaction_id: UUID | None = Field(description="The transaction; null for a payment that is in no ledger.")
    category: str = Field(description="What it is.")
    previous_category: str | None = Field(description="What was answered before, or stood in the ledger.")
    merchant: str = Field(description="The merchant that it counts for from now on, as it is read from the payment.")
    created_at: datetime = Field(description="When it was recorded, UTC.")


class JobFailure(Output):
    """Why a job was given up."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "LEDGER_UNAVAILABLE"}]})

    reason: str = Field(description="Stable, in upper case: programs decide by it.")


class Job(Output):
    """Work in the background."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_JOB]})

    id: UUID = Field(description="The job.")
    kind: JobKind = Field(description="What it does.")
    state: JobState = Field(description="Where it stands.")
    total: int | None = Field(description="Payments to look at; null until it is known.")
    done: int = Field(description="Looked at so far.")
    changed: int = Field(
        description="Classified with a category (classification), put into another one (recategorization), or suggestions made (discovery)."
    )
    failure_reason: str | None = Field(description="What went wrong, in words, for a failed one.")
    failure: JobFailure | None = Field(description="The same for programs.")
    model_version: str | None = Field(description="The model that does it.")
    created_at: datetime = Field(description="When it was begun, UTC.")
    completed_at: datetime | None = Field(description="When it was done or given up, UTC.")


class Suggestion(Output):
    """A category that your payments suggest."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_SUGGESTION]})

    id: UUID = Field(description="The suggestion.")
    state: SuggestionState = Field(description="Where it stands.")
    name: str = Field(description="Proposed, or as you accepted it.")
    primary_category: str = Field(description="The primary slug that is nearest, or that you chose.")
    category: str | None = Field(description="The slug of your own category; null until you accept it.")
    score: float = Field(description="How much closer its payments are to each other than to any category, 0 to 1.")
    transactions: int = Field(description="How many of your transactions are in it.")
    transaction_ids: list[UUID] = Field(description="The most typical of them; at most 100.")
    examples: list[str] = Field(description="Descriptions of the most typical ones.")
    reason: str = Field(description="Why they belong together, in words.")
    created_at: datetime = Field(description="When it was made, UTC.")


class SuggestionPage(Output):
    """Suggestions, newest first."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_SUGGESTION], "next_page_token": None}]})  # nosec B105

    items: list[Suggestion] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")


class SuggestionQuery(PageQuery):
    """Which suggestions."""

    state: SuggestionState = Field(
        "open", description="Those that wait for you, or that you have accepted or dismissed.", examples=["open"]
    )


class Acceptance(Input):
    """Under what name a suggestion is taken up; what is absent is taken as proposed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Climbing", "primary_category": "entertainment"}]})

    name: Text | None = Field(None, min_length=1, max_length=100, description="Shown to people; its slug is made from it.")
    primary_category: Text | None = Field(None, min_length=1, max_length=100, description="One of the taxonomy's primary slugs.")


class Model(Output):
    """What answers now."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_MODEL]})

    version: str = Field(description="As in the `model_version` of answers, unless you have a model of your own.")
    degraded: bool = Field(description="Whether rules answer in the model's place.")
    reason: str | None = Field(description="Why, when they do.")
    categories: int = Field(description="Categories that it knows.")
    minimum_confidence: float = Field(description="Below this it abstains.")
    dimension: int = Field(description="Length of a point on the ball.")
    loaded_at: datetime | None = Field(description="When it was loaded, UTC.")
    artifacts: dict[str, str] = Field(description="SHA-256 of each artefact, by file name.")
    own_version: str | None = Field(
        description="Your own model, trained on top of this one, which answers you in its place; as in the `model_version` of answers."
    )
