"""The report on the test pyramid: where a test stands, and that it can fail."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.pyramid import leans, shares, step


@pytest.mark.requirement("CI-10", "CI-11")
@pytest.mark.parametrize(
    ("marks", "fixtures", "path", "expected"),
    [
        ((), ("tmp_path",), "tests/kit/test_money.py::test_parse", "unit"),
        ((), ("servers", "user_id"), "tests/accounts/test_append.py::test_it", "integration"),
        ((), ("own_redis",), "tests/kit/test_queue.py::test_it", "integration"),
        (("e2e",), ("system",), "tests/e2e/test_local.py::test_it", "end to end"),
        ((), ("servers",), "tests/chaos/test_kill.py::test_it", "end to end"),
    ],
)
def test_where_a_test_stands(marks: tuple[str, ...], fixtures: tuple[str, ...], path: str, expected: str) -> None:
    assert step(marks, fixtures, path) == expected


@pytest.mark.requirement("CI-10")
@pytest.mark.parametrize(
    ("unit", "integration", "whole", "said"),
    [(70, 20, 10, None), (95, 4, 1, None), (56, 34, 10, None), (50, 40, 10, "unit: 50.0 %"), (60, 10, 30, "end to end: 30.0 %")],
)
def test_a_pyramid_that_leans_is_told(unit: int, integration: int, whole: int, said: str | None) -> None:
    found = leans(shares(Counter({"unit": unit, "integration": integration, "end to end": whole})))
    assert found == [] if said is None else found[0].startswith(said)
