"""Which device asks: every request of a device is signed with its key, over the bytes on the wire."""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple
from uuid import UUID

import grpc
import grpc.aio

from scale.federation.v1 import participation_service_pb2
from services.federation.devices.credentials import Credentials
from services.federation.devices.domain import SIGNATURE_BYTES, device_not_enrolled, device_revoked, device_unknown
from services.federation.devices.known import KnownDevice, KnownDevices
from services.federation.devices.proofs import is_signed, request_text
from services.federation.domain import DeviceIdentity
from services.kit import context as request_context
from services.kit.auth import Identity
from services.kit.errors import DeadlineExceeded, ResourceExhausted, ScaleError, Unauthenticated

_SERVICE = participation_service_pb2.DESCRIPTOR.services_by_name["ParticipationService"]
SIGNED_METHODS = frozenset(f"/{_SERVICE.full_name}/{method.name}" for method in _SERVICE.methods)
"""Methods that need a device's signature, and for that no token."""
_CHECK_IN = f"/{_SERVICE.full_name}/CheckIn"

DEVICE_KEY = "x-scale-device"
TIME_KEY = "x-scale-time"
NONCE_KEY = "x-scale-nonce"
SIGNATURE_KEY = "x-scale-signature"
_KEYS = (DEVICE_KEY, TIME_KEY, NONCE_KEY, SIGNATURE_KEY)
CLOCK_S = 60
"""How far a device's clock may be off."""
_NONCE_BYTES = 16
_FIRST_S = 30.0
"""For the first message of a stream: until it has come, nobody knows whose it is."""
_MOST_CALLS = 10_000
"""Of one device while its nonces are remembered."""
_MOST_AT_ONCE = 8
"""Calls of one device, such as polls that wait: it needs two or three, and what broken connections have left is among them."""

_device: ContextVar[DeviceIdentity | None] = ContextVar("device", default=None)


def device() -> DeviceIdentity:
    """The device whose signature was checked. Raises Unauthenticated when there is none."""
    found = _device.get()
    if found is None:
        raise device_unknown()
    return found


class _Received(NamedTuple):
    """A message, and how it came."""

    raw: bytes
    message: Any


class _Proof(NamedTuple):
    """What the metadata of a request say."""

    credential: str
    user_id: UUID
    device_id: UUID
    mac: str
    time: str
    nonce: str
    nonce_bytes: bytes
    signature: bytes

    @classmethod
    def read(cls, metadata: dict[str, str]) -> _Proof:
        """Raises Unauthenticated for what is missing or has another form."""
        missing = [key for key in _KEYS if not metadata.get(key)]
        if missing:
            message = f"This call needs a device's signature; the metadata lack {', '.join(missing)}."
            raise Unauthenticated(message, reason="DEVICE_SIGNATURE_MISSING")
        credential, signed_at, nonce = metadata[DEVICE_KEY], metadata[TIME_KEY], metadata[NONCE_KEY]
        try:
            user, device, mac = credential.split(".")
            user_id, device_id = UUID(user), UUID(device)
        except ValueError:
            raise _malformed(DEVICE_KEY, "is not the credential that EnrollDevice gave") from None
        if not (signed_at.isascii() and signed_at.isdecimal() and len(signed_at) <= 12):
            raise _malformed(TIME_KEY, "is not a number of seconds")
        nonce_bytes = _from_base64(NONCE_KEY, nonce, _NONCE_BYTES)
        signature = _from_base64(SIGNATURE_KEY, metadata[SIGNATURE_KEY], SIGNATURE_BYTES)
        return cls(credential, user_id, device_id, mac, signed_at, nonce, nonce_bytes, signature)


