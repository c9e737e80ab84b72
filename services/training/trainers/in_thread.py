"""Computes in a thread, and tells from there how far it is: the event loop keeps the lease of the job."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from services.training.domain import Progress
from services.training.protocols import Report

Result = TypeVar("Result")
Tell = Callable[[Progress], None]

_EVERY_S = 0.25
_MOST_WAITED_S = 60.0


class Abandoned(Exception):
    """Nobody waits for the result any more."""


async def in_thread(work: Callable[[Tell], Result], report: Report, *, every_s: float = _EVERY_S) -> Result:
    """What `work` returns. It tells of each step; a few a second are reported, and each change of phase. What `report` raises ends the work
    at its next step, and so does cancelling."""
    loop, abandoned = asyncio.get_running_loop(), threading.Event()
    told_at, phase = float("-inf"), ""

    def tell(progress: Progress) -> None:
        nonlocal told_at, phase
        if abandoned.is_set():
            raise Abandoned
        if progress.phase == phase and time.monotonic() - told_at < every_s and progress.step < progress.total:
            return
        told_at, phase = time.monotonic(), progress.phase
        asyncio.run_coroutine_threadsafe(report(progress), loop).result(_MOST_WAITED_S)

    try:
        return await asyncio.to_thread(work, tell)
    finally:
        abandoned.set()
