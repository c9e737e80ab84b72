"""`python -m services.federation.worker`: sees rounds through. The clock of all services (`services.kit.beat`) wakes it."""

from __future__ import annotations

from functools import partial

from services.federation.schedule import QUEUE
from services.federation.settings import FederationWorkerSettings
from services.federation.worker_app import FederationWorkerApp
from services.kit.background import run_worker
from services.kit.heartbeat import tell_while_working, touch_while_working
from services.kit.needs import Needs
from services.kit.queue import make_celery
from services.kit.server import set_up_process
from services.kit.settings import load_settings, read_settings

NAME = "federation-worker"
_TASKS = "services.federation.tasks"


def work(settings: FederationWorkerSettings) -> None:
    """Works until SIGTERM. One round at a time: there is never more than one."""
    set_up_process(NAME, settings)
    touch_while_working(settings.heartbeat_file)
    tell_while_working(NAME, settings.redis_url.get_secret_value())
    run_worker(
        make_celery(NAME, settings.redis_url.get_secret_value(), services=["federation"], include=[_TASKS]),
        queues=[QUEUE],
        on_start=partial(FederationWorkerApp.open, settings),
        on_stop=FederationWorkerApp.close,
        grace_s=settings.worker_grace_s,
        events=settings.queue_events,
    )


NEEDS = Needs(partial(read_settings, FederationWorkerSettings), modules=lambda _: [_TASKS])

if __name__ == "__main__":
    work(load_settings(FederationWorkerSettings))
