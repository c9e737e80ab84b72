"""`scale cash-flow` and `scale recurring`."""

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


def test_recurring_shows_what_comes_next(scale: Scale, gateway: FakeGateway) -> None:
    payment = {
        "merchant": "Gym [city]",
        "period": "four_weekly",
        "currency": "EUR",
        "last_amount": "-29.90",
        "last_date": "2026-01-31",
        "next_date": None,
        "status": "ended",
        "occurrence_count": 14,
    }
    gateway.answer("GET /api/v1/recurring", {"items": [payment], "next_page_token": None, "as_of": "2026-06-01"})
    result = scale("recurring", "--direction", "out", "--status", "ended")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[1].split() == ["-29.90", "EUR", "four-weekly", "ended", "Gym", "[city]", "2026-01-31", "14"]
    assert gateway.seen[0].query == {"type": "debit", "status": "ended", "page_size": "100"}


def test_recurring_says_when_there_is_nothing(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("GET /api/v1/recurring", {"items": [], "next_page_token": None, "as_of": None})
    assert "Nothing that comes again" in scale("recurring").output
    assert scale("recurring", "--status", "paused").exit_code == 2
