"""What enrolled devices ask, on the wire. Which device it is was said by its signature."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol
from uuid import UUID

import grpc.aio

from scale.federation.v1 import participation_service_pb2 as pb
from scale.federation.v1.participation_service_pb2_grpc import ParticipationServiceServicer
from services.federation.domain import PROTOCOL_VERSION, DeviceIdentity, FederatedVersion
from services.federation.messages import STATES
from services.federation.participation.messages import (
    advert_of,
    check_in_message,
    header_of,
    round_id_of,
    shares_of,
    stage_of,
    unmask_shares_of,
    view_message,
)
from services.federation.rounds import RoundEngine
from services.federation.versions.domain import Part, PartAddress
from services.federation.views import Assignment, Wait, WaitReason
from services.kit.errors import invalid
from services.kit.fields import text_of

SERVICE = "scale.federation.v1.ParticipationService"
_CHUNK_BYTES = 64 * 1024
_MAX_WAIT_S = 30
_HASH_CHARS = 64
_TOO_OLD_RETRY_S = 86400.0


class Parts(Protocol):
    """The files of versions (`versions/parts.py`)."""

    def addresses(self, version: FederatedVersion) -> Sequence[PartAddress]:
        """Where they can be had for some minutes."""

    async def read(self, version: int, name: str) -> Part:
        """One, whole. Raises InvalidArgument, NotFound, Unavailable."""


class ParticipationServicer(ParticipationServiceServicer):
    """`scale.federation.v1.ParticipationService`."""

    def __init__(self, engine: RoundEngine, parts: Parts, device: Callable[[], DeviceIdentity]) -> None:
        """`device`: whose signature was checked."""
        self._engine = engine
        self._parts = parts
        self._device = device

    async def CheckIn(self, request: pb.CheckInRequest, _: grpc.aio.ServicerContext) -> pb.CheckInResponse:
        """Work, or when to ask again."""
        if request.protocol_version < 1:
            raise invalid("protocol_version", "is required")
        if request.protocol_version != PROTOCOL_VERSION:
            return check_in_message(Wait(_TOO_OLD_RETRY_S, WaitReason.PROTOCOL_TOO_OLD))
        found = await self._engine.check_in(self._device(), encoder_hash=text_of("encoder_hash", request.encoder_hash, _HASH_CHARS))
        return check_in_message(found, self._parts.addresses(found.base) if isinstance(found, Assignment) else ())

    async def DownloadModelPart(
        self, request: pb.DownloadModelPartRequest, _: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.DownloadModelPartResponse]:
        """Its bytes. They were looked at as a whole before the first of them goes out."""
        content = (await self._parts.read(request.model_version, request.name)).content
        for start in range(0, len(content), _CHUNK_BYTES):
            yield pb.DownloadModelPartResponse(chunk=content[start : start + _CHUNK_BYTES])

    async def PollRound(self, request: pb.PollRoundRequest, _: grpc.aio.ServicerContext) -> pb.PollRoundResponse:
        """Where it stands."""
        if not 0 <= request.wait_seconds <= _MAX_WAIT_S:
            raise invalid("wait_seconds", f"{request.wait_seconds} is not between 0 and {_MAX_WAIT_S}")
        round_id = self._received(request.round_id, request.ByteSize())
        known = stage_of(request.known_stage)
        return view_message(await self._engine.poll(self._device(), round_id, known=known, wait_s=request.wait_seconds))

    async def Heartbeat(self, request: pb.HeartbeatRequest, _: grpc.aio.ServicerContext) -> pb.HeartbeatResponse:
        """Still at work."""
        round_id = self._received(request.round_id, request.ByteSize())
        return pb.HeartbeatResponse(state=STATES[await self._engine.heartbeat(self._device(), round_id)])

    async def AdvertiseKeys(self, request: pb.AdvertiseKeysRequest, _: grpc.aio.ServicerContext) -> pb.AdvertiseKeysResponse:
        """The device's keys."""
        round_id = self._received(request.round_id, request.ByteSize())
        await self._engine.advertise(self._device(), round_id, advert_of(request.advert))
        return pb.AdvertiseKeysResponse()

    async def ShareKeys(self, request: pb.ShareKeysRequest, _: grpc.aio.ServicerContext) -> pb.ShareKeysResponse:
        """For its neighbours."""
        round_id = self._received(request.round_id, request.ByteSize())
        await self._engine.share(self._device(), round_id, shares_of(request.shares))
        return pb.ShareKeysResponse()

    async def UploadUpdate(self, requests: AsyncIterator[pb.UploadUpdateRequest], _: grpc.aio.ServicerContext) -> pb.UploadUpdateResponse:
        """The update."""
        first = await anext(requests, None)
        if first is None or not first.HasField("header"):
            raise invalid("header", "comes first")
        header = header_of(first.header)
        self._engine.received(header.round_id, first.ByteSize())
        return pb.UploadUpdateResponse(
            received_bytes=await self._engine.upload(self._device(), header, self._chunks(header.round_id, requests))
        )

    async def ConfirmContributors(
        self, request: pb.ConfirmContributorsRequest, _: grpc.aio.ServicerContext
    ) -> pb.ConfirmContributorsResponse:
        """Its word on who has contributed."""
        round_id = self._received(request.round_id, request.ByteSize())
        await self._engine.confirm(self._device(), round_id, request.signature)
        return pb.ConfirmContributorsResponse()

    async def Unmask(self, request: pb.UnmaskRequest, _: grpc.aio.ServicerContext) -> pb.UnmaskResponse:
        """What takes the masks off."""
        round_id = self._received(request.round_id, request.ByteSize())
        await self._engine.unmask(self._device(), round_id, unmask_shares_of(request.shares))
        return pb.UnmaskResponse()

    def _received(self, text: str, size: int) -> UUID:
        round_id = round_id_of(text)
        self._engine.received(round_id, size)
        return round_id

    async def _chunks(self, round_id: UUID, requests: AsyncIterator[pb.UploadUpdateRequest]) -> AsyncIterator[bytes]:
        async for request in requests:
            if not request.HasField("chunk"):
                raise invalid("chunk", "follows the header, which comes once")
            self._engine.received(round_id, request.ByteSize())
            yield request.chunk
