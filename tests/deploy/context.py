"""What `docker build` is sent: the files that git knows, less what .dockerignore names."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _expression(pattern: str) -> str:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    translated = re.sub(r"\*\*/|\*\*|\*|\?|[^*?]+", lambda part: parts.get(part[0], re.escape(part[0])), pattern.strip("/"))
    # What lies below something left out is left out.
    return f"{translated}(?:/.*)?"


@cache
def ignored(path: str) -> bool:
    """Whether .dockerignore leaves a file out: the last line that fits decides."""
    outcome = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#") and re.fullmatch(_expression(pattern.removeprefix("!")), path):
            outcome = not pattern.startswith("!")
    return outcome


@cache
def context() -> tuple[str, ...]:
    """The paths that are sent."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    known = done.stdout.splitlines() or [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if ".venv" not in path.parts]
    return tuple(path for path in known if not ignored(path) and (ROOT / path).is_file())


def lay_out(folder: Path) -> Path:
    """/app of an image: the packages of the wheel out of the context, as hatchling puts them, and the project's metadata."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    version = pyproject["project"]["version"]
    app = folder / "app"
    for package in pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        above = package.rpartition("/")[0]
        for path in (path for path in context() if path.startswith(f"{package}/")):
            target = app / path.removeprefix(f"{above}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, target)
    metadata = app / f"scale_finance-{version}.dist-info/METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: scale-finance\nVersion: {version}\n", encoding="utf-8")
    return app
