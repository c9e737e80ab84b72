"""The workflows run the Makefile's own commands, in order, at their times, with pinned tools."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.supply_chain.secret_scan import tracked

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".github/workflows"
WORKFLOWS: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yml"))
}
JOBS: dict[str, Any] = WORKFLOWS["ci"]["jobs"]


def triggers(workflow: str) -> dict[str, Any]:
    """YAML 1.1 reads the key `on` as true."""
    found: dict[str, Any] = WORKFLOWS[workflow][True]  # type: ignore[index]
    return found


def commands(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job.get("steps", ()))


@pytest.mark.requirement("CI-01")
def test_jobs_run_in_the_order_lint_security_test_build() -> None:
    assert {job: JOBS[job].get("needs") for job in JOBS} == {
        "lint": None, "security": "lint", "test": "security", "load": "test", "build": "test",
    }  # fmt: skip
    assert {"push", "pull_request"} <= triggers("ci").keys()


RUNS = [
    ("CI-01", "ci", "lint", "make check-style"),
    ("CI-01", "ci", "lint", "make check-types"),
    ("CI-01", "ci", "lint", "make check-imports"),
    ("CI-03", "ci", "lint", "make check-protos"),
    ("CI-01", "ci", "lint", "make check-openapi"),
    ("CI-01", "ci", "lint", "make check-conventions"),
    ("CI-01", "ci", "lint", "make check-requirements"),
    ("CI-01", "ci", "lint", "make check-deploy"),
    ("CI-01", "ci", "lint", "docker compose --file deploy/compose.yaml config"),
    ("SEC-15", "ci", "security", "make check-security"),
    ("SEC-16", "ci", "security", "make audit"),
    ("CI-01", "ci", "security", "make check-licences"),
    ("CI-01", "ci", "security", "make check-secrets"),
    ("CI-01", "ci", "security", "make sbom"),
    ("CI-13", "ci", "test", "make test"),
    ("CI-13", "ci", "test", "make fuzz"),
    ("PERF-08", "ci", "load", "/scripts/load_test.js"),
    ("CI-01", "ci", "build", "make check-images"),
    ("CI-01", "ci", "build", "docker build"),
    ("SEC-18", "ci", "build", "--exit-code 1 --severity HIGH,CRITICAL"),
    ("SEC-17", "secrets", "secrets", "gitleaks"),
    ("CI-16", "scheduled", "advisories", "make audit"),
    ("SEC-20", "scheduled", "rate-limit-bypass", "/scripts/rate_limit_bypass.js"),
]


@pytest.mark.requirement("CI-01", "CI-03", "CI-13", "CI-16", "PERF-08", "SEC-15", "SEC-16", "SEC-17", "SEC-18", "SEC-20", "SEC-21")
@pytest.mark.parametrize(("row", "workflow", "job", "command"), RUNS)
def test_job_runs(row: str, workflow: str, job: str, command: str) -> None:
    assert command in commands(WORKFLOWS[workflow]["jobs"][job]), row


@pytest.mark.requirement("CI-16", "SEC-17", "SEC-20")
def test_scans_run_at_their_times() -> None:
    """Secrets with every push of any branch, advisories every week, the rate limit every quarter; all else with each pull request."""
    assert triggers("secrets") == {"push": None}
    crons = {entry["cron"] for entry in triggers("scheduled")["schedule"]}
    jobs = WORKFLOWS["scheduled"]["jobs"]
    weekly, quarterly = "17 4 * * 1", "23 5 1 1,4,7,10 *"
    assert crons == {weekly, quarterly}
    assert f"github.event.schedule == '{weekly}'" in jobs["advisories"]["if"]
    assert f"github.event.schedule == '{quarterly}'" in jobs["rate-limit-bypass"]["if"]


@pytest.mark.requirement("CI-02", "CI-14", "SEC-19")
def test_production_waits_for_staging_and_for_a_person() -> None:
    """What did not pass the whole of ci on main is deployed nowhere."""
    assert triggers("deploy") == {"workflow_run": {"workflows": ["ci"], "types": ["completed"], "branches": ["main"]}}
    jobs = WORKFLOWS["deploy"]["jobs"]
    assert "conclusion == 'success'" in jobs["images"]["if"]
    assert (jobs["staging"]["needs"], jobs["production"]["needs"]) == ("images", "staging")
    for environment in ("staging", "production"):
        assert jobs[environment]["uses"] == "./.github/workflows/rollout.yml"
        assert jobs[environment]["with"]["environment"] == environment
    rollout = WORKFLOWS["rollout"]["jobs"]["rollout"]
    assert rollout["environment"] == "${{ inputs.environment }}"
    assert 'deploy/rollout "$OVERLAY"' in commands(rollout)
    # Where it goes is said by the environments.
    text = (FOLDER / "deploy.yml").read_text(encoding="utf-8") + (FOLDER / "rollout.yml").read_text(encoding="utf-8")
    assert not re.search(r"https?://|\b\d+\.\d+\.\d+\.\d+\b|overlays/p\d", text)


def test_every_make_target_of_the_workflows_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    runs = "\n".join(commands(job) for workflow in WORKFLOWS.values() for job in workflow["jobs"].values())
    targets = set(re.findall(r"\bmake ([a-z-]+)", runs))
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.M)] == []


@pytest.mark.requirement("SEC-18")
def test_every_image_is_built_and_scanned() -> None:
    listed = subprocess.run([ROOT / ".github/image-targets"], capture_output=True, text=True, check=True).stdout.split()
    assert {"gateway", "accounts", "ingestion-worker", "training", "training-worker", "federation", "beat", "migrate"} <= set(listed)
    assert not {"python", "builder", "runtime"} & set(listed)


def test_check_runs_every_part_of_check() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    parts = set(re.findall(r"^(check-[a-z]+):", makefile, re.M)) - {"check-images"}  # it installs for minutes
    whole = re.search(r"^check: ([^#]+)##", makefile, re.M)
    assert whole
    assert set(whole.group(1).split()) == parts


@pytest.mark.requirement("CI-15")
@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_nothing_floats(workflow: str) -> None:
    """Actions and images by their full version, rights to read alone, an end to every job."""
    text = (FOLDER / f"{workflow}.yml").read_text(encoding="utf-8")
    jobs = WORKFLOWS[workflow]["jobs"].values()
    uses = [step["uses"] for job in jobs for step in job.get("steps", ()) if "uses" in step]
    assert [use for use in uses if not re.search(r"@(v\d+\.\d+\.\d+|[0-9a-f]{40})$", use)] == []
    assert not re.search(r":latest\b|@(main|master)\b", text)
    images = re.findall(r"\b((?:aquasec|grafana|ghcr\.io/gitleaks)/\w+)(\S*)", text)
    assert [image for image in images if not re.match(r":v?\d+\.\d+\.\d+$", image[1])] == []
    assert all(job["timeout-minutes"] <= 60 for job in jobs if "uses" not in job)
    assert WORKFLOWS[workflow]["permissions"] == {"contents": "read"}


@pytest.mark.requirement("SEC-17")
def test_the_search_of_the_history_passes_over_what_was_looked_at_and_nothing_that_runs() -> None:
    """Hashes beside the word secret look like secrets: without it every push is red."""
    found = tomllib.loads((ROOT / ".gitleaks.toml").read_text(encoding="utf-8"))
    assert found["extend"] == {"useDefault": True}
    left_out = [path for path in tracked(ROOT) if any(re.search(pattern, path) for pattern in found["allowlist"]["paths"])]
    assert {".secrets.baseline", "clients/device/test_vectors.json"} <= set(left_out)
    assert {path.partition("/")[0] for path in left_out} == {".secrets.baseline", "clients", "tests"}
    assert not any(re.search(pattern, "AKIA" + 16 * "Q") for pattern in found["allowlist"]["regexes"])


def fake_make(folder: Path, failing: str) -> dict[str, str]:
    """A `make` that notes its target and fails for one of them."""
    make = folder / "make"
    script = 'for word in "$@"; do case $word in *=*) ;; *) target=$word ;; esac; done'  # the last that is no variable
    make.write_text(f'#!/bin/sh\n{script}\necho "$target $CI" >> "{folder}/called"\n[ "$target" != "{failing}" ]\n', encoding="utf-8")
    make.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.requirement("CI-13")
@pytest.mark.parametrize(
    ("failing", "called", "verdict"),
    [
        ("", ["install true", "tools true", "check true", "test true", "fuzz true"], "CI PASSED"),
        ("check", ["install true", "tools true", "check true", "test true", "fuzz true"], "CI FAILED"),
        ("tools", ["install true", "tools true", "check true", "test true", "fuzz true"], "CI PASSED"),
        ("fuzz", ["install true", "tools true", "check true", "test true", "fuzz true"], "CI FAILED"),
        ("test", ["install true", "tools true", "check true", "test true", "fuzz true"], "CI FAILED"),
        ("install", ["install true"], "CI FAILED"),
    ],
)
def test_ci_run_reports_every_stage(tmp_path: Path, failing: str, called: list[str], verdict: str) -> None:
    done = subprocess.run([ROOT / ".ci/run"], env=fake_make(tmp_path, failing), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (tmp_path / "called").read_text(encoding="utf-8").splitlines() == called
    assert done.stdout.splitlines()[-1] == verdict
    assert (done.returncode == 0) == (verdict == "CI PASSED")
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_an_old_python_is_refused_with_a_way_out(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.8.10" || exit 1\n', encoding="utf-8")
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "install", f"PYTHON={old}", f"VENV={tmp_path}/venv"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "3.11" in done.stderr
    assert "Python 3.8.10" in done.stderr
    assert "make PYTHON=" in done.stderr
