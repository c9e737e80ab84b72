"""`scale summary` and `scale stats`."""

from __future__ import annotations

from tests.clients.conftest import FakeGateway, Scale


def test_summary_shows_each_month_and_category(scale: Scale, gateway: FakeGateway) -> None:
    summary = {
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
    page = {"items": [summary], "next_page_token": None, "figures_time": None, "outdated": False}
    gateway.answer("GET /api/v1/summaries/monthly", page)
    result = scale("summary", "--from", "2026-01", "--to", "2026-02", "--category", "groceries", "--currency", "EUR")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[1].split() == [
        "2026-01", "groceries_supermarket", "9", "412.87", "45.8744", "3.49", "118.20", "EUR",
    ]  # fmt: skip
    assert gateway.seen[0].query == {
        "month_from": "2026-01",
        "month_to": "2026-02",
        "category": "groceries",
        "currency": "EUR",
        "fresh": "true",
        "page_size": "100",
    }


def test_summary_of_what_is_kept(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("GET /api/v1/summaries/monthly", {"items": [], "next_page_token": None, "figures_time": None, "outdated": False})
    assert "Nothing was spent" in scale("summary", "--kept").output
    assert gateway.seen[0].query == {"page_size": "100"}


def test_stats_shows_each_category(scale: Scale, gateway: FakeGateway) -> None:
    found = {
        "category": "uncategorized",
        "primary_category": None,
        "currency": "EUR",
        "transaction_count": 3,
        "total": "-7.50",
        "spent": "10.00",
        "received": "2.50",
        "first_date": "2026-01-02",
        "last_date": "2026-01-31",
    }
    gateway.answer("GET /api/v1/transactions/stats", {"items": [found], "next_page_token": None, "figures_time": None, "outdated": True})
    result = scale("stats")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[1].split() == [
        "uncategorized", "3", "10.00", "2.50", "-7.50", "EUR", "2026-01-02", "2026-01-31",
    ]  # fmt: skip
    assert gateway.seen[0].query == {"fresh": "true", "page_size": "1000"}
