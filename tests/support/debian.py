"""Programs that the tests want and that no Python package brings: Debian's, unpacked into .tools, nothing installed.

`python -m tests.support.debian` fetches them (`make tools`); a test that wants one skips, with what to do, where it is not there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"
PACKAGES = ("pgbouncer", "prometheus", "libc-ares2", "libevent-2.1-7")
"""pgbouncer with the libraries that a slim Debian lacks; prometheus holds promtool."""
_FOLDERS = ("usr/bin", "usr/sbin")


@dataclass(frozen=True)
class DebianProgram:
    """Where a program is, and what its environment needs."""

    path: Path
    environment: dict[str, str]

    def run(self, *arguments: str | Path, check: bool = True, **others: object) -> subprocess.CompletedProcess[str]:
        """Runs it to its end, its output as text."""
        return subprocess.run(  # type: ignore[call-overload]
            [self.path, *arguments], env={**os.environ, **self.environment}, check=check, capture_output=True, text=True, **others
        )


def find_program(name: str) -> DebianProgram | None:
    """The machine's own program, else the one that `make tools` unpacked; None without either."""
    for folder in _FOLDERS:
        path = TOOLS / folder / name
        if path.is_file():
            libraries = [str(folder) for folder in sorted((TOOLS / "usr/lib").glob("*-linux-gnu*"))]
            return DebianProgram(path, {"LD_LIBRARY_PATH": os.pathsep.join(libraries)})
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    return DebianProgram(Path(found), {}) if found else None


def program(name: str) -> DebianProgram:
    """As `find_program`; without the program the test that asks is skipped."""
    found = find_program(name)
    if found is None:
        pytest.skip(f"{name} is not here: make tools")
    return found


def fetch() -> str | None:
    """Downloads and unpacks the packages; what went wrong, else None. What an earlier call unpacked is kept until the new is whole."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return "This is no Debian: install pgbouncer and promtool yourself, or the tests that want them are skipped."
    new = TOOLS.with_name(".tools.new")
    shutil.rmtree(new, ignore_errors=True)
    (new / "packages").mkdir(parents=True)
    done = subprocess.run(["apt-get", "download", "--quiet", *PACKAGES], cwd=new / "packages", capture_output=True, text=True, check=False)
    if done.returncode:
        return f"Debian's packages cannot be downloaded (apt-get update first?): {done.stderr.strip()}"
    for package in sorted((new / "packages").glob("*.deb")):
        unpacked = subprocess.run(["dpkg-deb", "--extract", package, new], capture_output=True, text=True, check=False)
        if unpacked.returncode:
            return f"{package.name} cannot be unpacked: {unpacked.stderr.strip()}"
    shutil.rmtree(new / "packages")
    shutil.rmtree(TOOLS, ignore_errors=True)
    new.rename(TOOLS)
    return None


if __name__ == "__main__":
    problem = fetch()
    if problem:
        sys.stderr.write(f"{problem}\n")
        sys.exit(1)
