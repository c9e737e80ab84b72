"""What the queue asks of ingestion: ids in, one call."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from services.ingestion.app import IngestionWorkerApp
from services.ingestion.import_queue import IMPORT_STATEMENT, QUEUE
from services.ingestion.schedule import REMOVE_ORPHANED_UPLOADS, REQUEUE_STALLED_IMPORTS, UPKEEP
from services.kit.background import run_in_background
from services.kit.queue import task_options


@shared_task(name=IMPORT_STATEMENT, **task_options(QUEUE))  # type: ignore[untyped-decorator]
def import_statement(user_id: str, import_id: str) -> None:
    """Carries a queued import out."""
    run_in_background(_import_statement(UUID(user_id), UUID(import_id)))


async def _import_statement(user_id: UUID, import_id: UUID) -> None:
    await IngestionWorkerApp.opened().import_statement(user_id, import_id)


@shared_task(name=REQUEUE_STALLED_IMPORTS, **task_options(UPKEEP))  # type: ignore[untyped-decorator]
def requeue_stalled_imports() -> None:
    """Queues again what nobody works on."""
    run_in_background(_requeue_stalled_imports())


async def _requeue_stalled_imports() -> None:
    await IngestionWorkerApp.opened().queued_imports.requeue_stalled_imports()


@shared_task(name=REMOVE_ORPHANED_UPLOADS, **task_options(UPKEEP))  # type: ignore[untyped-decorator]
def remove_orphaned_uploads() -> None:
    """Removes uploads that no import waits for."""
    run_in_background(_remove_orphaned_uploads())


async def _remove_orphaned_uploads() -> None:
    await IngestionWorkerApp.opened().queued_imports.remove_orphaned_uploads()
