"""The coordinator as it runs, on the real database and behind a real channel; only the gate is set by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import numpy as np
import pytest
from numpy.typing import NDArray

from services.federation.app import FederationApp
from services.federation.settings import FederationSettings
from services.local import LocalSystem
from tests.ingestion.conftest import process_settings
from tests.support.federation_rounds import Administrator


@dataclass
class HandSetGate:
    """`Gate`: every head is as good as `accuracies` says, that of the base first; then as `usual`."""

    usual: float = 0.8
    accuracies: list[float] = field(default_factory=list)
    heads: list[NDArray[np.float32]] = field(default_factory=list)

    async def accuracy(self, head: NDArray[np.float32]) -> float:
        """See `Gate`."""
        self.heads.append(head)
        return self.accuracies.pop(0) if self.accuracies else self.usual


@dataclass
class Coordinator:
    """The service, and somebody who may start rounds."""

    app: FederationApp
    channel: grpc.aio.Channel
    gate: HandSetGate

    @property
    def administrator(self) -> Administrator:
        return Administrator(self.channel)

    async def active(self) -> None:
        """Once it is."""
        async with asyncio.timeout(10):
            while not self.app.engine.active:
                await asyncio.sleep(0.01)


StartCoordinator = Callable[..., AbstractAsyncContextManager[Coordinator]]


@pytest.fixture
def start_coordinator(servers: LocalSystem, tmp_path: Path) -> StartCoordinator:
    """`async with start_coordinator(silence_s=1) as coordinator`: it may stand by."""

    @asynccontextmanager
    async def start(**settings: Any) -> AsyncIterator[Coordinator]:
        chosen: dict[str, Any] = {
            "database_url": servers.service_url("federation"),
            "SCALE_STORAGE_URL": f"file://{tmp_path}",
            "DB_POOL_SIZE": 2,
            "DB_MAX_OVERFLOW": 8,
            "selection_s": 1,
            "training_s": 3,
            "stage_s": 3,
            "silence_s": 0.7,
            "check_in_s": 0.02,
            "leader_s": 0.05,
            **process_settings(),
            **settings,
        }
        gate = HandSetGate()
        app = FederationApp(FederationSettings(**chosen), gate=gate)
        await app.open()
        await app.server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{app.server.port}") as channel:
                yield Coordinator(app, channel, gate)
        finally:
            await app.server.stop()
            await app.close()

    return start


@pytest.fixture
async def coordinator(start_coordinator: StartCoordinator) -> AsyncIterator[Coordinator]:
    """The active one."""
    async with start_coordinator() as started:
        await started.active()
        yield started
