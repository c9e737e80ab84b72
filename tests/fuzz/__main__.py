"""Fuzzes the statement readers: `python -m tests.fuzz --seconds 600 --readers csv,ofx`; `... --replay csv FILE` for one input.

Each reader is run by both engines, each for the given time in a process of its own, as many at once as there are processors. One line
of JSON per engine and reader says what was done. Exit 1 when anything was found: the inputs lie in .fuzz/findings.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from services.ingestion.app import READERS
from tests.fuzz.engine import ENGINES
from tests.fuzz.logs import coverage_of

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".fuzz"
MAX_DEATHS = 200
Run = Callable[[str, str, float, Path, Path], int]
"""Engine, reader, seconds, work folder, findings: one run of an engine to its end; the exit status."""
_GRACE_S = 400  # to start, to shrink what was found, and to be late on a busy machine
# Polars' threads are of no use to small files.
ENVIRONMENT = {**os.environ, "POLARS_MAX_THREADS": "1", "PYTHONHASHSEED": "0"}


def fuzz(engine: str, reader: str, seconds: float, findings: Path = FOLDER / "findings", *, run: Run | None = None) -> dict[str, Any]:
    """One engine on one reader: its figures, with `findings` as a list of texts. An engine that dies of an input starts again."""
    findings.mkdir(parents=True, exist_ok=True)
    sums, peaks = ("cpu_seconds", "executions", "refused", "rows"), ("slowest_ms", "growth_mib")
    totals: dict[str, Any] = {"engine": engine, "reader": reader, "seconds": 0.0, **dict.fromkeys((*sums, *peaks, "contained"), 0)}
    found: dict[str, str] = {}
    deaths = 0
    with tempfile.TemporaryDirectory(prefix="scale-fuzz-") as folder:
        work = Path(folder)
        while totals["seconds"] < seconds and deaths < MAX_DEATHS:
            (work / "figures.json").unlink(missing_ok=True)
            started = time.monotonic()
            status = (run or _run)(engine, reader, seconds - totals["seconds"], work, findings)
            ran = time.monotonic() - started
            figures = _figures(work / "figures.json")
            for name in sums:
                totals[name] = round(totals[name] + figures.get(name, 0), 1)
            for name in peaks:
                totals[name] = max(totals[name], figures.get(name, 0.0))
            found |= figures.get("findings", {})
            totals["seconds"] = round(totals["seconds"] + min(ran, seconds - totals["seconds"]), 1)
            if status == 0:
                break
            deaths += 1
            said = _after_death(engine, reader, status, work, findings)
            totals["contained"] += not said
            if said:
                found[said] = said
        totals |= coverage_of(work / "log") if engine == "atheris" else {}
    totals["executions_per_s"] = round(totals["executions"] / max(totals["seconds"], 1), 1)
    return {**totals, "findings": list(found.values())}


def _run(engine: str, reader: str, seconds: float, work: Path, findings: Path) -> int:
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.engine",
        engine,
        reader,
        f"--seconds={seconds:.0f}",
        f"--work={work}",
        f"--findings={findings}",
    ]
    with (work / "log").open("ab") as log:
        try:
            return subprocess.run(
                command, cwd=ROOT, env=ENVIRONMENT, stdout=log, stderr=log, timeout=seconds + _GRACE_S, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            return -9


def _after_death(engine: str, reader: str, status: int, work: Path, findings: Path) -> str:
    """What is wrong; "" where the reader, as the service runs it, stands the input that ended the engine: a workbook's process may die."""
    current = work / "current"
    if not current.exists():
        return f"{engine} did not start: {(work / 'log').read_text(errors='replace')[-2000:]}"
    path = findings / f"{engine}-{reader}-death-{time.time_ns()}"
    path.write_bytes(current.read_bytes())
    try:
        command = [sys.executable, "-m", "tests.fuzz", "--replay", reader, str(path)]
        again = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=_GRACE_S, check=False)
    except subprocess.TimeoutExpired:
        return f"the engine ended with status {status}, and the input alone hangs [{path}]"
    if again.returncode == 0 and reader == "workbook" and engine == "atheris":
        path.unlink()
        return ""
    return f"the engine ended with status {status}; the input alone: {again.stdout[-300:]}{again.stderr[-300:]} [{path}]"


def _figures(path: Path) -> dict[str, Any]:
    try:
        figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return figures


def replay(reader: str, path: Path) -> int:
    """Runs one input as the service would, and says how it went. 1 for a finding."""
    from tests.fuzz.case import case_of
    from tests.fuzz.oracles import Finding, Oracle
    from tests.fuzz.targets import target

    with tempfile.TemporaryDirectory() as folder:
        chosen = target(reader, in_process=False)
        oracle = Oracle(chosen.readers, Path(folder), chosen.limits)
        try:
            result = oracle.check(case_of(path.read_bytes()), default_format=reader, twice=True)
        except Finding as finding:
            cause = finding.__cause__
            sys.stdout.write(f"{finding}\n")
            if cause is not None:
                sys.excepthook(type(cause), cause, cause.__traceback__)
            return 1
    sys.stdout.write(f"{result.file_format}: {result.rows} rows, {result.errors} errors, {result.cpu_s:.2f} s; {result.refused}\n")
    return 0


def main() -> int:
    """0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="for each engine on each reader")
    parser.add_argument("--readers", default=" ".join(READERS), help="of these, with blanks or commas between")
    parser.add_argument("--engines", default=" ".join(ENGINES))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    parser.add_argument("--replay", nargs=2, metavar=("READER", "FILE"))
    said = parser.parse_args()
    if said.replay:
        return replay(said.replay[0], Path(said.replay[1]))
    readers, engines = (text.replace(",", " ").split() for text in (said.readers, said.engines))
    unknown = [name for name in readers if name not in READERS] + [name for name in engines if name not in ENGINES]
    if unknown:
        parser.error(f"{', '.join(unknown)}: the readers are {', '.join(READERS)}, the engines {', '.join(ENGINES)}")
    found = 0
    with ThreadPoolExecutor(said.jobs) as pool:
        runs = [pool.submit(fuzz, engine, reader, said.seconds) for reader in readers for engine in engines]
        for run in runs:
            outcome = run.result()
            found += len(outcome["findings"])
            sys.stdout.write(json.dumps(outcome) + "\n")
            sys.stdout.flush()
    if found:
        sys.stdout.write(
            f"{found} findings. To see one again: {Path(sys.executable).name} -m tests.fuzz --replay READER .fuzz/findings/FILE\n"
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
