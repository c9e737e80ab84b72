"""The error budget: its arithmetic, what it allows, and what is promised in each phase."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from typer import Typer
from typer.testing import CliRunner

from operations import slo
from operations.slo import (
    EXHAUSTED,
    FREEZE,
    NORMAL,
    SLOW,
    Policy,
    SloProblem,
    allowed_minutes,
    burn_rate,
    policy_for,
    read_remaining,
    read_slos,
    remaining_budget,
)
from services.kit.telemetry import LATENCY_BUCKETS_S


@pytest.mark.requirement("OBS-10")
@pytest.mark.parametrize(
    ("remaining", "policy"),
    [
        ("1", NORMAL),
        ("0.60", NORMAL),
        ("0.5000001", NORMAL),
        ("0.50", SLOW),
        ("0.25", SLOW),
        ("0.2499999", FREEZE),
        ("0.10", FREEZE),
        ("0.0000001", FREEZE),
        ("0", EXHAUSTED),
        ("-3", EXHAUSTED),
    ],
)
def test_policy_for_what_is_left(remaining: str, policy: Policy) -> None:
    assert policy_for(Decimal(remaining)) is policy
    assert policy_for(Fraction(remaining)) is policy


@pytest.mark.requirement("OBS-10")
def test_policies_ask_for_what_they_are_named_after() -> None:
    assert [(policy.may_ship_features, policy.may_run_chaos) for policy in (NORMAL, SLOW, FREEZE, EXHAUSTED)] == [
        (True, True),
        (True, False),
        (False, False),
        (False, False),
    ]
    assert "a post-mortem" in FREEZE.rules
    assert any("critical fixes" in rule for rule in EXHAUSTED.rules)
    assert "an architecture review" in EXHAUSTED.rules


@pytest.mark.requirement("OBS-06")
@pytest.mark.parametrize(
    ("good", "total", "left"),
    [
        (0, 0, "1"),
        (1000, 1000, "1"),
        (9995, 10000, "1/2"),
        (9990, 10000, "0"),
        (9980, 10000, "-1"),
        (0, 1, "-999"),
        (10**15 - 1, 10**15, "999999999999/1000000000000"),
    ],
)
def test_remaining_budget_is_exact(good: int, total: int, left: str) -> None:
    assert remaining_budget(good, total, Decimal("0.999")) == Fraction(left)


@pytest.mark.parametrize(("good", "total", "objective"), [(2, 1, "0.9"), (-1, 1, "0.9"), (1, 1, "1"), (1, 1, "0"), (1, 1, "1.5")])
def test_counts_and_objectives_that_cannot_be_are_refused(good: int, total: int, objective: str) -> None:
    with pytest.raises(ValueError, match=r"between|events"):
        remaining_budget(good, total, Decimal(objective))


@pytest.mark.requirement("OBS-06")
def test_the_budget_of_thirty_days_is_43_2_minutes() -> None:
    assert allowed_minutes(Decimal("0.999"), 30) == Fraction("43.2")
    assert burn_rate(Decimal("0.01"), Decimal("0.999")) == 10


@pytest.mark.requirement("REL-21", "C-07")
def test_each_phase_has_its_uptime_and_the_second_is_the_default() -> None:
    hours = {phase: allowed_minutes(read_slos(phase=phase).objectives["availability"].objective, 365) / 60 for phase in (1, 2, 3)}
    assert hours == {1: Fraction("87.6"), 2: Fraction("8.76"), 3: Fraction("0.876")}
    assert read_slos().phase == 2
    assert read_slos().objectives["availability"].objective == Fraction("0.999")
    assert read_slos().window_days == 30


@pytest.mark.requirement("OBS-06", "OBS-07", "OBS-08", "OBS-09", "C-24")
def test_what_is_promised_and_who_hears_of_it() -> None:
    slos = read_slos().objectives
    assert {name: one.objective for name, one in slos.items()} == {
        "availability": Fraction("0.999"),
        "latency": Fraction("0.95"),
        "import_success": Fraction("0.99"),
        "classification": Fraction("0.85"),
    }
    told = {name: [(alert.severity, alert.bad_ratio) for alert in one.alerts] for name, one in slos.items()}
    assert told == {
        "availability": [("page", Fraction("0.01")), ("ticket", Fraction("0.005"))],  # ten and five times 0.1 %
        "latency": [("ticket", Fraction("0.2"))],
        "import_success": [("page", Fraction("0.05"))],
        "classification": [("ticket", Fraction("0.3"))],  # accepted below 70 %
    }
    assert 'le="0.5"' in slos["latency"].good
    assert 0.5 in LATENCY_BUCKETS_S


def test_an_availability_that_leaves_no_budget_is_refused(tmp_path: Path) -> None:
    text = slo.SLO_FILE.read_text(encoding="utf-8")
    (tmp_path / "slo.yaml").write_text(text.replace('availability: "0.9999"', 'availability: "1"'), encoding="utf-8")
    with pytest.raises(SloProblem, match=r"objectives\.availability\.objective"):
        read_slos(tmp_path / "slo.yaml", phase=3)
    with pytest.raises(SloProblem, match="KeyError 4"):
        read_slos(phase=4)
    with pytest.raises(SloProblem, match="cannot be read"):
        read_slos(tmp_path / "none.yaml")
    (tmp_path / "slo.yaml").write_text("objectives: [", encoding="utf-8")
    with pytest.raises(SloProblem, match="no SLO file"):
        read_slos(tmp_path / "slo.yaml")


@contextmanager
def prometheus(answers: dict[str, bytes], status: int = 200) -> Iterator[str]:
    """Answers queries as Prometheus does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)["query"][0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answers.get(query, b'{"status":"success","data":{"resultType":"vector","result":[]}}'))

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def value(text: str) -> bytes:
    result = [{"metric": {"slo": "availability"}, "value": [1700000000, text]}]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


