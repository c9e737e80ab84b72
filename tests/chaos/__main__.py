"""`make chaos`: every experiment, one after the other, each in a process of its own. One JSON line each; exit 1 when one has failed, 2 when
too little is left of the error budget."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence

from tests.chaos.error_budget import ChaosRefused, check_budget
from tests.chaos.experiment import add_budget

EXPERIMENTS = (
    "kill_gateway",
    "redis_unreachable",
    "slow_db",
    "concurrent_imports",
    "kill_worker",
    "postgres_restart",
    "redis_partition",
    "disk_full",
    "clock_jump",
    "slow_service",
    "connection_exhaustion",
    "graceful_restart",
    "kill_everything",
)


def run(experiment: str) -> int:
    """One as a process; its exit status."""
    return subprocess.run([sys.executable, "-m", f"tests.chaos.{experiment}"], check=False).returncode


def main(arguments: Sequence[str] | None = None, run_one: Callable[[str], int] = run) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Breaks a local system of its own, on purpose.")
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help=f"default: all of {', '.join(EXPERIMENTS)}")
    parser.add_argument("--repeat", type=int, default=1, help="how often each runs, one time after the other (default: %(default)s)")
    add_budget(parser)
    chosen = parser.parse_args(arguments)
    if unknown := [name for name in chosen.experiments if name not in EXPERIMENTS]:
        parser.error(f"no such experiment: {', '.join(unknown)}")
    failed = []
    for experiment in chosen.experiments or EXPERIMENTS:
        for time_ in range(1, chosen.repeat + 1):
            try:
                check_budget(chosen.error_budget)  # before each: the one before may have spent some
            except ChaosRefused as refusal:
                sys.stderr.write(f"{refusal}\n")
                return 2
            if run_one(experiment) != 0:
                failed.append(f"{experiment} ({time_} of {chosen.repeat})")
    if failed:
        sys.stderr.write(f"Failed: {', '.join(failed)}.\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
