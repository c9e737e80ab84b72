"""Writes docs/requirements-status.md: `python -m tests.requirements`. With `--check` it only says whether the page is current.

One problem a line on standard error, exit 1 when there is any.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.requirements import catalogue, markers, status

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/requirements-status.md"


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m tests.requirements [--check]\n")
        return 2
    rows, problems = catalogue.read()
    proofs, unseen = markers.find(ROOT)
    problems += unseen
    if not problems:
        problems = status.contradictions(rows, proofs, ROOT)
    if not problems:
        text = status.page(rows, proofs)
        if not arguments:
            PAGE.write_text(text, encoding="utf-8")
        elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
            problems.append(f"{PAGE.relative_to(ROOT)} is stale; write it again: python -m tests.requirements")
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
