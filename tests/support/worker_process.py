"""Workers and the clock as processes, and how to kill them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HANGS_AFTER_S = 30


class WorkerProcess:
    """`python -m MODULE`, with its children."""

    def __init__(self, environment: Mapping[str, str], folder: Path, module: str = "services.ingestion.worker", *arguments: str) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._heartbeat = folder / f"heartbeat-{module}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SCALE_")}
        self.environment = {**inherited, **environment, "SCALE_HEARTBEAT_FILE": str(self._heartbeat)}
        self.log = folder / f"{module}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; `wait_until_ready` says when it works."""
        self._heartbeat.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            # A group of its own: what it forked ends with it.
            self._process = subprocess.Popen(self._command, env=self.environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)

    def wait_until_ready(self) -> None:
        """Until it takes tasks."""
        assert self._process is not None
        until = time.monotonic() + HANGS_AFTER_S
        while not self._heartbeat.exists():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL, parent and children at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self._process is not None
        self._process.terminate()
        status = self._process.wait(HANGS_AFTER_S)
        self._process = None
        return status
