"""The nouns and errors of saved filters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.kit.errors import AlreadyExists, NotFound


class SavedFilter(NamedTuple):
    """A filter expression with a name."""

    id: UUID
    name: str
    filter: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewSavedFilter:
    """One to keep."""

    name: str
    filter: str


@dataclass(frozen=True, slots=True)
class SavedFilterChanges:
    """What a user changes; None leaves it."""

    name: str | None = None
    filter: str | None = None


def saved_filter_not_found(saved_filter_id: UUID) -> NotFound:
    """No such saved filter, or not the caller's."""
    return NotFound(
        f"There is no saved filter {saved_filter_id}.",
        reason="SAVED_FILTER_NOT_FOUND",
        metadata={"saved_filter_id": str(saved_filter_id)},
    )


def saved_filter_exists(name: str) -> AlreadyExists:
    """Another one has that name, but for capitals."""
    return AlreadyExists(f"You already have a saved filter named {name!r}.", reason="SAVED_FILTER_NAME_TAKEN", metadata={"name": name})
