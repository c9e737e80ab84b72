"""What the clock asks of the ledger: one call each."""

from __future__ import annotations

from celery import shared_task

from services.accounts.schedule import EXPIRE_EDITS, REFRESH_FIGURES, UPKEEP
from services.accounts.upkeep import AccountsWorkerApp
from services.kit.background import run_in_background
from services.kit.queue import QueueRules, task_options

_REFRESH = QueueRules(time_limit_s=1200, max_retries=0, priority="high")
"""Above what the statement may take: SCALE_ACCOUNTS_REFRESH_TIMEOUT_S, at most 1000."""

_EXPIRE = QueueRules(time_limit_s=1200, max_retries=0, priority="low")


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
