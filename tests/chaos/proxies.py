"""A proxy beside an experiment that is not asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.proxy import Proxy


@contextmanager
def proxied(target: int) -> Iterator[Proxy]:
    """A proxy to 127.0.0.1:`target`, on a loop of its own; `delay_s` and `carries` may be set from here."""
    ready, stop = threading.Event(), asyncio.Event()
    made: list[tuple[Proxy, asyncio.AbstractEventLoop]] = []

    async def serve() -> None:
        async with Proxy(target) as proxy:
            made.append((proxy, asyncio.get_running_loop()))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    ready.wait(10)
    proxy, loop = made[0]
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
