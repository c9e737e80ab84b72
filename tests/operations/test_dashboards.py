"""Grafana's dashboards: every query parses and asks for figures that exist; every panel says what it shows, and in which unit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.operations.figures import EXPORTERS, figures_of_the_code, names_in
from tests.operations.test_alerts import MONITORING, rules
from tests.support.debian import program

DASHBOARDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((MONITORING / "dashboards").glob("*.json"))}


def queries() -> list[tuple[str, str]]:
    """Where, and the query."""
    return [
        (f"{name}: {panel['title']}", target["expr"])
        for name, dashboard in DASHBOARDS.items()
        for panel in dashboard["panels"]
        for target in panel["targets"]
    ]


def test_every_subject_has_its_dashboard() -> None:
    assert set(DASHBOARDS) == {"overview", "database", "queues", "models", "federation", "slo"}
    assert len({dashboard["uid"] for dashboard in DASHBOARDS.values()}) == len(DASHBOARDS)


def test_every_query_asks_for_figures_that_exist() -> None:
    known = figures_of_the_code() | EXPORTERS.keys() | {rule["record"] for rule in rules() if "record" in rule}
    assert {place: names for place, query in queries() if (names := names_in(query) - known)} == {}
    assert all(names_in(query) for _, query in queries())


def test_every_query_parses(tmp_path: Path) -> None:
    promtool = program("promtool")
    recorded = [{"record": f"query:{number}", "expr": query} for number, (_, query) in enumerate(queries())]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": recorded}]}), encoding="utf-8")
    done = promtool.run("check", "rules", path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    path.write_text(
        yaml.safe_dump({"groups": [{"name": "queries", "rules": [{"record": "x", "expr": "sum(rate(x[5m])"}]}]}), encoding="utf-8"
    )
    assert promtool.run("check", "rules", path, check=False).returncode != 0, "it takes anything"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_says_what_it_shows_from_whichever_prometheus_is_chosen(name: str) -> None:
    dashboard = DASHBOARDS[name]
    (variable,) = dashboard["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    places = set()
    for panel in dashboard["panels"]:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
        places.add((panel["gridPos"]["x"], panel["gridPos"]["y"]))
    assert len(places) == len(dashboard["panels"]), "panels lie on each other"


@pytest.mark.requirement("OBS-19")
def test_the_database_is_shown_every_five_minutes() -> None:
    shown: dict[str, Any] = {panel["title"]: panel for panel in DASHBOARDS["database"]["panels"]}
    assert {"Processor", "Connections", "Read latency", "Write latency", "Capacity"} <= set(shown)
    assert {panel["interval"] for panel in shown.values()} == {"300s"}
