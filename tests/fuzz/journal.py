"""What a fuzzing run has done so far, kept on disk: the process may die of its next input."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.fuzz.case import Case
from tests.fuzz.oracles import Finding, Result, cpu_seconds

MAX_FINDINGS = 50


@dataclass
class Figures:
    """Counts since the start; times are the processor's."""

    executions: int = 0
    refused: int = 0
    rows: int = 0
    slowest_ms: float = 0.0
    growth_mib: float = 0.0
    cpu_seconds: float = 0.0
    findings: dict[str, str] = field(default_factory=dict)  # signature -> what is wrong


class Journal:
    """The figures and findings of one engine on one reader. `folder` gets `current` (the case at work), `figures.json` and the findings."""

    def __init__(self, folder: Path, findings: Path, name: str) -> None:
        findings.mkdir(parents=True, exist_ok=True)
        self._current = folder / "current"
        self._file = folder / "figures.json"
        self._findings, self._name = findings, name
        self._smallest: dict[str, int] = {}
        self._written = time.monotonic()
        self.figures = Figures()

    def begin(self, case: Case) -> None:
        """Note the case before it runs."""
        self._current.write_bytes(case.data())
        self.figures.executions += 1

    def done(self, result: Result) -> None:
        """Note how it went."""
        figures = self.figures
        figures.refused += bool(result.refused)
        figures.rows += result.rows
        figures.slowest_ms = max(figures.slowest_ms, round(1000 * result.cpu_s, 1))
        figures.growth_mib = max(figures.growth_mib, round(result.growth_bytes / 2**20, 1))
        if time.monotonic() - self._written > 1:
            self.write()

    def found(self, case: Case, finding: Finding) -> bool:
        """Keep the smallest case of each signature; whether the signature is new."""
        new = finding.signature not in self._smallest
        data = case.data()
        if new and len(self._smallest) >= MAX_FINDINGS:
            return False
        if new or len(data) < self._smallest[finding.signature]:
            self._smallest[finding.signature] = len(data)
            path = self._findings / f"{self._name}-{hashlib.sha256(finding.signature.encode()).hexdigest()[:10]}"
            path.write_bytes(data)
            path.with_suffix(".txt").write_text(f"{finding}\n", encoding="utf-8")
            self.figures.findings[finding.signature] = f"{finding} [{path}]"
            self.write()
        return new

    def write(self) -> None:
        """Figures to disk, whole or not at all."""
        self._written = time.monotonic()
        self.figures.cpu_seconds = round(cpu_seconds(), 1)
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self.figures)), encoding="utf-8")
        draft.replace(self._file)
