"""The shapes of budgets."""

from __future__ import annotations

import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from services.gateway.schemas.accounts import Balance
from services.gateway.schemas.balances import Total
from services.gateway.schemas.fields import ABSENT, ChangesSomething, Day, Input, Output, PageQuery, Text

_BUDGET: dict[str, Any] = {
    "id": "019b76da-a800-7000-8000-0000000000b0",
    "category": "groceries",
    "amount": {"amount": "400.00", "currency": "EUR"},
    "period_start": "2026-02-01",
    "period_end": "2026-02-28",
    "roll_over": True,
    "active": True,
    "created_at": "2026-02-01T08:00:00.000000Z",
    "updated_at": "2026-02-01T08:00:00.000000Z",
}
_USE: dict[str, Any] = {
    "carried_over": {"amount": "-20.00", "currency": "EUR"},
    "spent": {"amount": "285.00", "currency": "EUR"},
    "remaining": {"amount": "95.00", "currency": "EUR"},
    "utilization_percent": "75.00",
}


class BudgetFilters(PageQuery):
    """Which budgets."""

    on_date: Day | None = Field(None, description="Only those whose period holds this day.", examples=["2026-02-14"])
    category: Text | None = Field(
        None, min_length=1, max_length=100, description="Only those of this very category.", examples=["groceries"]
    )
    include_inactive: bool = Field(False, description="Also budgets that are switched off.", examples=[False])


class UtilizationFilters(PageQuery):
    """Which budgets, and how fresh."""

    on_date: Day | None = Field(None, description="Only those whose period holds this day.", examples=["2026-02-14"])
    fresh: bool = Field(False, description="Made now from the ledger, instead of read from the figures made ahead.", examples=[False])


class NewBudget(Input):
    """The budget to add."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{name: _BUDGET[name] for name in ("category", "amount", "period_start", "period_end", "roll_over")}]
        },
    )

    category: Text = Field(
        min_length=1, max_length=100, description="A slug that GET /categories knows; a primary one takes in all below it."
    )
    amount: Balance = Field(description="What you mean to spend; not negative.")
    period_start: Day = Field(description="First day.")
    period_end: Day = Field(description="Last day, inclusive.")
    roll_over: bool = Field(
        False,
        strict=True,
        description="Whether what the budget that ends the day before left over is added, and what it overspent is taken away.",
    )


class BudgetChange(ChangesSomething):
    """What to change; fields that are absent stay."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"amount": {"amount": "450.00", "currency": "EUR"}, "active": True}], "minProperties": 1},
    )

    amount: Balance = Field(ABSENT, description="What you mean to spend, in the budget's currency; not negative.")
    period_start: Day = Field(ABSENT, description="First day.")
    period_end: Day = Field(ABSENT, description="Last day, inclusive.")
    roll_over: bool = Field(ABSENT, strict=True, description="Whether the budget before it hands on what it left over or overspent.")
    active: bool = Field(ABSENT, strict=True, description="False switches it off.")


class Budget(Output):
    """What you mean to spend on a category in a period."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_BUDGET]})

    id: UUID = Field(description="The budget.")
    category: str = Field(description="A primary one takes in all below it.")
    amount: Total = Field(description="What you mean to spend.")
    period_start: datetime.date = Field(description="First day.")
    period_end: datetime.date = Field(description="Last day, inclusive.")
    roll_over: bool = Field(description="Whether the budget before it hands on what it left over or overspent.")
    active: bool = Field(description="False for one that is switched off.")
    created_at: datetime.datetime = Field(description="When it was added, UTC.")
    updated_at: datetime.datetime = Field(description="Last change, UTC.")


class BudgetPage(Output):
    """Budgets, the latest period first."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_BUDGET], "next_page_token": None}]})  # nosec B105

    items: list[Budget] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")


class Utilization(Output):
    """How far a budget is used: your own posted debits of its category, currency and period."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_USE]})

    carried_over: Total = Field(description="From the budget before; zero without roll-over, negative after overspending.")
    spent: Total = Field(description="Money out, as a positive amount.")
    remaining: Total = Field(description="Amount and what was carried over, less what was spent; negative when overspent.")
    utilization_percent: str = Field(
        pattern=r"^[0-9]+\.[0-9]{2}$",
        description="Spent in hundredths of amount and what was carried over; `0.00` when that is nothing or less.",
    )


class BudgetWithUtilization(Budget):
    """A budget and how far it is used, made now."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_BUDGET | {"utilization": _USE}]})

    utilization: Utilization | None = Field(description="Null for one that is switched off.")


class UsedBudget(Budget):
    """An active budget and how far it is used."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_BUDGET | {"utilization": _USE}]})

    utilization: Utilization = Field(description="As of `figures_time`.")


class UtilizationPage(Output):
    """How far active budgets are used, the latest period first."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "items": [_BUDGET | {"utilization": _USE}],
                    "next_page_token": None,  # nosec B105
                    "figures_time": "2026-02-14T08:00:00.000000Z",
                    "outdated": False,
                }
            ]
        },
    )

    items: list[UsedBudget] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")
    figures_time: datetime.datetime | None = Field(description="When the figures were made, UTC; null when they never were.")
    outdated: bool = Field(description="Whether something has changed since; `fresh=true` computes now.")
