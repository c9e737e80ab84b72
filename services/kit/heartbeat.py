"""A file that is touched for as long as a worker, or beat, is at work: that its process exists says little.

Whoever watches over the process compares the file's age with a few times `EVERY_S`: the local system before it says that all is ready, a
liveness probe in a cluster.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from celery import signals

EVERY_S = 2.0


def touch_while_working(file: Path | None) -> None:
    """Call it before `run_worker` or `run_beat`; None: no file. A worker touches it from its main loop, once it takes tasks from the queue
    and while its children are busy; beat with each round in which it looks what is due."""
    if file is None:
        return
    # What an earlier process left says nothing about this one.
    file.unlink(missing_ok=True)

    def worker_is_ready(sender: Any, **_: Any) -> None:
        file.touch()
        sender.timer.call_repeatedly(EVERY_S, file.touch)

    def beat_begins(sender: Any, **_: Any) -> None:
        look = sender.scheduler.tick

        def look_and_touch() -> float:
            pause = float(look())
            file.touch()
            return pause

        sender.scheduler.tick = look_and_touch

    signals.worker_ready.connect(worker_is_ready, weak=False)
    signals.beat_init.connect(beat_begins, weak=False)
