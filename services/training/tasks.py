"""What the queue asks of training: ids in, one call."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from services.kit.background import run_in_background
from services.kit.queue import task_options
from services.training.app import TrainingWorkerApp
from services.training.queue import QUEUE, TRAIN_MODEL
from services.training.registry.queue import DELIVER_VERSION
from services.training.schedule import (
    CHECK_ACCURACY,
    DELIVER_VERSIONS,
    EXPIRE_JOBS,
    EXPIRE_NOTIFICATIONS,
    REMOVE_CHECKPOINTS,
    REMOVE_ORPHANED_ARTIFACTS,
    REQUEUE_STALLED_JOBS,
    TRAIN_FORECASTER,
    UPKEEP,
)


@shared_task(name=TRAIN_MODEL, **task_options(QUEUE))  # type: ignore[untyped-decorator]
def train_model(user_id: str, job_id: str) -> None:
    """Carries a job out."""
    run_in_background(_train_model(UUID(user_id), UUID(job_id)))


async def _train_model(user_id: UUID, job_id: UUID) -> None:
    await TrainingWorkerApp.opened().run_job(user_id, job_id)


@shared_task(name=REQUEUE_STALLED_JOBS, **task_options(UPKEEP))  # type: ignore[untyped-decorator]
def requeue_stalled_jobs() -> None:
    """Queues again what nobody works on, and gives up what takes too long."""
    run_in_background(_requeue_stalled_jobs())


async def _requeue_stalled_jobs() -> None:
    await TrainingWorkerApp.opened().reaper.look()


@shared_task(name=CHECK_ACCURACY, **task_options(UPKEEP))  # type: ignore[untyped-decorator]
def check_accuracy() -> None:
    """Has models trained anew that are put right too often."""
    run_in_background(_check_accuracy())


async def _check_accuracy() -> None:
    await TrainingWorkerApp.opened().check_accuracy()


@shared_task(name=TRAIN_FORECASTER, **task_options(UPKEEP))  # type: ignore[untyped-decorator]
def train_forecaster() -> None:
    """Has everybody's forecaster trained anew, once a month."""
    run_in_background(_train_forecaster())


async def _train_forecaster() -> None:
    await TrainingWorkerApp.opened().train_forecaster()


@shared_task(name=EXPIRE_NOTIFICATIONS, **task_options(UPKEEP))  # type: ignore[untyped-decorator]
def expire_notifications() -> None:
    """Removes old notifications."""
    run_in_background(_expire_notifications())


async def _expire_notifications() -> None:
    await TrainingWorkerApp.opened().expire_notifications()


@shared_task(name=EXPIRE_JOBS, **task_options(UPKEEP))  # type: ignore[untyped-decorator]
def expire_jobs() -> None:
    """Removes jobs of a year ago."""
    run_in_background(_expire_jobs())


async def _expire_jobs() -> None:
    await TrainingWorkerApp.opened().expire_jobs()


@shared_task(name=DELIVER_VERSION, **task_options(UPKEEP))  # type: ignore[untyped-decorator]
def deliver_version(user_id: str, model_type: str) -> None:
    """Has the service that answers told of a version."""
    run_in_background(_deliver_version(UUID(user_id), model_type))


async def _deliver_version(user_id: UUID, model_type: str) -> None:
    await TrainingWorkerApp.opened().deliver_version(user_id, model_type)


@shared_task(name=DELIVER_VERSIONS, **task_options(UPKEEP))  # type: ignore[untyped-decorator]
def deliver_versions() -> None:
    """Has it told of what it could not be told before."""
    run_in_background(_deliver_versions())


async def _deliver_versions() -> None:
    await TrainingWorkerApp.opened().deliver_versions()


@shared_task(name=REMOVE_ORPHANED_ARTIFACTS, **task_options(UPKEEP))  # type: ignore[untyped-decorator]
def remove_orphaned_artifacts() -> None:
    """Removes what a crash left in the storage."""
    run_in_background(_remove_orphaned_artifacts())


async def _remove_orphaned_artifacts() -> None:
    await TrainingWorkerApp.opened().remove_orphaned_artifacts()


@shared_task(name=REMOVE_CHECKPOINTS, **task_options(UPKEEP))  # type: ignore[untyped-decorator]
def remove_checkpoints() -> None:
    """Removes what trainings left that nobody goes on with, and counts what lies there."""
    run_in_background(_remove_checkpoints())


async def _remove_checkpoints() -> None:
    await TrainingWorkerApp.opened().remove_checkpoints()
