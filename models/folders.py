"""Folders of files that may be left by processes that died. Standard library only."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

_PART = ".part"


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Whole or not at all, whatever dies meanwhile. Raises OSError."""
    part = path.with_name(path.name + _PART)
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def remove_abandoned(root: Path, *, older_than_s: float, now: float | None = None) -> list[str]:
    """Removes the folders of fits below `root` that nobody has written to for so long; returns their names."""
    before, gone = (time.time() if now is None else now) - older_than_s, []
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        with suppress(FileNotFoundError):  # its fit has just ended
            if folder.is_dir() and max(path.stat().st_mtime for path in (folder, *folder.iterdir())) < before:
                shutil.rmtree(folder)
                gone.append(folder.name)
    return gone


def used_bytes(root: Path) -> int:
    """What lies below a folder."""
    total = 0
    for path in root.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total
