"""Tells forecasting, over gRPC, that a ledger has changed: it is looked through for what is odd."""

from __future__ import annotations

import asyncio
from uuid import UUID

import structlog

from scale.anomaly.v1 import anomaly_service_pb2 as pb
from scale.anomaly.v1.anomaly_service_pb2_grpc import AnomalyServiceStub
from services.kit.client import ServiceClient
from services.kit.errors import ScaleError

log = structlog.get_logger()

_SERVICE = "scale.anomaly.v1.AnomalyService"
_TIMEOUT_S = 2.0
"""Nobody waits for it, but for a process that ends."""


class GrpcScans:
    """`LedgerWatcher` on the anomaly service. The caller's token and request id go with every call."""

    def __init__(self, address: str) -> None:
        self._client = ServiceClient(
            AnomalyServiceStub, address, service=_SERVICE, idempotent=("StartScan",), timeout_s=_TIMEOUT_S, audience="forecasting"
        )
        self._under_way: set[asyncio.Task[None]] = set()

    def ledger_changed(self, change_id: UUID) -> None:
        """See `LedgerWatcher`."""
        task = asyncio.create_task(self._start(change_id))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _start(self, change_id: UUID) -> None:
        try:
            await self._client.unary("StartScan", pb.StartScanRequest(request_id=str(change_id), ledger_changed=True))
        except ScaleError as error:
            # Ledgers are looked through once a day, too.
            log.warning("a ledger that has changed is looked through later", reason=error.reason, error=error.message)

    async def close(self) -> None:
        """Says what is still to be said, and closes the channel."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_TIMEOUT_S)
        await self._client.close()
