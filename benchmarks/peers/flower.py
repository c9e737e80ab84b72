"""Flower's own deployment: a SuperLink and SuperNodes, each a process of its own on loopback, and an app that trains nothing."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from services.local.home import LOOPBACK, free_port_base

_PROGRAMS = Path(sys.executable).parent
_APP = Path(__file__).parent / "flower_app"
_START_S = 120
_RUN_S = 900
_STOP_S = 5
_POLL_S = 0.2


@dataclass(frozen=True)
class FlowerRounds:
    """What was measured."""

    seconds: list[float]
    """Of each round; the first one, which warms up, is not among them."""
    mean: float
    """Of the head at the end. Each round adds a step to it: it shows that they have done what they were asked for."""
    superlink_mib: float
    """What the SuperLink held then."""


def missing() -> str:
    """Why it cannot be measured here; nothing when it can."""
    return "" if (_PROGRAMS / "flower-superlink").exists() else f"no flower-superlink in {_PROGRAMS}"


def measure_flower(folder: Path, *, clients: int, rounds: int, length: int) -> FlowerRounds:
    """So many rounds, and one before them, with so many SuperNodes and a head of `length` numbers.

    All is as Flower comes, its process for each message included; but nothing asks the network, and nothing is encrypted, which is in
    Flower's favour. `folder` is empty, and takes the logs. Raises SystemExit where it fails.
    """
    deployment = _Deployment(folder)
    base = free_port_base()
    address = f"{LOOPBACK}:{base}"
    (folder / "config.toml").write_text(f'[superlink]\ndefault = "own"\n\n[superlink.own]\naddress = "{address}"\ninsecure = true\n')
    report = folder / "report.json"
    with contextlib.ExitStack() as stack:
        superlink = stack.enter_context(deployment.running("flower-superlink", "--insecure", "--port", str(base)))
        _wait(lambda: _listens(base), _START_S, "the SuperLink does not listen")
        for port in range(base + 1, base + 1 + clients):
            stack.enter_context(deployment.running("flower-supernode", "--insecure", "--superlink", address, "--port", str(port)))
        chosen = f'clients={clients} rounds={rounds + 1} length={length} report="{report}"'
        deployment.run("flwr", "run", str(_APP), "own", "--run-config", chosen)
        _wait(report.exists, _RUN_S, "Flower's rounds do not end")
        held = psutil.Process(superlink.pid).memory_info().rss / 2**20
    found: dict[str, Any] = json.loads(report.read_text())
    ends: list[float] = found["ends"]
    return FlowerRounds([end - begin for begin, end in pairwise(ends[1:])], found["mean"], held)


class _Deployment:
    """Flower's programs, which find each other on the PATH."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = 0
        self._environment = {
            "PATH": f"{_PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "FLWR_HOME": str(folder),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
            "OMP_NUM_THREADS": "1",
        }

    def run(self, program: str, *arguments: str) -> None:
        """To its end. Raises SystemExit when it fails."""
        command = [str(_PROGRAMS / program), *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False, timeout=_START_S)
        if done.returncode != 0:
            raise SystemExit(f"{program} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")

    @contextlib.contextmanager
    def running(self, program: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Until it is left; then it goes, and all that it has started."""
        self._started += 1
        with (self._folder / f"{program}-{self._started}.log").open("wb") as log:
            process = subprocess.Popen(
                [_PROGRAMS / program, *arguments], env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            try:
                yield process
            finally:
                _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Flower's programs do not always take along what they have started."""
    family = [psutil.Process(process.pid)]
    family += family[0].children(recursive=True)
    for step in (psutil.Process.terminate, psutil.Process.kill):
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                step(member)
        _, family = psutil.wait_procs(family, timeout=_STOP_S)
    process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def _wait(condition: Callable[[], bool], seconds: float, problem: str) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"{problem} within {seconds:.0f} s")
        time.sleep(_POLL_S)
