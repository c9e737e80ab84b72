"""How many tests stand on each step of the pyramid: `python -m tests.pyramid`.

What runs against the whole system is end to end; what asks for a server, a database or a worker process is integration; the rest is unit.
The aim is 70, 20 and 10 of a hundred; what a step may be off by is TOLERANCE, and no unit tests too many are ever wrong.
"""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Collection
from contextlib import redirect_stdout

import pytest

AIM = {"unit": 70.0, "integration": 20.0, "end to end": 10.0}
TOLERANCE = 15.0
END_TO_END = frozenset({"e2e", "chaos"})
# Whoever asks for one of these, itself or by way of another fixture, has real servers.
SERVERS = frozenset({"servers", "server", "system", "own_redis", "redis_url", "own_servers", "pair", "start_local"})


def step(marks: Collection[str], fixtures: Collection[str], path: str) -> str:
    """Where a test stands."""
    if END_TO_END & set(marks) or path.startswith(("tests/e2e/", "tests/chaos/")):
        return "end to end"
    return "integration" if SERVERS & set(fixtures) else "unit"


class Census:
    """Counts what pytest collects."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            marks = {mark.name for mark in item.iter_markers()}
            self.counts[step(marks, getattr(item, "fixturenames", ()), item.nodeid)] += 1


def shares(counts: Counter[str]) -> dict[str, float]:
    return {name: 100 * counts[name] / max(1, counts.total()) for name in AIM}


def leans(found: dict[str, float]) -> list[str]:
    """The steps that are off by more than the tolerance: too few unit tests, too many of the others."""
    return [
        f"{name}: {share:.1f} % of the tests, {AIM[name]:g} % is the aim"
        for name, share in found.items()
        if (AIM[name] - share if name == "unit" else share - AIM[name]) > TOLERANCE
    ]


def main() -> int:
    census = Census()
    with redirect_stdout(io.StringIO()):
        code = pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", "tests"], plugins=[census])
    if code or not census.counts:
        sys.stderr.write("The tests could not be collected.\n")
        return 2
    found = shares(census.counts)
    for name, share in found.items():
        sys.stdout.write(f"{name:12} {census.counts[name]:6}  {share:5.1f} %  (aim {AIM[name]:g} %)\n")
    wrong = leans(found)
    sys.stderr.writelines(f"{line}\n" for line in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
