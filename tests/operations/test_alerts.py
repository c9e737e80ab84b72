"""Prometheus' rules are current, and made of figures that exist; alerts fire when they should, and a broken one is seen."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from operations.burn_rates import RULES_FILE, text_of
from operations.slo import read_slos
from tests.operations.figures import EXPORTERS, figures_of_the_code, names_in
from tests.support.debian import DebianProgram, program

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
RULES = sorted((MONITORING / "rules").glob("*.yaml"))
CASES = sorted((MONITORING / "tests").glob("*.yaml"))
# What requirements ask for by the minute, of a cause that brings no incident by itself.
BY_REQUIREMENT = {"ScaleDbConnectionsHigh": 300, "ScaleDbCpuHigh": 300}
SCRAPE_AND_EVALUATION_S = 15 + 30
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def rules() -> list[dict[str, Any]]:
    return [rule for path in RULES for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


@pytest.fixture(scope="module")
def promtool() -> DebianProgram:
    return program("promtool")


@pytest.mark.requirement("OBS-11", "OBS-12", "OBS-13", "OBS-14", "OBS-15", "OBS-16", "OBS-17", "OBS-23", "OBS-24", "C-23", "C-25")
def test_every_alert_fires_when_it_should_and_not_before(promtool: DebianProgram) -> None:
    checked = promtool.run("check", "rules", *RULES, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    done = promtool.run("test", "rules", *CASES, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    found: dict[str, set[float]] = {name: set() for name in alerts()}
    for path in CASES:
        for case in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for expected in case["promql_expr_test"]:
                if named := re.search(r'alertname="(\w+)"', expected["expr"]):
                    found[named[1]].add(min(1, expected["exp_samples"][0]["value"]))
    assert {name: seen for name, seen in found.items() if seen != {0, 1}} == {}


@pytest.mark.requirement("OBS-20")
def test_every_process_in_the_background_is_missed_when_it_is_gone() -> None:
    workers = {f"{path.parent.name}-worker" for path in (ROOT / "services").glob("*/worker.py")}
    missed = re.findall(r'absent\(up\{app_kubernetes_io_name="([\w-]+)"\}\)', alerts()["ScaleWorkersDown"]["expr"])
    assert set(missed) == workers | {"beat"}


@pytest.mark.parametrize(
    ("file", "cases", "good", "broken"),
    [
        ("alerts.yaml", "api", "[5m])) > 0.05", "[5m])) > 0.5"),
        ("alerts.yaml", "api", "max by (dependency) (scale_dependency_up)", "max(scale_dependency_up)"),
        ("alerts.yaml", "backups", "labels: {severity: page}", "labels: {severity: ticket}"),
        ("alerts.yaml", "models", "scale_forecasting_model_degraded", "scale_forecasting_degraded"),
    ],
)
def test_a_rule_that_is_broken_is_seen(promtool: DebianProgram, tmp_path: Path, file: str, cases: str, good: str, broken: str) -> None:
    shutil.copytree(MONITORING, tmp_path / "monitoring")
    path = tmp_path / "monitoring" / "rules" / file
    text = path.read_text(encoding="utf-8")
    assert good in text
    path.write_text(text.replace(good, broken), encoding="utf-8")
    assert promtool.run("check", "rules", path, check=False).returncode == 0, "it is wrong, but still a rule"
    assert promtool.run("test", "rules", tmp_path / "monitoring" / "tests" / f"{cases}.yaml", check=False).returncode == 1


@pytest.mark.requirement("OBS-06", "OBS-07", "OBS-08", "OBS-09")
def test_the_rules_of_objectives_are_those_of_the_slo_file() -> None:
    assert RULES_FILE.read_text(encoding="utf-8") == text_of(read_slos()), "python -m operations.burn_rates"
    assert text_of(read_slos(phase=1)) != text_of(read_slos(phase=2))


@pytest.mark.requirement("OBS-05", "OBS-18")
def test_every_figure_in_a_rule_exists() -> None:
    known = figures_of_the_code() | EXPORTERS.keys() | {rule["record"] for rule in rules() if "record" in rule}
    missing = {rule.get("alert") or rule["record"]: names_in(rule["expr"]) - known for rule in rules()}
    assert {name: names for name, names in missing.items() if names} == {}


@pytest.mark.requirement("REL-20")
def test_an_incident_is_noticed_within_five_minutes() -> None:
    waits = {name: _seconds(rule.get("for", "0s")) for name, rule in alerts().items()}
    late = {name for name, wait in waits.items() if wait + SCRAPE_AND_EVALUATION_S >= 300}
    assert late == set(BY_REQUIREMENT)
    assert {name: waits[name] for name in late} == BY_REQUIREMENT


def test_every_alert_says_how_urgent_it_is_and_where_to_go_on() -> None:
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in ("page", "ticket"), name
        assert rule["annotations"]["summary"].endswith("."), name
        assert (ROOT / rule["annotations"]["runbook"].partition("#")[0]).is_file(), name


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * UNITS[duration[-1]]
