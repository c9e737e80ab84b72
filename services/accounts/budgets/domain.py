"""The nouns and errors of budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from services.kit.errors import AlreadyExists, NotFound


class Budget(NamedTuple):
    """What a user means to spend on a category in a period."""

    id: UUID
    category: str
    amount: Decimal
    """Not negative."""
    currency: str
    period_start: date
    period_end: date
    """Inclusive."""
    roll_over: bool
    active: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewBudget:
    """A budget to add."""

    category: str
    amount: Decimal
    currency: str
    period_start: date
    period_end: date
    roll_over: bool = False


@dataclass(frozen=True, slots=True)
class BudgetChanges:
    """What a user changes; None leaves it."""

    amount: Decimal | None = None
    period_start: date | None = None
    period_end: date | None = None
    roll_over: bool | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class BudgetFilters:
    """Which budgets; None means any."""

    on_date: date | None = None
    """Those whose period holds this day."""
    category: str | None = None
    """Those of this very category."""
    include_inactive: bool = False


class BudgetPosition(NamedTuple):
    """Where in the order of budgets a page ended."""

    period_start: date
    id: UUID


class BudgetUtilization(NamedTuple):
    """How far a budget is used."""

    budget: Budget
    carried_over: Decimal
    """From the budget before it; negative after overspending."""
    spent: Decimal
    """Money out, as a positive amount."""
    remaining: Decimal
    utilization_percent: Decimal
    """Of amount and what was carried over, with two decimals; 0 when that is nothing or less."""


@dataclass(frozen=True, slots=True)
class Utilizations:
    """How far budgets are used, and when that was made."""

    items: Sequence[BudgetUtilization]
    made_at: datetime | None
    """None when it never was."""
    outdated: bool
    """The ledger has changed since."""


def budget_not_found(budget_id: UUID) -> NotFound:
    """No such budget, or not the caller's."""
    return NotFound(f"There is no budget {budget_id}.", reason="BUDGET_NOT_FOUND", metadata={"budget_id": str(budget_id)})


def budget_overlaps(other_id: str) -> AlreadyExists:
    """An active budget of that category and currency shares a day with it."""
    return AlreadyExists(
        f"Budget {other_id} of this category and currency is active on some of these days; change or end that one first.",
        reason="BUDGET_OVERLAPS",
        metadata={"budget_id": other_id},
    )
