"""Whether every pinned dependency may be in SCALE: `python -m tests.supply_chain.licences`.

licences.toml says which licences are allowed, what packages call them, and which packages are allowed in spite of theirs, with the reason.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.supply_chain.dependencies import canonical, pinned, runtime

POLICY = Path(__file__).parent / "licences.toml"


@dataclass(frozen=True)
class Excuse:
    """Why a package may be here although its licence is not on the list, or is not told by its metadata."""

    reason: str
    licence: str = ""
    development_only: bool = False


@dataclass(frozen=True)
class Policy:
    allowed: frozenset[str]
    names: Mapping[str, str] = field(default_factory=dict)
    excuses: Mapping[str, Excuse] = field(default_factory=dict)


def read_policy(path: Path = POLICY) -> Policy:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return Policy(frozenset(table["allowed"]), table["names"], {name: Excuse(**excuse) for name, excuse in table["packages"].items()})


def permitted(licence: str, policy: Policy) -> bool:
    """Whether an expression of licences leaves a way that is allowed: all that AND joins, one of what OR joins."""
    text = policy.names.get(licence, licence)
    if ";" in text:  # several classifiers: all of them
        return all(permitted(part.strip(), policy) for part in text.split(";"))
    while (inner := re.search(r"\(([^()]*)\)", text)) is not None:
        text = text.replace(inner.group(0), "allowed" if permitted(inner.group(1), policy) else "refused")
    known = policy.allowed | {"allowed"}
    return any(all(term.strip() in known for term in way.split(" AND ")) for way in text.split(" OR "))


def problems(installed: Mapping[str, str], wanted: Mapping[str, str], production: set[str], policy: Policy) -> list[str]:
    """`installed` is name → licence as the metadata tells it, `wanted` name → pinned version."""
    found = []
    for name, version in wanted.items():
        excuse = policy.excuses.get(name)
        licence = (excuse.licence if excuse else "") or installed.get(name, "")
        if not licence:
            found.append(f"{name} {version} is pinned and not installed; run `make install`, or take the pin away")
        elif excuse and not excuse.reason.strip():
            found.append(f"{name}: the exception in licences.toml gives no reason")
        elif excuse and excuse.development_only and name in production:
            found.append(f"{name} ({licence}) is allowed as a tool of development only, and now part of what runs")
        elif not (excuse and excuse.development_only) and not permitted(licence, policy):
            found.append(
                f"{name} {version} is under '{licence}', which licences.toml does not allow; find another, or give the reason there"
            )
    found += [f"{name} is excused in licences.toml and no dependency any more" for name in sorted(policy.excuses.keys() - wanted.keys())]
    return found


def told() -> dict[str, str]:
    """Name → licence of everything that is installed."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("pip-licenses")), "--format=json", "--with-system"], capture_output=True, text=True, check=True
    )
    return {canonical(package["Name"]): package["License"] for package in json.loads(done.stdout)}


def main() -> int:
    found = problems(told(), pinned(), runtime(), read_policy())
    sys.stderr.writelines(f"{problem}\n" for problem in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
