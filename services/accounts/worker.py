"""`python -m services.accounts.worker`: makes figures anew and keeps the ledger in order, when the clock says so."""

from __future__ import annotations

from functools import partial

from services.accounts.schedule import UPKEEP
from services.accounts.settings import AccountsWorkerSettings
from services.accounts.upkeep import AccountsWorkerApp
from services.kit.background import run_worker
from services.kit.heartbeat import tell_while_working, touch_while_working
from services.kit.needs import Needs
from services.kit.queue import make_celery
from services.kit.server import set_up_process
from services.kit.settings import load_settings, read_settings

NAME = "accounts-worker"
_TASKS = "services.accounts.tasks"


def work(settings: AccountsWorkerSettings) -> None:
    """Works until SIGTERM."""
    set_up_process(NAME, settings)
    touch_while_working(settings.heartbeat_file)
    tell_while_working(NAME, settings.redis_url.get_secret_value())
    run_worker(
        make_celery(NAME, settings.redis_url.get_secret_value(), services=["accounts"], include=[_TASKS]),
        queues=[UPKEEP],
        on_start=partial(AccountsWorkerApp.open, settings),
        on_stop=AccountsWorkerApp.close,
        grace_s=settings.worker_grace_s,
        events=settings.queue_events,
    )


NEEDS = Needs(partial(read_settings, AccountsWorkerSettings), modules=lambda _: [_TASKS])

if __name__ == "__main__":
    work(load_settings(AccountsWorkerSettings))
