"""`python operations/requirements.py EXTRA ...`: what these extras of pyproject.toml ask for, one requirement a line, the extras that they
name followed.

An image installs that without the project itself, so that its layer of dependencies outlives a change of the code. Standard library
alone: it runs where nothing is installed yet.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def requirements(extras: Sequence[str], pyproject: Path = PYPROJECT) -> list[str]:
    """The requirements, sorted, each once. ValueError names an extra that there is not, and one that contains itself."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    own = re.compile(rf"{re.escape(project['name'])}\[([^\]]+)\]")
    known: Mapping[str, list[str]] = project.get("optional-dependencies", {})
    found = set(project["dependencies"])
    for extra in extras:
        found |= set(_follow(extra, known, own, ()))
    return sorted(found, key=str.lower)


def _follow(extra: str, known: Mapping[str, list[str]], own: re.Pattern[str], above: tuple[str, ...]) -> Iterator[str]:
    if extra not in known:
        raise ValueError(f"pyproject.toml has no extra {extra!r}; there are {', '.join(sorted(known))}")
    if extra in above:
        raise ValueError(f"the extra {extra!r} contains itself: {' > '.join([*above, extra])}")
    for requirement in known[extra]:
        reference = own.fullmatch(requirement)
        if reference is None:
            yield requirement
        else:
            for other in reference[1].split(","):
                yield from _follow(other.strip(), known, own, (*above, extra))


def main(arguments: Sequence[str]) -> int:
    """Writes them; returns the exit code."""
    if not arguments:
        sys.stderr.write("usage: python operations/requirements.py EXTRA ...\n")
        return 2
    try:
        sys.stdout.write("".join(f"{requirement}\n" for requirement in requirements(arguments)))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
