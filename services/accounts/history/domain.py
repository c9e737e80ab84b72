"""The nouns of history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID


@dataclass(frozen=True, slots=True)
class HistoryFilters:
    """Which rows; None means any. Dates are inclusive."""

    date_from: date | None = None
    date_to: date | None = None
    account_id: UUID | None = None
    include_transfers: bool = False
    """Also sides of confirmed transfers between own accounts."""


@dataclass(frozen=True, slots=True)
class DailySumsFilters(HistoryFilters):
    """Which sums; None means any. A primary category stands for all below it, UNCATEGORIZED for none."""

    category: str | None = None
    currency: str | None = None
