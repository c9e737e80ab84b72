"""Chaos 5: the worker is killed in the middle of training. With no retry left the job has failed, its user is told once, and the next one
completes; with the retry that there is by default, `test_kill_during_training` and `kill_everything` show that it is taken over."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.chaos.clients import Learner
from tests.chaos.experiment import Findings, command, started
from tests.chaos.processes import WORKS_WITHIN_S, kill

SERVICES = ("accounts", "categorization", "ingestion", "training", "training-worker", "beat", "gateway")


def kill_worker(findings: Findings, folder: Path) -> None:
    """By SIGKILL, with all that it has forked."""
    with started(folder, SERVICES, SCALE_TRAINING_MAX_RETRIES=0) as system:
        learner = Learner(system)
        job_id = learner.begin()
        learner.job_when(job_id, "processing")
        kill(system, "training-worker")
        killed = time.monotonic()
        job = learner.job_when(job_id, *Learner.ENDED)
        findings.measured("failed_after_s", time.monotonic() - killed, at_most=WORKS_WITHIN_S)
        findings.expect(job["status"] == "failed" and job["error"], f"without a retry the job has ended as {job}")
        learner.ended[job_id] = job["status"]
        begun = time.monotonic()
        again = learner.begin()
        job = learner.job_when(again, *Learner.ENDED)
        learner.ended[again] = job["status"]
        findings.expect(job["status"] == "completed", f"the user's next one has ended as {job}")
        findings.measured("next_training_s", time.monotonic() - begun)
        findings.failures += learner.reconciled()


if __name__ == "__main__":
    sys.exit(command("kill_worker", ["REL-02", "REL-08", "REL-16", "TRN-18", "TRN-19", "TRN-20"], kill_worker))
