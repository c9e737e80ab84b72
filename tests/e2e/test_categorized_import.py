"""What rows are for, as they come in: asked on the way, overruled by who has more to say, found again by filters."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from services.local import LocalSystem
from tests.support.rest import RestUser

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FILE = """Date,Amount,Description,Category
2026-03-02,-31.20,REWE Markt 4711 Berlin,
2026-03-03,-9.99,NETFLIX.COM,
2026-03-04,-50.00,SHELL 0815 Hamburg,Groceries
2026-03-05,-7.77,Train ticket,
"""


def by_description(user: RestUser, **filters: str) -> dict[str, dict[str, Any]]:
    return {row["description"]: row for row in user.transactions(**filters)}


@pytest.mark.requirement("CI-11", "ING-24")
def test_an_import_knows_what_its_rows_are_for(user: RestUser) -> None:
    rule = {"name": "Trains", "filter": "train", "category": "travel"}
    assert user.http.post("/rules", json=rule).status_code == 201
    found = user.imported(FILE)
    assert "categorization" not in found["detected"]
    rows = by_description(user)
    for text, primary in (("REWE Markt 4711 Berlin", "groceries"), ("NETFLIX.COM", "entertainment")):
        assert rows[text]["category_source"] in ("model", "fallback")
        assert rows[text]["primary_category"] == primary
        assert 0 < rows[text]["confidence"] <= 1
    assert (rows["SHELL 0815 Hamburg"]["category"], rows["SHELL 0815 Hamburg"]["category_source"]) == ("groceries", "file")
    assert (rows["Train ticket"]["category_source"], rows["Train ticket"]["confidence"]) == ("rule", None)
    worked_out = by_description(user, filter="confidence >= 0 AND category_source IN (model, fallback)")
    assert worked_out.keys() == {"REWE Markt 4711 Berlin", "NETFLIX.COM"}
    # What was worked out keeps no import from being taken back.
    assert user.http.delete(f"/imports/{found['id']}").json()["removed"] == 4


def test_what_is_typed_in_without_a_category_gets_one(user: RestUser) -> None:
    account = user.http.post("/accounts", json={"name": "Cash", "currency": "EUR"}).json()["id"]
    payment = {"account_id": account, "transaction_date": "2026-03-02", "amount": "-12.30", "description": "REWE Markt 4711 Berlin"}
    assert user.http.post("/transactions", json=payment).status_code == 201
    own = {**payment, "description": "REWE Markt 4712 Berlin", "category": "dining"}
    assert user.http.post("/transactions", json=own).status_code == 201
    rows = by_description(user)
    assert rows["REWE Markt 4711 Berlin"]["primary_category"] == "groceries"
    assert rows["REWE Markt 4711 Berlin"]["category_source"] in ("model", "fallback")
    assert (rows["REWE Markt 4712 Berlin"]["category"], rows["REWE Markt 4712 Berlin"]["category_source"]) == ("dining", "user")


def test_an_import_goes_on_while_categorization_says_nothing(system: LocalSystem, user: RestUser) -> None:
    pid = system.pid("categorization")
    os.kill(pid, signal.SIGSTOP)
    try:
        found = user.imported(FILE)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert found["counts"]["inserted"] == 4
    assert found["detected"]["categorization"] == "unavailable"
    rows = by_description(user)
    assert rows["REWE Markt 4711 Berlin"]["category"] is None
    assert rows["SHELL 0815 Hamburg"]["category"] == "groceries"
    # The next one asks again.
    again = user.imported(FILE.replace("2026-03", "2026-04"))
    assert "categorization" not in again["detected"]
