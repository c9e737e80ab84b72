"""`python -m services.ingestion.worker`: carries queued imports out. `... worker beat`: its clock; one of these for all workers."""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from services.ingestion.import_queue import QUEUE, REMOVE_ORPHANED_UPLOADS, REQUEUE_STALLED_IMPORTS
from services.ingestion.settings import IngestionBeatSettings, IngestionWorkerSettings
from services.kit.background import run_beat, run_worker
from services.kit.heartbeat import touch_while_working
from services.kit.queue import make_celery, route_to
from services.kit.server import set_up_process
from services.kit.settings import load_settings

NAME = "ingestion-worker"
BEAT_NAME = "ingestion-beat"
_TASKS = "services.ingestion.tasks"


def work(settings: IngestionWorkerSettings) -> None:
    """Works until SIGTERM."""
    # What follows imports libraries that a clock need not wait for.
    from services.ingestion.app import IngestionWorkerApp

    set_up_process(NAME, settings)
    touch_while_working(settings.heartbeat_file)
    run_worker(
        make_celery(NAME, settings.redis_url.get_secret_value(), include=[_TASKS]),
        queues=["upkeep", QUEUE],
        concurrency=settings.worker_concurrency,
        on_start=partial(IngestionWorkerApp.open, settings),
        on_stop=IngestionWorkerApp.close,
        grace_s=settings.worker_grace_s,
    )


def keep_time(settings: IngestionBeatSettings) -> None:
    """Wakes the workers until SIGTERM. Two clocks at once do no harm."""
    set_up_process(BEAT_NAME, settings)
    celery = make_celery(BEAT_NAME, settings.redis_url.get_secret_value())
    celery.conf.beat_schedule = {
        REQUEUE_STALLED_IMPORTS: _every(10, REQUEUE_STALLED_IMPORTS),
        REMOVE_ORPHANED_UPLOADS: _every(3600, REMOVE_ORPHANED_UPLOADS),
    }
    touch_while_working(settings.heartbeat_file)
    with tempfile.TemporaryDirectory(prefix="scale-beat-") as folder:
        run_beat(celery, Path(folder) / "schedule")


def _every(seconds: float, task: str) -> dict[str, Any]:
    # One that nobody took in time is not made up for.
    return {"task": task, "schedule": seconds, "options": route_to("upkeep") | {"expires": seconds}}


def main(arguments: list[str]) -> None:
    """Worker or clock."""
    if arguments not in ([], ["beat"]):
        raise SystemExit("usage: python -m services.ingestion.worker [beat]")
    if arguments:
        keep_time(load_settings(IngestionBeatSettings))
    else:
        work(load_settings(IngestionWorkerSettings))


if __name__ == "__main__":
    main(sys.argv[1:])
