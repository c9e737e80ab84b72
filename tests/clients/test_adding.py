"""`scale add`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.conftest import FakeGateway, Scale

GIRO = {"id": "019b76da-a800-7000-8000-000000000001", "name": "Giro Konto", "identifier": "DE02120300000000202051", "currency": "EUR"}
CASH = {"id": "019b76da-a800-7000-8000-000000000002", "name": "Cash", "identifier": None, "currency": "CHF"}
MADE = {
    "id": "019b76da-a800-7000-8000-0000000000aa",
    "transaction_date": "2026-01-31",
    "amount": "-3.50",
    "currency": "EUR",
    "description": "Coffee [large]",
    "suspected_duplicate_of": None,
    "suspicion": None,
}


def with_accounts(gateway: FakeGateway, *accounts: dict[str, Any]) -> None:
    gateway.answer("GET /api/v1/accounts", {"items": list(accounts), "next_page_token": None})
    gateway.answer("POST /api/v1/transactions", MADE, status=201)


def test_add_sends_what_was_typed(scale: Scale, gateway: FakeGateway) -> None:
    with_accounts(gateway, GIRO)
    options = ["--category", "dining", "--merchant", "Café", "--payment-method", "cash", "--note", "with Ann", "--status", "pending"]
    result = scale("add", "3.50", "Coffee [large]", "--date", "2026-01-31", "--another", "--idempotency-key", "k", *options)
    assert result.exit_code == 0, result.output
    assert "2026-01-31  -3.50 EUR  Coffee [large]" in result.output
    assert str(MADE["id"]) in result.output
    sent = gateway.seen[-1]
    assert sent.headers["Idempotency-Key"] == "k"
    assert json.loads(sent.body) == {
        "account_id": GIRO["id"],
        "transaction_date": "2026-01-31",
        "amount": "-3.50",
        "description": "Coffee [large]",
        "status": "pending",
        "allow_equal": True,
        "category": "dining",
        "merchant": "Café",
        "payment_method": "cash",
        "note": "with Ann",
    }


@pytest.mark.parametrize("name", ["cash", CASH["id"], "CASH"])
def test_add_finds_the_account_by_name_or_id(scale: Scale, gateway: FakeGateway, name: str) -> None:
    with_accounts(gateway, GIRO, CASH)
    assert scale("add", "2800", "Salary", "--in", "--account", name).exit_code == 0
    body = json.loads(gateway.seen[-1].body)
    assert (body["account_id"], body["amount"]) == (CASH["id"], "2800")


def test_add_finds_the_account_by_its_number(scale: Scale, gateway: FakeGateway) -> None:
    with_accounts(gateway, GIRO, CASH)
    assert scale("add", "1", "Kiosk", "--account", "DE02 1203 0000 0000 2020 51").exit_code == 0
    assert json.loads(gateway.seen[-1].body)["account_id"] == GIRO["id"]


def test_add_asks_which_account(scale: Scale, gateway: FakeGateway) -> None:
    with_accounts(gateway, GIRO, CASH)
    for arguments, said in (([], "Say which account"), (["--account", "Bank"], "No account is called 'Bank'")):
        result = scale("add", "1", "x", *arguments)
        assert result.exit_code == 1
        assert said in str(result.exception)
        assert "Giro Konto" in str(result.exception)
    assert all(one.method == "GET" for one in gateway.seen)


def test_add_says_what_it_may_repeat(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("GET /api/v1/accounts", {"items": [GIRO], "next_page_token": None})
    suspected = {**MADE, "suspected_duplicate_of": "019b", "suspicion": "same day and amount, and the text differs only in part"}
    gateway.answer("POST /api/v1/transactions", suspected, status=201)
    assert "It may repeat 019b: same day and amount" in scale("add", "3.50", "Coffee").output


@pytest.mark.parametrize("amount", ["0", "0.00", "a lot", "nan", "1e9", "3,50", "+3", "1.23456"])
def test_add_refuses_what_is_no_amount(scale: Scale, gateway: FakeGateway, amount: str) -> None:
    result = scale("add", amount, "Coffee")
    assert result.exit_code == 2
    assert "is not an amount such as 3.50" in result.output
    assert gateway.seen == []
