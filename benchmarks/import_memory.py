"""What every process of the system grows by while it takes in one large file, and the same file again.

    python -m benchmarks.import_memory [--rows 1000000]

Sampled several times a second: resident memory of each service with its children, and for PostgreSQL the proportional share (its
processes have their buffers in common). Growth is the highest sample less what the process had after a small import.
Prints one line of JSON, in MB. Exits with 1 when a service grows by more than 300 MB, or a row is not added exactly once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time

import psutil

from benchmarks.running import new_user, note, post_statement, running_system, statement_csv, token_for
from services.local.system import LocalSystem

WANTED_MB = 300
_SAMPLE_S = 0.1
_WARM_UP_ROWS = 1000
_MB = 1e6
SHARING = ("postgres",)
"""Programs whose processes have memory in common."""


class MemoryWatch:
    """Samples the memory of programs until it is left."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._before = {name: _bytes_held(name, pid) for name, pid in pids.items()}
        self._most = dict(self._before)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            for name, pid in self._pids.items():
                self._most[name] = max(self._most[name], _bytes_held(name, pid))

    @property
    def before_mb(self) -> dict[str, int]:
        """What each had at first."""
        return {name: round(held / _MB) for name, held in self._before.items()}

    @property
    def growth_mb(self) -> dict[str, int]:
        """What each had more since, at most."""
        return {name: round((self._most[name] - held) / _MB) for name, held in self._before.items()}


def _bytes_held(name: str, pid: int) -> int:
    """The memory of a process and its children. Raises psutil.NoSuchProcess when the process itself has died."""
    program = psutil.Process(pid)
    held = 0
    for process in [program, *program.children(recursive=True)]:
        try:
            held += process.memory_full_info().pss if name in SHARING else process.memory_info().rss
        except psutil.NoSuchProcess:
            if process == program:
                raise
    return held


def measure(system: LocalSystem, rows: int) -> dict[str, object]:
    """One user, one file, twice."""
    token = token_for(system, new_user())
    post_statement(system, token_for(system, new_user()), statement_csv(_WARM_UP_ROWS))
    content = statement_csv(rows)
    programs = {name: system.pid(name) for name in system.programs if name != "redis"}
    result: dict[str, object] = {"benchmark": "import_memory", "rows": rows, "file_mb": round(len(content) / _MB)}
    with MemoryWatch(programs) as watch:
        result["before_mb"] = watch.before_mb
        for step, inserted in (("first", rows), ("again", 0)):
            started = time.perf_counter()
            counts = post_statement(system, token, content)["counts"]
            if (counts["inserted"], counts["inserted"] + counts["duplicates"]) != (inserted, rows):
                raise SystemExit(f"expected {inserted} new rows of {rows}: {counts}")
            result[step] = {"seconds": round(time.perf_counter() - started, 1), "growth_mb": watch.growth_mb}
            note(f"{step}: {result[step]}")
    most = max(grown for name, grown in watch.growth_mb.items() if name not in SHARING)
    return {**result, "most_grown_mb": most, "wanted_mb": WANTED_MB, "met": most <= WANTED_MB, "cores": os.cpu_count()}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    with running_system() as system:
        result = measure(system, options.rows)
    sys.stdout.write(f"{json.dumps(result)}\n")
    return 0 if result["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
