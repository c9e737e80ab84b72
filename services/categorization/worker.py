"""`python -m services.categorization.worker`: carries jobs out. The clock of all services (`services.kit.beat`) wakes it."""

from __future__ import annotations

from functools import partial

from services.categorization.app import CategorizationWorkerApp
from services.categorization.jobs.queue import QUEUE
from services.categorization.predictor import load_hypcd
from services.categorization.settings import CategorizationWorkerSettings
from services.kit.background import run_worker
from services.kit.heartbeat import tell_while_working, touch_while_working
from services.kit.needs import Needs
from services.kit.queue import make_celery, upkeep_of
from services.kit.server import set_up_process
from services.kit.settings import load_settings, read_settings

NAME = "categorization-worker"
_TASKS = "services.categorization.tasks"


def work(settings: CategorizationWorkerSettings) -> None:
    """Works until SIGTERM."""
    set_up_process(NAME, settings)
    touch_while_working(settings.heartbeat_file)
    tell_while_working(NAME, settings.redis_url.get_secret_value())
    run_worker(
        make_celery(NAME, settings.redis_url.get_secret_value(), services=["categorization"], include=[_TASKS]),
        queues=[upkeep_of("categorization"), QUEUE],
        concurrency=settings.worker_concurrency,
        on_start=partial(CategorizationWorkerApp.open, settings),
        on_stop=CategorizationWorkerApp.close,
        grace_s=settings.worker_grace_s,
        events=settings.queue_events,
    )


NEEDS = Needs(
    partial(read_settings, CategorizationWorkerSettings),
    modules=lambda _: [_TASKS],
    loads=lambda settings: [load_hypcd(settings.models_folder).model.version],
)

if __name__ == "__main__":
    work(load_settings(CategorizationWorkerSettings))
