"""The nouns and errors of suggested categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.categorization.domain import Payment
from services.kit.errors import FailedPrecondition, NotFound, ScaleError

MAX_NAME_CHARS = 100


class SuggestionState(StrEnum):
    """Where a suggestion stands."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"


class Member(NamedTuple):
    """A payment of a suggestion."""

    payment: Payment
    merchant_key: str


@dataclass(frozen=True, slots=True)
class NewSuggestion:
    """What a look for new categories has found."""

    id: UUID
    name: str
    primary_slug: str
    score: float
    """How much closer its payments are to each other than to any category: 0 to 1."""
    members: Sequence[Member]
    """The most typical first."""
    examples: Sequence[str]
    merchant_keys: Sequence[str]
    """By which the like of it is known again."""
    reason: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A category that a user's payments suggest."""

    id: UUID
    state: SuggestionState
    name: str
    primary_slug: str
    category: str
    """Its slug; empty until it is accepted."""
    score: float
    transaction_count: int
    examples: Sequence[str]
    reason: str
    created_at: datetime
    transaction_ids: Sequence[UUID] = ()
    """The most typical ones."""


class EarlierSuggestion(NamedTuple):
    """As far as a new one must not repeat it."""

    name: str
    state: SuggestionState
    merchant_keys: Sequence[str]


class SuggestionPosition(NamedTuple):
    """After which a page goes on."""

    created_at: datetime
    id: UUID


def suggestion_not_found(suggestion_id: UUID) -> ScaleError:
    """Unknown, or somebody else's."""
    return NotFound(
        f"There is no suggestion {suggestion_id}.", reason="SUGGESTION_NOT_FOUND", metadata={"suggestion_id": str(suggestion_id)}
    )


def already_accepted(suggestion: Suggestion) -> ScaleError:
    """The category is there, and may be in use."""
    return FailedPrecondition(
        f"Suggestion {suggestion.id} was taken up as {suggestion.category!r}.",
        reason="SUGGESTION_ACCEPTED",
        metadata={"suggestion_id": str(suggestion.id), "category": suggestion.category},
    )


def no_points(reason: str) -> ScaleError:
    """Without the model nobody knows which payments are alike."""
    return FailedPrecondition(f"New categories are found by the model, and there is none just now: {reason}", reason="MODEL_MISSING")
