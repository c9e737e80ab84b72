"""Both engines find what was planted, and what they say of it is what happened."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.__main__ import ENVIRONMENT, ROOT, fuzz, replay
from tests.fuzz.case import Case, case_of
from tests.fuzz.edits import KINDS, MAX_BYTES, Edit, apply, random_edit
from tests.fuzz.generated import Generated
from tests.fuzz.logs import coverage_of
from tests.fuzz.planted import TARGET
from tests.fuzz.seeds import own
from tests.fuzz.targets import target
from tests.ingestion.workbook_files import xlsx
from tests.ingestion.workbook_samples import TABLE, apart

READERS = ("csv", "ofx", "qif", "mt940", "camt", "workbook")
STATEMENT = b"Date,Text,Amount\n2024-01-31,a,-1.00\n"


def test_hypothesis_finds_a_crash_and_a_square_and_makes_them_small(tmp_path: Path) -> None:
    Generated(TARGET, 120, tmp_path, tmp_path / "findings", enough=2).run()
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert any("KeyError" in signature for signature in figures["findings"])
    assert any(signature.startswith(("growth", "slow", "hang")) for signature in figures["findings"])
    kept = [path for path in (tmp_path / "findings").iterdir() if "KeyError" in path.with_suffix(".txt").read_text()]
    assert b"\x00" in min(kept, key=lambda path: path.suffix == ".txt").read_bytes()


def test_atheris_finds_a_crash(tmp_path: Path) -> None:
    arguments = f"planted.TARGET, 6, Path({str(tmp_path)!r}), Path({str(tmp_path / 'findings')!r})"
    program = f"from pathlib import Path; from tests.fuzz import guided, planted; guided.fuzz({arguments})"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=ENVIRONMENT, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["executions"] > 0
    assert any("KeyError" in signature for signature in figures["findings"])
    (tmp_path / "log").write_bytes(done.stderr)
    assert coverage_of(tmp_path / "log")["corpus"] > 0


@pytest.mark.parametrize("reader", READERS)
def test_seeds_are_statements(reader: str, tmp_path: Path) -> None:
    """Those of our own, read as the service reads them: most are whole, so that changes to them get deep."""
    from tests.fuzz.oracles import Limits, Oracle

    oracle = Oracle(target(reader, in_process=True).readers, tmp_path, Limits())
    results = [oracle.check(case, default_format=reader, twice=False) for case in own(reader)]
    assert sum(bool(result.rows) for result in results) > 0.7 * len(results), [result.refused for result in results]


@pytest.mark.parametrize("kind", KINDS)
def test_every_edit_takes_any_content(kind: str) -> None:
    chance = Random(kind)
    for content in (b"", b"\n", b"x", STATEMENT, b'<a x="1"><b>2</b></a>', b"PK\x03\x04broken"):
        for at in (0.0, 0.5, 0.999):
            edited = apply(content, [Edit(kind, at, 5, b"tok", 2000), random_edit(chance, content, [b"", b"1"])])
            assert len(edited) <= MAX_BYTES


def test_a_part_of_a_workbook_is_changed_and_packed_again() -> None:
    changed = apply(xlsx(TABLE), [Edit("number", at / 1000, 0, b"77", 1) for at in range(0, 1000, 50)])
    assert "error" not in apart(changed)[-1] or "format" in apart(changed)[0]
    assert changed != xlsx(TABLE)


def test_an_engine_that_dies_of_an_input_starts_again(tmp_path: Path) -> None:
    """The input is a finding, but for one that only ends the process of its own that a workbook has."""
    for engine, reader, content, contained in (("hypothesis", "csv", STATEMENT, 0), ("atheris", "workbook", xlsx(TABLE), 1)):
        statuses = iter([-6, 0])

        def run(_: str, __: str, ___: float, work: Path, ____: Path, content: bytes = content, statuses=statuses) -> int:
            (work / "current").write_bytes(Case(content).data())
            (work / "log").touch()
            (work / "figures.json").write_text('{"executions": 3, "slowest_ms": 5}')
            return next(statuses)

        told = fuzz(engine, reader, 5, tmp_path, run=run)
        assert (told["executions"], told["slowest_ms"], told["contained"]) == (6, 5, contained)
        assert len(told["findings"]) == 1 - contained
    kept = next(tmp_path.glob("hypothesis-csv-death-*"))
    assert case_of(kept.read_bytes()).content == STATEMENT


def test_a_finding_can_be_seen_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "input"
    path.write_bytes(Case(STATEMENT, {"file_format": "csv"}).data())
    assert replay("csv", path) == 0
    assert "csv: 1 rows, 0 errors" in capsys.readouterr().out
