"""A file of 1,000 rows through REST, within what each phase allows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import pytest

from services.local import LocalSystem, free_port_base
from tests.conftest import unmeasured_environment
from tests.support.rest import RestUser

pytestmark = pytest.mark.alone

ROWS = 1_000


@pytest.fixture(scope="module")
def taken_s(tmp_path_factory: pytest.TempPathFactory) -> Iterator[float]:
    """The median of five imports, each of new rows and answered with what became of them, with categories as `make run` has them."""
    folder = tmp_path_factory.mktemp("import-1k")
    with LocalSystem(folder / "home", free_port_base(), durable=True, environment=unmeasured_environment()) as system:
        system.start()
        user = RestUser(system)
        times = []
        for number in range(5):
            rows = "".join(f"2026-05-{13 + row % 15},-1.00,File {number} row {row}\n" for row in range(ROWS))
            started = time.perf_counter()
            assert user.imported(f"Date,Amount,Description\n{rows}")["counts"]["inserted"] == ROWS
            times.append(time.perf_counter() - started)
        user.close()
        yield statistics.median(times)


@pytest.mark.requirement("ING-19", "PERF-03")
@pytest.mark.parametrize(("phase", "within_s"), [("p1", 10), ("p2", 5), ("p3", 2)])
def test_a_thousand_rows_are_in_within_the_time_of_each_phase(taken_s: float, phase: str, within_s: float) -> None:
    assert taken_s < within_s, phase
