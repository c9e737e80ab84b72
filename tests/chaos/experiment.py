"""What every experiment shares: its own local system, figures against their targets, one JSON line, and an exit status."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from services.local import LocalSystem, free_port_base
from services.local.system import SERVICES
from tests.chaos.error_budget import VARIABLE, ChaosRefused, check_budget
from tests.conftest import unmeasured_environment

RETRY_STATUSES = (429, 503, 504)
"""What a client is answered that shall come again: never that it was its fault."""


@dataclass
class Findings:
    """What an experiment has measured and seen."""

    figures: dict[str, Any] = field(default_factory=dict)
    targets: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def measured(self, name: str, value: float, *, at_most: float | None = None) -> None:
        """A figure, and its target where it has one."""
        self.figures[name] = round(value, 3)
        if at_most is not None:
            self.targets[name] = at_most
            if not value <= at_most:
                self.failures.append(f"{name} is {value:.3f}, and the target {at_most:g}")

    def told(self, **figures: Any) -> None:
        """Figures without a target."""
        self.figures.update(figures)

    def expect(self, holds: object, otherwise: str) -> None:
        """What must hold; `otherwise` says what was seen instead."""
        if not holds:
            self.failures.append(otherwise)


Experiment = Callable[[Findings, Path], None]
"""Does it, in a folder of its own: starts what it needs, breaks it, and ends it again."""


def user_environment(**settings: object) -> dict[str, str]:
    """The environment of a system that an experiment starts: nothing of the user's own SCALE."""
    kept = {name: value for name, value in unmeasured_environment().items() if not name.startswith(("DB_", "DATABASE_"))}
    return kept | {"OMP_NUM_THREADS": "1"} | {name: str(value) for name, value in settings.items()}


@contextmanager
def started(folder: Path, services: Sequence[str] = SERVICES, **settings: object) -> Iterator[LocalSystem]:
    """A whole system, as durable as in earnest, in a home below `folder`."""
    system = LocalSystem(folder / "home", free_port_base(), environment=user_environment(**settings))
    with system:
        system.start(services, deadline_s=240)
        yield system


def wait_until(seen: Callable[[], object], seconds: float, otherwise: str) -> float:
    """How long it took until `seen` was true; raises TimeoutError with `otherwise`."""
    begun = time.monotonic()
    while not seen():
        if time.monotonic() - begun > seconds:
            raise TimeoutError(f"{otherwise} (waited {seconds:g} s)")
        time.sleep(0.02)
    return time.monotonic() - begun


def run(name: str, requirements: Sequence[str], experiment: Experiment) -> dict[str, Any]:
    """One run, told as it is printed."""
    findings = Findings()
    begun = time.monotonic()
    load_before = psutil.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix=f"scale-chaos-{name}-") as folder:
        try:
            experiment(findings, Path(folder))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            findings.failures.append(f"{type(error).__name__}: {error}")
    return {
        "experiment": name,
        "requirements": list(requirements),
        "passed": not findings.failures,
        "figures": findings.figures,
        "targets": findings.targets,
        "failures": findings.failures,
        "took_s": round(time.monotonic() - begun, 1),
        "machine": {"processors": os.cpu_count(), "load_before": round(load_before, 1), "load_after": round(psutil.getloadavg()[0], 1)},
    }


def command(
    name: str,
    requirements: Sequence[str],
    experiment: Experiment,
    arguments: Sequence[str] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> int:
    """`python -m tests.chaos.<name>`: prints one JSON line. 0: passed, 1: failed, 2: refused, and nothing was broken."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.chaos.{name}")
    add_budget(parser, environment)
    chosen = parser.parse_args(arguments)
    return report(name, requirements, experiment, error_budget=chosen.error_budget)


def add_budget(parser: argparse.ArgumentParser, environment: Mapping[str, str] = os.environ) -> None:
    """The option that every command has."""
    parser.add_argument(
        "--error-budget",
        default=environment.get(VARIABLE),
        metavar="SOURCE",
        help=f"who knows what is left of the error budget: a Prometheus, or a JSON file (default: {VARIABLE})",
    )


def report(name: str, requirements: Sequence[str], experiment: Experiment, *, error_budget: str | None) -> int:
    """As `command`, with what it was told."""
    try:
        check_budget(error_budget)
    except ChaosRefused as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 2
    found = run(name, requirements, experiment)
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    return 0 if found["passed"] else 1
