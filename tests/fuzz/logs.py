"""What libFuzzer says of its own progress."""

from __future__ import annotations

import re
from pathlib import Path

_PROGRESS = re.compile(rb"cov: (\d+) ft: (\d+) corp: (\d+)/")


def coverage_of(log: Path) -> dict[str, int]:
    """Edges and features of the readers that were reached, and how many inputs reach them; empty for a run that said nothing."""
    said = _PROGRESS.findall(log.read_bytes())
    if not said:
        return {}
    edges, features, corpus = map(int, said[-1])
    return {"edges": edges, "features": features, "corpus": corpus}
