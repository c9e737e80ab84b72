"""A file of 1,000 rows through REST, within what each phase allows."""

from __future__ import annotations

import statistics
import time

import pytest

from services.local import LocalSystem, free_port_base
from tests.conftest import unmeasured_environment
from tests.support.rest import RestUser

pytestmark = pytest.mark.alone

ROWS = 1_000


def row(number: int, each: int) -> str:
    """Of a statement of two weeks: amounts as they come, a few of them alike."""
    cents = 100 + (each * 7919 + number * 104_729) % 20_000
    return f"2026-05-{13 + each % 15},-{cents // 100}.{cents % 100:02},File {number} row {each}\n"


@pytest.fixture(scope="module")
def taken_s(tmp_path_factory: pytest.TempPathFactory) -> float:
    """The median of five imports, each of new rows and answered with what became of them, with categories as `make run` has them."""
    folder = tmp_path_factory.mktemp("import-1k")
    with LocalSystem(folder / "home", free_port_base(), durable=True, environment=unmeasured_environment()) as system:
        system.start()
        user = RestUser(system)
        times = []
        for number in range(5):
            statement = "Date,Amount,Description\n" + "".join(row(number, each) for each in range(ROWS))
            started = time.perf_counter()
            assert user.imported(statement)["counts"]["inserted"] == ROWS
            times.append(time.perf_counter() - started)
        user.close()
    return statistics.median(times)


@pytest.mark.requirement("ING-19", "PERF-03")
@pytest.mark.parametrize(("phase", "within_s"), [("p1", 10), ("p2", 5), ("p3", 2)])
def test_a_thousand_rows_are_in_within_the_time_of_each_phase(taken_s: float, phase: str, within_s: float) -> None:
    assert taken_s < within_s, phase
