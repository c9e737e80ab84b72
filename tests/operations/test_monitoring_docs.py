"""Documents about monitoring name figures, alerts and settings that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from operations.slo import EXHAUSTED, FREEZE, NORMAL, SLOW
from tests.operations.figures import EXPORTERS, figures_of_the_code
from tests.operations.test_alerts import alerts

DOCS = Path(__file__).resolve().parents[2] / "docs"
SOURCES = (
    "health check", "Celery heartbeat", "Redis ping", "database health check", "pool monitoring", "start-up check", "Celery error handler",
    "Redis ping timeout", "disk usage monitoring",
)  # fmt: skip


@pytest.mark.requirement("OBS-20")
def test_each_source_of_detection_has_a_figure_or_probe_and_an_alert() -> None:
    text = (DOCS / "observability.md").read_text(encoding="utf-8")
    rows = {cells[0].strip(): cells[1:] for line in text.splitlines() if len(cells := line.strip("|").split("|")) == 3}
    known = figures_of_the_code() | EXPORTERS.keys()
    for source in SOURCES:
        figure, alert = rows[source]
        named = set(re.findall(r"`([a-z_]+)`", figure))
        assert named
        assert named <= known, source
        found = set(re.findall(r"`(Scale\w+)`", alert))
        assert found
        assert found <= alerts().keys(), source


@pytest.mark.requirement("OBS-20", "OBS-22")
@pytest.mark.parametrize("name", ["observability.md", "failures.md", "slo.md", "training.md", "federation.md", "large-files.md"])
def test_figures_that_documents_name_exist(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    known = figures_of_the_code() | EXPORTERS.keys()
    bases = {re.sub(r"_(bucket|count|sum)$", "", figure) for figure in known}
    named = {found for found in re.findall(r"`(scale_[a-z_0-9]+)[`{]", text) if not found.endswith("_")}
    assert named - known - bases == set()


@pytest.mark.requirement("DOC-09", "OBS-10")
def test_the_policy_of_the_document_is_the_functions() -> None:
    text = (DOCS / "slo.md").read_text(encoding="utf-8")
    for policy in (NORMAL, SLOW, FREEZE, EXHAUSTED):
        assert f"| {policy.name} |" in text


@pytest.mark.requirement("DOC-19")
def test_toil_and_what_replaced_it_is_listed() -> None:
    text = (DOCS / "slo.md").read_text(encoding="utf-8").partition("## Toil")[2]
    found = re.findall(r"^\| ([a-z][^|]+) \|[^|]+\| (M\d) \|$", text, re.M)
    assert [since for _, since in found] == ["M4", "M4", "M5", "M5", "M1"]
