"""`make run` that is stopped before it has started."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from services.local.home import free_port_base
from tests.support.make_run import MakeRun, all_gone, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_stop_in_the_middle_of_the_start_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    run = MakeRun(tmp_path, free_port_base())
    wait_for(lambda: "Start the supervisor" in run.output(), 30)
    family = run.family()
    run.process.send_signal(number)
    assert run.process.wait(30) == 0, run.output()
    assert all_gone(family)
