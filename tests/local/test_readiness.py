"""When a worker, which nobody can call, counts as ready."""

from __future__ import annotations

import os
import time
from pathlib import Path

from services.local.readiness import worker_is_ready


def test_a_worker_is_ready_once_it_has_touched_its_file_itself(tmp_path: Path) -> None:
    heartbeat, now = tmp_path / "ingestion-worker.alive", time.time()
    assert not worker_is_ready(heartbeat, now - 60)
    heartbeat.touch()
    assert worker_is_ready(heartbeat, now - 60)
    # Left by the process before this one.
    assert not worker_is_ready(heartbeat, now + 5)
    # Not touched for long: it is stuck.
    os.utime(heartbeat, (now - 30, now - 30))
    assert not worker_is_ready(heartbeat, now - 60)
