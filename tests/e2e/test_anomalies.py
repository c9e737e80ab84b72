"""What is odd in a year's ledger: found after an import, dismissed for good, and each user's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.gateway.schemas.anomalies import AnomalyPage
from services.local import LocalSystem
from tests.support.household import DEALER, STREAMING, household, statement
from tests.support.rest import RestUser
from tests.support.terminal import in_a_terminal

pytestmark = pytest.mark.e2e

UNTIL = date(2026, 2, 28)
"""As of a ledger's last day, whatever day it is."""


@pytest.fixture
def other(system: LocalSystem) -> Iterator[RestUser]:
    """Another fresh user."""
    other = RestUser(system)
    yield other
    other.close()


def scanned(user: RestUser, *, seconds: float = 90) -> dict[str, Any]:
    """The first page, once the scan that an import began has been there."""
    deadline = time.monotonic() + seconds
    while (page := user.http.get("/anomalies").json())["scanned_at"] is None:
        assert time.monotonic() < deadline, page
        time.sleep(0.1)
    return dict(page)


def about(user: RestUser, kind: str, words: str, **filters: str) -> list[dict[str, Any]]:
    return [one for one in user.pages("/anomalies", kind=kind, **filters) if words in one["reason"].upper()]


def test_an_import_is_looked_through_and_what_is_dismissed_stays_away(
    user: RestUser, other: RestUser, system: LocalSystem, tmp_path: Path
) -> None:
    rows = household(UNTIL)
    made = user.imported(statement(rows))
    page = scanned(user)
    AnomalyPage.model_validate(page)
    assert [one["date"] for one in page["items"]] == sorted((one["date"] for one in page["items"]), reverse=True)
    (twice,), (risen,) = about(user, "duplicate_charge", DEALER), about(user, "price_rise", STREAMING)
    assert (twice["state"], twice["amount"], twice["currency"]) == ("open", "-349.90", "EUR")
    charges = {one["id"] for one in user.transactions(q="camera dealer")}
    assert set(twice["transaction_ids"]) == charges
    assert twice["evidence"]["other_transaction_ids"] == twice["transaction_ids"][1:]
    assert risen["evidence"]["amount_before"] == "12.99"
    assert about(user, "price_rise", STREAMING, min_severity="high", date_from=risen["date"], account_id=risen["account_id"]) == [risen]
    assert user.pages("/anomalies", date_to="2020-01-01") == []

    dismissed = user.http.post(f"/anomalies/{twice['id']}/dismiss")
    assert (dismissed.status_code, dismissed.json()["state"]) == (200, "dismissed")
    scan = user.looked_through()
    assert (scan["transactions"], scan["found"], scan["resolved"]) == (len(rows), 0, 0)
    assert about(user, "duplicate_charge", DEALER) == []
    (kept,) = about(user, "duplicate_charge", DEALER, state="dismissed")
    assert kept == dismissed.json() == user.http.get(f"/anomalies/{twice['id']}").json()

    # Whoever else it is: the ids lead nowhere, and the same ledger tells them all of it.
    for method, path in (("GET", ""), ("POST", "/dismiss"), ("POST", "/reopen")):
        assert other.http.request(method, f"/anomalies/{risen['id']}{path}").status_code == 404
    assert other.http.get(f"/anomalies/scans/{scan['id']}").status_code == 404
    assert other.http.get("/anomalies").json() == {"items": [], "next_page_token": None, "scanned_at": None}
    other.imported(statement(rows))
    other.looked_through()
    assert [one["state"] for one in about(other, "duplicate_charge", DEALER)] == ["open"]

    environment = {"SCALE_URL": system.gateway_url, "SCALE_TOKEN": user.http.headers["Authorization"].partition(" ")[2]}
    screen = in_a_terminal(["anomalies", "--plot", str(tmp_path / "odd.svg")], environment)
    assert risen["id"] in screen
    assert twice["id"] not in screen
    assert "Spent per" in (tmp_path / "odd.svg").read_text()
    assert "Open again" in in_a_terminal(["anomalies", "reopen", twice["id"]], environment)
    assert "camera dealer" in in_a_terminal(["anomalies", "show", twice["id"]], environment).lower()
    assert f"{len(rows)} transactions looked at: 0 new" in in_a_terminal(["anomalies", "scan"], environment)
    assert [one["id"] for one in about(user, "duplicate_charge", DEALER)] == [twice["id"]]

    # What left the ledger is nothing to look at any more.
    assert user.http.delete(f"/imports/{made['id']}").status_code == 200
    user.looked_through()
    assert user.pages("/anomalies") == []
    assert user.http.get(f"/anomalies/{risen['id']}").json()["state"] == "resolved"


@pytest.mark.requirement("ANO-04")
def test_a_scan_is_begun_once_and_found_by_its_address(user: RestUser) -> None:
    user.imported("Date,Amount,Currency,Description\n2026-01-02,-3.00,EUR,Coffee\n")
    begun = user.http.post("/anomalies/scans", headers={"Idempotency-Key": "once"})
    again = user.http.post("/anomalies/scans", headers={"Idempotency-Key": "once"})
    assert (begun.status_code, again.status_code) == (202, 202)
    assert begun.json()["id"] == again.json()["id"]
    scan = user.finished(begun)
    assert (scan["transactions"], scan["found"], scan["error"]) == (1, 0, None)
    assert user.http.get("/anomalies").json()["scanned_at"] is not None
