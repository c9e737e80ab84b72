"""One engine on one reader, as a process of its own: `python -m tests.fuzz.engine atheris csv --seconds 20 --work DIR --findings DIR`."""

from __future__ import annotations

import argparse
import importlib
import os
import resource
from pathlib import Path

ENGINES = {"atheris": "tests.fuzz.guided", "hypothesis": "tests.fuzz.generated"}
SEED = int(os.environ.get("FUZZ_SEED") or 0)
"""Of what both engines draw; 0 for another one at every run. A change is judged with one seed: what it did not break stays green."""
MEMORY_BYTES = 4 * 1024**3  # of address space; beyond it an input gets a MemoryError, not the machine


def main() -> None:
    """Runs until the time is over. Figures and findings are in the folders by then; the exit status says nothing of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=sorted(ENGINES))
    parser.add_argument("reader")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--findings", type=Path, required=True)
    said = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Only now, and only this one: one of them instruments what it imports.
    importlib.import_module(ENGINES[said.engine]).run(said.reader, said.seconds, said.work, said.findings)


if __name__ == "__main__":
    main()
