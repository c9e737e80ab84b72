"""`scale cash-flow`."""

from __future__ import annotations

from tests.clients.conftest import FakeGateway, Scale

ACCOUNT = "019b76da-a800-7000-8000-000000000002"


def test_cash_flow_shows_each_period(scale: Scale, gateway: FakeGateway) -> None:
    period = {
        "period_start": "2026-01-05",
        "period_end": "2026-01-11",
        "currency": "EUR",
        "received": "2800.00",
        "spent": "2801.50",
        "net": "-1.50",
        "transaction_count": 61,
    }
    gateway.answer("GET /api/v1/cash-flow", {"items": [period], "next_page_token": None})
    result = scale("cash-flow", "--by", "week", "--date-from", "2026-01-01", "--account-id", ACCOUNT, "--currency", "EUR")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[1].split() == ["2026-01-05", "2026-01-11", "2800.00", "2801.50", "-1.50", "EUR"]
    assert gateway.seen[0].query == {
        "granularity": "week",
        "date_from": "2026-01-01",
        "account_id": ACCOUNT,
        "currency": "EUR",
        "page_size": "100",
    }


def test_cash_flow_refuses_what_it_does_not_know(scale: Scale, gateway: FakeGateway) -> None:
    assert scale("cash-flow", "--by", "year").exit_code == 2
    assert scale("cash-flow", "--date-to", "soon").exit_code == 2
    assert gateway.seen == []
    gateway.answer("GET /api/v1/cash-flow", {"items": [], "next_page_token": None})
    assert "Nothing moved" in scale("cash-flow").output
