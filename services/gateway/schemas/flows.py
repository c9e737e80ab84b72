"""The shapes of cash flow and recurring payments."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from services.gateway.schemas.accounts import Direction
from services.gateway.schemas.fields import Currency, Day, Identifier, Output, PageQuery

_PERIOD: dict[str, Any] = {
    "period_start": "2026-01-01",
    "period_end": "2026-01-31",
    "currency": "EUR",
    "received": "2800.00",
    "spent": "1934.55",
    "net": "865.45",
    "transaction_count": 61,
}
_RECURRING: dict[str, Any] = {
    "id": "019b76da-a800-5000-8000-0000000000b0",
    "merchant": "Netflix",
    "type": "debit",
    "period": "monthly",
    "currency": "EUR",
    "amount_min": "-13.99",
    "amount_max": "-12.99",
    "last_amount": "-13.99",
    "first_date": "2024-12-31",
    "last_date": "2026-01-31",
    "next_date": "2026-02-28",
    "status": "active",
    "occurrence_count": 14,
    "category": "entertainment_streaming",
    "account_id": "019b76da-a800-7000-8000-000000000002",
    "transaction_ids": ["019b76da-a800-7000-8000-000000000001"],
}
RecurrenceStatus = Literal["active", "overdue", "ended"]


class CashFlowFilters(PageQuery):
    """Which days, and how long the periods are."""

    granularity: Literal["day", "week", "month"] = Field("month", description="How long a period is; weeks begin on Monday.")
    date_from: Day | None = Field(None, description="First day.", examples=["2026-01-01"])
    date_to: Day | None = Field(None, description="Last day, inclusive.", examples=["2026-12-31"])
    account_id: Identifier | None = Field(None, description="One account.")
    currency: Currency | None = Field(None, description="ISO 4217.", examples=["EUR"])


class CashFlow(Output):
    """Money in and out in one period and currency."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_PERIOD]})

    period_start: date = Field(description="First day of the period, also where `date_from` lies within it.")
    period_end: date = Field(description="Last day of the period.")
    currency: str = Field(description="ISO 4217.")
    received: str = Field(description="Money in, a decimal.")
    spent: str = Field(description="Money out, as a positive decimal.")
    net: str = Field(description="Received less spent, a signed decimal.")
    transaction_count: int = Field(description="Posted transactions.")


class CashFlowPage(Output):
    """Periods, the earliest first."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_PERIOD], "next_page_token": None}]})  # nosec B105

    items: list[CashFlow] = Field(description="This page, by period, then by currency.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")


class RecurringPaymentFilters(PageQuery):
    """Which payments."""

    type: Direction | None = Field(None, description="Income (credit) or payments (debit).", examples=["debit"])
    status: RecurrenceStatus | None = Field(None, description="Where they stand.", examples=["active"])


class RecurringPayment(Output):
    """A payment, or income, that comes again and again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_RECURRING]})

    id: UUID = Field(description="Stays the same when more of it come.")
    merchant: str = Field(description="Who is paid, or pays, as the latest one says.")
    type: Direction = Field(description="Money in (credit) or out (debit).")
    period: Literal["weekly", "biweekly", "four_weekly", "monthly", "quarterly", "half_yearly", "yearly"] = Field(description="How often.")
    currency: str = Field(description="ISO 4217.")
    amount_min: str = Field(description="Smallest amount, a signed decimal.")
    amount_max: str = Field(description="Largest amount, a signed decimal.")
    last_amount: str = Field(description="The latest one's amount, a signed decimal.")
    first_date: date = Field(description="The first one's day.")
    last_date: date = Field(description="The latest one's day.")
    next_date: date | None = Field(description="When the next one is expected, or should have come; null for what has ended.")
    status: RecurrenceStatus = Field(
        description="Active: the next one is still to come; overdue: it should have come by now; ended: more than one did not come."
    )
    occurrence_count: int = Field(description="How many there were.")
    category: str | None = Field(description="The category of the latest one.")
    account_id: UUID = Field(description="The account of the latest one.")
    transaction_ids: list[UUID] = Field(description="The latest ones, at most 12, the newest first.")


class RecurringPaymentPage(Output):
    """Recurring payments, the next expected first."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"items": [_RECURRING], "next_page_token": None, "as_of": "2026-02-10"}]},  # nosec B105
    )

    items: list[RecurringPayment] = Field(description="This page; what has ended comes last.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")
    as_of: date | None = Field(description="The ledger's latest day, as of which it is said where they stand; null for an empty one.")
