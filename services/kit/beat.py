"""`python -m services.kit.beat MODULE ...`: the one clock of all services. It enqueues what each module's SCHEDULE lists, when it is due.

Two clocks at once do no harm, and none at all does for a while: what a task finds to do stands in PostgreSQL.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field, SecretStr

from services.kit.background import run_beat
from services.kit.heartbeat import touch_while_working
from services.kit.needs import Needs
from services.kit.queue import Every, make_celery, route_to
from services.kit.server import set_up_process
from services.kit.settings import WorkerSettings, load_settings, read_settings, service_config

NAME = "beat"
_UPKEEP = "upkeep-"


class BeatSettings(WorkerSettings):
    """What the clock reads: it knows the queue alone."""

    model_config = service_config(NAME)

    redis_url: SecretStr = Field(
        validation_alias=AliasChoices("SCALE_REDIS_URL"), description="redis:// or rediss:// address of the queue."
    )


def read_schedules(modules: Sequence[str]) -> list[Every]:
    """What all modules ask for. Raises ValueError naming one that is no schedule."""
    found: list[Every] = []
    for module in modules:
        try:
            found += importlib.import_module(module).SCHEDULE
        except (ImportError, AttributeError, TypeError) as error:
            raise ValueError(f"{module} is no module with a SCHEDULE: {error}") from error
    return found


def keep_time(settings: BeatSettings, schedule: Sequence[Every]) -> None:
    """Wakes the workers until SIGTERM."""
    set_up_process(NAME, settings)
    services = sorted({entry.queue.removeprefix(_UPKEEP) for entry in schedule if entry.queue.startswith(_UPKEEP)})
    celery = make_celery(NAME, settings.redis_url.get_secret_value(), services=services)
    celery.conf.beat_schedule = {entry.task: _entry(entry) for entry in schedule}
    touch_while_working(settings.heartbeat_file)
    with tempfile.TemporaryDirectory(prefix="scale-beat-") as folder:
        run_beat(celery, Path(folder) / "schedule")


def _named(modules: Sequence[str]) -> Sequence[str]:
    read_schedules(modules)
    return modules


def _entry(every: Every) -> dict[str, Any]:
    # One that nobody took in time is not made up for.
    return {"task": every.task, "schedule": every.seconds, "options": route_to(every.queue) | {"expires": every.seconds}}


def main(modules: Sequence[str]) -> None:
    """The clock for the schedules of these modules."""
    try:
        schedule = read_schedules(modules)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    if not schedule:
        raise SystemExit("usage: python -m services.kit.beat services.accounts.schedule services.ingestion.schedule ...")
    keep_time(load_settings(BeatSettings), schedule)


NEEDS = Needs(partial(read_settings, BeatSettings), modules=_named)

if __name__ == "__main__":
    main(sys.argv[1:])
