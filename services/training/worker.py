"""`python -m services.training.worker`: trains. The clock of all services (`services.kit.beat`) wakes it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from models.artifact import verify
from services.kit.background import run_worker
from services.kit.heartbeat import tell_while_working, touch_while_working
from services.kit.needs import Needs
from services.kit.queue import make_celery, upkeep_of
from services.kit.server import set_up_process
from services.kit.settings import load_settings, read_settings
from services.training.app import TrainingWorkerApp
from services.training.protocols import Trainer
from services.training.queue import QUEUE
from services.training.settings import TrainingWorkerSettings

NAME = "training-worker"
_TASKS = "services.training.tasks"
_MOST_MEMORY_MIB = 256
"""Upkeep needs half of it. What a training needed, threads that still compute included, goes with its process."""


def work(settings: TrainingWorkerSettings, trainers: Mapping[str, Trainer] | None = None) -> None:
    """Works until SIGTERM. `trainers` in place of the product's own."""
    set_up_process(NAME, settings)
    touch_while_working(settings.heartbeat_file)
    tell_while_working(NAME, settings.redis_url.get_secret_value())
    run_worker(
        make_celery(NAME, settings.redis_url.get_secret_value(), services=["training"], include=[_TASKS]),
        queues=[upkeep_of("training"), QUEUE],
        concurrency=settings.worker_concurrency,
        on_start=partial(TrainingWorkerApp.open, settings, trainers),
        on_stop=TrainingWorkerApp.close,
        grace_s=settings.worker_grace_s,
        events=settings.queue_events,
        most_memory_mib=_MOST_MEMORY_MIB,
    )


NEEDS = Needs(
    partial(read_settings, TrainingWorkerSettings),
    modules=lambda _: [_TASKS],
    loads=lambda settings: [verify(settings.models_folder), verify(settings.forecaster_folder)],
)

if __name__ == "__main__":
    work(load_settings(TrainingWorkerSettings))
