"""Balances and budgets through REST, on the statement that was imported a moment ago."""

from __future__ import annotations

import pytest

from tests.support.rest import RestUser

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

STATEMENT = """Date,Amount,Currency,Description,Category
2026-01-05,-30.00,EUR,Weekly shop,groceries_supermarket
2026-01-20,-90.00,EUR,Wine,groceries_alcohol
2026-01-21,20.00,EUR,Bottles returned,groceries_alcohol
2026-02-02,-10.00,EUR,Bread,groceries
2026-02-03,-5.00,USD,Bagels,groceries
"""


@pytest.mark.requirement("ACC-05", "ACC-09", "ACC-10")
def test_balance_and_budgets_follow_the_import_at_once(user: RestUser) -> None:
    """ACC-05, ACC-09, ACC-10."""
    month = {"category": "groceries", "amount": {"amount": "100", "currency": "EUR"}, "roll_over": True}
    january, february = (
        user.http.post("/budgets", json=month | {"period_start": start, "period_end": end}).json()
        for start, end in (("2026-01-01", "2026-01-31"), ("2026-02-01", "2026-02-28"))
    )
    overlap = user.http.post("/budgets", json=month | {"period_start": "2026-02-28", "period_end": "2026-03-31"})
    assert (overlap.status_code, overlap.json()["reason"]) == (409, "BUDGET_OVERLAPS")
    assert february["id"] in overlap.json()["detail"]

    opening = {"name": "Everyday", "opening_balance": {"amount": "10", "currency": "EUR"}}
    account = user.http.post("/accounts", json=opening).json()["id"]
    user.imported(STATEMENT, account_id=account)
    found = user.http.get("/balance")
    assert found.headers["cache-control"] == "no-store"
    assert [(one["account_id"], one["balance"]["amount"], one["balance"]["currency"]) for one in found.json()["items"]] == [
        (account, "-100.00", "EUR"),
        (account, "-5.00", "USD"),
    ]
    as_of = user.http.get("/accounts/balance", params={"date": "2026-01-20"}).json()["items"]
    assert [(one["balance"]["amount"], one["last_date"]) for one in as_of] == [("-110.00", "2026-01-20")]

    used = [user.http.get(f"/budgets/{one['id']}").json()["utilization"] for one in (january, february)]
    assert [(one["spent"]["amount"], one["utilization_percent"]) for one in used] == [("120.00", "120.00"), ("10.00", "12.50")]
    # January went over by 20.
    assert [one["carried_over"]["amount"] for one in used] == ["0.00", "-20.00"]
    now = user.http.get("/budgets/utilization", params={"fresh": "true"}).json()
    assert [one["utilization"] for one in now["items"]] == used[::-1]
    assert now["outdated"] is False

    assert user.http.patch(f"/budgets/{january['id']}", json={"active": False}).json()["active"] is False
    assert user.http.get(f"/budgets/{february['id']}").json()["utilization"]["carried_over"]["amount"] == "0.00"
    for _ in range(2):
        assert user.http.delete(f"/budgets/{february['id']}").status_code == 204
    assert user.http.get(f"/budgets/{february['id']}").status_code == 404
    assert [one["id"] for one in user.pages("/budgets", include_inactive="true")] == [january["id"]]
