"""Rounds on the wire: for administrators, and for the clock's worker."""

from __future__ import annotations

from uuid import UUID

import grpc.aio

from scale.federation.v1 import rounds_service_pb2 as pb
from scale.federation.v1.rounds_service_pb2_grpc import RoundsServiceServicer
from services.federation.domain import Trigger
from services.federation.messages import options_of, round_message, status_message
from services.federation.service import RoundsService
from services.kit import context
from services.kit.errors import PermissionDenied, invalid
from services.kit.fields import text_of, uuid_of
from services.kit.pagination import PageTokens, page_size

SERVICE = "scale.federation.v1.RoundsService"
BACKGROUND_METHODS = frozenset(f"/{SERVICE}/{method}" for method in ("StartRound", "AbortRound", "GetRound", "GetFederationStatus"))
"""What the clock's worker asks."""
_MAX_REQUEST_ID_CHARS = 36
_MAX_WAIT_S = 60
_FILTERS = "rounds"


class RoundsServicer(RoundsServiceServicer):
    """`scale.federation.v1.RoundsService`."""

    def __init__(self, service: RoundsService, page_tokens: PageTokens) -> None:
        self._service = service
        self._page_tokens = page_tokens

    async def StartRound(self, request: pb.StartRoundRequest, _: grpc.aio.ServicerContext) -> pb.StartRoundResponse:
        """A new one, or that of the same request."""
        trigger = _asked_by()
        request_id = text_of("request_id", request.request_id, _MAX_REQUEST_ID_CHARS, required=True)
        found = await self._service.start_round(options_of(request.options), request_id=request_id, trigger=trigger)
        return pb.StartRoundResponse(round=round_message(found))

    async def AbortRound(self, request: pb.AbortRoundRequest, _: grpc.aio.ServicerContext) -> pb.AbortRoundResponse:
        """Gives it up."""
        _asked_by()
        found = await self._service.abort_round(uuid_of("round_id", request.round_id))
        return pb.AbortRoundResponse(round=round_message(found))

    async def GetRound(self, request: pb.GetRoundRequest, _: grpc.aio.ServicerContext) -> pb.GetRoundResponse:
        """One."""
        _asked_by()
        if not 0 <= request.wait_seconds <= _MAX_WAIT_S:
            raise invalid("wait_seconds", f"{request.wait_seconds} is not between 0 and {_MAX_WAIT_S}")
        found = await self._service.get_round(uuid_of("round_id", request.round_id), wait_s=request.wait_seconds)
        return pb.GetRoundResponse(round=round_message(found))

    async def ListRounds(self, request: pb.ListRoundsRequest, _: grpc.aio.ServicerContext) -> pb.ListRoundsResponse:
        """A page, the newest first."""
        _asked_by()
        user_id, limit, below = context.identity().user_id, page_size(request.page_size), None
        if request.page_token:
            below = int(self._page_tokens.decode(request.page_token, user_id=user_id, filters=_FILTERS)[0])
        found, more = await self._service.list_rounds(limit=limit, below=below)
        response = pb.ListRoundsResponse(rounds=map(round_message, found))
        if more:
            position = (str(found[-1].number),)
            response.next_page_token = self._page_tokens.encode(user_id=user_id, filters=_FILTERS, position=position)
        return response

    async def GetFederationStatus(
        self, request: pb.GetFederationStatusRequest, _: grpc.aio.ServicerContext
    ) -> pb.GetFederationStatusResponse:
        """How the coordinator is."""
        _asked_by()
        return status_message(await self._service.status())


def _asked_by() -> Trigger:
    """Raises PermissionDenied for people who are no administrators. The clock's worker asks in nobody's name."""
    caller = context.identity()
    if caller.role == "service" and caller.user_id == UUID(int=0):
        return Trigger.SCHEDULE
    if caller.role != "admin":
        raise PermissionDenied("Rounds are for administrators.", reason="ADMINS_ONLY")
    return Trigger.ADMIN
