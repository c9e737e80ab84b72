"""The shapes of figures made ahead."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import ConfigDict, Field

from services.gateway.schemas.fields import Currency, Month, Output, PageQuery, Text

_STATISTICS: dict[str, Any] = {
    "category": "groceries_supermarket",
    "primary_category": "groceries",
    "currency": "EUR",
    "transaction_count": 214,
    "total": "-7311.05",
    "spent": "7334.95",
    "received": "23.90",
    "first_date": "2023-01-03",
    "last_date": "2026-01-31",
}
_SUMMARY: dict[str, Any] = {
    "month_start": "2026-01-01",
    "category": "groceries_supermarket",
    "primary_category": "groceries",
    "currency": "EUR",
    "transaction_count": 9,
    "total": "412.87",
    "average": "45.8744",
    "minimum": "3.49",
    "maximum": "118.20",
}
_AGE: dict[str, Any] = {"next_page_token": None, "figures_time": "2026-02-01T08:00:00.000000Z", "outdated": False}  # nosec B105


class _FiguresQuery(PageQuery):
    """Which figures; absent means any."""

    currency: Currency | None = Field(None, description="ISO 4217.", examples=["EUR"])
    fresh: bool = Field(False, description="Made now from the ledger, instead of read from the figures made ahead.")


class StatisticsFilters(_FiguresQuery):
    """Which statistics."""


class SummaryFilters(_FiguresQuery):
    """Which months."""

    month_from: Month | None = Field(None, description="First month; any day of it does.", examples=["2026-01"])
    month_to: Month | None = Field(None, description="Last month, inclusive; any day of it does.", examples=["2026-12"])
    category: Text | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="A slug, a primary one with all below it, or `uncategorized`.",
        examples=["groceries"],
    )


class CategoryStatistics(Output):
    """Figures of one category in one currency."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_STATISTICS]})

    category: str = Field(description="Slug; `uncategorized` for none.")
    primary_category: str | None = Field(description="The primary slug above it; null for none.")
    currency: str = Field(description="ISO 4217.")
    transaction_count: int = Field(description="Posted transactions.")
    total: str = Field(description="Signed sum, a decimal.")
    spent: str = Field(description="Money out, as a positive decimal.")
    received: str = Field(description="Money in, a decimal.")
    first_date: date = Field(description="Day of the first transaction.")
    last_date: date = Field(description="Day of the last one.")


class _FiguresPage(Output):
    """A page of figures, and how old they are."""

    next_page_token: str | None = Field(description="For the next page; null on the last one.")
    figures_time: datetime | None = Field(description="When the figures were made; null when they never were.")
    outdated: bool = Field(description="Whether your ledger has changed since; they are made anew within a minute.")


class StatisticsPage(_FiguresPage):
    """Categories, by slug."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_STATISTICS], **_AGE}]})

    items: list[CategoryStatistics] = Field(description="This page, by category, then by currency.")


class MonthlySummary(Output):
    """What was spent on one category in one month and currency: posted debits, as positive amounts."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_SUMMARY]})

    month_start: date = Field(description="First day of the month.")
    category: str = Field(description="Slug; `uncategorized` for none.")
    primary_category: str | None = Field(description="The primary slug above it; null for none.")
    currency: str = Field(description="ISO 4217.")
    transaction_count: int = Field(description="Debits.")
    total: str = Field(description="Their sum, a decimal.")
    average: str = Field(description="Their mean, to the ten-thousandth.")
    minimum: str = Field(description="The smallest.")
    maximum: str = Field(description="The largest.")


class SummaryPage(_FiguresPage):
    """Months, the latest first."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_SUMMARY], **_AGE}]})

    items: list[MonthlySummary] = Field(description="This page: the latest month first, then by category and currency.")
