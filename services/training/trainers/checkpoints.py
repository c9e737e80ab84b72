"""Where long trainings keep how far they are: a folder for each job, until it has ended well or nobody goes on with it."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from uuid import UUID

import structlog

from models.folders import remove_abandoned, used_bytes
from services.training.metrics import CHECKPOINT_BYTES, CHECKPOINT_DISK_USED

log = structlog.get_logger()


class CheckpointFolders:
    """Folders below one, which is made when it is needed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def of(self, job_id: UUID) -> Path:
        """The job's own; it may not be there yet."""
        return self._root / str(job_id)

    async def remove(self, job_id: UUID) -> None:
        """The job needs it no more. What cannot be removed now goes with what was abandoned."""
        await asyncio.to_thread(shutil.rmtree, self.of(job_id), ignore_errors=True)

    async def remove_abandoned(self, *, hours: float) -> int:
        """Removes what nobody has written to for so long, and takes stock of the disk; returns how many jobs' it was."""
        gone = await asyncio.to_thread(remove_abandoned, self._root, older_than_s=hours * 3600)
        if gone:
            log.info("checkpoints that nobody went on with were removed", jobs=gone)
        await asyncio.to_thread(self._take_stock)
        return len(gone)

    def _take_stock(self) -> None:
        CHECKPOINT_BYTES.set(used_bytes(self._root))
        there = next(folder for folder in (self._root, *self._root.absolute().parents) if folder.is_dir())
        disk = shutil.disk_usage(there)
        CHECKPOINT_DISK_USED.set(disk.used / disk.total)
