"""What becomes of rows and proofs: contradictions, and the page for people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.requirements.catalogue import AREAS, Row
from tests.requirements.markers import Proof

PROVED = "proved"
ORDER = (PROVED, "command", "rendered", "replaced", "out", "open")
HEAD = """# Where each requirement stands

Made by `python -m tests.requirements` from the markers in the tests (`@pytest.mark.requirement("ING-05")`) and from
[the list of rows](../tests/requirements/areas); `make check` fails when it is stale. Do not edit it.

- **proved**: the tests named fail if it does not hold.
- **command**: proved by running the command named, not by the suite.
- **rendered**: manifests or workflows are written, rendered and validated by the tests named; no cluster and no host of
  repositories has run them yet.
- **replaced**: another decision stands in its place; tests named prove that one.
- **out**: not part of SCALE; what stands in its place is named.
- **open**: not proved yet; what is missing is named.
"""
# What tests may stand beside: manifests are rendered by tests, a decision that replaces a row has tests, so may a command.
BESIDE_TESTS = frozenset({"", "command", "rendered", "replaced"})

# How many contradictions and questions the requirements list; they are no rows.
SETTLED = {"C": 61, "Q": 31}


def state(row: Row) -> str:
    return row.state or PROVED


def settled(id: str) -> bool:
    """Whether it is a contradiction (C-nn) or a question (Q-nn) of the requirements: tests may name how it was settled."""
    area, _, number = id.partition("-")
    return number.isdigit() and 1 <= int(number) <= SETTLED.get(area, 0)


def contradictions(rows: list[Row], proofs: dict[str, list[Proof]], root: Path) -> list[str]:
    """Rows without a state, states that tests contradict, markers of rows that do not exist, commands that nobody can run."""
    problems = []
    known = {row.id for row in rows}
    for id in sorted(id for id in proofs.keys() - known if not settled(id)):
        problems.append(f"{proofs[id][0]}: there is no requirement {id}")
    for row in rows:
        tests = proofs.get(row.id, [])
        place = f"tests/requirements/areas/{row.area.lower()}.csv: {row.id}"
        if not row.state and not tests:
            problems.append(f"{place} has neither a state nor a test that is marked with it")
        elif tests and row.state not in BESIDE_TESTS:
            problems.append(f"{place} is '{row.state}', yet {tests[0]} proves it; take the state and the reason away, or the marker")
        problems += [f"{place}: {missing}" for missing in _missing(row, root)]
    return problems


def _missing(row: Row, root: Path) -> Iterable[str]:
    """Names in a reason that lead nowhere: targets of make, modules, files, decisions, other rows."""
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make ([a-z][a-z-]*)", row.reason):
        if not re.search(rf"^{target}:", makefile, re.M):
            yield f"there is no target {target} in the Makefile"
    for module in re.findall(r"`python -m ([a-z0-9_.]+)", row.reason):
        place = root / module.replace(".", "/")
        if not (place.with_suffix(".py").exists() or (place / "__main__.py").exists()):
            yield f"there is no module {module}"
    for file in re.findall(r"\b((?:docs|deploy|tests|operations|services|\.github)/[\w./-]+\.\w+)", row.reason):
        if not (root / file).exists():
            yield f"there is no file {file}"
    for number in re.findall(r"\bADR (\d{4})", row.reason):
        if not list((root / "docs/adr").glob(f"{number}-*.md")):
            yield f"there is no docs/adr/{number}"
    for area, number in re.findall(r"\b([A-Z0-9]{2,5})-(\d\d)\b", row.reason):
        if area in AREAS and not 1 <= int(number) <= AREAS[area][1]:
            yield f"there is no requirement {area}-{number}"


def page(rows: list[Row], proofs: dict[str, list[Proof]]) -> str:
    """The Markdown page."""
    counts = {area: Counter(state(row) for row in rows if row.area == area) for area in AREAS}
    total: Counter[str] = sum(counts.values(), Counter())
    lines = [HEAD, "| area | rows | " + " | ".join(ORDER) + " |", "|---|--:|" + "--:|" * len(ORDER)]
    for area, found in counts.items():
        lines.append(
            f"| [{area}](#{area.lower()}) {AREAS[area][0]} | {found.total()} | "
            + " | ".join(str(found[name] or "") for name in ORDER)
            + " |"
        )
    lines.append(f"| **all** | **{total.total()}** | " + " | ".join(f"**{total[name]}**" for name in ORDER) + " |")
    for area, (title, _) in AREAS.items():
        lines += [
            "",
            f'<a id="{area.lower()}"></a>',
            "",
            f"## {area}: {title}",
            "",
            "| | requirement | state | proof or reason |",
            "|---|---|---|---|",
        ]
        lines += [_line(row, proofs.get(row.id, [])) for row in rows if row.area == area]
    named = sorted((id for id in proofs if settled(id)), key=lambda id: (id[0], int(id[2:])))
    if named:
        lines += ["", "## How contradictions and questions were settled", "", "| | tests |", "|---|---|"]
        lines += [f"| {id} | {_links(proofs[id])} |" for id in named]
    return "\n".join(lines) + "\n"


def _line(row: Row, tests: list[Proof]) -> str:
    proof = "<br>".join(part for part in (row.reason.replace("|", "\\|"), _links(tests)) if part)
    return f"| {row.id} | {row.title} | {state(row)} | {proof} |"


def _links(tests: list[Proof]) -> str:
    return "<br>".join(f"[{(proof.name or Path(proof.path).name).replace('::', '.')}](../{proof.path})" for proof in tests)
