"""The distributions that SCALE needs, read from what is installed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
# Extras whose packages reach nobody who runs SCALE.
DEVELOPMENT = frozenset({"dev"})


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(root: Path = ROOT) -> dict[str, str]:
    """Name → version of every line of constraints.txt."""
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("==") for line in lines if line and not line.startswith("#"))
    return {canonical(name): version for name, _, version in pairs}


def runtime(root: Path = ROOT) -> set[str]:
    """Everything that runs in production: what pyproject.toml asks for, but for the development extras, and all that it needs."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = (entries for extra, entries in project.get("optional-dependencies", {}).items() if extra not in DEVELOPMENT)
    asked = [*project["dependencies"], *(entry for entries in extras for entry in entries)]
    return closure(entry for entry in asked if canonical(Requirement(entry).name) != canonical(project["name"]))


def closure(asked: Iterable[str]) -> set[str]:
    """The names and those of all that they need on this platform. Raises PackageNotFoundError."""
    waiting = [Requirement(entry) for entry in asked]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted = waiting.pop()
        key = canonical(wanted.name), frozenset(wanted.extras)
        if key in seen:
            continue
        seen.add(key)
        for line in metadata.distribution(wanted.name).requires or ():
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in (*wanted.extras, "")):
                waiting.append(needed)
    return {name for name, _ in seen}
