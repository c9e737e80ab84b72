"""Forecasts of a year's ledger: asked over REST and on the command line, waited for, kept, and each user's own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.gateway.schemas.forecasts import Forecast, ForecastPage
from services.local import LocalSystem
from tests.support.household import IBAN, Row, household, statement
from tests.support.rest import RestUser
from tests.support.terminal import in_a_terminal

pytestmark = pytest.mark.e2e

WAIT = {"Prefer": "wait=10"}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """A year, up to yesterday."""
    return household(datetime.now(UTC).date() - timedelta(days=1))


@pytest.fixture(scope="module")
def owner(system: LocalSystem, rows: list[Row]) -> Iterator[RestUser]:
    """Whose ledger it is."""
    owner = RestUser(system)
    assert owner.imported(statement(rows))["counts"]["inserted"] == len(rows)
    yield owner
    owner.close()


def account_of(user: RestUser) -> str:
    (account,) = user.pages("/accounts")
    return str(account["id"])


def in_order(forecast: dict[str, Any]) -> bool:
    return all(Decimal(one["p10"]) <= Decimal(one["p50"]) <= Decimal(one["p90"]) for one in forecast["points"])


@pytest.mark.requirement("FCT-01")
def test_a_forecast_is_waited_for_and_the_next_one_answers_at_once(owner: RestUser, rows: list[Row]) -> None:
    asked = {"labels": {"screen": "home"}, "horizon": 14}
    begun = owner.http.post("/forecasts", json=asked, headers={"Prefer": "wait=0", "Idempotency-Key": "first"})
    assert (begun.status_code, begun.headers["preference-applied"]) == (202, "wait=0")
    assert begun.headers["location"] == f"/api/v1/forecasts/{begun.json()['id']}"
    assert begun.json()["points"] == []
    made = owner.finished(begun)
    Forecast.model_validate(made)
    assert (made["id"], made["user_id"], made["labels"]) == (begun.json()["id"], str(owner.user_id), asked["labels"])
    assert made["series"] == {"account_id": None, "category": None, "currency": "EUR", "measure": "spent"}
    last = date.fromisoformat(made["history"]["end"])
    # Days without a payment are days, too, up to yesterday.
    assert last >= rows[-1].day
    assert datetime.now(UTC).date() - last <= timedelta(days=2)
    assert [one["date"] for one in made["points"]] == [(last + timedelta(days=ahead)).isoformat() for ahead in range(1, 15)]
    assert in_order(made)
    assert all(Decimal(one["p10"]) >= 0 for one in made["points"])
    spent = [row for row in rows if row.amount < 0]
    assert made["history"] == {
        "start": spent[0].day.isoformat(),
        "end": last.isoformat(),
        "periods": (last - spent[0].day).days + 1,
        "transactions": len(rows),
    }
    assert len(made["backtest"]) >= 3
    assert {one["model"] for one in made["backtest"] if one["served"]}
    model = owner.http.get("/forecasts/model").json()
    assert (made["degraded"], made["model_version"] or None) == (model["degraded"], model["version"])
    # The same question under another label, and the same request once more.
    fresh = owner.http.post("/forecasts", json={"horizon": 14}, headers={"Prefer": "wait=0"})
    assert fresh.status_code == 200
    assert fresh.json()["id"] != made["id"]
    assert (fresh.json()["points"], fresh.json()["labels"]) == (made["points"], {})
    assert fresh.json()["generated_at"] == made["generated_at"] < fresh.json()["created_at"]
    again = owner.http.post("/forecasts", json=asked, headers={"Idempotency-Key": "first"} | WAIT)
    assert (again.json()["id"], again.json()["points"]) == (made["id"], made["points"])
    other = owner.http.post("/forecasts", json=asked | {"horizon": 15}, headers={"Idempotency-Key": "first"})
    assert other.status_code == 409
    for answer in (fresh, owner.http.get("/forecasts"), owner.http.get(f"/forecasts/{made['id']}")):
        assert "no-store" in answer.headers["cache-control"]


def test_weeks_and_months_of_one_category(owner: RestUser) -> None:
    category = next(one["category"] for one in owner.transactions(q="market hall") if one["category"])
    weeks = owner.forecast({"series": {"category": category}, "horizon": 4, "granularity": "week"})
    days = [(date.fromisoformat(one["date"]), date.fromisoformat(one["end_date"])) for one in weeks["points"]]
    assert all(first.weekday() == 0 and last - first == timedelta(days=6) for first, last in days)
    months = owner.forecast({"series": {"measure": "received"}, "horizon": 2, "granularity": "month"})
    assert [one["date"][-2:] for one in months["points"]] == ["01", "01"]
    assert in_order(weeks)
    assert in_order(months)


def test_a_balance_places_what_is_known_to_come(owner: RestUser, rows: list[Row]) -> None:
    account_id = account_of(owner)
    found = owner.forecast({"series": {"account_id": account_id, "measure": "balance"}, "horizon": 40, "threshold": "1000000"})
    assert Decimal(found["opening_balance"]) == sum(row.amount for row in rows)
    merchants = " ".join(one["merchant"].upper() for one in found["scheduled_payments"])
    assert all(words in merchants for words in ("RENT", "SALARY"))
    assert found["below_threshold_on"] == found["below_threshold_risk_on"] == found["points"][0]["date"]
    assert in_order(found)


def test_nobody_else_sees_them(owner: RestUser, user: RestUser) -> None:
    found = owner.forecast({"horizon": 3})
    assert user.http.get(f"/forecasts/{found['id']}").status_code == 404
    assert user.pages("/forecasts") == []
    user.imported("Date,Amount,Currency,Description\n2026-01-02,-3.00,EUR,Coffee\n")
    refused = user.http.post("/forecasts", json={"series": {"account_id": account_of(owner)}})
    assert refused.status_code == 404


def test_what_cannot_be_forecast_says_why(user: RestUser) -> None:
    nothing = user.http.post("/forecasts")
    assert (nothing.status_code, nothing.json()["reason"]) == (409, "NO_HISTORY")
    for body, field in (
        ({"series": {"category": "no_such_thing"}}, "series.category"),
        ({"series": {"measure": "balance"}}, "series.account_id"),
        ({"threshold": "1.00"}, "threshold"),
    ):
        refused = user.http.post("/forecasts", json=body)
        assert refused.status_code == 422, refused.text
        assert [one["field"] for one in refused.json()["errors"]] == [field]


def test_lists_hold_what_was_asked_the_newest_first(owner: RestUser) -> None:
    made = [owner.forecast({"horizon": 5, "labels": {"turn": str(turn)}}) for turn in range(3)]
    first = owner.http.get("/forecasts", params={"page_size": 2, "state": "succeeded"}).json()
    ForecastPage.model_validate(first)
    rest = owner.http.get("/forecasts", params={"page_size": 2, "state": "succeeded", "page_token": first["next_page_token"]}).json()
    assert [one["id"] for one in first["items"] + rest["items"]][:3] == [one["id"] for one in reversed(made)]


def test_the_command_line_draws_it(owner: RestUser, system: LocalSystem, tmp_path: Path) -> None:
    environment = {"SCALE_URL": system.gateway_url, "SCALE_TOKEN": owner.http.headers["Authorization"].partition(" ")[2]}
    plot = tmp_path / "balance.svg"
    arguments = ["forecast", "--account", IBAN, "--measure", "balance", "--horizon", "20", "--plot", str(plot)]
    screen = in_a_terminal(arguments, environment, timeout_s=120)
    for words in ("20 days", "░░░", "Known to come", "eight cases of ten", "go below"):
        assert words in screen
    assert "known to come" in plot.read_text()
