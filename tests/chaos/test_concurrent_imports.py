"""Fifty imports at once while what they need is killed: nothing is lost, nothing is there twice, and whoever is sent away is told when to
come back (ING-20, REL-15)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.local import LocalSystem, free_port_base
from tests.chaos.concurrent_imports import (
    DEADLINE_S,
    LARGE,
    QUEUE_ABOVE_BYTES,
    SERVICES,
    SETTINGS,
    SMALL,
    Fifty,
    rows_of,
    statement,
    wait_until_clean,
)
from tests.chaos.experiment import user_environment

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

# Who is killed, and after how many of the fifty have come to an end; what else is then in hand is in the middle.
KILLS = ((3, "accounts"), (8, "ingestion-worker"), (14, "ingestion"), (20, "redis"))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    """With what imports need."""
    system = LocalSystem(tmp_path_factory.mktemp("chaos") / "home", free_port_base(), environment=user_environment(**SETTINGS))
    with system:
        system.start(SERVICES)
        yield system


def kill_on_the_way(system: LocalSystem, fifty: Fifty) -> list[str]:
    """Kills one after the other; returns whom."""
    killed = []
    for after, victim in KILLS:
        deadline = time.monotonic() + DEADLINE_S
        while len(fifty.imports.ended) < after:
            assert time.monotonic() < deadline, f"{len(fifty.imports.ended)} of {after} imports ended before {victim} was to be killed"
            time.sleep(0.02)
        if pid := system.pid(victim):
            os.kill(pid, signal.SIGKILL)
            killed.append(victim)
    return killed


@pytest.mark.requirement("ING-20", "REL-15", "REL-18")
def test_fifty_imports_while_services_die(system: LocalSystem) -> None:
    assert len(statement(rows_of("u0 small", 0, SMALL))) < QUEUE_ABOVE_BYTES < len(statement(rows_of("u0 large", 0, LARGE)))
    fifty = Fifty(system)
    with ThreadPoolExecutor(1) as killer:
        killing = killer.submit(kill_on_the_way, system, fifty)
        fifty.carry_out()
        killed = killing.result(timeout=DEADLINE_S)
    assert set(killed) == {"accounts", "ingestion", "ingestion-worker", "redis"}
    fifty.check()
    assert 10 < fifty.imports.queued <= 20  # while Redis is away, large ones are read within their request
    assert fifty.imports.refusals[429] > 0, "nobody was sent away: the test has too many places"
    wait_until_clean(system)
