"""The shapes of saved filters."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from services.gateway.schemas.fields import ABSENT, ChangesSomething, Input, Output, PageQuery, Text

_EXAMPLE: dict[str, Any] = {
    "id": "019b76da-a800-7000-8000-0000000000f1",
    "name": "Large groceries",
    "filter": "category = groceries AND amount < -50",
    "created_at": "2026-02-01T08:00:00.000000Z",
    "updated_at": "2026-02-01T08:00:00.000000Z",
}
_NAME: dict[str, Any] = {"min_length": 1, "max_length": 100, "description": "Shown to people; no two of yours differ in case alone."}
_FILTER: dict[str, Any] = {
    "min_length": 1,
    "max_length": 4000,
    "description": "A filter expression, as in GET /transactions (docs/filters.md).",
}


class SavedFilterQuery(PageQuery):
    """Which page."""


class SavedFilter(Output):
    """A filter expression with a name."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    id: UUID = Field(description="The saved filter.")
    name: str = Field(description="Shown to people.")
    filter: str = Field(description="A filter expression.")
    created_at: datetime = Field(description="When it was kept, UTC.")
    updated_at: datetime = Field(description="Last change, UTC.")


class SavedFilterPage(Output):
    """Saved filters, by name."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_EXAMPLE], "next_page_token": None}]})  # nosec B105

    items: list[SavedFilter] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")


class NewSavedFilter(Input):
    """The filter to keep."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": _EXAMPLE["name"], "filter": _EXAMPLE["filter"]}]})

    name: Text = Field(**_NAME)
    filter: Text = Field(**_FILTER)


class SavedFilterChange(ChangesSomething):
    """What to change; fields that are absent stay."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Groceries over 50"}], "minProperties": 1})

    name: Text = Field(ABSENT, **_NAME)
    filter: Text = Field(ABSENT, **_FILTER)
