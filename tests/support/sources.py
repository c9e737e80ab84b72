"""What only the code says, read from its text."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_SERVICES = Path(__file__).resolve().parents[2] / "services"
_POOL = re.compile(r'few = settings\.model_copy\(update=\{"pool_size": (\d+), "max_overflow": (\d+)\}\)')


@cache
def worker_pools() -> dict[str, int]:
    """The connections that a process of each service's worker may open, whatever DB_POOL_SIZE says: it does one task at a time."""
    found: dict[str, int] = {}
    for path in sorted(_SERVICES.glob("*/*.py")):
        for size, overflow in _POOL.findall(path.read_text(encoding="utf-8")):
            found[path.parent.name] = int(size) + int(overflow)
    return found
