"""The coordinator over gRPC, as the worker asks it."""

from __future__ import annotations

from uuid import UUID

from scale.federation.v1 import round_pb2
from scale.federation.v1 import rounds_service_pb2 as pb
from scale.federation.v1.rounds_service_pb2_grpc import RoundsServiceStub
from services.federation.domain import Trigger
from services.federation.scheduled import CoordinatorStatus, SeenRound
from services.kit import context
from services.kit.client import ServiceClient
from services.kit.service_tokens import ServiceTokens

_SERVICE = "scale.federation.v1.RoundsService"
_NOBODY = UUID(int=0)
_TIMEOUT_S = 10.0


class GrpcCoordinator:
    """`Coordinator` on the rounds service, in nobody's name. Each call signs a token of its own."""

    def __init__(self, address: str, key: str) -> None:
        """`key`: base64url of an Ed25519 seed."""
        self._client = ServiceClient(
            RoundsServiceStub,
            address,
            service=_SERVICE,
            idempotent=("StartRound", "AbortRound", "GetRound", "GetFederationStatus"),
            timeout_s=_TIMEOUT_S,
        )
        self._tokens = ServiceTokens("federation", key)

    async def status(self) -> CoordinatorStatus:
        """See `Coordinator`."""
        context.bind_background(_NOBODY, self._tokens)
        found = await self._client.unary("GetFederationStatus", pb.GetFederationStatusRequest())
        return CoordinatorStatus(found.available_count, _seen(found.open_round) if found.HasField("open_round") else None)

    async def start_round(self, request_id: str) -> SeenRound:
        """See `Coordinator`."""
        context.bind_background(_NOBODY, self._tokens)
        return _seen((await self._client.unary("StartRound", pb.StartRoundRequest(request_id=request_id))).round)

    async def wait(self, round_id: str, *, seconds: int) -> SeenRound:
        """See `Coordinator`."""
        context.bind_background(_NOBODY, self._tokens)
        request = pb.GetRoundRequest(round_id=round_id, wait_seconds=seconds)
        return _seen((await self._client.unary("GetRound", request, timeout_s=seconds + _TIMEOUT_S)).round)

    async def abort_round(self, round_id: str) -> SeenRound:
        """See `Coordinator`."""
        context.bind_background(_NOBODY, self._tokens)
        return _seen((await self._client.unary("AbortRound", pb.AbortRoundRequest(round_id=round_id))).round)

    async def close(self) -> None:
        """Closes the channel."""
        await self._client.close()


def _seen(found: round_pb2.Round) -> SeenRound:
    return SeenRound(
        round_id=found.round_id,
        open=found.state == round_pb2.ROUND_STATE_OPEN,
        scheduled=found.trigger == Trigger.SCHEDULE,
        opened_at=found.open_time.seconds + found.open_time.nanos / 1e9,
        version=found.version,
        reason=found.reason,
    )
