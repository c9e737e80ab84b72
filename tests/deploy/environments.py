"""Virtual environments that hold what some requirements ask for and nothing else: made in a moment out of links into the one that runs the
tests. `pip install` into an empty one, which `make check-images` does, takes minutes."""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

SITE = Path(f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages")
# A check connects to nothing. Built into the interpreter, so that no library gets round it.
NO_NETWORK = """
import sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise PermissionError(f"a self-check connects to nothing: {event} {arguments[1:]}")
sys.addaudithook(refuse)
"""


def normal(name: str) -> str:
    """A distribution's name as indexes write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def installed() -> dict[str, metadata.Distribution]:
    """By normal name, what is installed here."""
    return {normal(found.metadata["Name"]): found for found in metadata.distributions()}


def closure(requirements: Iterable[str]) -> set[str]:
    """The distributions that these bring in. LookupError names one that is missing here, or of a version that does not fit."""
    found: set[str] = set()
    waiting = [(Requirement(text), "pyproject.toml") for text in requirements]
    asked: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted, by = waiting.pop()
        name, extras = normal(wanted.name), frozenset(wanted.extras)
        if (name, extras) in asked:
            continue
        asked.add((name, extras))
        distribution = installed().get(name)
        if distribution is None or not wanted.specifier.contains(distribution.version, prereleases=True):
            raise LookupError(f"{by} asks for {wanted}; here is {distribution.version if distribution else 'none'}")
        found.add(name)
        for text in distribution.requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append((requirement, name))
    return found


@cache
def _files() -> list[tuple[str, tuple[str, ...]]]:
    """Every file of every distribution, by its parts below site-packages."""
    found = []
    for name, distribution in installed().items():
        for line in (distribution.read_text("RECORD") or "").splitlines():
            path = line.rsplit(",", 2)[0].strip('"')
            if not path.startswith(("/", "..")):
                found.append((name, tuple(path.split("/"))))
    return found


def make(folder: Path, distributions: set[str]) -> Path:
    """Makes the environment in `folder`; returns its interpreter."""
    (folder / "bin").mkdir(parents=True)
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    (folder / "bin/python").symlink_to(base)
    (folder / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n", encoding="utf-8")
    site = folder / SITE
    site.mkdir(parents=True)
    (site / "sitecustomize.py").write_text(NO_NETWORK, encoding="utf-8")
    real = Path(str(installed()["grpcio"].locate_file("")))
    _link(_files(), 0, real, site, distributions)
    return folder / "bin/python"


def _link(files: list[tuple[str, tuple[str, ...]]], depth: int, real: Path, site: Path, wanted: set[str]) -> None:
    # A folder that only wanted ones have is linked as one; google/ and opentelemetry/ belong to many.
    children = defaultdict[str, list[tuple[str, tuple[str, ...]]]](list)
    for name, parts in files:
        children[parts[depth]].append((name, parts))
    for child, below in children.items():
        owners = {name for name, _ in below}
        if owners <= wanted:
            os.symlink(real / child, site / child)
        elif owners & wanted and (real / child).is_dir():
            (site / child).mkdir()
            _link(below, depth + 1, real / child, site / child, wanted)
        elif owners & wanted:
            # The same file of two.
            os.symlink(real / child, site / child)


def provided(distributions: Iterable[str]) -> set[tuple[str, ...]]:
    """The first two parts of what can be imported of these, such as ("celery",) and ("opentelemetry", "trace")."""
    wanted = set(distributions)
    found: set[tuple[str, ...]] = set()
    for name, parts in _files():
        if name in wanted:
            stem = (*parts[:-1], parts[-1].partition(".")[0])
            found |= {stem[:1], stem[:2]}
    return found
