"""The rows: `areas/<area>.csv`, one line each with id, title, state and reason.

A row that tests prove has no state: the marker `@pytest.mark.requirement("ING-05")` on the test is the proof. The others say how they
stand, and why.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "areas"
# How many rows each area has: a row that is lost, or made up, shows.
AREAS = {
    "ARC": ("Architecture", 20),
    "ING": ("Ingestion", 25),
    "CAT": ("Categorization", 22),
    "FCT": ("Forecasting", 10),
    "ANO": ("Anomalies", 6),
    "TRN": ("Training, queues and workers", 30),
    "FED": ("Federated learning", 19),
    "ACC": ("Accounts, budgets and figures", 18),
    "GW": ("Gateway", 26),
    "SEC": ("Security", 29),
    "DB": ("Database", 70),
    "CACHE": ("Caching", 13),
    "OBS": ("Observability", 24),
    "REL": ("Reliability", 25),
    "PERF": ("Performance", 17),
    "K8S": ("Kubernetes", 19),
    "CI": ("Continuous integration", 16),
    "DOC": ("Documents", 20),
    "OUT": ("Out of scope", 31),
}
# State → what its reason has to say.
STATES = {
    "command": "which command proves it, in backticks",
    "rendered": "why its manifests or workflows are rendered and validated, and nothing more",
    "replaced": "which decision replaces it",
    "out": "what takes its place",
    "open": "what is missing",
}
MAX_WORDS = 8


@dataclass(frozen=True)
class Row:
    """One requirement. `state` is empty where tests are to prove it."""

    id: str
    title: str
    state: str
    reason: str

    @property
    def area(self) -> str:
        return self.id.rpartition("-")[0]


def read(folder: Path = FOLDER, areas: dict[str, tuple[str, int]] = AREAS) -> tuple[list[Row], list[str]]:
    """Every row in the order of the areas, and what is wrong with the files."""
    rows: list[Row] = []
    problems: list[str] = []
    for area, (_, count) in areas.items():
        path = folder / f"{area.lower()}.csv"
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            if reader.fieldnames != ["id", "title", "state", "reason"]:
                problems.append(f"{path.name}:1: the header must be id,title,state,reason")
                continue
            found = []
            for line in reader:
                if None in line or None in line.values():
                    problems.append(f"{path.name}:{reader.line_num}: needs four fields; quote a reason that holds a comma")
                    continue
                found.append(Row(**{name: value.strip() for name, value in line.items()}))
                problems += [f"{path.name}:{reader.line_num}: {found[-1].id} {what}" for what in _wrong(found[-1])]
        wanted = [f"{area}-{number:02}" for number in range(1, count + 1)]
        if [row.id for row in found] != wanted:
            problems.append(f"{path.name}: must hold {wanted[0]} to {wanted[-1]}, each once and in order")
        rows += found
    return rows, problems


def _wrong(row: Row) -> list[str]:
    wrong = []
    if not 0 < len(row.title.split()) <= MAX_WORDS:
        wrong.append(f"needs a title of at most {MAX_WORDS} words")
    if row.state and row.state not in STATES:
        wrong.append(f"has the state '{row.state}'; known are {', '.join(STATES)}, or none where tests prove it")
    elif row.state and not row.reason:
        wrong.append(f"is '{row.state}' without saying {STATES[row.state]}")
    elif row.reason and not row.state:
        wrong.append("has a reason without a state")
    elif row.state == "command" and not re.search(r"`[^`]+`", row.reason):
        wrong.append(f"is 'command' without saying {STATES['command']}")
    return wrong
