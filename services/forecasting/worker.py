"""`python -m services.forecasting.worker`: makes forecasts and looks through ledgers.

The clock of all services (`services.kit.beat`) wakes it.
"""

from __future__ import annotations

from functools import partial

from services.forecasting.app import ForecastingWorkerApp, Works
from services.forecasting.jobs.queue import QUEUE
from services.forecasting.predictor import check_forecaster
from services.forecasting.settings import ForecastingWorkerSettings
from services.kit.background import run_worker
from services.kit.heartbeat import tell_while_working, touch_while_working
from services.kit.needs import Needs
from services.kit.queue import make_celery, upkeep_of
from services.kit.server import set_up_process
from services.kit.settings import load_settings, read_settings

NAME = "forecasting-worker"
_TASKS = "services.forecasting.tasks"


def work(settings: ForecastingWorkerSettings, works: Works | None = None) -> None:
    """Works until SIGTERM. `works` makes what stands in the product's own work's place."""
    set_up_process(NAME, settings)
    touch_while_working(settings.heartbeat_file)
    tell_while_working(NAME, settings.redis_url.get_secret_value())
    run_worker(
        make_celery(NAME, settings.redis_url.get_secret_value(), services=["forecasting"], include=[_TASKS]),
        queues=[upkeep_of("forecasting"), QUEUE],
        concurrency=settings.worker_concurrency,
        on_start=partial(ForecastingWorkerApp.open, settings, works),
        on_stop=ForecastingWorkerApp.close,
        grace_s=settings.worker_grace_s,
        events=settings.queue_events,
    )


NEEDS = Needs(
    partial(read_settings, ForecastingWorkerSettings),
    modules=lambda _: [_TASKS],
    loads=lambda settings: [check_forecaster(settings.models_folder)],
)

if __name__ == "__main__":
    work(load_settings(ForecastingWorkerSettings))
