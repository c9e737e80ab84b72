"""The coordinator as a device sees it: every request signed over the bytes that travel, and repeated where that is harmless."""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import grpc
import grpc.aio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.rpc import error_details_pb2, status_pb2

from clients.device.keys import sign_request
from clients.device.problem import CoordinatorRefused, DeviceProblem
from scale.federation.v1 import participation_service_pb2 as pb

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
UPLOAD_CHUNK_BYTES = 1024 * 1024
PROTOCOL_VERSION = 1
SCHEME = "grpcs://"
"""Before an address that is asked over TLS."""
_SERVICE = "/scale.federation.v1.ParticipationService/"
_TIMEOUT_S = 40.0
"""Longer than the coordinator lets somebody wait who is early."""
_LONGEST_WAIT_S = 20
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # Devices of one simulation are apart on the wire as well.
    ("grpc.use_local_subchannel_pool", 1),
)
_ATTEMPTS = 5
_AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
_FIRST_PAUSE_S = 0.3

Message = TypeVar("Message")


@dataclass(frozen=True, slots=True)
class Tls:
    """How a channel is encrypted. Without `ca_file` the system's authorities count."""

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    """Of the device, for mutual TLS: both or neither."""

    def credentials(self) -> grpc.ChannelCredentials:
        """Raises DeviceProblem for a file that cannot be read."""
        if (self.certificate_file is None) != (self.key_file is None):
            raise DeviceProblem("A client certificate needs its key, and a key its certificate: give both, or neither.")
        try:
            authority, key, certificate = (
                path.read_bytes() if path is not None else None for path in (self.ca_file, self.key_file, self.certificate_file)
            )
        except OSError as error:
            raise DeviceProblem(f"{error.filename} cannot be read: {error.strerror}.") from error
        return grpc.ssl_channel_credentials(authority, key, certificate)


def open_channel(address: str, tls: Tls | None) -> grpc.aio.Channel:
    """A channel to host:port, which `SCHEME` may stand before. Raises DeviceProblem for one in the clear to another machine."""
    if address.startswith(SCHEME):
        address, tls = address.removeprefix(SCHEME), tls or Tls()
    if tls is not None:
        return grpc.aio.secure_channel(address, tls.credentials(), options=_OPTIONS)
    if not is_loopback(address):
        raise DeviceProblem(f"{address} is another machine: updates go there by TLS only. Name its certificate authority.")
    return grpc.aio.insecure_channel(address, options=_OPTIONS)


