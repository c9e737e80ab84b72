"""A worker with tasks that leave traces, for tests: `python -m tests.support.queue_worker FOLDER GRACE_S VISIBILITY_TIMEOUT_S [beat]`.
Each trace is a line in FOLDER/traces; `hang` ends when FOLDER/go is there."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from prometheus_client import Counter

from services.kit import context
from services.kit.background import run_beat, run_in_background, run_worker
from services.kit.errors import Unavailable
from services.kit.queue import make_celery, route_to, task_options
from services.kit.server import set_up_process
from services.kit.settings import WorkerSettings, service_config

FOLDER, GRACE_S, VISIBILITY_TIMEOUT_S = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
NOTES = Counter("probe_notes_total", "Notes taken.")


class Settings(WorkerSettings):
    """Of a worker that is nobody's."""

    model_config = service_config("probe")


settings = Settings()
assert settings.redis_url is not None
celery = make_celery("probe", settings.redis_url.get_secret_value(), services=["probe"], visibility_timeout_s=VISIBILITY_TIMEOUT_S)
celery.conf.beat_schedule = {"tick": {"task": "probe.note", "schedule": 0.2, "args": ["tick"], "options": {"expires": 5}}}
opened: list[int] = []


def trace(line: str) -> None:
    """One line, whole or not at all."""
    with (FOLDER / "traces").open("a") as file:
        file.write(f"{line}\n")


async def on_start() -> None:
    """Leaves a trace of the child that is ready."""
    opened.append(os.getpid())
    trace(f"opened {os.getpid()}")


async def on_stop() -> None:
    """Leaves a trace of the child that ends in order."""
    trace(f"closed {os.getpid()}")


@celery.task(name="probe.note", **task_options("ingest"))
def note(text: str) -> None:
    """Says that it ran, in which context, and whether what it needs was opened in this very process."""

    async def noted() -> None:
        await asyncio.sleep(0)
        assert opened == [os.getpid()]
        assert context.request_id()
        assert context.identity_or_none() is None
        NOTES.inc()
        trace(f"note {text}")

    run_in_background(noted())


@celery.task(name="probe.hang", **task_options("ingest"))
def hang(text: str) -> None:
    """Takes until it is told to end."""

    async def hung() -> None:
        trace(f"hang {text} {os.getpid()} {os.getppid()}")
        while not (FOLDER / "go").exists():
            await asyncio.sleep(0.02)
        trace(f"ended {text}")

    run_in_background(hung())


@celery.task(name="probe.slow", **task_options("ingest") | {"time_limit": 1})
def slow(text: str) -> None:
    """Does not end within its time limit."""
    trace(f"slow {text}")
    signal.pause()


@celery.task(name="probe.flaky", **task_options("inference-probe") | {"route": route_to("ingest"), "retry_backoff_max": 0})
def flaky(text: str) -> None:
    """Needs what is away, twice more than it has tries."""
    trace(f"flaky {text}")
    raise Unavailable("not yet")


@celery.task(name="probe.fail", **task_options("ingest"))
def fail(text: str) -> None:
    """Raises."""
    trace(f"fail {text}")
    raise RuntimeError(f"no {text}")


if __name__ == "__main__":
    set_up_process("probe", settings)
    if sys.argv[4:] == ["beat"]:
        run_beat(celery, FOLDER / "schedule")
    else:
        run_worker(
            celery, queues=["upkeep-probe", "ingest"], on_start=on_start, on_stop=on_stop, grace_s=GRACE_S, events=settings.queue_events
        )
