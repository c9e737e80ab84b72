"""A coordinator behind a real channel, and devices that take part in its rounds without training anything: numpy alone."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import grpc.aio
import numpy as np
import uuid_utils.compat
from numpy.typing import NDArray

from clients.device.messages import terms
from scale.federation.v1 import devices_service_pb2, round_pb2, rounds_service_pb2
from scale.federation.v1 import participation_service_pb2 as pb
from scale.federation.v1.devices_service_pb2_grpc import DevicesServiceStub
from scale.federation.v1.participation_service_pb2_grpc import ParticipationServiceStub
from scale.federation.v1.rounds_service_pb2_grpc import RoundsServiceStub
from services.federation.secagg import (
    Advert,
    DeviceSession,
    EncryptedShare,
    Parameters,
    ShareKind,
    quantize,
    to_words,
)
from services.kit.auth import mint_token
from services.kit.errors import FailedPrecondition, Unauthenticated
from services.kit.status import from_rpc_error
from tests.ingestion.conftest import SECRET
from tests.support.federation_devices import SigningDevice

PARTICIPATION = "/scale.federation.v1.ParticipationService"
ADVERTISING, SHARING, UPLOADING = (
    round_pb2.ROUND_STAGE_ADVERTISING,
    round_pb2.ROUND_STAGE_SHARING,
    round_pb2.ROUND_STAGE_UPLOADING,
)
CONFIRMING, UNMASKING = round_pb2.ROUND_STAGE_CONFIRMING, round_pb2.ROUND_STAGE_UNMASKING
OPEN, PUBLISHED = round_pb2.ROUND_STATE_OPEN, round_pb2.ROUND_STATE_PUBLISHED
FAILED, ABORTED = round_pb2.ROUND_STATE_FAILED, round_pb2.ROUND_STATE_ABORTED
STAGES = (ADVERTISING, SHARING, UPLOADING, CONFIRMING, UNMASKING)

Update = NDArray[np.float32]


class Gone(Exception):
    """The device has left, as one whose battery is empty."""


class NoPins:
    """Everybody is new."""

    def check(self, device_id: UUID, identity_key: bytes) -> None:
        """Takes it."""


@dataclass
class RoundDevice:
    """One device of one user."""

    channel: grpc.aio.Channel
    update: Callable[[int], Update] | None = None
    """Of so many numbers; None: nothing."""
    weight: int = 1
    leaves_before: Any = None
    """A stage: it has done those before it."""
    user_id: UUID = field(default_factory=uuid_utils.compat.uuid7)
    signing: SigningDevice = field(default_factory=SigningDevice)
    device_id: UUID = field(default_factory=lambda: UUID(int=0))
    sent: list[bytes] = field(default_factory=list)
    """Payloads."""
    quantized: NDArray[np.int64] | None = None
    plan: round_pb2.RoundPlan | None = None

    async def enroll(self) -> RoundDevice:
        """Once."""
        metadata = (("authorization", f"Bearer {mint_token(SECRET, user_id=self.user_id)}"),)
        stub = DevicesServiceStub(self.channel)
        found: devices_service_pb2.EnrollDeviceResponse = await stub.EnrollDevice(self.signing.enrollment(self.user_id), metadata=metadata)
        self.signing.credential = found.credential
        self.device_id = UUID(found.device.device_id)
        return self

    async def revoke(self) -> None:
        """By its user."""
        metadata = (("authorization", f"Bearer {mint_token(SECRET, user_id=self.user_id)}"),)
        request = devices_service_pb2.RevokeDeviceRequest(device_id=str(self.device_id))
        await DevicesServiceStub(self.channel).RevokeDevice(request, metadata=metadata)

    async def call(self, method: str, request: Any) -> Any:
        """Raises the ScaleError that the service raised."""
        metadata = self.signing.signed(f"{PARTICIPATION}/{method}", request)
        try:
            return await getattr(ParticipationServiceStub(self.channel), method)(request, metadata=metadata, timeout=30)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service="federation") from error

    async def check_in(self) -> pb.CheckInResponse:
        """Once."""
        found: pb.CheckInResponse = await self.call("CheckIn", pb.CheckInRequest(protocol_version=1))
        return found

    async def join(self) -> pb.Assignment:
        """As soon as there is work."""
        while True:
            found = await self.check_in()
            if found.HasField("assignment"):
                return found.assignment
            await asyncio.sleep(0.02)

    async def poll(self, round_id: str, known: Any, *, wait_s: int = 30) -> pb.PollRoundResponse:
        """Once."""
        request = pb.PollRoundRequest(round_id=round_id, known_stage=known, wait_seconds=wait_s)
        found: pb.PollRoundResponse = await self.call("PollRound", request)
        return found

    async def stage(self, round_id: str, wanted: Any, known: Any) -> pb.PollRoundResponse:
        """Once it has begun. Raises Gone where this device does not get so far, or the round is over."""
        if wanted == self.leaves_before:
            raise Gone
        while (found := await self.poll(round_id, known)).state == OPEN:
            if found.stage == wanted:
                return found
            known = found.stage
        raise Gone

    async def upload(self, header: pb.UpdateHeader, payload: bytes, *, chunk: int = 1 << 20) -> pb.UploadUpdateResponse:
        """In pieces."""
        requests = [pb.UploadUpdateRequest(header=header)]
        requests += [pb.UploadUpdateRequest(chunk=payload[start : start + chunk]) for start in range(0, len(payload), chunk)]
        metadata = self.signing.signed(f"{PARTICIPATION}/UploadUpdate", requests[0])
        try:
            stub = ParticipationServiceStub(self.channel)
            found: pb.UploadUpdateResponse = await stub.UploadUpdate(iter(requests), metadata=metadata, timeout=30)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service="federation") from error
        return found

    async def send(self, assignment: pb.Assignment, payload: bytes, encoding: Any, **changes: Any) -> pb.UploadUpdateResponse:
        """An update, with its header; `changes` make that another."""
        self.sent.append(payload)
        fields: dict[str, Any] = {
            "round_id": assignment.round_id,
            "model_version": assignment.model_version,
            "content_hash": hashlib.sha256(payload).hexdigest(),
            "size_bytes": len(payload),
            "encoding": encoding,
            "example_count": self.weight if assignment.plan.weight_cap and encoding != pb.UPDATE_ENCODING_MASKED else 0,
        }
        return await self.upload(pb.UpdateHeader(**fields | changes), payload)

    async def take_part(self) -> pb.PollRoundResponse | None:
        """One round, from check-in to its end; None where the device has left, or was shut out."""
        try:
            assignment = await self.join()
            await self.through(assignment)
            return await self.ended(assignment.round_id)
        except (Gone, Unauthenticated):
            return None
        except FailedPrecondition as error:
            if error.reason not in ("NOT_SELECTED", "ROUND_OVER"):
                raise
            return None

    async def through(self, assignment: pb.Assignment) -> None:
        """All stages."""
        self.plan = plan = assignment.plan
        values = self.update(plan.update_length) if self.update is not None else np.zeros(plan.update_length, np.float32)
        if not plan.HasField("secure_aggregation"):
            await self.stage(assignment.round_id, UPLOADING, 0)
            await self.send(assignment, values.astype("<f4").tobytes(), pb.UPDATE_ENCODING_FLOAT32)
            return
        round_id, session = assignment.round_id, self.session(assignment)
        await self.stage(round_id, ADVERTISING, 0)
        await self.call("AdvertiseKeys", pb.AdvertiseKeysRequest(round_id=round_id, advert=advert_message(session.advertise())))
        found = await self.stage(round_id, SHARING, ADVERTISING)
        shares = session.share([advert_of(one) for one in found.adverts], found.threshold)
        await self.call("ShareKeys", pb.ShareKeysRequest(round_id=round_id, shares=map(share_message, shares)))
        found = await self.stage(round_id, UPLOADING, SHARING)
        self.quantized = self.rounded(values)
        words = to_words(self.quantized, self.weight if plan.weight_cap else 1, plan.secure_aggregation.word_bits)
        masked = session.mask([share_of(one) for one in found.shares], words)
        await self.send(assignment, masked, pb.UPDATE_ENCODING_MASKED)
        found = await self.stage(round_id, CONFIRMING, UPLOADING)
        signature = session.confirm([UUID(one) for one in found.contributor_ids])
        await self.call("ConfirmContributors", pb.ConfirmContributorsRequest(round_id=round_id, signature=signature))
        found = await self.stage(round_id, UNMASKING, CONFIRMING)
        opened = session.unmask({UUID(one.device_id): one.signature for one in found.confirmations})
        kinds = {ShareKind.SELF_MASK_SEED: pb.SHARE_KIND_SELF_MASK_SEED, ShareKind.MASK_KEY: pb.SHARE_KIND_MASK_KEY}
        given = [pb.UnmaskShare(device_id=str(one.device_id), kind=kinds[one.kind], value=one.value) for one in opened]
        await self.call("Unmask", pb.UnmaskRequest(round_id=round_id, shares=given))

    async def ended(self, round_id: str) -> pb.PollRoundResponse:
        """How the round ended."""
        known: Any = 0
        while (found := await self.poll(round_id, known)).state == OPEN:
            known = found.stage
        return found

    def rounded(self, values: Update) -> NDArray[np.int64]:
        """As the plan says, without noise, times the weight."""
        assert self.plan is not None
        secure = self.plan.secure_aggregation
        steps = quantize(values, secure.quantization_scale, secure.clip_norm, np.random.default_rng())
        return steps * (self.weight if self.plan.weight_cap else 1)

    def session(self, assignment: pb.Assignment) -> DeviceSession:
        """Its side of secure aggregation."""
        plan = assignment.plan
        parameters = Parameters(
            round_id=UUID(assignment.round_id),
            word_bits=plan.secure_aggregation.word_bits,
            length=plan.update_length + 1,
            complete_graph_limit=plan.secure_aggregation.complete_graph_limit,
            neighbor_count=plan.secure_aggregation.neighbor_count,
            least_contributors=max(10, plan.privacy.noise_contributor_count),
            terms=terms(assignment),
        )
        return DeviceSession(parameters, self.device_id, self.signing.key, NoPins())


@dataclass
class Administrator:
    """Somebody who may start rounds."""

    channel: grpc.aio.Channel
    role: str = "admin"
    user_id: UUID = field(default_factory=uuid_utils.compat.uuid7)

    async def call(self, method: str, request: Any) -> Any:
        """Raises the ScaleError that the service raised."""
        metadata = (("authorization", f"Bearer {mint_token(SECRET, user_id=self.user_id, role=self.role)}"),)
        try:
            return await getattr(RoundsServiceStub(self.channel), method)(request, metadata=metadata, timeout=60)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service="federation") from error

    async def start(self, request_id: str = "", **options: Any) -> round_pb2.Round:
        """A round."""
        request = rounds_service_pb2.StartRoundRequest(
            request_id=request_id or str(uuid_utils.compat.uuid7()), options=rounds_service_pb2.RoundOptions(**options)
        )
        found: round_pb2.Round = (await self.call("StartRound", request)).round
        return found

    async def round(self, round_id: str, *, wait_s: int = 0) -> round_pb2.Round:
        """As it is."""
        request = rounds_service_pb2.GetRoundRequest(round_id=round_id, wait_seconds=wait_s)
        found: round_pb2.Round = (await self.call("GetRound", request)).round
        return found

    async def abort(self, round_id: str) -> round_pb2.Round:
        """Gives it up."""
        found: round_pb2.Round = (await self.call("AbortRound", rounds_service_pb2.AbortRoundRequest(round_id=round_id))).round
        return found

    async def status(self) -> rounds_service_pb2.GetFederationStatusResponse:
        """How the coordinator is."""
        found: rounds_service_pb2.GetFederationStatusResponse = await self.call(
            "GetFederationStatus", rounds_service_pb2.GetFederationStatusRequest()
        )
        return found


async def enrolled(channel: grpc.aio.Channel, count: int, **fields: Any) -> list[RoundDevice]:
    """So many devices, each of a user of its own."""
    return list(await asyncio.gather(*(RoundDevice(channel, **fields).enroll() for _ in range(count))))


async def run_round(
    administrator: Administrator, devices: Sequence[RoundDevice], meanwhile: Callable[[str], Awaitable[None]] | None = None, **options: Any
) -> round_pb2.Round:
    """All of them are there, then there is a round: its end."""
    await asyncio.gather(*(device.check_in() for device in devices))
    opened = await administrator.start(**options)
    taking_part = [asyncio.create_task(device.take_part()) for device in devices]
    try:
        if meanwhile is not None:
            await meanwhile(opened.round_id)
        ended = await administrator.round(opened.round_id, wait_s=30)
    finally:
        # Who was left out asks for ever.
        done, waiting = await asyncio.wait(taking_part, timeout=0.3)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*taking_part, return_exceptions=True)
    for task in done:
        if task.exception() is not None:
            raise AssertionError(f"a device failed: {task.exception()!r}") from task.exception()
    return ended


def advert_message(advert: Advert) -> pb.KeyAdvert:
    """On the wire."""
    return pb.KeyAdvert(
        device_id=str(advert.device_id),
        identity_key=advert.identity_key,
        cipher_key=advert.cipher_key,
        mask_key=advert.mask_key,
        signature=advert.signature,
    )


def advert_of(message: pb.KeyAdvert) -> Advert:
    """From the wire."""
    return Advert(UUID(message.device_id), message.identity_key, message.cipher_key, message.mask_key, message.signature)


def share_message(share: EncryptedShare) -> pb.EncryptedShares:
    """On the wire."""
    return pb.EncryptedShares(from_device_id=str(share.from_device_id), to_device_id=str(share.to_device_id), ciphertext=share.ciphertext)


def share_of(message: pb.EncryptedShares) -> EncryptedShare:
    """From the wire."""
    return EncryptedShare(UUID(message.from_device_id), UUID(message.to_device_id), message.ciphertext)
