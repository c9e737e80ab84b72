"""hledger, Actual Budget and beancount, each run as its users run it, as a program of its own."""

from __future__ import annotations

import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_HERE = Path(__file__).parent
_HLEDGER_RULES = """
skip 1
fields date, description, amount, currency, code, balance_text
date-format %Y-%m-%d
account1 assets:checking
account2 expenses:unknown
"""
_EMPTY_LEDGER = "2000-01-01 open Assets:Checking\n"


@dataclass(frozen=True)
class Pass:
    """One import of one file. `added` is None when the limit ended it."""

    seconds: float
    added: int | None

    @property
    def over_limit(self) -> bool:
        """Whether it would have taken longer."""
        return self.added is None

    def __str__(self) -> str:
        return f"more than {self.seconds:.0f} s" if self.over_limit else f"{self.seconds:.2f} s, {self.added} added"


class Peer(Protocol):
    """Something that takes statements into a ledger."""

    name: str

    def missing(self) -> str:
        """Why it cannot be measured here; nothing when it can."""

    def version(self) -> str:
        """Which one it is."""

    def open_ledger(self, folder: Path) -> None:
        """An empty ledger in an empty folder. Not timed."""

    def import_statement(self, folder: Path, statement: Path) -> Pass:
        """The statement into the ledger of that folder, timed."""


class _Program:
    """A command with a limit."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s

    def _run(self, *command: str | Path, cwd: Path | None = None) -> tuple[float, str] | None:
        """Seconds and all output; None when the limit ended it. Raises SystemExit when the command fails."""
        started = time.perf_counter()
        try:
            done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=self._limit_s)
        except subprocess.TimeoutExpired:
            return None
        elapsed = time.perf_counter() - started
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return elapsed, done.stdout + done.stderr


class Hledger(_Program):
    """`hledger import`. It skips what is older than the newest row of the last import."""

    name = "hledger"

    def __init__(self, program: str | None, limit_s: float) -> None:
        super().__init__(limit_s)
        self._program = program or ""

    def missing(self) -> str:
        """See `Peer`."""
        return "" if self._program else "no hledger on the PATH (Debian: apt-get install hledger)"

    def version(self) -> str:
        """See `Peer`."""
        return _first_line([self._program, "--version"])

    def open_ledger(self, folder: Path) -> None:
        """See `Peer`."""
        (folder / "journal").touch()
        (folder / "rules").write_text(_HLEDGER_RULES)

    def import_statement(self, folder: Path, statement: Path) -> Pass:
        """See `Peer`."""
        done = self._run(self._program, "-f", folder / "journal", "import", "--rules-file", folder / "rules", statement)
        if done is None:
            return Pass(self._limit_s, None)
        found = re.search(r"imported (\d+) new transactions", done[1])
        return Pass(done[0], int(found[1]) if found else 0)


class Actual(_Program):
    """Actual Budget's engine on a local budget. It knows duplicates by the bank's reference."""

    name = "actual"

    def __init__(self, node: str | None, modules: Path | None, limit_s: float) -> None:
        super().__init__(limit_s)
        self._node = node or ""
        self._modules = modules

    def missing(self) -> str:
        """See `Peer`."""
        if not self._node:
            return "no node on the PATH"
        if self._modules is None or not self._package.is_file():
            return "no @actual-app/api: npm install it into a folder of its own, and name that with --actual or SCALE_BENCH_ACTUAL"
        return ""

    @property
    def _package(self) -> Path:
        return (self._modules or Path()) / "node_modules" / "@actual-app" / "api" / "package.json"

    def version(self) -> str:
        """See `Peer`."""
        return f"@actual-app/api {json.loads(self._package.read_text())['version']}, node {_first_line([self._node, '--version'])}"

    def _step(self, folder: Path, *step: str | Path) -> tuple[float, str] | None:
        return self._run(self._node, _HERE / "actual_import.mjs", (self._modules or Path()).resolve(), folder / "budget", *step, cwd=folder)

    def open_ledger(self, folder: Path) -> None:
        """See `Peer`."""
        (folder / "budget").mkdir()
        self._step(folder, "prepare")

    def import_statement(self, folder: Path, statement: Path) -> Pass:
        """See `Peer`."""
        done = self._step(folder, "import", statement)
        if done is None:
            return Pass(self._limit_s, None)
        result = json.loads(re.findall(r"RESULT (.*)", done[1])[-1])
        return Pass(result["import_s"], result["added"])


class Beancount(_Program):
    """beangulp's `extract`, whose output the user appends to the ledger. It comments out what resembles an entry of nearly the same day."""

    name = "beancount"

    def __init__(self, python: Path | None, limit_s: float) -> None:
        super().__init__(limit_s)
        self._python = python

    def missing(self) -> str:
        """See `Peer`."""
        if self._python is None or not self._python.is_file():
            return "no Python with beancount and beangulp: name one with --beancount or SCALE_BENCH_BEANCOUNT"
        found = subprocess.run([self._python, "-c", "import beangulp, beancount"], capture_output=True, text=True, check=False)
        return "" if found.returncode == 0 else f"{self._python} has no beancount and beangulp"

    def version(self) -> str:
        """See `Peer`."""
        code = "from importlib.metadata import version; print('beancount', version('beancount'), 'beangulp', version('beangulp'))"
        return _first_line([self._python or "", "-c", code])

    def open_ledger(self, folder: Path) -> None:
        """See `Peer`."""
        (folder / "ledger.beancount").write_text(_EMPTY_LEDGER)

    def import_statement(self, folder: Path, statement: Path) -> Pass:
        """See `Peer`."""
        ledger, entries = folder / "ledger.beancount", folder / "entries.beancount"
        started = time.perf_counter()
        done = self._run(self._python or "", _HERE / "beangulp_import.py", "extract", "--existing", ledger, "--output", entries, statement)
        if done is None:
            return Pass(self._limit_s, None)
        text = entries.read_text()
        with ledger.open("a") as stream:
            stream.write(text)
        return Pass(time.perf_counter() - started, len(re.findall(r"^\d{4}-", text, re.MULTILINE)))


def _first_line(command: list[str | Path]) -> str:
    return (subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines() or [""])[0]
