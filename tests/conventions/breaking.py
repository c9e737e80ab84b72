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

ROOT = Path(__file__).resolve().parents[2]
MAIN_BRANCHES = ("origin/main", "main")


def git(*arguments: str) -> str | None:
    """What git answers, or None when it refuses."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def base_commit() -> str | None:
    """The commit whose contracts must not break; None where there is none (a first commit, an unpacked archive)."""
    head = git("rev-parse", "HEAD")
    if head is None:
        return None
    wanted = os.environ.get("SCALE_BASE_REF")
    for ref in (wanted,) if wanted else MAIN_BRANCHES:
        base = git("merge-base", "HEAD", ref)
        if base and base != head:
            return base
    return git("rev-parse", "--verify", "--quiet", "HEAD~1")


def main() -> int:
    base = base_commit()
    if base is None or not git("ls-tree", "-r", "--name-only", base, "protos/scale"):
        sys.stdout.write("buf breaking: the base has no contracts; nothing to compare.\n")
        return 0
    buf = Path(sys.executable).with_name("buf")
    with tempfile.TemporaryDirectory() as before:
        archive = subprocess.run(["git", "archive", base, "buf.yaml", "protos"], cwd=ROOT, capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(before, filter="data")
        done = subprocess.run([buf, "breaking", "--against", before], cwd=ROOT, check=False)
    if done.returncode:
        sys.stderr.write(
            f"The contracts break callers built against {base[:12]}. Add fields instead; before the first release, "
            "an ADR line (docs/adr) may record the break.\n"
        )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
