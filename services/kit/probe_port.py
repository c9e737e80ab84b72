"""A second port that only says whether the process serves: an orchestrator's own probes speak neither TLS nor our tokens."""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

_MAX_BYTES = 1024
_MAX_CALLS = 16

_OPTIONS: list[tuple[str, int]] = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", _MAX_BYTES),
    ("grpc.max_send_message_length", _MAX_BYTES),
]


class _ProcessHealth(health_pb2_grpc.HealthServicer):
    """The process, by its empty name. No Watch: whoever waits takes one of the few calls that the next probe needs."""

    serving = True

    async def Check(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        """Whether the process serves."""
        if request.service:
            await context.abort(grpc.StatusCode.NOT_FOUND, "only the process itself, by the empty name, is asked here")
        status = health_pb2.HealthCheckResponse
        return status(status=status.SERVING if self.serving else status.NOT_SERVING)


class ProbePort:
    """grpc.health.v1 in plain for the empty service name, and nothing else: SERVING from `start`, NOT_SERVING from `drain`, whatever the
    process depends on does meanwhile. An outage that all replicas share must not take all of them out of service."""

    def __init__(self, host: str, port: int) -> None:
        """Raises RuntimeError where the port is taken."""
        self._server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=_MAX_CALLS)
        self._health = _ProcessHealth()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self.port = self._server.add_insecure_port(f"{host}:{port}")

    async def start(self) -> None:
        """Listens: from here on the process serves."""
        await self._server.start()

    def drain(self) -> None:
        """No new calls are wanted."""
        self._health.serving = False

    async def stop(self) -> None:
        """Last of all."""
        await self._server.stop(None)
