"""SCALE itself, as one of those that are measured."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.peers.programs import Pass
from benchmarks.running import new_user, post_statement, statement_csv, token_for
from services.local.system import LocalSystem


class Scale:
    """A running system; each ledger is a new user's."""

    name = "scale"

    def __init__(self, system: LocalSystem) -> None:
        self._system = system
        self._token = ""

    def missing(self) -> str:
        """It is here."""
        return ""

    def version(self) -> str:
        """This very working copy."""
        return "this one"

    def warm_up(self) -> None:
        """One small import, as any running service has seen."""
        post_statement(self._system, token_for(self._system, new_user()), statement_csv(1000))

    def open_ledger(self, folder: Path) -> None:
        """Somebody new."""
        self._token = token_for(self._system, new_user())

    def import_statement(self, folder: Path, statement: Path) -> Pass:
        """One request, from its first byte to its answer; of a large file to the end of the work."""
        content = statement.read_bytes()
        started = time.perf_counter()
        counts = post_statement(self._system, self._token, content)["counts"]
        return Pass(time.perf_counter() - started, counts["inserted"])
