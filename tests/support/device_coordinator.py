"""A coordinator for tests of devices: the real contract on a real port, the real sums, and nothing else. It keeps all that it receives."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import grpc.aio
import numpy as np
import uuid_utils.compat
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

import models.hypcd
from clients.device import messages
from clients.device.enrolment import user_of
from models.federated.head import Head, encoder_bytes
from models.hypcd.classifier import Classifier
from scale.federation.v1 import devices_service_pb2, round_pb2
from scale.federation.v1 import participation_service_pb2 as pb
from services.federation.devices.proofs import enrollment_text, is_signed, request_text
from services.federation.secagg import GroupAggregation, Parameters, TooFew, UnmaskShare

FOLDER = Path(models.hypcd.__file__).parent
CHUNK = 64 * 1024
_MAC = "EBESExQVFhcYGRobHB0eHw"
"""Of credentials, which devices do not look into."""


@cache
def shipped() -> tuple[Head, bytes, bytes, str]:
    """The head, its bytes, the encoder and its hash."""
    head = Head.of(Classifier.load(FOLDER))
    encoder, digest = encoder_bytes(FOLDER)
    return head, head.to_bytes(), encoder, digest


def plan(**changes: Any) -> round_pb2.RoundPlan:
    """A round with everything on."""
    found = round_pb2.RoundPlan(
        algorithm=round_pb2.ALGORITHM_FEDAVG,
        epochs=1,
        learning_rate=0.5,
        batch_size=32,
        update_length=shipped()[0].length,
        privacy=round_pb2.PrivacyPlan(
            clip_norm=0.2,
            noise_multiplier=4.0,
            noise_contributor_count=10,
            delta=1e-5,
            example_noise_multiplier=1.0,
            example_clip_norm=1.0,
        ),
        secure_aggregation=round_pb2.SecureAggregationPlan(
            word_bits=24, quantization_scale=1e-5, complete_graph_limit=32, neighbor_count=24, clip_norm=0.2
        ),
    )
    for name, value in changes.items():
        target, _, field = name.partition("__")
        if field:
            setattr(getattr(found, target), field, value)
        elif value is None:
            found.ClearField(target)
        else:
            setattr(found, target, value)
    return found


class _Raw:
    """A message with the bytes that it came as."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def __call__(self, data: bytes) -> Any:
        return data, self._kind.FromString(data)


