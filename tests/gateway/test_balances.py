"""Balances in REST."""

from __future__ import annotations

from uuid import uuid4

import pytest
from google.type.date_pb2 import Date

from scale.accounts.v1 import accounts_service_pb2 as pb
from tests.support.gateway_app import Gateway, assert_problem


@pytest.mark.parametrize("path", ["/api/v1/balance", "/api/v1/accounts/balance"])
async def test_balances(gateway: Gateway, path: str) -> None:
    response = await gateway.get(path)
    assert response.headers["cache-control"] == "no-store"
    account = "019b76da-a800-7000-8000-00000000000a"
    assert response.json() == {
        "items": [
            {
                "account_id": account,
                "account_name": "Current account",
                "balance": {"amount": "-1.50", "currency": "EUR"},
                "transaction_count": 42,
                "last_date": "2026-01-31",
            },
            {
                "account_id": account,
                "account_name": "Current account",
                "balance": {"amount": "0", "currency": "JPY"},
                "transaction_count": 0,
                "last_date": None,
            },
        ],
        "next_page_token": "more",
    }
    assert gateway.accounts.requests == [pb.ListBalancesRequest(page_size=50)]


async def test_filters_of_balances(gateway: Gateway) -> None:
    account = str(uuid4())
    query = {"date": "2026-01-31", "account_id": account, "include_inactive": "true", "page_size": "5000", "page_token": "more"}
    assert (await gateway.get("/api/v1/balance", params=query)).status_code == 200
    assert gateway.accounts.requests == [
        pb.ListBalancesRequest(
            page_size=1000, page_token="more", on_date=Date(year=2026, month=1, day=31), account_id=account, include_inactive=True
        )
    ]
    for wrong in ({"date": "31.01.2026"}, {"date": "86400"}, {"date": "2026-02-30"}, {"account_id": "x"}, {"as_of": "2026-01-31"}):
        problem = assert_problem(await gateway.get("/api/v1/balance", params=wrong), 422)
        assert problem["errors"][0]["field"] == next(iter(wrong))
