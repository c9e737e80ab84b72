"""How the whole suite is run: in two parts, by several processes, and never green by leaving something out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import suite
from tests.conftest import UUID_TEXT
from tests.support.pieces import SHARED, piece_of

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("company", "alone", "status", "parts"),
    [
        (0, 0, 0, 2),
        (0, 5, 0, 2),  # none of those that were asked for is alone
        (5, 0, 0, 2),
        (5, 5, 5, 2),  # nothing at all was found
        (1, 0, 1, 2),
        (0, 1, 1, 2),
        (1, 1, 1, 2),
        (1, 5, 1, 2),
        (2, 0, 2, 1),  # Ctrl-C, or `-x`
        (4, 0, 4, 1),  # a mistake in the arguments
        (0, 3, 3, 2),
    ],
)
def test_both_parts_count(company: int, alone: int, status: int, parts: int) -> None:
    called: list[list[str]] = []

    def pytest_of(arguments: Sequence[str]) -> int:
        called.append(list(arguments))
        return company if "--alone=without" in arguments else alone

    assert suite.main(["tests/kit", "-k", "not slow"], pytest_of) == status
    assert len(called) == parts
    assert all(arguments[-3:] == ["tests/kit", "-k", "not slow"] for arguments in called)


def test_every_test_is_in_one_of_the_two_parts(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> None:
    """The file that is left out unread by `--alone=only` has no such test."""
    marked = {path for path in (ROOT / "tests").rglob("test_*.py") if "pytest.mark.alone" in path.read_text(encoding="utf-8")}
    assert marked
    for item in request.session.items:
        assert item.get_closest_marker("alone") is None or item.path in marked
        assert pytestconfig.getoption("--alone") != "without" or item.get_closest_marker("alone") is None


def test_what_shares_a_system_stays_together() -> None:
    assert piece_of("tests/e2e/test_budgets.py::test_a") == piece_of("tests/e2e/test_export.py::test_b[c::d]") == "system"
    assert piece_of("tests/e2e/test_erase.py::test_a") == piece_of("tests/chaos/test_kill_during_import.py::test_b") == "breakable_system"
    assert piece_of("tests/kit/test_auth.py::test_a[x]") == "tests/kit/test_auth.py"
    assert all((ROOT / path).exists() for path in SHARED)


def test_names_of_tests_hold_no_random_id(request: pytest.FixtureRequest) -> None:
    """Every process must know a test by the same name."""
    assert [item.nodeid for item in request.session.items if UUID_TEXT.search(item.nodeid)] == []
