"""Blocking work off the event loop, without leaving a thread behind that still uses what its caller closes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


async def run_to_end(
    executor: Executor | None, function: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
) -> Result:
    """Calls `function` on a thread of `executor` (None: the loop's own). Cancelled, it waits for the thread before it gives way."""
    future = asyncio.get_running_loop().run_in_executor(executor, lambda: function(*arguments, **named))
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        future.exception()  # seen, so that nobody complains about it
        raise cancelled
    return future.result()
