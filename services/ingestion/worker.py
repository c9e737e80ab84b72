"""`python -m services.ingestion.worker`: carries queued imports out. The clock of all services (`services.kit.beat`) wakes it."""

from __future__ import annotations

from functools import partial

from services.ingestion.app import IngestionWorkerApp
from services.ingestion.import_queue import QUEUE
from services.ingestion.settings import IngestionWorkerSettings
from services.kit.background import run_worker
from services.kit.heartbeat import tell_while_working, touch_while_working
from services.kit.needs import Needs
from services.kit.queue import make_celery, upkeep_of
from services.kit.server import set_up_process
from services.kit.settings import load_settings, read_settings

NAME = "ingestion-worker"
_TASKS = "services.ingestion.tasks"


def work(settings: IngestionWorkerSettings) -> None:
    """Works until SIGTERM."""
    set_up_process(NAME, settings)
    touch_while_working(settings.heartbeat_file)
    tell_while_working(NAME, settings.redis_url.get_secret_value())
    run_worker(
        make_celery(NAME, settings.redis_url.get_secret_value(), services=["ingestion"], include=[_TASKS]),
        queues=[upkeep_of("ingestion"), QUEUE],
        concurrency=settings.worker_concurrency,
        on_start=partial(IngestionWorkerApp.open, settings),
        on_stop=IngestionWorkerApp.close,
        grace_s=settings.worker_grace_s,
        events=settings.queue_events,
    )


NEEDS = Needs(partial(read_settings, IngestionWorkerSettings), modules=lambda _: [_TASKS])

if __name__ == "__main__":
    work(load_settings(IngestionWorkerSettings))