def is_loopback(address: str) -> bool:
    """Whether host:port is this machine by its own name."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Coordinator:
    """`ParticipationService` for one device. Every method raises CoordinatorRefused."""

    def __init__(self, channel: grpc.aio.Channel, key: Ed25519PrivateKey, credential: str, *, attempts: int = _ATTEMPTS) -> None:
        """`attempts`: calls of one request in all, while nobody answers."""
        self._channel = channel
        self._key = key
        self._credential = credential
        self._attempts = attempts
        self.sent_bytes = 0

    async def check_in(self, encoder_hash: str) -> pb.CheckInResponse:
        """Asks for work."""
        return await self._unary(
            "CheckIn", pb.CheckInRequest(protocol_version=PROTOCOL_VERSION, encoder_hash=encoder_hash), pb.CheckInResponse
        )

    async def download(self, model_version: int, name: str) -> AsyncIterator[bytes]:
        """The bytes of a part of the model, in order. Not repeated: whoever takes them begins anew."""
        body = pb.DownloadModelPartRequest(model_version=model_version, name=name).SerializeToString()
        path = _SERVICE + "DownloadModelPart"
        call = self._channel.unary_stream(path, None, pb.DownloadModelPartResponse.FromString)(
            body, timeout=120, metadata=self._signed(path, body)
        )
        try:
            async for part in call:
                yield part.chunk
        except grpc.aio.AioRpcError as error:
            raise refusal(error) from error
        finally:
            call.cancel()

    async def poll(self, round_id: UUID, known_stage: int, wait_seconds: int = _LONGEST_WAIT_S) -> pb.PollRoundResponse:
        """What there is to do next."""
        request = pb.PollRoundRequest(round_id=str(round_id), known_stage=known_stage, wait_seconds=wait_seconds)  # type: ignore[arg-type]
        return await self._unary("PollRound", request, pb.PollRoundResponse, timeout_s=wait_seconds + _TIMEOUT_S)

    async def heartbeat(self, round_id: UUID) -> pb.HeartbeatResponse:
        """Says that the device is at work."""
        return await self._unary("Heartbeat", pb.HeartbeatRequest(round_id=str(round_id)), pb.HeartbeatResponse, attempts=1)

    async def advertise(self, round_id: UUID, advert: pb.KeyAdvert) -> None:
        """Stage ADVERTISING."""
        await self._unary("AdvertiseKeys", pb.AdvertiseKeysRequest(round_id=str(round_id), advert=advert), pb.AdvertiseKeysResponse)

    async def share(self, round_id: UUID, shares: Sequence[pb.EncryptedShares]) -> None:
        """Stage SHARING."""
        await self._unary("ShareKeys", pb.ShareKeysRequest(round_id=str(round_id), shares=shares), pb.ShareKeysResponse)

    async def upload(self, header: pb.UpdateHeader, payload: bytes) -> pb.UploadUpdateResponse:
        """Stage UPLOADING."""
        path = _SERVICE + "UploadUpdate"
        first = pb.UploadUpdateRequest(header=header).SerializeToString()
        chunks = [payload[start : start + UPLOAD_CHUNK_BYTES] for start in range(0, len(payload), UPLOAD_CHUNK_BYTES)]
        messages = [first, *(pb.UploadUpdateRequest(chunk=chunk).SerializeToString() for chunk in chunks)]

        async def once() -> pb.UploadUpdateResponse:
            self.sent_bytes += sum(map(len, messages))
            call = self._channel.stream_unary(path, None, pb.UploadUpdateResponse.FromString)(
                _each(messages), timeout=120, metadata=self._signed(path, first)
            )
            answer: pb.UploadUpdateResponse = await call
            return answer

        return await _repeated(once, self._attempts)

    async def confirm(self, round_id: UUID, signature: bytes) -> None:
        """Stage CONFIRMING."""
        request = pb.ConfirmContributorsRequest(round_id=str(round_id), signature=signature)
        await self._unary("ConfirmContributors", request, pb.ConfirmContributorsResponse)

    async def unmask(self, round_id: UUID, shares: Sequence[pb.UnmaskShare]) -> None:
        """Stage UNMASKING."""
        await self._unary("Unmask", pb.UnmaskRequest(round_id=str(round_id), shares=shares), pb.UnmaskResponse)

    async def _unary(
        self, name: str, request: Any, response: type[Message], *, timeout_s: float = _TIMEOUT_S, attempts: int | None = None
    ) -> Message:
        path, body = _SERVICE + name, request.SerializeToString()
        decode = response.FromString  # type: ignore[attr-defined]

        async def once() -> Message:
            self.sent_bytes += len(body)
            # A repeat is signed anew: a nonce counts once.
            answer: Message = await self._channel.unary_unary(path, None, decode)(
                body, timeout=timeout_s, metadata=self._signed(path, body)
            )
            return answer

        return await _repeated(once, attempts or self._attempts)

    def _signed(self, path: str, body: bytes) -> tuple[tuple[str, str], ...]:
        return sign_request(self._key, path, self._credential, body)


def refusal(error: Any) -> CoordinatorRefused:
    """What the coordinator said, with its own name for why; `error` is one of grpc or of grpc.aio."""
    reason = ""
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            reason = _reason(value)
    message = error.details() or error.code().name
    return CoordinatorRefused(error.code().name, reason, message)


def _reason(details: bytes) -> str:
    try:
        for packed in status_pb2.Status.FromString(details).details:
            info = error_details_pb2.ErrorInfo()
            if packed.Unpack(info):
                return str(info.reason)
    except ValueError:  # what a proxy made of it
        return ""
    return ""


async def _repeated(once: Callable[[], Awaitable[Message]], attempts: int) -> Message:
    """`once`, again while nobody answers: a coordinator that starts, or stands by for another one."""
    pause = _FIRST_PAUSE_S
    for attempt in range(1, attempts + 1):
        try:
            return await once()
        except grpc.aio.AioRpcError as error:
            if attempt == attempts or not _may_pass(error):
                raise refusal(error) from error
        await asyncio.sleep(pause * (0.5 + random.random()))  # nosec B311  # so that not all come back at once
        pause *= 2
    raise AssertionError("unreachable")


def _may_pass(error: grpc.aio.AioRpcError) -> bool:
    # A coordinator that has too many calls open refuses more before it looks at them: without a reason of its own.
    full = error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and not refusal(error).reason
    return full or error.code() in _AGAIN


async def _each(messages: Sequence[bytes]) -> AsyncIterator[bytes]:
    for message in messages:
        yield message
