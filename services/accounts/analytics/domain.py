"""The nouns of analytics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
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


@dataclass(frozen=True, slots=True)
class CategoryStatisticsFilters:
    """Which statistics; None means any."""

    currency: str | None = None


class CategoryPosition(NamedTuple):
    """Where in the order of categories a page ended."""

    category: str
    currency: str


class CategoryStatistics(NamedTuple):
    """Figures of one category in one currency."""

    primary_category: str | None
    category: str
    currency: str
    transaction_count: int
    total: Decimal
    """Signed."""
    spent: Decimal
    """Positive."""
    received: Decimal
    first_date: date
    last_date: date


@dataclass(frozen=True, slots=True)
class CategoryStatisticsPage:
    """Figures, when they were made, and whether the ledger has changed since. `lasting`: nothing but a change by the user alters them."""

    statistics: tuple[CategoryStatistics, ...]
    made_at: datetime | None
    outdated: bool
    lasting: bool


@dataclass(frozen=True, slots=True)
class MonthlySummaryFilters:
    """Which months, by their first days, inclusive; None means any. A primary category stands for all below it."""

    month_from: date | None = None
    month_to: date | None = None
    category: str | None = None
    currency: str | None = None


class MonthPosition(NamedTuple):
    """Where in the order of months a page ended."""

    month: date
    category: str
    currency: str


class MonthlySummary(NamedTuple):
    """What was spent on one category in one month and currency, as positive amounts."""

    primary_category: str | None
    month: date
    """Its first day."""
    category: str
    currency: str
    transaction_count: int
    total: Decimal
    average: Decimal
    minimum: Decimal
    maximum: Decimal


@dataclass(frozen=True, slots=True)
class MonthlySummaryPage:
    """As `CategoryStatisticsPage`."""

    summaries: tuple[MonthlySummary, ...]
    made_at: datetime | None
    outdated: bool
    lasting: bool


class RecurrencePeriod(StrEnum):
    """How often something comes again."""

    WEEKLY = "weekly"
    BIWEEKLY = "biweekly"
    FOUR_WEEKLY = "four_weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    HALF_YEARLY = "half_yearly"
    YEARLY = "yearly"


class RecurrenceStatus(StrEnum):
    """Where a recurring payment stands."""

    ACTIVE = "active"
    OVERDUE = "overdue"
    """The next one should have come by now."""
    ENDED = "ended"
    """More than one in a row did not come."""


@dataclass(frozen=True, slots=True)
class RecurringPayment:
    """A payment, or income, that comes again and again."""

    id: UUID
    """Stable: made from what it is found by."""
    merchant: str
    """Who is paid, or pays, as the latest one says."""
    period: RecurrencePeriod
    currency: str
    amount_min: Decimal
    """Signed, as the two below."""
    amount_max: Decimal
    last_amount: Decimal
    first_date: date
    last_date: date
    next_date: date | None
    """When the next one is expected, or has been missed; None for what has ended."""
    status: RecurrenceStatus
    occurrence_count: int
    category: str | None
    """Of the latest one."""
    transaction_ids: tuple[UUID, ...]
    """The latest ones, the newest first."""
    account_id: UUID
    """Of the latest one."""

    @property
    def is_debit(self) -> bool:
        """Whether money leaves."""
        return self.last_amount < 0


@dataclass(frozen=True, slots=True)
class RecurringPayments:
    """What was found in a ledger."""

    as_of: date | None
    """The ledger's latest day, as of which it is said where the payments stand; None for an empty one."""
    payments: tuple[RecurringPayment, ...]
    """The next expected first, those that have ended last."""
