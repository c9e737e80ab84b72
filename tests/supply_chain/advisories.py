"""Known vulnerabilities in the pinned dependencies: `python -m tests.supply_chain.advisories`. Needs the network.

advisories.toml holds those that were looked at and do not concern SCALE, with the reason and the day on which to look again. Every other
one fails, whatever its severity; so does a run that reached no advisory service, since it says nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from tests.supply_chain.dependencies import ROOT

ACCEPTED = Path(__file__).parent / "advisories.toml"


@dataclass(frozen=True)
class Accepted:
    """A vulnerability that may stay for a while."""

    id: str
    reason: str
    until: date


def read_accepted(path: Path = ACCEPTED) -> list[Accepted]:
    return [Accepted(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("accepted", [])]


def problems(report: dict[str, Any], accepted: Iterable[Accepted], today: date) -> list[str]:
    """What stands against a release in pip-audit's report."""
    excuses = {entry.id: entry for entry in accepted}
    found = [f"{entry.id}: accepted without a reason" for entry in excuses.values() if not entry.reason.strip()]
    found += [f"{entry.id}: was accepted until {entry.until}; look at it again" for entry in excuses.values() if entry.until < today]
    audited = [package for package in report["dependencies"] if "skip_reason" not in package]
    if not audited:
        found.append("no package could be audited: the advisory service was not reached")
    for package in audited:
        for advisory in package["vulns"]:
            if not excuses.keys() & {advisory["id"], *advisory.get("aliases", ())}:
                fixed = ", ".join(advisory.get("fix_versions", ())) or "no version yet"
                found.append(f"{package['name']} {package['version']}: {advisory['id']}, mended in {fixed}")
    return found


def main() -> int:
    command = [str(Path(sys.executable).with_name("pip-audit")), "--requirement", str(ROOT / "constraints.txt")]
    done = subprocess.run([*command, "--no-deps", "--disable-pip", "--format", "json"], capture_output=True, text=True, check=False)
    if not done.stdout:
        sys.stderr.write(done.stderr)
        return 2
    report = json.loads(done.stdout)
    found = problems(report, read_accepted(), datetime.now(UTC).date())
    skipped = sum("skip_reason" in package for package in report["dependencies"])
    sys.stderr.writelines(f"{problem}\n" for problem in found)
    sys.stdout.write(f"{len(report['dependencies']) - skipped} packages audited, {skipped} not known to the advisory service\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
