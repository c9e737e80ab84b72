"""What an image installs is what the extras of pyproject.toml name, references followed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from operations import requirements as module
from operations.requirements import requirements

PROJECT = """
[project]
name = "thing"
dependencies = ["base>=1"]
[project.optional-dependencies]
kit = ["grpcio>=1", "PyJWT[crypto]>=2"]
queue = ["thing[kit]", "celery>=5"]
both = ["thing[queue, kit]", "Zebra"]
round = ["thing[trip]"]
trip = ["thing[round]"]
"""


@pytest.fixture
def pyproject(tmp_path: Path) -> Path:
    path = tmp_path / "pyproject.toml"
    path.write_text(PROJECT, encoding="utf-8")
    return path


def test_references_are_followed_and_each_stands_once(pyproject: Path) -> None:
    assert requirements(["both"], pyproject) == ["base>=1", "celery>=5", "grpcio>=1", "PyJWT[crypto]>=2", "Zebra"]
    assert requirements([], pyproject) == ["base>=1"]


@pytest.mark.parametrize(("extra", "said"), [("kits", "there are both, kit"), ("round", "round > trip > round")])
def test_what_cannot_be_followed_is_said(pyproject: Path, extra: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        requirements([extra], pyproject)


def test_it_runs_where_nothing_is_installed() -> None:
    command = [sys.executable, "-I", "-S", str(Path(module.__file__)), "gateway"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "fastapi>=" in done.stdout
    assert "torch" not in done.stdout
    assert subprocess.run([*command, "nothing"], capture_output=True, check=False).returncode == 1