class FakeCoordinator:
    """One round after the other, each of exactly `size` devices; those in `gone` are waited for no more."""

    def __init__(self, size: int, round_plan: round_pb2.RoundPlan | None = None) -> None:
        self.size = size
        self.plan = round_plan or plan()
        self.head, self.head_bytes, self.encoder, self.encoder_hash = shipped()
        self.version = 7
        self.received: list[tuple[str, bytes]] = []
        self.keys: dict[str, bytes] = {}
        self.gone: set[str] = set()
        self.payloads: dict[str, bytes] = {}
        self.headers: dict[str, pb.UpdateHeader] = {}
        self.sums: list[np.ndarray] = []
        self.refuse: Callable[[str, Any], tuple[grpc.StatusCode, str] | None] = lambda method, message: None
        self.change: Callable[[str, Any], Any] = lambda method, message: message
        """A coordinator that lies: gets the method and the answer, gives another."""
        self.closed: dict[str, tuple[int, str]] = {}
        self._changed = asyncio.Condition()
        self._new_round()

    def _new_round(self) -> None:
        self.round_id = uuid_utils.compat.uuid7()
        self.stage: int = round_pb2.ROUND_STAGE_SELECTING
        self.members: list[str] = []
        self.done: set[str] = set()
        self.group: GroupAggregation | None = None
        self.view: dict[str, Any] = {}

    # Enrolment

    async def EnrollDevice(self, request: Any, context: Any) -> Any:
        raw, message = request
        self.received.append(("EnrollDevice", raw))
        token = dict(context.invocation_metadata())["authorization"].removeprefix("Bearer ")
        user_id = user_of(token)
        text = enrollment_text(user_id, message.sign_time.seconds, message.public_key)
        if not is_signed(Ed25519PublicKey.from_public_bytes(message.public_key), message.signature, text):
            await _abort(context, grpc.StatusCode.UNAUTHENTICATED, "DEVICE_SIGNATURE_INVALID")
        known = next((device for device, key in self.keys.items() if key == message.public_key), None)
        device_id = known or str(uuid_utils.compat.uuid7())
        self.keys[device_id] = message.public_key
        device = devices_service_pb2.Device(device_id=device_id, public_key=message.public_key, budget_epsilon=8)
        return devices_service_pb2.EnrollDeviceResponse(device=device, credential=f"{user_id}.{device_id}.{_MAC}")

    # Rounds

    async def CheckIn(self, message: Any, context: Any, device: str) -> Any:
        if message.protocol_version != 1:
            return pb.CheckInResponse(wait=pb.Wait(retry_after_seconds=60, reason="PROTOCOL_TOO_OLD"))
        if self.stage == round_pb2.ROUND_STAGE_SELECTING and device not in self.members:
            self.members.append(device)
            async with self._changed:
                if len(self.members) == self.size:
                    self._begin()
                self._changed.notify_all()
                await self._changed.wait_for(lambda: self.stage != round_pb2.ROUND_STAGE_SELECTING)
        if device not in self.members:
            return pb.CheckInResponse(wait=pb.Wait(retry_after_seconds=1, reason="NOT_SELECTED"))
        return pb.CheckInResponse(assignment=self._assignment())

    def _assignment(self) -> pb.Assignment:
        parts = [
            pb.ModelPart(name="encoder", content_hash=self.encoder_hash, size_bytes=len(self.encoder)),
            pb.ModelPart(name="head", content_hash=hashlib.sha256(self.head_bytes).hexdigest(), size_bytes=len(self.head_bytes)),
        ]
        return pb.Assignment(round_id=str(self.round_id), model_version=self.version, plan=self.plan, model_parts=parts)

    def _begin(self) -> None:
        if not self.plan.HasField("secure_aggregation"):
            self.stage = round_pb2.ROUND_STAGE_UPLOADING
            return
        secure = self.plan.secure_aggregation
        self.group = GroupAggregation(
            Parameters(
                self.round_id,
                secure.word_bits,
                self.plan.update_length + 1,
                secure.complete_graph_limit,
                secure.neighbor_count,
                10,
                messages.terms(self._assignment()),
            )
        )
        self.stage = round_pb2.ROUND_STAGE_ADVERTISING

    async def DownloadModelPart(self, message: Any, context: Any, device: str) -> AsyncIterator[Any]:
        content = {"encoder": self.encoder, "head": self.head_bytes}[message.name]
        for start in range(0, len(content), CHUNK):
            yield pb.DownloadModelPartResponse(chunk=content[start : start + CHUNK])

    async def PollRound(self, message: Any, context: Any, device: str) -> Any:
        def news() -> bool:
            return message.round_id in self.closed or self.stage != message.known_stage

        async with self._changed:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait_for(news), message.wait_seconds)
        if message.round_id in self.closed:
            state, reason = self.closed[message.round_id]
            return pb.PollRoundResponse(state=state, reason=reason)  # type: ignore[arg-type]
        found = pb.PollRoundResponse(state=round_pb2.ROUND_STATE_OPEN, stage=self.stage)  # type: ignore[arg-type]
        if self.stage == round_pb2.ROUND_STAGE_SHARING:
            adverts, threshold = self.view["adverts"]
            found.adverts.extend(messages.advert_message(one) for one in adverts)
            found.threshold = threshold
        elif self.stage == round_pb2.ROUND_STAGE_UPLOADING and self.group:
            found.shares.extend(messages.shares_message(one) for one in self.view["shares"][UUID(device)])
        elif self.stage == round_pb2.ROUND_STAGE_CONFIRMING:
            found.contributor_ids.extend(str(one) for one in self.view["contributors"])
        elif self.stage == round_pb2.ROUND_STAGE_UNMASKING:
            found.confirmations.extend(pb.Confirmation(device_id=str(one), signature=two) for one, two in self.view["confirmed"].items())
        return found

    async def Heartbeat(self, message: Any, context: Any, device: str) -> Any:
        return pb.HeartbeatResponse(state=round_pb2.ROUND_STATE_OPEN)

    async def AdvertiseKeys(self, message: Any, context: Any, device: str) -> Any:
        self._group().add_advert(messages.advert(message.advert))
        await self._did(device)
        return pb.AdvertiseKeysResponse()

    async def ShareKeys(self, message: Any, context: Any, device: str) -> Any:
        self._group().add_shares(UUID(device), [messages.shares(one) for one in message.shares])
        await self._did(device)
        return pb.ShareKeysResponse()

    async def UploadUpdate(self, messages_: Any, context: Any, device: str) -> Any:
        payload, header = bytearray(), pb.UpdateHeader()
        async for message in messages_:
            if message.HasField("header"):
                header.CopyFrom(message.header)
            payload += message.chunk
        if header.model_version != self.version:
            await _abort(context, grpc.StatusCode.FAILED_PRECONDITION, "VERSION_MISMATCH")
        assert hashlib.sha256(payload).hexdigest() == header.content_hash
        self.payloads[device], self.headers[device] = bytes(payload), header
        if self.group is not None:
            self.group.add_masked(UUID(device), bytes(payload))
        await self._did(device)
        return pb.UploadUpdateResponse(received_bytes=len(payload))

    async def ConfirmContributors(self, message: Any, context: Any, device: str) -> Any:
        self._group().add_confirmation(UUID(device), message.signature)
        await self._did(device)
        return pb.ConfirmContributorsResponse()

    async def Unmask(self, message: Any, context: Any, device: str) -> Any:
        kinds = {value: key for key, value in messages.KINDS.items()}
        self._group().add_unmask(UUID(device), [UnmaskShare(UUID(one.device_id), kinds[one.kind], one.value) for one in message.shares])
        await self._did(device)
        return pb.UnmaskResponse()

    def _group(self) -> GroupAggregation:
        assert self.group is not None
        return self.group

    async def lose(self, device: str) -> None:
        """A device that is waited for no more."""
        async with self._changed:
            self.gone.add(device)
            await self._advance()

    async def close(self, state: int = round_pb2.ROUND_STATE_FAILED, reason: str = "TEST") -> None:
        """Ends the round."""
        async with self._changed:
            self._close(state, reason)
            self._changed.notify_all()

    async def _did(self, device: str) -> None:
        async with self._changed:
            self.done.add(device)
            await self._advance()

    async def _advance(self) -> None:
        if {*self.members} - self.gone - self.done or self.stage == round_pb2.ROUND_STAGE_SELECTING:
            return
        self.done = set()
        try:
            self._next_stage()
        except TooFew:
            self._close(round_pb2.ROUND_STATE_FAILED, "TOO_FEW_CONTRIBUTORS")
        self._changed.notify_all()

    def _next_stage(self) -> None:
        match self.stage:
            case round_pb2.ROUND_STAGE_ADVERTISING:
                self.view["adverts"] = self._group().close_adverts()
            case round_pb2.ROUND_STAGE_SHARING:
                self.view["shares"] = self._group().close_shares()
            case round_pb2.ROUND_STAGE_UPLOADING if self.group:
                self.view["contributors"] = self.group.close_masked()
            case round_pb2.ROUND_STAGE_CONFIRMING:
                self.view["confirmed"] = self._group().close_confirmations()
            case _:
                if self.group:
                    self.sums.append(self.group.sum())
                self._close(round_pb2.ROUND_STATE_PUBLISHED, "")
                return
        self.stage += 1

    def _close(self, state: int, reason: str) -> None:
        self.closed[str(self.round_id)] = state, reason
        if state == round_pb2.ROUND_STATE_PUBLISHED:
            self.version += 1
        self._new_round()

    # The wire

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """Both services; every request is kept as it came, and its signature checked."""
        service = pb.DESCRIPTOR.services_by_name["ParticipationService"]
        methods = {}
        for method in service.methods:
            kind = getattr(pb, method.input_type.name)
            handler = self._signed(method.name, f"/{service.full_name}/{method.name}")
            make = {
                "UploadUpdate": grpc.stream_unary_rpc_method_handler,
                "DownloadModelPart": grpc.unary_stream_rpc_method_handler,
            }.get(method.name, grpc.unary_unary_rpc_method_handler)
            methods[method.name] = make(handler, request_deserializer=_Raw(kind), response_serializer=_serialized)
        enrolling = grpc.unary_unary_rpc_method_handler(
            self.EnrollDevice, request_deserializer=_Raw(devices_service_pb2.EnrollDeviceRequest), response_serializer=_serialized
        )
        return [
            grpc.method_handlers_generic_handler(service.full_name, methods),
            grpc.method_handlers_generic_handler("scale.federation.v1.DevicesService", {"EnrollDevice": enrolling}),
        ]

    def _signed(self, name: str, path: str) -> Any:
        method = getattr(self, name)

        async def check(raw: bytes, context: Any) -> str:
            self.received.append((name, raw))
            told = dict(context.invocation_metadata())
            device = told["x-scale-device"].split(".")[1]
            text = request_text(path, told["x-scale-device"], told["x-scale-time"], told["x-scale-nonce"], raw)
            if not is_signed(Ed25519PublicKey.from_public_bytes(self.keys[device]), _bytes(told["x-scale-signature"]), text):
                await _abort(context, grpc.StatusCode.UNAUTHENTICATED, "DEVICE_SIGNATURE_INVALID")
            if refused := self.refuse(name, device):
                await _abort(context, *refused)
            return device

        async def once(request: Any, context: Any) -> Any:
            device = await check(request[0], context)
            if name != "PollRound" and getattr(request[1], "round_id", "") in self.closed:
                await _abort(context, grpc.StatusCode.FAILED_PRECONDITION, "ROUND_OVER")
            return self.change(name, await method(request[1], context, device))

        async def many(request: Any, context: Any) -> Any:
            device = await check(request[0], context)
            async for part in method(request[1], context, device):
                yield self.change(name, part)

        async def stream(requests: Any, context: Any) -> Any:
            raw, first = await anext(requests)
            device = await check(raw, context)

            async def all_of_them() -> Any:
                yield first
                async for raw, message in requests:
                    self.received.append((name, raw))
                    yield message

            return await method(all_of_them(), context, device)

        return {"UploadUpdate": stream, "DownloadModelPart": many}.get(name, once)


@asynccontextmanager
async def serving(coordinator: FakeCoordinator, credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[str]:
    """The address at which it answers."""
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 8 * 1024 * 1024)])
    server.add_generic_rpc_handlers(coordinator.handlers())
    address = "127.0.0.1:0"
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


def _serialized(message: Any) -> bytes:
    return bytes(message.SerializeToString())


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def _abort(context: Any, code: grpc.StatusCode, reason: str) -> None:
    packed = status_pb2.Status(code=code.value[0], message=f"refused: {reason}")
    packed.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="test"))
    await context.abort_with_status(rpc_status.to_status(packed))
