"""Compares the contracts with those of the merge base of the main branch (`buf breaking`, FILE rules of buf.yaml).

SCALE_BASE_REF names another branch or commit to compare with; on the main branch itself, the commit before counts.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

MAIN_BRANCHES = ("origin/main", "main")


def git(root: Path, *arguments: str) -> str | None:
    """What git answers, or None when it refuses."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def base_commit(root: Path, wanted: str | None = None) -> str | None:
    """The commit whose contracts must not break; None where there is none (a first commit, an unpacked archive)."""
    head = git(root, "rev-parse", "HEAD")
    if head is None:
        return None
    for ref in (wanted,) if wanted else MAIN_BRANCHES:
        base = git(root, "merge-base", "HEAD", ref)
        if base and base != head:
            return base
    return git(root, "rev-parse", "--verify", "--quiet", "HEAD~1")


def check(root: Path, wanted: str | None = None) -> tuple[bool, str]:
    """Whether the contracts in `root` serve callers built against the base, and what to say about it."""
    base = base_commit(root, wanted)
    if base is None or not git(root, "ls-tree", "-r", "--name-only", base, "protos/scale"):
        return True, "buf breaking: the base has no contracts; nothing to compare."
    buf = Path(sys.executable).with_name("buf")
    with tempfile.TemporaryDirectory() as before:
        # An archive rather than buf's own git input, which does not know worktrees.
        archive = subprocess.run(["git", "archive", base, "buf.yaml", "protos"], cwd=root, capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(before, filter="data")
        done = subprocess.run([buf, "breaking", "--against", before], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return True, f"buf breaking: nothing breaks callers built against {base[:12]}."
    return False, (
        f"{done.stdout}{done.stderr}The contracts break callers built against {base[:12]}. Add fields instead; before the "
        "first release, an ADR line (docs/adr) may record the break."
    )


def main() -> int:
    passed, message = check(Path(__file__).resolve().parents[2], os.environ.get("SCALE_BASE_REF"))
    (sys.stdout if passed else sys.stderr).write(f"{message}\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
