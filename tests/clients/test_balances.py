"""`scale balance`."""

from __future__ import annotations

from tests.clients.conftest import FakeGateway, Scale

ACCOUNT = "019b76da-a800-7000-8000-000000000002"


def test_balance_shows_each_account_and_currency(scale: Scale, gateway: FakeGateway) -> None:
    item = {"account_id": ACCOUNT, "account_name": "Giro [joint]", "transaction_count": 2, "last_date": "2026-01-31"}
    items = [{**item, "balance": {"amount": "-12.30", "currency": "EUR"}}, {**item, "balance": {"amount": "7", "currency": "JPY"}}]
    gateway.answer("GET /api/v1/balance", {"items": items, "next_page_token": None})
    result = scale("balance", "--date", "2026-01-31", "--account-id", ACCOUNT, "--all")
    assert result.exit_code == 0, result.output
    assert [line.split() for line in result.output.splitlines()[1:]] == [
        ["Giro", "[joint]", "-12.30", "EUR", "2026-01-31", ACCOUNT],
        ["Giro", "[joint]", "7", "JPY", "2026-01-31", ACCOUNT],
    ]
    assert gateway.seen[0].query == {"date": "2026-01-31", "account_id": ACCOUNT, "include_inactive": "true", "page_size": "100"}


def test_balance_says_when_there_is_none(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("GET /api/v1/balance", {"items": [], "next_page_token": None})
    assert "No accounts yet" in scale("balance").output
    assert gateway.seen[0].query == {"page_size": "100"}


def test_balance_refuses_what_is_no_day(scale: Scale, gateway: FakeGateway) -> None:
    result = scale("balance", "--date", "yesterday")
    assert result.exit_code == 2
    assert "--date" in result.output
    assert gateway.seen == []
