"""Streams of the gateway over real sockets, because one that is held back somewhere looks right in a process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import httpx

from services.gateway.server import GatewayServer
from tests.support.gateway_app import Gateway, bearer
from tests.support.ports import free_port


class Events:
    """What came on a stream, event by event, and when."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.comments: list[str] = []

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        event: dict[str, Any] = {}
        async for line in self.response.aiter_lines():
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments.append(line)
            elif line:
                event[name] = json.loads(value) if name == "data" else value
            else:
                if "data" in event:
                    yield event
                event = {}


@asynccontextmanager
async def served(gateway: Gateway) -> AsyncIterator[str]:
    """The same app behind the real server; yields its address."""
    port = free_port()
    server = GatewayServer(gateway.app, gateway.settings.model_copy(update={"port": port, "drain_s": 0.1, "grace_s": 5}))
    server.config.lifespan = "off"  # the fixture has opened it
    server.capture_signals = nullcontext  # type: ignore[method-assign, assignment]
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server._drain()
    # The streams that are still open must not keep it for the whole grace.
    await asyncio.wait_for(task, 3)


@asynccontextmanager
async def stream(gateway: Gateway, url: str, path: str, **headers: str) -> AsyncIterator[Events]:
    """The stream at a path, as the gateway's user."""
    sent = bearer(gateway.user_id) | headers
    async with httpx.AsyncClient(timeout=10) as http, http.stream("GET", url + path, headers=sent) as response:
        yield Events(response)
