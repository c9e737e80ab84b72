"""The nouns of analytics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class Granularity(StrEnum):
    """How long a period is."""

    DAY = "day"
    WEEK = "week"
    """Monday to Sunday."""
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class CashFlowFilters:
    """Which days; None means any. Dates are inclusive."""

    granularity: Granularity = Granularity.MONTH
    date_from: date | None = None
    date_to: date | None = None
    account_id: UUID | None = None
    currency: str | None = None


class CashFlowPosition(NamedTuple):
    """Where in the order of periods a page ended."""

    period_start: date
    currency: str


class CashFlow(NamedTuple):
    """Money in and out in one period and currency."""

    period_start: date
    period_end: date
    """Inclusive."""
    currency: str
    received: Decimal
    spent: Decimal
    """Positive."""
    transaction_count: int

    @property
    def net(self) -> Decimal:
        """What was received less what was spent."""
        return self.received - self.spent
