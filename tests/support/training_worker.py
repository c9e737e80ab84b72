"""The training worker with a trainer that leaves traces, for tests: `python -m tests.support.training_worker FOLDER`.

It takes 20 quick steps; with FOLDER/hang it goes on until FOLDER/go is there, with FOLDER/fail it breaks, and with FOLDER/grow it takes
much memory. Each try is a line in
FOLDER/tries.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from services.kit.settings import load_settings
from services.training.domain import MODELS, Job, Progress, Trained
from services.training.protocols import Report
from services.training.settings import TrainingWorkerSettings
from services.training.worker import work

FOLDER = Path(sys.argv[1])
STEPS = 20
PAUSE_S = 0.05


class TracingTrainer:
    """`Trainer`."""

    async def train(self, job: Job, report: Report) -> Trained:
        """Learns nothing."""
        with (FOLDER / "tries").open("a") as file:
            file.write(f"{job.id} {os.getpid()}\n")
        await report(Progress(0, STEPS, None, "collecting"))
        if (FOLDER / "grow").exists():
            bytearray(os.urandom(1024) * 300 * 1024)
        step = 0
        while step < STEPS or ((FOLDER / "hang").exists() and not (FOLDER / "go").exists()):
            await asyncio.sleep(PAUSE_S)
            step = min(step + 1, STEPS)
            await report(Progress(step, STEPS, 1 / step, "training"))
        if (FOLDER / "fail").exists():
            raise RuntimeError("broken on purpose")
        return Trained(b"weights", False, {"accuracy": 0.9}, "hypcd-1", datetime.now(UTC))


if __name__ == "__main__":
    trainer = TracingTrainer()
    work(load_settings(TrainingWorkerSettings), dict.fromkeys(MODELS, trainer))
