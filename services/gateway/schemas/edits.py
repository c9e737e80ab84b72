"""The shapes of edits: changes of many transactions at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from services.gateway.schemas.accounts import Standing
from services.gateway.schemas.fields import ABSENT, Input, Output, PageQuery, Text

FILTER = "merchant:rewe AND date >= 2026-01-01"
_ID = "019b76da-a800-7000-8000-0000000000e0"
EDIT_EXAMPLE: dict[str, Any] = {
    "id": _ID,
    "undo_token": _ID,
    "filter": FILTER,
    "matched": 120,
    "changed": 118,
    "rule_id": None,
    "import_id": None,
    "created_at": "2026-02-01T08:00:00.000000Z",
    "expires_at": "2026-03-03T08:00:00.000000Z",
    "undone_at": None,
}
_CHANGES = ("category", "note", "status")


class TransactionsEdit(Input):
    """Which transactions, and what to change; fields that are absent stay."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"filter": FILTER, "category": "groceries", "dry_run": True}], "minProperties": 2}
    )

    filter: Text = Field(min_length=1, max_length=4000, description="A filter expression, as GET /transactions takes it (docs/filters.md).")
    category: Text | None = Field(
        None, min_length=1, max_length=100, description="A slug that GET /categories knows; null takes the category away."
    )
    note: Text | None = Field(None, max_length=2000, description="Your own words; null takes them away.")
    status: Standing = Field(ABSENT, description="Booked, announced or taken back.")
    dry_run: bool = Field(False, strict=True, description="Only count.")

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set & set(_CHANGES):
            raise ValueError(f"must hold at least one of {', '.join(_CHANGES)}")
        return self


class Edit(Output):
    """A change of many transactions at once."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EDIT_EXAMPLE]})

    id: UUID | None = Field(description="The edit; null when it was only counted.")
    undo_token: UUID | None = Field(description="Takes it back: POST /edits/{undo_token}/undo. The same as `id`.")
    filter: str = Field(description="What found the transactions.")
    matched: int = Field(description="Transactions that it found.")
    changed: int = Field(description="Those of them that were changed.")
    rule_id: UUID | None = Field(description="The rule that did it; null for an edit by hand.")
    import_id: UUID | None = Field(description="The import that the rule was applied to.")
    created_at: datetime = Field(description="When it was done, UTC.")
    expires_at: datetime = Field(description="Until when it can be taken back, UTC.")
    undone_at: datetime | None = Field(description="When it was taken back, UTC.")


class EditPage(Output):
    """Edits, the newest first."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [EDIT_EXAMPLE], "next_page_token": None}]})  # nosec B105

    items: list[Edit] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")


class EditQuery(PageQuery):
    """Which page of the edits."""


class UndoneEdit(Edit):
    """An edit that was taken back."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [EDIT_EXAMPLE | {"undone_at": "2026-02-01T08:05:00.000000Z", "restored": 115, "kept": 3}]},
    )

    restored: int = Field(description="Transactions that are as before: those of all tries together, so that a repeat says the same.")
    kept: int = Field(description="Transactions that were changed since, and are still left after this try.")
