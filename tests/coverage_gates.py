"""Holds each package to its own line in the coverage report: `python -m tests.coverage_gates coverage.json`.

Percentages are of lines and branches together, as `coverage report` prints them. A package that does not exist yet
has no gate.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Least percentage by path prefix. "" is everything measured.
GATES = {
    "services/ingestion/": 95.0,
    "services/kit/auth": 95.0,
    "services/kit/errors": 90.0,
    "services/accounts/": 85.0,
    "services/categorization/": 85.0,
    "services/forecasting/": 80.0,
    "services/forecasting/anomaly/": 80.0,
    "services/training/": 80.0,
    "services/federation/": 80.0,
    "models/federated/": 80.0,
    "clients/device/": 80.0,
    "": 80.0,
}


@dataclass(frozen=True)
class Measured:
    """What the tests ran of one package."""

    prefix: str
    least: float
    percent: float

    @property
    def passed(self) -> bool:
        return self.percent >= self.least


def measure(report: dict[str, Any], gates: dict[str, float] = GATES) -> list[Measured]:
    """Reads a coverage.json report: one result for each gate that has files."""
    measured = []
    for prefix, least in gates.items():
        summaries = [file["summary"] for path, file in report["files"].items() if path.startswith(prefix)]
        possible = sum(s["num_statements"] + s.get("num_branches", 0) for s in summaries)
        run = sum(s["covered_lines"] + s.get("covered_branches", 0) for s in summaries)
        if possible:
            measured.append(Measured(prefix, least, 100 * run / possible))
    return measured


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m tests.coverage_gates coverage.json\n")
        return 2
    results = measure(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    if not results:
        sys.stderr.write("The coverage report names no file of services/: nothing was measured.\n")
        return 1
    for result in results:
        verdict = "ok" if result.passed else "TOO LOW"
        sys.stdout.write(f"{result.prefix or 'overall':28} {result.percent:6.2f} %  (at least {result.least:g} %)  {verdict}\n")
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
