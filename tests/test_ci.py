"""CI-01, CI-03, CI-15: the workflow runs the Makefile's own commands, in order, with pinned tools."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
JOBS: dict[str, Any] = WORKFLOW["jobs"]


def commands(job: str) -> str:
    return "\n".join(step.get("run", "") for step in JOBS[job]["steps"])


def test_jobs_run_in_the_order_lint_security_test_build() -> None:
    assert list(JOBS) == ["lint", "security", "test", "build"]
    assert [JOBS[job].get("needs") for job in JOBS] == [None, "lint", "security", "test"]


@pytest.mark.parametrize(
    ("job", "command"),
    [
        ("lint", "make check-style"),
        ("lint", "make check-types"),
        ("lint", "make check-imports"),
        ("lint", "make check-protos"),
        ("lint", "make check-openapi"),
        ("lint", "make check-conventions"),
        ("security", "make check-security"),
        ("security", "make audit"),
        ("security", "gitleaks"),
        ("test", "make test"),
        ("test", "make fuzz"),
    ],
)
def test_job_runs(job: str, command: str) -> None:
    assert command in commands(job)


def test_every_make_target_of_the_workflow_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {target for job in JOBS for target in re.findall(r"make ([a-z-]+)", commands(job))}
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.M)] == []


def test_check_runs_every_part_of_check() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    parts = set(re.findall(r"^(check-[a-z]+):", makefile, re.M))
    whole = re.search(r"^check: ([^#]+)##", makefile, re.M)
    assert whole
    assert set(whole.group(1).split()) == parts


def test_nothing_floats() -> None:
    uses = [step["uses"] for job in JOBS.values() for step in job["steps"] if "uses" in step]
    assert all(re.search(r"@v?\d", use) for use in uses)
    assert not re.search(r":latest\b|@(main|master)\b", (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    assert all(job["timeout-minutes"] <= 30 for job in JOBS.values())
    assert WORKFLOW["permissions"] == {"contents": "read"}


def fake_make(folder: Path, failing: str) -> dict[str, str]:
    """A `make` that notes its target and fails for one of them."""
    make = folder / "make"
    script = 'for word in "$@"; do case $word in *=*) ;; *) target=$word ;; esac; done'  # the last that is no variable
    make.write_text(f'#!/bin/sh\n{script}\necho "$target $CI" >> "{folder}/called"\n[ "$target" != "{failing}" ]\n', encoding="utf-8")
    make.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("failing", "called", "verdict"),
    [
        ("", ["install true", "check true", "test true", "fuzz true"], "CI PASSED"),
        ("check", ["install true", "check true", "test true", "fuzz true"], "CI FAILED"),
        ("fuzz", ["install true", "check true", "test true", "fuzz true"], "CI FAILED"),
        ("test", ["install true", "check true", "test true", "fuzz true"], "CI FAILED"),
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
