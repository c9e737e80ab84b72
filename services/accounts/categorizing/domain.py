"""The nouns of categories that are set for transactions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from services.accounts.domain import CategorySource, Transaction


@dataclass(frozen=True, slots=True)
class SetByUser:
    """A transaction whose category the user has set, and what it was before."""

    transaction: Transaction
    """As it is now."""
    previous_category: str | None
    previous_source: str | None


class WorkedOutCategory(NamedTuple):
    """The category of one transaction, as others worked it out."""

    transaction_id: UUID
    category: str | None
    """A slug; None when none was likely enough."""
    confidence: float | None
    """0 to 1. With source USER: how likely the user's word on like payments holds for this one; None for their word on this very one."""
    source: CategorySource
    """USER, MODEL or FALLBACK."""


class WorkedOut(NamedTuple):
    """What became of categories that were worked out."""

    changed_count: int
    """Transactions whose category is another one now."""
    kept_count: int
    """Transactions that somebody with more to say had set."""
