"""docs/chaos.md, docs/incidents.md and docs/consistency.md say what is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import yaml

from tests.chaos.__main__ import EXPERIMENTS

ROOT = Path(__file__).resolve().parents[2]
DETECTED_WITHIN_S = 300
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.requirement("DOC-11")
def test_every_experiment_is_in_the_plan_and_can_be_run() -> None:
    plan = page("chaos").partition("## The ladder")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", plan, re.MULTILINE)) == set(EXPERIMENTS)
    for name in EXPERIMENTS:
        module = importlib.import_module(f"tests.chaos.{name}")
        assert "__main__" in Path(str(module.__file__)).read_text(encoding="utf-8"), name


@pytest.mark.requirement("REL-20")
def test_what_pages_somebody_waits_for_less_than_five_minutes() -> None:
    """What an alert waits before it tells, after what it looks at is so bad; all such waits of a page together."""
    objectives = yaml.safe_load((ROOT / "deploy" / "monitoring" / "slo.yaml").read_text(encoding="utf-8"))["objectives"]
    waits = [alert["for"] for one in objectives.values() for alert in one["alerts"] if alert["severity"] == "page"]
    assert waits
    assert sum(int(wait[:-1]) * SECONDS[wait[-1]] for wait in waits) < DETECTED_WITHIN_S


@pytest.mark.requirement("DOC-10", "REL-20")
def test_the_process_names_its_times_and_has_a_template() -> None:
    text = page("incidents")
    times = ("| detect | 5 min |", "| triage | 10 min |", "30 min for SEV1", "4 h for SEV1", "48 h")
    for wanted in (*times, "SEV1", "SEV2", "SEV3", "Timeline", "Blameless"):
        assert wanted in text, wanted


@pytest.mark.requirement("REL-23")
def test_what_can_be_switched_off_can_be() -> None:
    known = set(re.findall(r"^#?(SCALE_\w+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    flags = set(re.findall(r"`(SCALE_\w+)", page("incidents")))
    assert flags
    assert flags <= known, flags - known
    assert "kubectl -n scale rollout undo" in page("incidents")


@pytest.mark.requirement("REL-19")
def test_every_promise_of_freshness_names_a_test_that_is_there() -> None:
    rows = re.findall(r"\[(test_\w+)\]\(\.\./(tests/[\w/]+\.py)\)", page("consistency"))
    assert len(rows) == 7
    for name, path in rows:
        assert name in (ROOT / path).read_text(encoding="utf-8"), name
