"""What the queue asks of federation: one call."""

from __future__ import annotations

from celery import shared_task

from services.federation.schedule import QUEUE, RUN_ROUND
from services.federation.worker_app import FederationWorkerApp
from services.kit.background import run_in_background
from services.kit.queue import task_options


@shared_task(name=RUN_ROUND, **task_options(QUEUE))  # type: ignore[untyped-decorator]
def run_round() -> None:
    """Sees a round through, where one is due."""
    run_in_background(_run_round())


async def _run_round() -> None:
    await FederationWorkerApp.opened().scheduled.run_when_due()
