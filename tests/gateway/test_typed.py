"""POST /api/v1/transactions: JSON to message, the answer, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from scale.accounts.v1 import accounts_service_pb2 as accounts_pb
from scale.ingestion.v1 import ingestion_service_pb2 as pb
from services.kit.errors import AlreadyExists
from tests.support.gateway_app import Gateway, assert_problem

ACCOUNT = "019b76da-a800-7000-8000-00000000000a"
MADE = "019b76da-a800-7000-8000-000000000001"
LEAST = {"account_id": ACCOUNT, "transaction_date": "2026-01-31", "amount": "-3.50", "description": "Coffee"}


@pytest.mark.requirement("ACC-17")
@pytest.mark.parametrize("path", ["/api/v1/transactions", "/api/v1/accounts/transactions"])
async def test_everything_is_passed_on(gateway: Gateway, path: str) -> None:
    more = {
        "currency": "CHF",
        "merchant": "Café",
        "category": "dining",
        "payment_method": "cash",
        "status": "pending",
        "note": "with Ann",
        "allow_equal": True,
    }
    response = await gateway.post(path, json=LEAST | more, headers={"Idempotency-Key": "one"})
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/v1/transactions/{MADE}"
    assert "idempotency-replayed" not in response.headers
    assert response.json()["id"] == MADE
    (asked,) = gateway.ingestion.requests
    assert len(asked.request_id) == 36
    assert asked == pb.CreateTransactionRequest(
        request_id=asked.request_id,
        account_id=ACCOUNT,
        transaction_date=Date(year=2026, month=1, day=31),
        amount=Money(currency_code="CHF", units=-3, nanos=-500_000_000),
        description="Coffee",
        merchant="Café",
        category="dining",
        payment_method="cash",
        status="pending",
        note="with Ann",
        allow_equal=True,
    )
    assert gateway.accounts.requests == [accounts_pb.GetTransactionRequest(transaction_id=MADE)]


async def test_the_same_key_is_the_same_request(gateway: Gateway) -> None:
    gateway.ingestion.created.repeated_request = True
    for _ in range(2):
        response = await gateway.post("/api/v1/transactions", json=LEAST, headers={"Idempotency-Key": "one"})
        assert response.headers["idempotency-replayed"] == "true"
    await gateway.post("/api/v1/transactions", json=LEAST)
    first, second, third = gateway.ingestion.requests
    assert first == second
    assert third.request_id != first.request_id
    assert (first.amount.currency_code, first.status) == ("", "posted")


async def test_an_equal_one_is_named(gateway: Gateway) -> None:
    gateway.ingestion.error = AlreadyExists("It is there.", reason="TRANSACTION_EXISTS", metadata={"transaction_id": MADE})
    response = await gateway.post("/api/v1/transactions", json=LEAST)
    assert_problem(response, 409, "TRANSACTION_EXISTS")
    assert response.json()["transaction_id"] == MADE
    assert not gateway.accounts.requests


@pytest.mark.parametrize(
    "change",
    [
        {"account_id": "mine"},
        {"account_id": None},
        {"transaction_date": "31.01.2026"},
        {"amount": -3.5},
        {"amount": "-3.50001"},
        {"amount": "3,50"},
        {"currency": "eur"},
        {"description": ""},
        {"description": "a\x00b"},
        {"merchant": ""},
        {"status": "gone"},
        {"allow_equal": "yes"},
        {"type": "debit"},
    ],
)
async def test_bad_bodies_are_refused(gateway: Gateway, change: dict[str, Any]) -> None:
    assert_problem(await gateway.post("/api/v1/transactions", json=LEAST | change), 422)
    assert not gateway.ingestion.requests
