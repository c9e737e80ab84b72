"""The shapes of rules."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from services.gateway.schemas.accounts import TRANSACTION_EXAMPLE, Transaction
from services.gateway.schemas.fields import ABSENT, ChangesSomething, Identifier, Input, Output, PageQuery, Text

_ACTIONS = ("category", "merchant", "note")
_NEW: dict[str, Any] = {
    "name": "Supermarket",
    "filter": "text:rewe OR text:edeka",
    "category": "groceries_supermarket",
    "merchant": None,
    "note": None,
}
_RULE = _NEW | {
    "id": "019b76da-a800-7000-8000-0000000000d0",
    "position": 1,
    "active": True,
    "problem": None,
    "created_at": "2026-02-01T08:00:00.000000Z",
    "updated_at": "2026-02-01T08:00:00.000000Z",
}
_NAME = "Shown to people."
_FILTER = "A filter expression, as GET /transactions takes it (docs/filters.md)."
_CATEGORY = "Sets the category: a slug that GET /categories knows."
_MERCHANT = "Renames the merchant."
_NOTE = "Adds a note where there is none."
_POSITION = "Place among your rules, from 1; a place beyond the last one is the last."


class _Actions(Input):
    """What a rule does to what it finds."""

    filter: Text = Field(min_length=1, max_length=4000, description=_FILTER)
    category: Text | None = Field(None, min_length=1, max_length=100, description=_CATEGORY)
    merchant: Text | None = Field(None, min_length=1, max_length=200, description=_MERCHANT)
    note: Text | None = Field(None, min_length=1, max_length=2000, description=_NOTE)
    position: int | None = Field(None, strict=True, ge=1, le=2_147_483_647, description=f"{_POSITION} Absent: behind all others.")

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not any(getattr(self, action) for action in _ACTIONS):
            raise ValueError(f"must hold at least one of {', '.join(_ACTIONS)}")
        return self


class NewRule(_Actions):
    """The rule to add."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_NEW]})

    name: Text = Field(min_length=1, max_length=200, description=_NAME)
    active: bool = Field(True, strict=True, description="False adds it switched off.")


class RuleTrial(_Actions):
    """The rule to try."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"filter": _NEW["filter"], "category": _NEW["category"], "sample_size": 10}]}
    )

    rule_id: Identifier | None = Field(None, description="The rule whose place it is to take.")
    sample_size: int = Field(
        10, strict=True, ge=0, le=2_147_483_647, description="Transactions to show. 0 means 50; more than 1000 means 1000."
    )


class RuleChange(ChangesSomething):
    """What to change; fields that are absent stay. What the rule has done stays until it is taken back."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"category": "groceries", "position": 1}], "minProperties": 1}
    )

    name: Text = Field(ABSENT, min_length=1, max_length=200, description=_NAME)
    filter: Text = Field(ABSENT, min_length=1, max_length=4000, description=_FILTER)
    category: Text | None = Field(None, min_length=1, max_length=100, description=f"{_CATEGORY} Null: sets none any more.")
    merchant: Text | None = Field(None, min_length=1, max_length=200, description=f"{_MERCHANT} Null: no longer.")
    note: Text | None = Field(None, min_length=1, max_length=2000, description=f"{_NOTE} Null: no longer.")
    position: int = Field(ABSENT, strict=True, ge=1, le=2_147_483_647, description=_POSITION)
    active: bool = Field(ABSENT, strict=True, description="False switches it off.")


class Rule(Output):
    """What is done to transactions that a filter expression finds, as they come in."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_RULE]})

    id: UUID = Field(description="The rule.")
    name: str = Field(description=_NAME)
    filter: str = Field(description=_FILTER)
    category: str | None = Field(description=_CATEGORY)
    merchant: str | None = Field(description=_MERCHANT)
    note: str | None = Field(description=_NOTE)
    position: int = Field(description="Place among your rules, from 1. For each field the first rule that sets it wins.")
    active: bool = Field(description="False for one that is switched off.")
    problem: str | None = Field(description="Why it does nothing until you change it, such as a category that is gone.")
    created_at: datetime = Field(description="When it was added, UTC.")
    updated_at: datetime = Field(description="Last change, UTC.")


class RulePage(Output):
    """Rules by position."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_RULE], "next_page_token": None}]})  # nosec B105

    items: list[Rule] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")


class RuleQuery(PageQuery):
    """Which page of the rules."""


class RulePreview(Output):
    """What a rule would do to the past."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"matched": 120, "changed": 118, "transactions": [TRANSACTION_EXAMPLE]}]}
    )

    matched: int = Field(description="Transactions that the filter finds.")
    changed: int = Field(description="Those of them that would be changed.")
    transactions: list[Transaction] = Field(description="The newest of those that would be changed, as they are now.")


class UndoneRule(Output):
    """What was taken back of what a rule had done."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"restored": 115, "kept": 3}]})

    restored: int = Field(description="Transactions that are as before, once for each edit: those of all tries together.")
    kept: int = Field(description="Transactions that were changed since, and are still left after this try.")
