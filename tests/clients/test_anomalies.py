"""`scale anomalies`: listed, looked at, dismissed, opened again, looked for, and drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clients.cli import client
from clients.cli.session import console
from tests.clients.conftest import FakeGateway, Scale
from tests.clients.forecast_answers import ACCOUNT
from tests.clients.test_forecasts import PNG, drawn
from tests.support.terminal import interrupted

ANOMALY = "019b76da-a800-7000-8000-0000000000a1"
SCAN = "019b76da-a800-7000-8000-0000000000a2"
LIST = "GET /api/v1/anomalies"
ONE = f"/api/v1/anomalies/{ANOMALY}"
START = "POST /api/v1/anomalies/scans"
FOLLOW = f"GET /api/v1/anomalies/scans/{SCAN}"
RISE: dict[str, Any] = {
    "id": ANOMALY,
    "kind": "price_rise",
    "severity": "high",
    "state": "open",
    "score": 0.82,
    "reason": "Netflix [HD] rose from 12.99 to 15.99 EUR (+23 %)",
    "evidence": {"usual_amount": "12.99", "count": 14, "earlier_dates": ["2025-12-31", "2025-11-30"]},
    "transaction_ids": [ACCOUNT, SCAN],
    "account_id": ACCOUNT,
    "category": None,
    "merchant": "Netflix [HD]",
    "amount": "-15.99",
    "currency": "EUR",
    "date": "2026-01-31",
    "created_at": "2026-02-01T08:00:00.000000Z",
    "closed_at": None,
}
CHANGE = RISE | {
    "id": SCAN,
    "kind": "regime_change",
    "severity": "low",
    "reason": "Since 1 December 2025 you spend about 62 EUR a day, before 41 EUR",
    "transaction_ids": [],
    "amount": None,
    "currency": None,
    "date": "2025-12-01",
}
PENDING = {
    "id": SCAN,
    "state": "pending",
    "transactions": 0,
    "found": 0,
    "resolved": 0,
    "error": None,
    "created_at": "2026-02-01T08:00:00.000000Z",
    "completed_at": None,
}
DONE = PENDING | {"state": "succeeded", "transactions": 4123, "found": 3, "resolved": 1}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PAUSE_S", 0)


def listed(gateway: FakeGateway, *items: dict[str, Any], scanned_at: str | None = "2026-02-01T08:00:02.000000Z") -> None:
    gateway.answer(LIST, {"items": list(items), "next_page_token": None, "scanned_at": scanned_at})


@pytest.mark.parametrize("command", [("anomalies",), ("anomalies", "list")])
def test_anomalies_are_a_table_with_their_reasons(scale: Scale, gateway: FakeGateway, command: tuple[str, ...]) -> None:
    listed(gateway, RISE, CHANGE)
    result = scale(*command, "--kind", "price_rise", "--min-severity", "medium", "--date-from", "2026-01-01", "--account-id", ACCOUNT)
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    assert lines[1] == ["2026-01-31", "high", "-15.99", "EUR", *RISE["reason"].split(), ANOMALY]
    assert lines[2] == ["2025-12-01", "low", *CHANGE["reason"].split(), SCAN]
    assert gateway.seen[0].query == {
        "kind": "price_rise",
        "min_severity": "medium",
        "state": "open",
        "date_from": "2026-01-01",
        "account_id": ACCOUNT,
        "page_size": "50",
    }


def test_others_than_open_ones_say_how_they_stand(scale: Scale, gateway: FakeGateway) -> None:
    listed(gateway, RISE, CHANGE | {"state": "dismissed"})
    output = scale("anomalies", "--state", "any").output
    assert "State" in output
    assert "dismissed" in output
    assert gateway.seen[0].query["state"] == "any"


@pytest.mark.parametrize(
    ("scanned_at", "state", "said"),
    [
        (None, "open", "has not been looked through yet: `scale anomalies scan`"),
        ("2026-02-01T08:00:02.000000Z", "open", "Nothing odd, as of 2026-02-01."),
        ("2026-02-01T08:00:02.000000Z", "dismissed", "None that stand so."),
    ],
)
def test_nothing_odd_and_nobody_looked_are_two_things(
    scale: Scale, gateway: FakeGateway, scanned_at: str | None, state: str, said: str
) -> None:
    listed(gateway, scanned_at=scanned_at)
    assert said in scale("anomalies", "--state", state).output


def test_json_is_what_was_answered_and_nothing_else(scale: Scale, gateway: FakeGateway) -> None:
    listed(gateway, RISE, CHANGE)
    gateway.answer(f"GET {ONE}", RISE)
    assert json.loads(scale("anomalies", "--json").stdout) == [RISE, CHANGE]
    assert json.loads(scale("anomalies", "show", ANOMALY, "--json").stdout) == RISE


def test_one_is_shown_with_what_it_goes_by(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(f"GET {ONE}", RISE | {"state": "dismissed", "closed_at": "2026-02-03T08:00:00.000000Z"})
    payment = {"transaction_date": "2026-01-31", "amount": "-15.99", "currency": "EUR", "description": "NETFLIX.COM [1]"}
    gateway.answer(f"GET /api/v1/transactions/{ACCOUNT}", payment)
    gateway.answer(f"GET /api/v1/transactions/{SCAN}", {"detail": "There is no such transaction.", "status": 404}, 404)
    result = scale("anomalies", "show", ANOMALY)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        RISE["reason"],
        "  price rise, high, dismissed: 2026-01-31, -15.99 EUR",
        "    merchant: Netflix [HD]",
        f"    account id: {ACCOUNT}",
        "    usual amount: 12.99",
        "    count: 14",
        "    earlier dates: 2025-12-31; 2025-11-30",
        "  transactions:",
        "    2026-01-31  -15.99 EUR  NETFLIX.COM [1]",
        f"    {SCAN}: not in the ledger any more",
        "  found 2026-02-01, dismissed 2026-02-03",
        f"  anomaly {ANOMALY}",
    ]


def test_one_is_dismissed_and_opened_again(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(f"POST {ONE}/dismiss", RISE | {"state": "dismissed"})
    gateway.answer(f"POST {ONE}/reopen", RISE)
    dismissed = scale("anomalies", "dismiss", ANOMALY)
    assert (dismissed.exit_code, dismissed.output.splitlines()[0]) == (0, f"Dismissed: {RISE['reason']}")
    assert f"scale anomalies reopen {ANOMALY}" in dismissed.output
    assert scale("anomalies", "reopen", ANOMALY).output.startswith("Open again: Netflix [HD]")


def test_what_is_not_there_is_explained(scale: Scale, gateway: FakeGateway) -> None:
    for word in ("show", "dismiss", "reopen"):
        result = scale("anomalies", word, ANOMALY)
        assert result.exit_code == 1
        assert "Not found (404)" in str(result.exception)
        assert scale("anomalies", word, "this one").exit_code == 2


@pytest.mark.parametrize(
    "arguments", [("--kind", "odd"), ("--min-severity", "3"), ("--state", "closed"), ("--date-to", "soon"), ("--plot", "spend.pdf")]
)
def test_wrong_usage_is_told_before_anything_is_asked(scale: Scale, gateway: FakeGateway, arguments: tuple[str, str]) -> None:
    for command in (("anomalies",), ("anomalies", "list")):
        result = scale(*command, *arguments)
        assert (result.exit_code, arguments[0] in result.output) == (2, True)
    assert gateway.seen == []


def test_a_scan_is_followed_to_its_end(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(START, PENDING, 202)
    gateway.answer(FOLLOW, PENDING | {"state": "running"})
    gateway.answer(FOLLOW, DONE)
    result = scale("anomalies", "scan")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == ["4,123 transactions looked at: 3 new, 1 settled.", "  `scale anomalies` shows them."]


def test_a_scan_that_fails_or_that_nobody_waits_for(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(START, PENDING, 202)
    gateway.answer(FOLLOW, PENDING | {"state": "failed", "error": {"message": "The ledger is away.", "reason": "JOB_GIVEN_UP"}})
    result = scale("anomalies", "scan", "--no-wait")
    assert (result.exit_code, SCAN in result.output, len(gateway.seen)) == (0, True, 1)
    result = scale("anomalies", "scan")
    assert (result.exit_code, "The ledger is away." in str(result.exception)) == (1, True)


def test_whoever_stops_waiting_stops_nothing(gateway: FakeGateway) -> None:
    gateway.answer(START, PENDING, 202)
    gateway.answer(FOLLOW, PENDING)
    assert f"scan {SCAN} goes on" in interrupted(gateway.url, lambda: len(gateway.seen) > 1, "anomalies", "scan")


def spending(gateway: FakeGateway, *currencies: str) -> None:
    periods = [
        {"period_start": day, "period_end": day, "currency": currency, "received": "0.00", "spent": "41.00", "net": "-41.00"}
        for day in ("2026-01-05", "2026-01-12", "2026-01-19")
        for currency in currencies
    ]
    gateway.answer("GET /api/v1/cash-flow", {"items": periods, "next_page_token": None})


def test_a_plot_marks_them_on_what_was_spent(scale: Scale, gateway: FakeGateway, tmp_path: Path) -> None:
    listed(gateway, RISE, CHANGE, RISE | {"currency": "USD", "severity": "medium"})
    spending(gateway, "EUR", "GBP")
    for name in ("spent.png", "spent.svg"):
        result = scale("anomalies", "--plot", str(tmp_path / name), "--account-id", ACCOUNT)
        assert result.exit_code == 0, result.output
    assert (tmp_path / "spent.png").read_bytes().startswith(PNG)
    text = drawn(tmp_path / "spent.svg")
    # One in a currency of which nothing was spent has a panel, too; what nothing odd is in has none.
    for words in ("Spent per day, and what is odd", "high: 1", "medium: 1", "low: 1", "EUR", "USD"):
        assert words in text
    assert "GBP" not in text
    assert gateway.seen[-1].query == {
        "granularity": "day",
        "account_id": ACCOUNT,
        "date_from": "2025-09-01",
        "date_to": "2026-05-02",
        "page_size": "1000",
    }


def test_a_plot_of_nothing_odd_shows_what_was_spent(scale: Scale, gateway: FakeGateway, tmp_path: Path) -> None:
    listed(gateway)
    spending(gateway, "EUR")
    result = scale("anomalies", "list", "--plot", str(tmp_path / "spent.svg"))
    assert result.exit_code == 0, result.output
    assert "EUR" in drawn(tmp_path / "spent.svg")
    assert (gateway.seen[-1].query["granularity"], "date_from" in gateway.seen[-1].query) == ("week", False)
    gateway.answers.clear()
    listed(gateway)
    spending(gateway)
    assert scale("anomalies", "--plot", str(tmp_path / "nothing.svg")).exit_code == 0


def test_a_plot_of_very_many_currencies_is_still_one(scale: Scale, gateway: FakeGateway, tmp_path: Path) -> None:
    listed(gateway, *(RISE | {"currency": f"A{letter}A"} for letter in "BCDEFGHIJK"))
    spending(gateway)
    assert scale("anomalies", "--plot", str(tmp_path / "spent.svg")).exit_code == 0
    assert "(6 of 10 currencies)" in drawn(tmp_path / "spent.svg")


def test_ids_are_whole_in_narrow_windows(scale: Scale, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "width", 100)
    listed(gateway, RISE | {"amount": "-12345.67", "state": "dismissed"})
    output = scale("anomalies", "--state", "any").output
    assert ANOMALY in output
    assert "-12345.67" in output
