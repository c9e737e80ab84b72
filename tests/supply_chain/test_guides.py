"""docs/security.md and docs/privacy.md name what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.supply_chain.dependencies import ROOT

SECURITY = (ROOT / "docs/security.md").read_text(encoding="utf-8")
PRIVACY = (ROOT / "docs/privacy.md").read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the table's lines but its head."""
    lines = [line for line in text.splitlines() if line.startswith(("| ", "|-"))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("|-")][1:]


@pytest.mark.requirement("DOC-15", "CI-16")
def test_every_check_has_a_tool_a_time_and_a_command_that_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    checks = rows(section(SECURITY, "Checks"))
    assert {"secrets", "ways around the token", "ways around the limit of requests"} <= {check[0] for check in checks}
    for what, tool, when, command in checks:
        assert tool, what
        assert re.search(r"each|every", when), what
        assert "`" in command, what
    assert [target for target in re.findall(r"`make ([a-z-]+)", SECURITY) if not re.search(rf"^{target}:", makefile, re.M)] == []
    workflows = {path.name for path in (ROOT / ".github/workflows").glob("*.yml")}
    assert set(re.findall(r"`(\w+\.yml)`", SECURITY)) <= workflows


@pytest.mark.requirement("DOC-15")
def test_every_threat_is_met_by_something_that_is_tested() -> None:
    threats = rows(section(SECURITY, "Threats"))
    assert len(threats) >= 12
    for threat, answer, shown in threats:
        assert answer, threat
        assert re.search(r"`(tests/|make )", shown), threat
    named = re.findall(r"\b(tests/[\w/.-]*\w)", SECURITY)
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.requirement("SEC-28")
def test_what_stands_against_floods_is_set_at_the_ingress_and_further_options_are_named() -> None:
    assert len(rows(section(SECURITY, "Floods and bots"))) >= 3
    ingress = Path(ROOT / "deploy/k8s/components/ingress/ingress.yaml").read_text(encoding="utf-8")
    for limit in ("limit-rps", "limit-connections"):
        assert limit in SECURITY
        assert re.search(rf'/{limit}: "\d+"', ingress)


@pytest.mark.requirement("DOC-13", "FED-14")
def test_the_guide_to_privacy_says_what_each_layer_prevents_and_what_none_does() -> None:
    layers = rows(PRIVACY.partition("### Four layers")[2].partition("\n### ")[0])
    assert [layer[0].split()[0] for layer in layers] == ["training", "differential", "secure", "at"]
    assert all(layer[1] for layer in layers)
    for part in ("For users", "For reviewers", "The guarantee", "Who is trusted with what", "What it does not prevent"):
        assert re.search(rf"^#+ {part}$", PRIVACY, re.M), part
    # The figures are those of the settings.
    settings = (ROOT / ".env.example").read_text(encoding="utf-8")
    budget = re.search(r"^#SCALE_FEDERATION_BUDGET_EPSILON=([\d.]+)$", settings, re.M)
    assert budget
    assert f"{float(budget[1]):g} by default (`SCALE_FEDERATION_BUDGET_EPSILON`)" in PRIVACY