class DeviceSignatures(grpc.aio.ServerInterceptor):
    """Lets in who is an enrolled device, says which in `device()`, and has the call work as the device's user. It goes within the kit's
    interceptor, to which `SIGNED_METHODS` are open. The clock is the wall's, in Unix seconds.

    What was let in once is not let in again: nonces are remembered, in this process, for as long as their signatures are good. After a
    restart the rounds that a repeat could harm are closed.
    """

    def __init__(
        self,
        devices: KnownDevices,
        credentials: Credentials,
        *,
        clock: Callable[[], float] = time.time,
        first_s: float = _FIRST_S,
    ) -> None:
        self._devices = devices
        self._credentials = credentials
        self._clock = clock
        self._first_s = first_s
        self._nonces = _Nonces()
        self._open = _OpenCalls()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """The wrapped handler of a device's method; others as they are."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        return self._wrap(handler, method) if handler is not None and method in SIGNED_METHODS else handler

    def _wrap(self, inner: grpc.RpcMethodHandler, method: str) -> grpc.RpcMethodHandler:
        def read(data: bytes) -> _Received:
            return _Received(data, inner.request_deserializer(data))

        serializers = {"request_deserializer": read, "response_serializer": inner.response_serializer}

        async def answer_once(received: _Received, context: grpc.aio.ServicerContext) -> Any:
            with self._open.one_more(await self._let_in(method, context, received.raw)):
                return await inner.unary_unary(received.message, context)

        async def answer_many(received: _Received, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            with self._open.one_more(await self._let_in(method, context, received.raw)):
                async for response in inner.unary_stream(received.message, context):
                    yield response

        async def answer_stream(received: AsyncIterator[_Received], context: grpc.aio.ServicerContext) -> Any:
            try:
                async with asyncio.timeout(self._first_s):
                    first = await anext(received, None)
            except TimeoutError:
                raise DeadlineExceeded(f"Nothing was sent for {self._first_s:.0f} s.", reason="UPLOAD_TOO_SLOW") from None
            with self._open.one_more(await self._let_in(method, context, first.raw if first is not None else b"")):
                return await inner.stream_unary(_messages(first, received), context)

        if inner.unary_unary:
            return grpc.unary_unary_rpc_method_handler(answer_once, **serializers)
        if inner.unary_stream:
            return grpc.unary_stream_rpc_method_handler(answer_many, **serializers)
        if inner.stream_unary:
            return grpc.stream_unary_rpc_method_handler(answer_stream, **serializers)
        raise TypeError(f"{method}: no device asks and is answered in streams")

    async def _let_in(self, method: str, context: grpc.aio.ServicerContext, body: bytes) -> UUID:
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        proof = _Proof.read(metadata)
        now = self._clock()
        if abs(now - int(proof.time)) > CLOCK_S:
            raise Unauthenticated(
                f"The signature is {abs(now - int(proof.time)):.0f} s off, at most {CLOCK_S} are allowed; check the device's clock.",
                reason="DEVICE_SIGNATURE_EXPIRED",
                metadata={"server_time": str(int(now))},
            )
        self._credentials.check(proof.user_id, proof.device_id, proof.mac)
        known = await self._devices.find(proof.user_id, proof.device_id)
        if known is None or not is_signed(
            known.key, proof.signature, request_text(method, proof.credential, proof.time, proof.nonce, body)
        ):
            raise device_unknown()
        _refuse_shut_out(known)
        # Last, so that nobody but the device fills its memory or uses up its nonces.
        self._nonces.use((proof.user_id, proof.device_id), proof.nonce_bytes, now)
        # An erasure closes what was enrolled before it: the enrolment is this caller's sign-in.
        request_context.bind_identity(
            Identity(proof.user_id, "user", token="", expires_at=0, signed_in_at=known.enrolled_at)  # nosec B106  # it has none
        )
        _device.set(known.identity)
        if method == _CHECK_IN:
            await self._devices.saw(known.identity)
        return known.identity.device_id


class _OpenCalls:
    """How many calls of each device are being answered."""

    def __init__(self) -> None:
        self._calls: Counter[UUID] = Counter()

    @contextmanager
    def one_more(self, device_id: UUID) -> Iterator[None]:
        """Raises ResourceExhausted where there are too many."""
        if self._calls[device_id] >= _MOST_AT_ONCE:
            raise ResourceExhausted("This device has too many calls open.", reason="CALLS_OPEN", retry_after_s=1)
        self._calls[device_id] += 1
        try:
            yield
        finally:
            self._calls[device_id] -= 1
            if not self._calls[device_id]:
                del self._calls[device_id]


class _Nonces:
    """What was used lately."""

    def __init__(self) -> None:
        self._used: set[tuple[tuple[UUID, UUID], bytes]] = set()
        self._in_order: deque[tuple[float, tuple[UUID, UUID], bytes]] = deque()
        self._calls: Counter[tuple[UUID, UUID]] = Counter()

    def use(self, whose: tuple[UUID, UUID], nonce: bytes, now: float) -> None:
        """Raises Unauthenticated for one that was used, ResourceExhausted for a device that never rests."""
        # Signed at most CLOCK_S ahead, good for CLOCK_S after that.
        while self._in_order and self._in_order[0][0] < now - 2 * CLOCK_S:
            _, owner, old = self._in_order.popleft()
            self._used.discard((owner, old))
            self._calls[owner] -= 1
            if not self._calls[owner]:
                del self._calls[owner]
        if (whose, nonce) in self._used:
            raise Unauthenticated("This signature was used before; sign each request anew.", reason="DEVICE_SIGNATURE_REPLAYED")
        if self._calls[whose] >= _MOST_CALLS:
            raise ResourceExhausted("This device asks too often.", reason="DEVICE_TOO_FAST", retry_after_s=CLOCK_S)
        self._used.add((whose, nonce))
        self._in_order.append((now, whose, nonce))
        self._calls[whose] += 1


def _refuse_shut_out(known: KnownDevice) -> None:
    if known.revoked:
        raise device_revoked()
    if known.enrolled_at is None:
        raise device_not_enrolled()


def _from_base64(key: str, text: str, length: int) -> bytes:
    try:
        read = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        read = b""
    if len(read) != length:
        raise _malformed(key, f"is not base64url of {length} bytes")
    return read


def _malformed(key: str, what: str) -> ScaleError:
    return Unauthenticated(f"{key} {what}.", reason="DEVICE_SIGNATURE_INVALID")


async def _messages(first: _Received | None, rest: AsyncIterator[_Received]) -> AsyncIterator[Any]:
    if first is not None:
        yield first.message
    async for received in rest:
        yield received.message
