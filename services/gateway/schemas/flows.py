"""The shapes of cash flow and recurring payments."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import ConfigDict, Field

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
