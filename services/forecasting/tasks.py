"""What the queue asks of forecasting: ids in, one call."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from services.forecasting.app import ForecastingWorkerApp
from services.forecasting.jobs.queue import FORECAST, QUEUE, RULES, SCAN
from services.forecasting.schedule import EXPIRE_JOBS, REQUEUE_STALLED_JOBS, START_DUE_SCANS, UPKEEP
from services.kit.background import run_in_background
from services.kit.queue import task_options


@shared_task(name=FORECAST, **task_options(QUEUE, RULES))  # type: ignore[untyped-decorator]
def make_forecast(user_id: str, job_id: str) -> None:
    """Makes a forecast."""
    run_in_background(_run_job(UUID(user_id), UUID(job_id)))


@shared_task(name=SCAN, **task_options(QUEUE, RULES))  # type: ignore[untyped-decorator]
def scan_ledger(user_id: str, job_id: str) -> None:
    """Looks through a ledger for what is odd."""
    run_in_background(_run_job(UUID(user_id), UUID(job_id)))


async def _run_job(user_id: UUID, job_id: UUID) -> None:
    await ForecastingWorkerApp.opened().run_job(user_id, job_id)


@shared_task(name=REQUEUE_STALLED_JOBS, **task_options(UPKEEP))  # type: ignore[untyped-decorator]
def requeue_stalled_jobs() -> None:
    """Queues again what nobody works on."""
    run_in_background(_requeue_stalled_jobs())


async def _requeue_stalled_jobs() -> None:
    await ForecastingWorkerApp.opened().runs.requeue_stalled_jobs()


@shared_task(name=EXPIRE_JOBS, **task_options(UPKEEP))  # type: ignore[untyped-decorator]
def expire_jobs() -> None:
    """Removes what was forecast weeks ago."""
    run_in_background(_expire_jobs())


async def _expire_jobs() -> None:
    await ForecastingWorkerApp.opened().runs.expire_jobs()


@shared_task(name=START_DUE_SCANS, **task_options(UPKEEP))  # type: ignore[untyped-decorator]
def start_due_scans() -> None:
    """Has ledgers looked through that were not for a day."""
    run_in_background(_start_due_scans())


async def _start_due_scans() -> None:
    await ForecastingWorkerApp.opened().start_due_scans()
