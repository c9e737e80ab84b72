"""What the queue asks of categorization: ids in, one call."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from services.categorization.app import CategorizationWorkerApp
from services.categorization.jobs.domain import JobKind
from services.categorization.jobs.queue import CLASSIFY, DISCOVER, QUEUE, RECATEGORIZE, rules_for
from services.categorization.schedule import EXPIRE_ACCEPTANCE, EXPIRE_RESULTS, REQUEUE_STALLED_JOBS, UPKEEP
from services.kit.background import run_in_background
from services.kit.queue import task_options


@shared_task(name=CLASSIFY, **task_options(QUEUE, rules_for(JobKind.CLASSIFICATION)))  # type: ignore[untyped-decorator]
def classify_payments(user_id: str, job_id: str) -> None:
    """Classifies what a job was given."""
    run_in_background(_run_job(UUID(user_id), UUID(job_id)))


@shared_task(name=RECATEGORIZE, **task_options(QUEUE, rules_for(JobKind.RECATEGORIZATION)))  # type: ignore[untyped-decorator]
def recategorize_ledger(user_id: str, job_id: str) -> None:
    """Classifies a ledger anew."""
    run_in_background(_run_job(UUID(user_id), UUID(job_id)))


@shared_task(name=DISCOVER, **task_options(QUEUE, rules_for(JobKind.DISCOVERY)))  # type: ignore[untyped-decorator]
def discover_categories(user_id: str, job_id: str) -> None:
    """Looks for new categories."""
    run_in_background(_run_job(UUID(user_id), UUID(job_id)))


async def _run_job(user_id: UUID, job_id: UUID) -> None:
    await CategorizationWorkerApp.opened().run_job(user_id, job_id)


@shared_task(name=REQUEUE_STALLED_JOBS, **task_options(UPKEEP))  # type: ignore[untyped-decorator]
def requeue_stalled_jobs() -> None:
    """Queues again what nobody works on."""
    run_in_background(_requeue_stalled_jobs())


async def _requeue_stalled_jobs() -> None:
    await CategorizationWorkerApp.opened().runs.requeue_stalled_jobs()


@shared_task(name=EXPIRE_RESULTS, **task_options(UPKEEP))  # type: ignore[untyped-decorator]
def expire_results() -> None:
    """Removes answers that nobody fetched for days."""
    run_in_background(_expire_results())


async def _expire_results() -> None:
    await CategorizationWorkerApp.opened().runs.expire_results()


@shared_task(name=EXPIRE_ACCEPTANCE, **task_options(UPKEEP))  # type: ignore[untyped-decorator]
def expire_acceptance() -> None:
    """Forgets how many categories were given and put right a month ago."""
    run_in_background(_expire_acceptance())


async def _expire_acceptance() -> None:
    await CategorizationWorkerApp.opened().counts.expire_acceptance()
