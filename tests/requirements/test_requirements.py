"""docs/requirements-status.md: every row has one state, a marker counts where a test stands under it, and nothing is said twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.requirements import catalogue, markers, status
from tests.requirements.catalogue import Row
from tests.requirements.markers import Proof

AREAS = {"ING": ("Ingestion", 2)}
TESTS = """
import pytest
from pytest import mark

pytestmark = [pytest.mark.slow, pytest.mark.requirement("ING-01")]

@pytest.mark.requirement("ING-02", "ING-03")
def test_one() -> None: ...

@mark.requirement("ING-04")
class TestMany:
    @pytest.mark.requirement("ING-05")
    async def test_two(self) -> None: ...

@pytest.mark.parametrize("what", [pytest.param(1, marks=pytest.mark.requirement("ING-06")), 2])
def test_three(what: int) -> None: ...
"""


def tree(root: Path, tests: str = "", **files: str) -> Path:
    """A repository with one file of tests."""
    for name, text in {"Makefile": "bench: ## Run\n", "tests/test_it.py": tests, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_this_trees_rows_are_whole() -> None:
    rows, problems = catalogue.read()
    assert problems == []
    assert len(rows) == 440


def test_markers_are_found_on_tests_classes_files_and_parameters(tmp_path: Path) -> None:
    proofs, problems = markers.find(tree(tmp_path, TESTS))
    assert problems == []
    assert {id: [proof.name for proof in found] for id, found in proofs.items()} == {
        "ING-01": [""],
        "ING-02": ["test_one"],
        "ING-03": ["test_one"],
        "ING-04": ["TestMany"],
        "ING-05": ["TestMany::test_two"],
        "ING-06": ["test_three"],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("@pytest.mark.requirement(ROW)\ndef test_it(): ...", "literal"),
        ("@pytest.mark.requirement()\ndef test_it(): ...", "literal"),
        ("@pytest.mark.requirement('ING-01')\ndef household(): ...", "household is no test"),
    ],
)
def test_a_marker_that_proves_nothing_is_refused(tmp_path: Path, text: str, said: str) -> None:
    _, problems = markers.find(tree(tmp_path, text))
    assert said in problems[0]
    assert problems[0].startswith("tests/test_it.py:1")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("ING-01,Title,,", "must hold ING-01 to ING-02"),
        ("ING-01,Title,,\nING-03,Title,,", "must hold ING-01 to ING-02"),
        ("ING-01,Title,,\nING-02,Title,maybe,why", "has the state 'maybe'"),
        ("ING-01,Title,,\nING-02,Title,open,", "without saying what is missing"),
        ("ING-01,Title,,\nING-02,Title,,why", "a reason without a state"),
        ("ING-01,Title,,\nING-02,Title,command,run it", "which command"),
        ("ING-01,Title,,\nING-02,one two three four five six seven eight nine,,", "at most 8 words"),
        ("ING-01,Title,,\nING-02,Title,open,a, b", "needs four fields"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, lines: str, said: str) -> None:
    (tmp_path / "ing.csv").write_text(f"id,title,state,reason\n{lines}\n", encoding="utf-8")
    _, problems = catalogue.read(tmp_path, AREAS)
    assert any(said in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("row", "marked", "said"),
    [
        (Row("ING-01", "Title", "", ""), ["ING-01"], None),
        (Row("ING-01", "Title", "", ""), [], "neither a state nor a test"),
        (Row("ING-01", "Title", "open", "a test"), ["ING-01"], "is 'open', yet tests/test_it.py::test_it proves it"),
        (Row("ING-01", "Title", "out", "not ours"), ["ING-01"], "is 'out', yet"),
        (Row("ING-01", "Title", "rendered", "no cluster"), ["ING-01"], None),
        (Row("ING-01", "Title", "command", "`make bench`"), [], None),
        (Row("ING-01", "Title", "command", "`make nothing`"), [], "no target nothing"),
        (Row("ING-01", "Title", "command", "`python -m tests.nothing`"), [], "no module tests.nothing"),
        (Row("ING-01", "Title", "replaced", "ADR 9999"), [], "no docs/adr/9999"),
        (Row("ING-01", "Title", "replaced", "see ING-77"), [], "no requirement ING-77"),
        (Row("ING-01", "Title", "replaced", "docs/nothing.md"), [], "no file docs/nothing.md"),
        (Row("ING-01", "Title", "open", "a test"), ["ING-77"], "no requirement ING-77"),
        (Row("ING-01", "Title", "open", "a test"), ["C-62"], "no requirement C-62"),
        (Row("ING-01", "Title", "open", "a test"), ["C-61", "Q-31"], None),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, row: Row, marked: list[str], said: str | None) -> None:
    proofs = {id: [Proof("tests/test_it.py", "test_it")] for id in marked}
    problems = status.contradictions([row], proofs, tree(tmp_path))
    assert problems == [] if said is None else said in problems[0]


def test_the_page_names_tests_and_reasons_and_counts_every_row() -> None:
    rows = [Row("ING-01", "One function", "", ""), Row("ING-02", "Two | bars", "replaced", "by a|b")]
    page = status.page(rows, {"ING-01": [Proof("tests/a/test_b.py", "TestC::test_d")], "C-10": [Proof("tests/a/test_e.py", "")]})
    assert "| ING-01 | One function | proved | [TestC.test_d](../tests/a/test_b.py) |" in page
    assert "| C-10 | [test_e.py](../tests/a/test_e.py) |" in page
    assert "replaced | by a\\|b |" in page
    assert "| **all** | **2** | **1** | **0** | **0** | **1** | **0** | **0** |" in page