QUERY = 'scale:slo_budget_remaining:ratio{slo="availability"}'


@pytest.mark.requirement("REL-17")
def test_what_is_left_is_read_from_prometheus() -> None:
    with prometheus({QUERY: value("0.625")}) as address:
        assert read_remaining(address) == Fraction(5, 8)
        with pytest.raises(SloProblem, match="0 values"):
            read_remaining(address, slo="latency")
    with pytest.raises(SloProblem, match="does not answer"):
        read_remaining(address)


@pytest.mark.requirement("REL-17")
@pytest.mark.parametrize(
    ("answer", "status", "reason"), [(value("NaN"), 200, "no events"), (b"<html>", 200, "not answer"), (b"", 503, "503")]
)
def test_what_prometheus_does_not_know_is_no_budget(answer: bytes, status: int, reason: str) -> None:
    with prometheus({QUERY: answer}, status) as address, pytest.raises(SloProblem, match=reason):
        read_remaining(address)


@pytest.mark.requirement("REL-17")
def test_what_is_left_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "budget.json"
    path.write_text('{"availability": "0.4", "latency": 0.9, "import_success": "much"}', encoding="utf-8")
    assert read_remaining(str(path)) == Fraction(2, 5)
    assert read_remaining(str(path), slo="latency") == Fraction(9, 10)
    with pytest.raises(SloProblem, match="no number"):
        read_remaining(str(path), slo="import_success")
    with pytest.raises(SloProblem, match="does not hold"):
        read_remaining(str(path), slo="classification")
    with pytest.raises(SloProblem, match="cannot be read"):
        read_remaining(str(tmp_path / "none.json"))


@pytest.mark.parametrize(
    ("left", "status", "said"),
    [("0.6", 0, "normal"), ("0.3", 0, "slow"), ("0.1", 1, "freeze"), ("-1", 1, "exhausted"), ("?", 2, "no number")],
)
def test_the_command_says_what_may_be_done(tmp_path: Path, left: str, status: int, said: str) -> None:
    path = tmp_path / "budget.json"
    path.write_text(json.dumps({"availability": left}), encoding="utf-8")
    app = Typer()
    app.command()(slo._tell)
    done = CliRunner().invoke(app, ["--source", str(path)])
    assert done.exit_code == status
    assert said in done.output
