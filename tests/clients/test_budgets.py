"""`scale budgets`."""

from __future__ import annotations

import json
from typing import Any

from tests.clients.conftest import FakeGateway, Scale

BUDGET = "019b76da-a800-7000-8000-0000000000b0"


def budget(*, spent: str, remaining: str, percent: str, carried_over: str = "0.00") -> dict[str, Any]:
    amounts = {"carried_over": carried_over, "spent": spent, "remaining": remaining}
    use = {name: {"amount": amount, "currency": "EUR"} for name, amount in amounts.items()}
    return {
        "id": BUDGET,
        "category": "groceries",
        "amount": {"amount": "400.00", "currency": "EUR"},
        "period_start": "2026-02-01",
        "period_end": "2026-02-28",
        "utilization": use | {"utilization_percent": percent},
    }


def test_budgets_are_shown_with_their_use(scale: Scale, gateway: FakeGateway) -> None:
    items = [
        budget(spent="285.00", remaining="95.00", percent="75.00", carried_over="-20.00"),
        budget(spent="6000.00", remaining="-5600.00", percent="1500.00"),
        budget(spent="0.00", remaining="400.00", percent="0.00"),
    ]
    gateway.answer("GET /api/v1/budgets/utilization", {"items": items, "next_page_token": None})
    result = scale("budgets", "--date", "2026-02-14")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()[1:]
    period = "groceries 2026-02-01 2026-02-28".split()
    assert [line.replace("━", " ").replace("╸", " ").replace("╺", " ").split() for line in lines] == [
        [*period, "285.00", "EUR", "380.00", "95.00", "75", "%", BUDGET],
        [*period, "6000.00", "EUR", "400.00", "-5600.00", "1500", "%", BUDGET],
        [*period, "0.00", "EUR", "400.00", "400.00", "0", "%", BUDGET],
    ]
    assert gateway.seen[0].query == {"fresh": "true", "on_date": "2026-02-14", "page_size": "50"}


def test_budgets_say_how_to_make_the_first(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("GET /api/v1/budgets/utilization", {"items": [], "next_page_token": None})
    assert "scale budgets add" in scale("budgets").output


def test_add_a_budget(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("POST /api/v1/budgets", budget(spent="0", remaining="0", percent="0"), 201)
    result = scale("budgets", "add", "groceries", "400", "2026-02-01", "2026-02-28", "--currency", "eur", "--roll-over")
    assert result.exit_code == 0, result.output
    assert f"400.00 EUR for groceries from 2026-02-01 to 2026-02-28: budget {BUDGET}" in result.output
    assert json.loads(gateway.seen[0].body) == {
        "category": "groceries",
        "amount": {"amount": "400", "currency": "EUR"},
        "period_start": "2026-02-01",
        "period_end": "2026-02-28",
        "roll_over": True,
    }
    assert scale("budgets", "add", "groceries", "400", "February", "2026-02-28").exit_code == 2


def test_a_budget_that_overlaps_is_refused_in_words(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("POST /api/v1/budgets", {"detail": "Budget x is active on some of these days", "status": 409}, 409)
    result = scale("budgets", "add", "groceries", "400", "2026-02-01", "2026-02-28")
    assert result.exit_code == 1
    assert "active on some of these days" in str(result.exception)


def test_switch_a_budget_off_and_on(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(f"PATCH /api/v1/budgets/{BUDGET}", budget(spent="0", remaining="0", percent="0"))
    for word in ("off", "on"):
        assert f"is switched {word}" in scale("budgets", word, BUDGET).output
    assert [json.loads(seen.body) for seen in gateway.seen] == [{"active": False}, {"active": True}]
