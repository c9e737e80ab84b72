"""Computing beside the event loop: it goes on, hears how far the work is, and can end it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from services.training.domain import Progress
from services.training.trainers.in_thread import Abandoned, Tell, in_thread


class Reports:
    def __init__(self, *, refuse_from: int | None = None) -> None:
        self.told: list[Progress] = []
        self.threads: set[int] = set()
        self._refuse_from = refuse_from

    async def __call__(self, progress: Progress) -> None:
        self.threads.add(threading.get_ident())
        self.told.append(progress)
        if self._refuse_from is not None and progress.step >= self._refuse_from:
            raise PermissionError("given up")


async def test_phases_and_the_last_step_are_always_told_on_the_loop_and_steps_now_and_then() -> None:
    reports = Reports()

    def work(tell: Tell) -> int:
        for step in range(1, 1001):
            tell(Progress(step, 1000, 1 / step, "training"))
        tell(Progress(1000, 1000, None, "evaluating"))
        return threading.get_ident()

    thread = await in_thread(work, reports, every_s=60)
    assert thread != threading.get_ident()
    assert reports.threads == {threading.get_ident()}
    assert [(one.step, one.phase) for one in reports.told] == [(1, "training"), (1000, "training"), (1000, "evaluating")]


async def test_the_loop_goes_on_meanwhile() -> None:
    released = threading.Event()
    asyncio.get_running_loop().call_later(0.05, released.set)
    assert await in_thread(lambda tell: released.wait(10), Reports())


async def test_what_the_report_raises_ends_the_work_and_comes_through() -> None:
    steps = 0

    def work(tell: Tell) -> None:
        nonlocal steps
        for step in range(100):
            steps = step
            tell(Progress(step, 100, None, "training"))

    with pytest.raises(PermissionError, match="given up"):
        await in_thread(work, Reports(refuse_from=7), every_s=0)
    assert steps == 7


async def test_work_that_nobody_waits_for_ends_at_its_next_step() -> None:
    begun, ended = threading.Event(), asyncio.Event()
    loop, errors = asyncio.get_running_loop(), []

    def work(tell: Tell) -> None:
        try:
            while True:
                tell(Progress(1, 0, None, "training"))
                begun.set()
        except Exception as error:
            errors.append(error)
            loop.call_soon_threadsafe(ended.set)
            raise

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await in_thread(work, Reports(), every_s=60)
    assert begun.is_set()
    await asyncio.wait_for(ended.wait(), 10)
    assert isinstance(errors[0], Abandoned)
