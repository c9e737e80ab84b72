"""`make run` as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from services.local.home import REPOSITORY, LocalHome, Ports
from services.local.supervise import Supervisor


class MakeRun:
    """`python -m services.local`, which is all that `make run` does once the packages are there."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = LocalHome(home)
        self.ports = Ports(port)
        self.url = f"http://127.0.0.1:{port}"
        self.start()

    def start(self, *, measured: bool = True) -> None:
        """Once more, after an end. Coverage slows a start down by a fifth."""
        environment = {"PATH": os.environ["PATH"], "SCALE_HOME": str(self.home.path), "SCALE_GATEWAY_PORT": str(self.ports.base)}
        self._output = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  closed with the object
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.local"],
            cwd=REPOSITORY,
            env=environment | (coverage_settings() if measured else {}),
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def output(self) -> str:
        self._output.seek(0)
        return self._output.read()

    def wait_until_ready(self, seconds: float = 90) -> float:
        """Seconds from the start until it said how to use it."""
        while "Try:" not in self.output():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() - self.started < seconds, self.output()
            time.sleep(0.05)
        return time.monotonic() - self.started

    def pid(self, name: str) -> int:
        return int(Supervisor(self.home).processes()[name]["pid"])

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def client(self, token: str | None = None) -> httpx.Client:
        token = token or self.home.token_file.read_text().strip()
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=20, trust_env=False)

    def token_of(self, user: str) -> str:
        command = [sys.executable, "-m", "clients.cli", "token", "--user", user]
        environment = {"PATH": os.environ["PATH"], "SCALE_HOME": str(self.home.path)}
        return subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    def press_ctrl_c(self) -> None:
        """To the whole group, as a terminal does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


def coverage_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


def all_gone(processes: list[psutil.Process]) -> bool:
    return not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def best_of_three(measure: Callable[[], float], enough: float) -> float:
    """The shortest of at most three measurements; no more are made once one is below `enough`."""
    found = [measure()]
    while min(found) >= enough and len(found) < 3:
        found.append(measure())
    return min(found)


def wait_for(condition: Callable[[], object], seconds: float) -> float:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - started
