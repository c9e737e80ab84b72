"""The clock of a worker's machine jumps, a day ahead and a day back, while it trains. Leases are in PostgreSQL's time: nobody takes the job
from it, nothing is done twice, and every time on record is right."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import psutil

from services.local import LocalSystem
from services.local.home import REPOSITORY
from tests.chaos.clients import Learner
from tests.chaos.experiment import Findings, command, started, wait_until

SERVICES = ("accounts", "categorization", "ingestion", "training", "training-worker", "beat", "gateway")
DAY_S = 24 * 3600
_WORD = struct.Struct("@l")


class JumpingWorker:
    """The training worker once more, with a clock that is so many seconds off as a file says."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._offset = folder / "offset"
        self._log = folder / "jumping-worker.log"
        self.heartbeat = Path(environment["SCALE_HEARTBEAT_FILE"])
        library = _compiled(folder)
        self._environment = environment | {"LD_PRELOAD": str(library), "JUMPING_CLOCK_FILE": str(self._offset)}
        self._offset.write_bytes(bytes(_WORD.size))
        self._process: subprocess.Popen[bytes] | None = None

    def jump(self, seconds: int) -> None:
        """Sets the clock so much ahead of ours, or behind it."""
        with self._offset.open("r+b") as file:
            file.write(_WORD.pack(seconds))

    def off_s(self) -> float:
        """How far ahead a process with that clock is."""
        done = subprocess.run(
            [sys.executable, "-c", "import time; print(time.time())"], env=self._environment, capture_output=True, text=True, check=True
        )
        return float(done.stdout) - time.time()

    def start(self) -> None:
        """Starts it, and waits until it works."""
        self.heartbeat.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "services.training.worker"]
            self._process = subprocess.Popen(command, cwd=REPOSITORY, env=self._environment, stdout=log, stderr=log, start_new_session=True)
        wait_until(self.heartbeat.exists, 120, f"the worker does not work: {self._log.read_text(errors='replace')[-1000:]}")

    def stop(self) -> None:
        """And what it has forked."""
        if self._process is not None:
            os.killpg(self._process.pid, 9)
            self._process.wait()


def _compiled(folder: Path) -> Path:
    """What turns the clock: libfaketime 0.9.10 would let no Python sleep while it spares the monotonic clock."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise FileNotFoundError("cc is not here: install a C compiler, such as Debian's gcc")
    library = folder / "jumping_clock.so"
    source = Path(__file__).with_name("jumping_clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True)
    return library


@contextmanager
def jumping_worker(system: LocalSystem, folder: Path) -> Iterator[JumpingWorker]:
    """In the place of the system's own."""
    environment = psutil.Process(system.pid("training-worker")).environ()
    system.halt("training-worker")
    worker = JumpingWorker(folder, environment)
    try:
        worker.start()
        yield worker
    finally:
        worker.stop()


def clock_jump(findings: Findings, folder: Path) -> None:
    """In the middle of a training."""
    begun = datetime.now(UTC)
    with started(folder, SERVICES, SCALE_TRAINING_LEASE_S=5) as system:
        learner = Learner(system)
        with jumping_worker(system, folder) as worker:
            for name, seconds in (("ahead", DAY_S), ("back", -DAY_S)):
                job_id = learner.begin()
                wait_until(lambda job_id=job_id: _phase(learner, job_id) == "training", 120, "it does not train")  # type: ignore[misc]
                worker.jump(seconds)
                findings.expect(abs(worker.off_s() - seconds) < 60, f"the clock has not jumped: it is {worker.off_s():.0f} s off")
                time.sleep(12)  # two leases long
                job = learner.job_when(job_id, "processing", *Learner.ENDED)
                findings.told(**{f"status_while_{name}": job["status"]})
                worker.jump(0)
                begun_again = time.monotonic()
                job = learner.job_when(job_id, *Learner.ENDED)
                findings.measured(f"ended_after_{name}_s", time.monotonic() - begun_again)
                learner.ended[job_id] = job["status"]
                findings.expect(job["status"] == "completed", f"with the clock a day {name} the job has ended as {job}")
        findings.failures += learner.reconciled()
        records = _records(system)
        findings.told(tries=[tries for tries, *_ in records])
        findings.expect(all(tries == 1 for tries, *_ in records), "a job was taken from the worker, and begun again")
        now = datetime.now(UTC)
        wrong = [moment for _, *moments in records for moment in moments if moment and not begun <= moment <= now + timedelta(seconds=5)]
        findings.measured("times_on_record_that_are_wrong", len(wrong), at_most=0)


def _phase(learner: Learner, job_id: str) -> str | None:
    progress = learner.job_when(job_id, "pending", "processing", *Learner.ENDED)["progress"]
    return str(progress["phase"]) if progress else None


def _records(system: LocalSystem) -> list[tuple[int, datetime, datetime, datetime]]:
    """Of each job: how often a worker has begun with it, and the times."""

    async def read() -> list[tuple[int, datetime, datetime, datetime]]:
        connection = await asyncpg.connect(system.superuser_url)
        try:
            rows = await connection.fetch(
                "SELECT begun, started_at, updated_at, completed_at FROM training.training_jobs ORDER BY created_at"
            )
            return [tuple(row) for row in rows]
        finally:
            await connection.close()

    return asyncio.run(read())


if __name__ == "__main__":
    sys.exit(command("clock_jump", ["TRN-20", "C-14"], clock_jump))
