"""Cash flow and recurring payments over REST: JSON and messages, and what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from google.type.date_pb2 import Date

from scale.accounts.v1 import analytics_service_pb2 as pb
from scale.accounts.v1 import transaction_pb2 as nouns
from services.kit.money import to_money
from tests.support.gateway_app import Gateway, assert_problem

ACCOUNT = "019b76da-a800-7000-8000-00000000000a"


def day(year: int, month: int, number: int) -> Date:
    return Date(year=year, month=month, day=number)


async def test_cash_flow(gateway: Gateway) -> None:
    period = pb.CashFlow(period_start=day(2026, 1, 1), period_end=day(2026, 1, 31), transaction_count=61)
    for money, amount in ((period.received, "2800"), (period.spent, "2801.5"), (period.net, "-1.5")):
        money.CopyFrom(to_money(Decimal(amount), "EUR"))
    analytics = gateway.subjects["AnalyticsService"]
    analytics.answers["ListCashFlow"] = pb.ListCashFlowResponse(periods=[period], next_page_token="next-page")
    query = {"granularity": "week", "date_from": "2026-01-01", "date_to": "2026-12-31", "account_id": ACCOUNT, "currency": "EUR"}
    response = await gateway.get("/api/v1/cash-flow", params={**query, "page_size": "7"})
    assert response.status_code == 200
    assert response.json() == {
        "items": [
            {
                "period_start": "2026-01-01",
                "period_end": "2026-01-31",
                "currency": "EUR",
                "received": "2800.00",
                "spent": "2801.50",
                "net": "-1.50",
                "transaction_count": 61,
            }
        ],
        "next_page_token": "next-page",
    }
    (asked,) = analytics.requests
    assert asked == pb.ListCashFlowRequest(
        page_size=7,
        granularity=pb.GRANULARITY_WEEK,
        date_from=day(2026, 1, 1),
        date_to=day(2026, 12, 31),
        account_id=ACCOUNT,
        currency="EUR",
    )


async def test_cash_flow_is_by_month_when_nothing_is_said(gateway: Gateway) -> None:
    assert (await gateway.get("/api/v1/cash-flow")).status_code == 200
    assert gateway.subjects["AnalyticsService"].requests == [pb.ListCashFlowRequest(page_size=50, granularity=pb.GRANULARITY_MONTH)]


@pytest.mark.parametrize(
    "query", ["granularity=year", "granularity=", "date_from=yesterday", "currency=eur", "account_id=1", "from=2026-01-01"]
)
async def test_bad_queries_are_refused(gateway: Gateway, query: str) -> None:
    assert_problem(await gateway.get(f"/api/v1/cash-flow?{query}"), 422)
    assert not gateway.subjects["AnalyticsService"].requests


async def test_recurring_payments(gateway: Gateway) -> None:
    payment = pb.RecurringPayment(
        recurring_payment_id="019b76da-a800-5000-8000-0000000000b0",
        merchant="Netflix",
        type=nouns.TRANSACTION_TYPE_DEBIT,
        period=pb.RECURRENCE_PERIOD_FOUR_WEEKLY,
        amount_min=to_money(Decimal("-13.99"), "EUR"),
        amount_max=to_money(Decimal("-12.99"), "EUR"),
        last_amount=to_money(Decimal("-13.99"), "EUR"),
        first_date=day(2024, 12, 31),
        last_date=day(2026, 1, 31),
        next_date=day(2026, 2, 28),
        status=pb.RECURRENCE_STATUS_OVERDUE,
        occurrence_count=14,
        category="entertainment",
        transaction_ids=["019b76da-a800-7000-8000-000000000001"],
        account_id=ACCOUNT,
    )
    ended = pb.RecurringPayment()
    ended.CopyFrom(payment)
    ended.ClearField("next_date")
    ended.status, ended.category = pb.RECURRENCE_STATUS_ENDED, ""
    analytics = gateway.subjects["AnalyticsService"]
    analytics.answers["ListRecurringPayments"] = pb.ListRecurringPaymentsResponse(
        payments=[payment, ended], next_page_token="next-page", as_of_date=day(2026, 3, 10)
    )
    response = await gateway.get("/api/v1/recurring", params={"type": "debit", "status": "overdue", "page_size": "2"})
    expected = {
        "id": "019b76da-a800-5000-8000-0000000000b0",
        "merchant": "Netflix",
        "type": "debit",
        "period": "four_weekly",
        "currency": "EUR",
        "amount_min": "-13.99",
        "amount_max": "-12.99",
        "last_amount": "-13.99",
        "first_date": "2024-12-31",
        "last_date": "2026-01-31",
        "next_date": "2026-02-28",
        "status": "overdue",
        "occurrence_count": 14,
        "category": "entertainment",
        "account_id": ACCOUNT,
        "transaction_ids": ["019b76da-a800-7000-8000-000000000001"],
    }
    assert response.json() == {
        "items": [expected, {**expected, "next_date": None, "status": "ended", "category": None}],
        "next_page_token": "next-page",
        "as_of": "2026-03-10",
    }
    assert analytics.requests == [
        pb.ListRecurringPaymentsRequest(page_size=2, type=nouns.TRANSACTION_TYPE_DEBIT, status=pb.RECURRENCE_STATUS_OVERDUE)
    ]


async def test_recurring_payments_of_an_empty_ledger(gateway: Gateway) -> None:
    assert (await gateway.get("/api/v1/recurring")).json() == {"items": [], "next_page_token": None, "as_of": None}
    for query in ("type=income", "status=paused", "period=weekly"):
        assert_problem(await gateway.get(f"/api/v1/recurring?{query}"), 422)
