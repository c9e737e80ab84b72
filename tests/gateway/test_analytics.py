"""Category statistics and monthly summaries over REST: JSON and messages, aliases, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest
from google.type.date_pb2 import Date

from scale.accounts.v1 import analytics_service_pb2 as pb
from services.kit.money import to_money
from tests.support.gateway_app import Gateway, assert_problem


def amount(text: str) -> object:
    return to_money(Decimal(text), "EUR")


async def test_category_statistics(gateway: Gateway) -> None:
    analytics = gateway.subjects["AnalyticsService"]
    answer = pb.ListCategoryStatisticsResponse(next_page_token="next-page", outdated=True)
    answer.figures_time.FromJsonString("2026-02-01T08:00:00.5Z")
    groceries = answer.statistics.add(category="groceries_supermarket", primary_category="groceries", transaction_count=3)
    none = answer.statistics.add(category="uncategorized", transaction_count=1)
    for one in (groceries, none):
        for money, text in ((one.total, "-7.5"), (one.spent, "10"), (one.received, "2.5001")):
            money.CopyFrom(amount(text))
        one.first_date.CopyFrom(Date(year=2026, month=1, day=2))
        one.last_date.CopyFrom(Date(year=2026, month=1, day=31))
    analytics.answers["ListCategoryStatistics"] = answer
    for path in ("/api/v1/transactions/stats", "/api/v1/accounts/stats/categories"):
        response = await gateway.get(path, params={"currency": "EUR", "fresh": "true", "page_size": "5000", "page_token": "abc"})
        assert response.status_code == 200
        content = response.json()
        assert content["items"][0] == {
            "category": "groceries_supermarket",
            "primary_category": "groceries",
            "currency": "EUR",
            "transaction_count": 3,
            "total": "-7.50",
            "spent": "10.00",
            "received": "2.5001",
            "first_date": "2026-01-02",
            "last_date": "2026-01-31",
        }
        assert (content["items"][1]["category"], content["items"][1]["primary_category"]) == ("uncategorized", None)
        assert (content["next_page_token"], content["figures_time"], content["outdated"]) == (
            "next-page",
            "2026-02-01T08:00:00.500000Z",
            True,
        )
        asked = pb.ListCategoryStatisticsRequest(page_size=1000, page_token="abc", currency="EUR", fresh=True)
        assert analytics.requests.pop() == asked


async def test_monthly_summaries(gateway: Gateway) -> None:
    analytics = gateway.subjects["AnalyticsService"]
    summary = pb.MonthlySummary(category="housing", primary_category="housing", transaction_count=2)
    summary.month_start.CopyFrom(Date(year=2026, month=1, day=1))
    for money, text in ((summary.total, "20.5"), (summary.average, "10.25"), (summary.minimum, "0.0001"), (summary.maximum, "20.4999")):
        money.CopyFrom(amount(text))
    analytics.answers["ListMonthlySummaries"] = pb.ListMonthlySummariesResponse(summaries=[summary])
    query = {"month_from": "2026-01", "month_to": "2026-02-28", "category": "housing", "currency": "EUR"}
    for path in ("/api/v1/summaries/monthly", "/api/v1/accounts/summary/monthly", f"/api/v1/users/{gateway.user_id}/monthly-summary"):
        response = await gateway.get(path, params=query)
        assert response.status_code == 200
        assert response.json() == {
            "items": [
                {
                    "month_start": "2026-01-01",
                    "category": "housing",
                    "primary_category": "housing",
                    "currency": "EUR",
                    "transaction_count": 2,
                    "total": "20.50",
                    "average": "10.25",
                    "minimum": "0.0001",
                    "maximum": "20.4999",
                }
            ],
            "next_page_token": None,
            "figures_time": None,
            "outdated": False,
        }
        assert analytics.requests.pop() == pb.ListMonthlySummariesRequest(
            page_size=50,
            month_from=Date(year=2026, month=1, day=1),
            month_to=Date(year=2026, month=2, day=28),
            category="housing",
            currency="EUR",
        )


async def test_another_users_summary_is_not_found(gateway: Gateway) -> None:
    assert_problem(await gateway.get(f"/api/v1/users/{uuid4()}/monthly-summary"), 404)
    assert_problem(await gateway.get("/api/v1/users/me/monthly-summary"), 422)
    assert not gateway.subjects["AnalyticsService"].requests


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/transactions/stats?currency=eur",
        "/api/v1/transactions/stats?fresh=maybe",
        "/api/v1/transactions/stats?category=housing",
        "/api/v1/summaries/monthly?month_from=2026-13",
        "/api/v1/summaries/monthly?month_to=January",
        "/api/v1/summaries/monthly?month_to=202601",
        "/api/v1/summaries/monthly?category=",
        "/api/v1/summaries/monthly?page_size=-1",
    ],
)
async def test_bad_queries_are_refused(gateway: Gateway, path: str) -> None:
    assert_problem(await gateway.get(path), 422)
    assert not gateway.subjects["AnalyticsService"].requests
