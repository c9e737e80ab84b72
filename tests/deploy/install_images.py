"""`make check-images`: what deploy/Dockerfile does, without an engine. For each extra an empty virtual environment, pip with the pins, the
code as the wheel of the build context has it, and then the self-check of each process; one line for each target, with seconds and sizes.

`python -m tests.deploy.install_images gateway migrate` does it for these targets alone. It needs an index, and takes minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from operations.requirements import requirements
from tests.deploy.context import context
from tests.deploy.dockerfile import ROOT, Target, targets
from tests.deploy.process_settings import SETTINGS

_MEBIBYTE = 1024 * 1024


def run(*command: str | Path, cwd: Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def build_code(folder: Path) -> Path:
    """/app, built as the stage `code` does: from the context alone, by pip and hatchling."""
    for path in context():
        (folder / "build" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / "build" / path)
    app = folder / "app"
    done = run(sys.executable, "-m", "pip", "install", "--no-deps", "--target", app, ".", cwd=folder / "build")
    if done.returncode != 0:
        raise SystemExit(f"The code was not built:\n{done.stderr}")
    for source, destination in ((ROOT / text.split()[0], text.split()[1]) for source, text in targets()["migrate"].copied if not source):
        copy = app / destination.removeprefix("/app/")
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(source, copy)
    return app


def install(extra: str, folder: Path) -> Path:
    """An empty virtual environment with what the extra asks for; returns its interpreter."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=ROOT)
    wanted = folder / "wanted.txt"
    wanted.write_text("\n".join(requirements([extra])) + "\n", encoding="utf-8")
    python = folder / "bin/python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
    done = run(*pip, "--constraint", ROOT / "constraints.txt", "--requirement", wanted, cwd=folder)
    if done.returncode != 0:
        raise SystemExit(f"{extra} was not installed:\n{done.stderr}")
    return python


def check(target: Target, python: Path, app: Path) -> dict[str, object]:
    """What the self-check says of the target's process."""
    environment = {"PATH": f"{python.parent}:{os.defpath}", "HOME": tempfile.gettempdir(), "PYTHONPATH": str(app)} | SETTINGS
    done = run(python, "-P", "-m", "services.kit.self_check", *target.process, cwd=app, environment=environment)
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        return {"ok": False, "problems": [done.stderr[-2000:]]}


def size_of(folder: Path) -> int:
    """MiB in files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*")) // _MEBIBYTE


def main(names: Sequence[str]) -> int:
    """Returns the exit code."""
    console = Console(soft_wrap=True, highlight=False)
    wanted = [target for name, target in targets().items() if not names or name in names]
    if unknown := set(names) - targets().keys():
        console.print(f"deploy/Dockerfile has no target {', '.join(sorted(unknown))}; there are {', '.join(targets())}")
        return 2
    failed, began = [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="scale-images-") as name:
        folder = Path(name)
        app = build_code(folder)
        console.print(f"{'code':24}{time.monotonic() - began:6.0f} s {size_of(app):6} MiB")
        for extra in dict.fromkeys(target.extra for target in wanted):
            started = time.monotonic()
            python = install(extra, folder / extra)
            console.print(f"{extra + ' (extra)':24}{time.monotonic() - started:6.0f} s {size_of(folder / extra):6} MiB")
            for target in (target for target in wanted if target.extra == extra):
                answer = check(target, python, app)
                console.print(f"  {target.name:22}{'starts' if answer['ok'] else 'DOES NOT START'}  {json.dumps(answer)}", markup=False)
                failed += [] if answer["ok"] else [target.name]
            # One at a time: with torch in four of them they would fill a small disk.
            shutil.rmtree(folder / extra)
    console.print(f"{len(wanted)} targets in {time.monotonic() - began:.0f} s" + (f"; FAILED: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
