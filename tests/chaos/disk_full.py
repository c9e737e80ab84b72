"""The disk of uploads, models and checkpoints is full, to the last byte. What needs room says so and leaves nothing half written, all else
works; the upkeep removes checkpoints that nobody goes on with, and with the room everything is back."""

from __future__ import annotations

import asyncio
import errno
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.kit.queue import TaskQueue
from services.local import LocalSystem
from services.local.home import LOOPBACK
from services.training.schedule import REMOVE_CHECKPOINTS, UPKEEP
from tests.chaos.clients import Learner
from tests.chaos.experiment import Findings, command, started, wait_until
from tests.chaos.redis_unreachable import QUEUE_ABOVE_BYTES, statement
from tests.support.stored_files import stored_files

SERVICES = ("accounts", "categorization", "ingestion", "ingestion-worker", "training", "training-worker", "beat", "gateway")
DISK_MIB = 16
ABANDONED_HOURS = 25
_USED = "scale_training_checkpoint_disk_used_ratio"


def disk_full(findings: Findings, folder: Path) -> None:
    """A disk of 16 MiB, in memory."""
    disk = folder / "disk"
    settings = {
        "SCALE_STORAGE_URL": (disk / "objects").as_uri(),
        "SCALE_TRAINING_CHECKPOINTS_DIR": disk / "checkpoints",
        "SCALE_INGESTION_QUEUE_ABOVE_BYTES": QUEUE_ABOVE_BYTES,
    }
    with small_disk(disk):
        (disk / "objects").mkdir(mode=0o700)
        with started(folder, SERVICES, **settings) as system:
            learner = Learner(system)
            abandoned = disk / "checkpoints" / "019b76da-a800-7000-8000-0000000000d0" / "epoch-1.pt"
            abandoned.parent.mkdir(parents=True)
            fill(abandoned)
            findings.measured("bytes_left", os.statvfs(disk).f_bavail, at_most=0)
            before = _files(disk)
            _without_room(findings, learner)
            findings.expect(_files(disk) == before, f"left half written: {_files(disk) - before}")
            _take_stock(system)
            findings.measured("checkpoint_disk_used_ratio", _wait_for_ratio(system, least=0.99))
            # A day later nobody has gone on with it.
            long_ago = time.time() - ABANDONED_HOURS * 3600
            for path in (abandoned, abandoned.parent):
                os.utime(path, (long_ago, long_ago))
            _take_stock(system)
            findings.measured("cleaned_up_s", wait_until(lambda: not abandoned.exists(), 60, "checkpoints are not removed"), at_most=60)
            _with_room(findings, learner)


def _without_room(findings: Findings, learner: Learner) -> None:
    user = learner.user
    job_id = learner.begin()
    job = learner.job_when(job_id, *Learner.ENDED)
    learner.ended[job_id] = job["status"]
    reason = (job["error"] or {}).get("reason")
    findings.told(training=[job["status"], reason])
    findings.expect((job["status"], reason) == ("failed", "NO_STORAGE_ROOM"), f"training without room has ended as {job}")
    # What cannot wait for a worker is read within its request.
    large = user.post_import(statement(1, 1500))
    findings.told(large_import=[large.status_code, large.json().get("reason"), large.headers.get("Retry-After")])
    away = large.status_code == 503 and "Retry-After" in large.headers
    findings.expect(away or large.status_code == 201, f"a large import: {large.status_code} {large.text[:300]}")
    small = user.post_import(statement(2, 40))
    findings.expect(small.status_code == 201, f"what needs no room of it: {small.status_code} {small.text[:300]}")


def _with_room(findings: Findings, learner: Learner) -> None:
    user = learner.user
    job_id = learner.begin()
    job = learner.job_when(job_id, *Learner.ENDED)
    learner.ended[job_id] = job["status"]
    findings.expect(job["status"] == "completed", f"training with room has ended as {job}")
    queued = user.post_import(statement(1, 1500))
    findings.expect(queued.status_code == 202, f"a large import with room: {queued.status_code} {queued.text[:300]}")
    if queued.status_code == 202:
        user.finished(queued)
    held = sum(1 for one in user.transactions() if one["description"].startswith("statement"))
    findings.expect(held == 1500 + 40, f"{held} rows of the two imports are held")
    findings.failures += learner.reconciled()


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own. Mounting needs root."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0700", "tmpfs", str(folder)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)
    if done.returncode:
        raise PermissionError(f"a small disk cannot be mounted: {done.stderr.strip()}. Run this as root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(path: Path) -> None:
    """Until not a byte more goes onto the disk."""
    with path.open("wb", buffering=0) as file:
        for size in (1024 * 1024, 4096, 1):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def _files(disk: Path) -> set[str]:
    return {str(path.relative_to(disk)) for path in stored_files(disk)}


def _take_stock(system: LocalSystem) -> None:
    """What the clock asks every ten minutes, now."""

    async def ask() -> None:
        queue = TaskQueue(system.redis_url, services=["training"])
        await queue.enqueue(REMOVE_CHECKPOINTS, [], queue=UPKEEP)
        await queue.close()

    asyncio.run(ask())


def _wait_for_ratio(system: LocalSystem, *, least: float) -> float:
    found: list[float] = []

    def told() -> bool:
        found[:] = [_ratio(system)]
        return found[0] >= least

    wait_until(told, 60, f"no {_USED} of {least}: an alert has nothing to go by")
    return found[0]


def _ratio(system: LocalSystem) -> float:
    connection = http.client.HTTPConnection(LOOPBACK, system.ports.metrics("training-worker"), timeout=5)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    values = [float(line.rpartition(" ")[2]) for line in lines if line.startswith(_USED)]
    return max(values, default=0.0)


if __name__ == "__main__":
    sys.exit(command("disk_full", ["REL-09", "REL-24", "TRN-22"], disk_full))
