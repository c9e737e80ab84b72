"""The contracts are compared with the merge base, where it has any."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conventions import breaking

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = """syntax = "proto3";
package scale.notes.v1;
message Note {
  string note_id = 1;
  string text = 2;
}
"""


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose main branch has one commit, without contracts."""
    git(tmp_path, "init", "-q", "-b", "main")
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    (tmp_path / "protos").mkdir()
    (tmp_path / "protos/README").write_text("contracts", encoding="utf-8")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def commit(root: Path, contract: str) -> None:
    path = root / "protos/scale/notes/v1/notes.proto"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(contract, encoding="utf-8")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "change")


def test_a_base_without_contracts_says_so(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    commit(repository, CONTRACT)
    assert breaking.check(repository) == (True, "buf breaking: the base has no contracts; nothing to compare.")
    assert breaking.check(tmp_path_factory.mktemp("no_git"))[1].endswith("nothing to compare.")


def test_growing_passes(repository: Path) -> None:
    commit(repository, CONTRACT)
    commit(repository, CONTRACT.replace("}", "  string author = 3;\n}"))
    passed, message = breaking.check(repository)
    assert passed, message


@pytest.mark.requirement("ARC-08")
@pytest.mark.parametrize("changed", [CONTRACT.replace("  string text = 2;\n", ""), CONTRACT.replace("string text", "int64 text")])
def test_breaking_is_refused(repository: Path, changed: str) -> None:
    commit(repository, CONTRACT)
    commit(repository, changed)
    passed, message = breaking.check(repository)
    assert not passed
    assert "notes.proto" in message
    assert "ADR" in message


def test_a_branch_is_compared_with_where_it_left_main(repository: Path) -> None:
    commit(repository, CONTRACT)
    git(repository, "checkout", "-q", "-b", "topic")
    commit(repository, CONTRACT.replace("string text", "int64 text"))
    commit(repository, CONTRACT.replace("string text", "int64 text").replace("}", "  string author = 3;\n}"))
    assert not breaking.check(repository)[0], "the break is two commits back, but still on this branch"
