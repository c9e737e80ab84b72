"""Files in a folder that processes are at work in."""

from __future__ import annotations

import os
from pathlib import Path


def stored_files(folder: Path) -> list[Path]:
    """Every file below; of what goes away meanwhile, none. `Path.rglob` would raise where a folder does."""
    return [Path(within, name) for within, _, names in os.walk(folder) for name in names]
