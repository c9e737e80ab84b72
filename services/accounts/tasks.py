"""What the clock asks of the ledger: one call each."""

from __future__ import annotations

from celery import shared_task

from services.accounts.schedule import CREATE_PARTITIONS, EXPIRE_EDITS, REFRESH_FIGURES, UPKEEP
from services.accounts.upkeep import AccountsWorkerApp
from services.kit.background import run_in_background
from services.kit.queue import QueueRules, task_options

_REFRESH = QueueRules(time_limit_s=1200, max_retries=0, priority="high")
"""Above what the statement may take: SCALE_ACCOUNTS_REFRESH_TIMEOUT_S, at most 1000."""

_EXPIRE = QueueRules(time_limit_s=1200, max_retries=0, priority="low")
_PARTITIONS = QueueRules(time_limit_s=120, max_retries=0, priority="low")


@shared_task(name=REFRESH_FIGURES, **task_options(UPKEEP, _REFRESH))  # type: ignore[untyped-decorator]
def refresh_figures() -> None:
    """Makes the figures anew where a ledger has changed."""
    run_in_background(_refresh_figures())


async def _refresh_figures() -> None:
    await AccountsWorkerApp.opened().figures.refresh_figures()


@shared_task(name=EXPIRE_EDITS, **task_options(UPKEEP, _EXPIRE))  # type: ignore[untyped-decorator]
def expire_edits() -> None:
    """Forgets what edits that are too old would restore."""
    run_in_background(_expire_edits())


async def _expire_edits() -> None:
    await AccountsWorkerApp.opened().expiry.expire_edits()


@shared_task(name=CREATE_PARTITIONS, **task_options(UPKEEP, _PARTITIONS))  # type: ignore[untyped-decorator]
def create_partitions() -> None:
    """Makes the months of a partitioned ledger ahead."""
    run_in_background(_create_partitions())


async def _create_partitions() -> None:
    await AccountsWorkerApp.opened().months.create_partitions()
