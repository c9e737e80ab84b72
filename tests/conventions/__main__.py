"""Checks the house rules on this tree: one problem a line on standard error, exit 1 when there is any."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conventions.rules import RULES

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    problems = [problem for rule in RULES for problem in rule(ROOT)]
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
