"""`scale forecast`: asked, waited for, drawn, and told how far to trust it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from clients.cli import client
from tests.clients.conftest import FakeGateway, Scale
from tests.clients.forecast_answers import ACCOUNT, FORECAST, balance, made, points, waiting
from tests.support.terminal import in_a_terminal, interrupted

ASK = "POST /api/v1/forecasts"
GET = f"GET /api/v1/forecasts/{FORECAST}"
GIRO = {"id": ACCOUNT, "name": "Giro [joint]", "type": "checking", "currency": "EUR", "identifier": "DE02120300000000202051"}
SAVINGS = GIRO | {"id": FORECAST, "name": "Savings", "identifier": None}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PAUSE_S", 0)


def accounts(gateway: FakeGateway, *known: dict[str, Any]) -> None:
    gateway.answer("GET /api/v1/accounts", {"items": list(known), "next_page_token": None})


def drawn(path: Path) -> str:
    """All text of an SVG, which must be one."""
    return " ".join(ElementTree.parse(path).getroot().itertext())


def test_a_forecast_is_drawn_and_says_what_it_was_made_with(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(ASK, made())
    result = scale("forecast", "--category", "groceries", "--label", "app=[bold]", COLUMNS="100")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "Spent on groceries, EUR: 30 days, 2026-02-01 to 2026-03-02"
    assert any("░░░" in line for line in lines)
    assert any(line.endswith(("▀▀▀", "▄▄▄")) for line in lines)
    assert "2026-02-01  20.00  30.00  50.00" in lines
    assert "and 23 more: --json has all." in lines
    assert "By pooled+recent_weekday (forecaster-1.0.0+1a2b3c4d): a learned model." in lines
    assert "It goes by 4,123 transactions in 762 days, 2024-01-01 to 2026-01-31." in lines
    assert ["pooled+recent_weekday", "0.80", "5.00", "81%", "served"] in [line.split() for line in lines]
    assert ["pooled", "0.81", "5.32", "79%", "part", "of", "it"] in [line.split() for line in lines]
    assert ["seasonal_naive", "1.20", "8.00", "60%"] in [line.split() for line in lines]
    assert "  labels: app=[bold]" in lines
    assert "below" not in result.output
    asked = gateway.seen[0]
    assert json.loads(asked.body) == {
        "series": {"category": "groceries", "measure": "spent"},
        "horizon": 30,
        "granularity": "day",
        "labels": {"app": "[bold]"},
    }
    assert asked.headers["Prefer"] == "wait=10"


def test_one_that_is_not_made_at_once_is_waited_for(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(ASK, waiting(), 202)
    gateway.answer(GET, waiting("running"))
    gateway.answer(GET, {"title": "Down"}, 503, {"Retry-After": "1"})
    gateway.answer(GET, made())
    result = scale("forecast")
    assert result.exit_code == 0, result.output
    assert "a learned model" in result.output
    assert [seen.method for seen in gateway.seen] == ["POST", "GET", "GET", "GET"]


def test_a_balance_names_the_day_on_which_it_goes_below(scale: Scale, gateway: FakeGateway) -> None:
    accounts(gateway, GIRO, SAVINGS)
    gateway.answer(ASK, balance())
    result = scale("forecast", "--account", "giro [JOINT]", "--measure", "balance", "--threshold", "-50", "--currency", "eur")
    assert result.exit_code == 0, result.output
    assert "Balance, Giro [joint], EUR: 30 days" in result.output
    assert "It is likely to go below 0.00 EUR on 2026-02-22; in one case of ten already on 2026-02-18." in result.output
    assert "  2026-02-03     -820.00  Rent [north]" in result.output.splitlines()
    assert "╌╌ 0.00 EUR" in result.output
    body = json.loads(gateway.seen[-1].body)
    assert body["series"] == {"account_id": ACCOUNT, "currency": "EUR", "measure": "balance"}
    assert body["threshold"] == "-50"


@pytest.mark.parametrize(
    ("likely", "risk", "said"),
    [
        (None, "2026-02-18", "It is not likely to go below 0.00 EUR, but in one case of ten it does by 2026-02-18."),
        (None, None, "It is not likely to go below 0.00 EUR in this time."),
        ("2026-02-18", "2026-02-18", "It is likely to go below 0.00 EUR on 2026-02-18."),
    ],
)
def test_how_likely_it_is_to_go_below(scale: Scale, gateway: FakeGateway, likely: str | None, risk: str | None, said: str) -> None:
    accounts(gateway, GIRO)
    gateway.answer(ASK, balance(below_threshold_on=likely, below_threshold_risk_on=risk))
    # The only account is meant where none is named.
    assert said in scale("forecast", "--measure", "balance").output.splitlines()
    assert json.loads(gateway.seen[-1].body)["series"]["account_id"] == ACCOUNT


def test_what_is_below_already_does_not_go_below(scale: Scale, gateway: FakeGateway) -> None:
    accounts(gateway, GIRO)
    gateway.answer(ASK, balance(opening_balance="-0.01", below_threshold_on="2026-02-01", below_threshold_risk_on="2026-02-01"))
    lines = scale("forecast", "--measure", "balance").output.splitlines()
    assert "It is below 0.00 EUR already." in lines
    assert not any("likely to go" in line for line in lines)


def test_which_account_is_meant_must_be_plain(scale: Scale, gateway: FakeGateway) -> None:
    accounts(gateway, GIRO, SAVINGS)
    for arguments in (("--measure", "balance"), ("--account", "checking")):
        result = scale("forecast", *arguments)
        assert result.exit_code == 1
        assert "Giro [joint]" in str(result.exception)
    assert {seen.method for seen in gateway.seen} == {"GET"}


def test_what_reduces_its_worth_is_said(scale: Scale, gateway: FakeGateway) -> None:
    today = datetime.now(UTC).date()
    history = {"start": "2026-01-01", "end": "2020-01-31", "periods": 9, "transactions": 12}
    gateway.answer(
        ASK,
        made(
            degraded=True, degraded_reason="manifest.json is missing", short_history=True, source="baseline", backtest=[], history=history
        ),
    )
    result = scale("forecast")
    assert "The learned models are missing (manifest.json is missing): baselines answer until they are back." in result.output
    assert "The history is too short to choose a model by" in result.output
    assert "What it goes by ends on 2020-01-31" in result.output
    assert "did better" not in result.output
    gateway.answers.clear()
    gateway.answer(ASK, made(source="baseline", model="auto_ets", history=history | {"end": today.isoformat()}))
    result = scale("forecast")
    assert "By auto_ets (forecaster-1.0.0+1a2b3c4d): a baseline, which did better on these figures." in result.output
    assert "What it goes by ends" not in result.output


def test_few_periods_are_all_told(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(ASK, made(granularity="month", points=points(["1200.00"])))
    result = scale("forecast", "--by", "month", "--horizon", "1", "--measure", "net")
    assert "EUR: 1 month, 2026-02-01" in result.output
    assert "more" not in result.output
    assert json.loads(gateway.seen[0].body)["granularity"] == "month"


def test_figures_that_no_drawing_can_show_are_told(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(ASK, made(points=points([*["30.00"] * 14, "900.00", *["30.00"] * 15])))
    output = scale("forecast").output
    assert "2026-02-15  890.00  900.00  920.00" in output
    assert "and 22 more" in output


@pytest.mark.parametrize("columns", ["20", "36", "50", "300"])
def test_windows_of_any_width_and_without_colour(scale: Scale, gateway: FakeGateway, columns: str) -> None:
    gateway.answer(ASK, made(horizon=90, points=points(["30.00"] * 90)))
    result = scale("forecast", COLUMNS=columns, NO_COLOR="1")
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output
    picture = [line for line in result.output.splitlines() if "░" in line and "eight" not in line]
    assert bool(picture) is (columns != "20")
    assert all(len(line) <= min(int(columns), 100) for line in picture)


def test_json_is_what_was_answered_and_nothing_else(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer(ASK, balance())
    result = scale("forecast", "--json")
    assert json.loads(result.stdout) == balance()


def test_one_that_was_given_up_is_exit_code_1(scale: Scale, gateway: FakeGateway) -> None:
    failed = waiting("failed") | {"error": {"message": "There is nothing to forecast from.", "reason": "NO_HISTORY"}}
    gateway.answer(ASK, failed)
    result = scale("forecast")
    assert result.exit_code == 1
    assert "There is nothing to forecast from." in str(result.exception)
    result = scale("forecast", "--json")
    assert (result.exit_code, json.loads(result.stdout)["state"]) == (1, "failed")


def test_what_is_refused_is_explained(scale: Scale, gateway: FakeGateway) -> None:
    errors = [{"field": "series.category", "reason": "'food' is none of your categories"}]
    gateway.answer(ASK, {"detail": "The request is not valid.", "status": 422, "errors": errors}, 422)
    result = scale("forecast", "--category", "food")
    assert result.exit_code == 1
    assert "series.category: 'food' is none of your categories" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "about"),
    [
        (("--horizon", "91"), "--horizon"),
        (("--granularity", "year"), "--granularity"),
        (("--measure", "all"), "--measure"),
        (("--label", "app"), "--label"),
        (("--plot", "forecast.jpg"), "--plot"),
        (("--plot", "forecast"), "--plot"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_asked(scale: Scale, gateway: FakeGateway, arguments: tuple[str, str], about: str) -> None:
    result = scale("forecast", *arguments)
    assert result.exit_code == 2
    assert about in result.output
    assert gateway.seen == []


def test_a_plot_shows_the_band_and_what_came_before(scale: Scale, gateway: FakeGateway, tmp_path: Path) -> None:
    total = made(category=None, series={"account_id": None, "category": None, "currency": "EUR", "measure": "spent"})
    gateway.answer(ASK, total)
    period = {
        "period_start": "2026-01-31",
        "period_end": "2026-01-31",
        "currency": "EUR",
        "received": "1.00",
        "spent": "7.00",
        "net": "-6.00",
    }
    gateway.answer("GET /api/v1/cash-flow", {"items": [period], "next_page_token": None})
    result = scale("forecast", "--plot", str(tmp_path / "plot.svg"))
    assert result.exit_code == 0, result.output
    text = drawn(tmp_path / "plot.svg")
    for words in ("Spent, EUR", "the middle", "eight cases of ten", "until now", "pooled+recent_weekday"):
        assert words in text
    assert gateway.seen[-1].query["date_from"] == "2025-11-02"
    assert (gateway.seen[-1].query["granularity"], gateway.seen[-1].query["date_to"]) == ("day", "2026-01-31")
    assert [path.name for path in tmp_path.iterdir()] == ["plot.svg"]


def test_a_plot_of_a_balance_takes_any_name(scale: Scale, gateway: FakeGateway, tmp_path: Path) -> None:
    accounts(gateway, GIRO | {"name": "Pay $x^{2$ 日本"})
    gateway.answer(ASK, balance())
    for name in ("plot.PNG", "plot.svg"):
        result = scale("forecast", "--measure", "balance", "--plot", str(tmp_path / name))
        assert result.exit_code == 0, result.output
    assert (tmp_path / "plot.PNG").read_bytes().startswith(PNG)
    text = drawn(tmp_path / "plot.svg")
    assert "likely below it on 2026-02-22" in text
    assert "known to come" in text
    assert "threshold 0.00" in text


def test_a_file_that_cannot_be_written_is_told_before_anything_is_asked(scale: Scale, gateway: FakeGateway, tmp_path: Path) -> None:
    folder = tmp_path / "folder.png"
    folder.mkdir()
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "missing" / "plot.png", folder, tmp_path / "file" / "plot.svg"):
        result = scale("forecast", "--plot", str(path))
        assert result.exit_code in (1, 2)
        assert path.name in result.output
    assert gateway.seen == []


def test_a_plot_that_was_there_stays_until_another_is_whole(scale: Scale, gateway: FakeGateway, tmp_path: Path) -> None:
    plot = tmp_path / "plot.png"
    plot.write_bytes(b"before")
    (tmp_path / "plot.png.part").write_bytes(b"somebody's own")
    gateway.answer(ASK, {"detail": "Down."}, 503)
    assert scale("forecast", "--plot", str(plot)).exit_code == 1
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert left == {"plot.png": b"before", "plot.png.part": b"somebody's own"}


def test_a_terminal_shows_that_something_happens(gateway: FakeGateway) -> None:
    gateway.answer(ASK, waiting(), 202)
    gateway.answer(GET, waiting("running"))
    gateway.answer(GET, made())
    screen = in_a_terminal(["forecast"], {"SCALE_URL": gateway.url, "SCALE_TOKEN": "t"})
    assert "Looking ahead" in screen
    assert "\x1b[36m░" in screen
    assert "a learned model" in screen


def test_whoever_stops_waiting_stops_nothing(gateway: FakeGateway) -> None:
    gateway.answer(ASK, waiting(), 202)
    gateway.answer(GET, waiting("running"))
    said = interrupted(gateway.url, lambda: len(gateway.seen) > 1, "forecast")
    assert "made all the same" in said
