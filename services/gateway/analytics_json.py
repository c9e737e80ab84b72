"""Between the JSON of figures made ahead and the messages of `scale.accounts.v1`."""

from __future__ import annotations

from typing import Any

from google.type import date_pb2, money_pb2

from scale.accounts.v1 import analytics_service_pb2 as pb
from services.gateway.accounts_json import MAX_PAGE_SIZE
from services.gateway.schemas import analytics as schemas
from services.gateway.wire import day_text, timestamp_text
from services.kit.dates import to_date_proto
from services.kit.money import format_money


def statistics_request(filters: schemas.StatisticsFilters) -> pb.ListCategoryStatisticsRequest:
    """The request for a page of categories."""
    return pb.ListCategoryStatisticsRequest(
        page_size=min(filters.page_size, MAX_PAGE_SIZE), page_token=filters.page_token, currency=filters.currency, fresh=filters.fresh
    )


def summaries_request(filters: schemas.SummaryFilters) -> pb.ListMonthlySummariesRequest:
    """The request for a page of months."""
    return pb.ListMonthlySummariesRequest(
        page_size=min(filters.page_size, MAX_PAGE_SIZE),
        page_token=filters.page_token,
        month_from=to_date_proto(filters.month_from) if filters.month_from else None,
        month_to=to_date_proto(filters.month_to) if filters.month_to else None,
        category=filters.category,
        currency=filters.currency,
        fresh=filters.fresh,
    )


def page_json(page: pb.ListCategoryStatisticsResponse | pb.ListMonthlySummariesResponse, items: list[dict[str, Any]]) -> dict[str, Any]:
    """A page with the age of its figures."""
    return {
        "items": items,
        "next_page_token": page.next_page_token or None,
        "figures_time": timestamp_text(page.figures_time) if page.HasField("figures_time") else None,
        "outdated": page.outdated,
    }


def statistics_json(found: pb.CategoryStatistics) -> dict[str, Any]:
    """Figures of one category in one currency."""
    return {
        "category": found.category,
        "primary_category": found.primary_category or None,
        "currency": found.total.currency_code,
        "transaction_count": found.transaction_count,
        "total": _amount(found.total),
        "spent": _amount(found.spent),
        "received": _amount(found.received),
        "first_date": _day(found.first_date),
        "last_date": _day(found.last_date),
    }


def summary_json(found: pb.MonthlySummary) -> dict[str, Any]:
    """What was spent on one category in one month and currency."""
    return {
        "month_start": _day(found.month_start),
        "category": found.category,
        "primary_category": found.primary_category or None,
        "currency": found.total.currency_code,
        "transaction_count": found.transaction_count,
        "total": _amount(found.total),
        "average": _amount(found.average),
        "minimum": _amount(found.minimum),
        "maximum": _amount(found.maximum),
    }


def _day(day: date_pb2.Date) -> str:
    return day_text(day.year, day.month, day.day)


def _amount(money: money_pb2.Money) -> str:
    return format_money(money.units, money.nanos, money.currency_code)
