"""Devices on the real database and in memory, and behind a real channel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import grpc.aio
import pytest

from scale.federation.v1 import devices_service_pb2, participation_service_pb2
from scale.federation.v1.devices_service_pb2_grpc import DevicesServiceStub, add_DevicesServiceServicer_to_server
from scale.federation.v1.participation_service_pb2_grpc import (
    ParticipationServiceServicer,
    ParticipationServiceStub,
    add_ParticipationServiceServicer_to_server,
)
from services.federation.devices.budgets import DeviceBudget
from services.federation.devices.credentials import Credentials
from services.federation.devices.known import KnownDevices
from services.federation.devices.protocols import DevicesRepository, LedgerRepository
from services.federation.devices.repository import PostgresDevicesRepository, PostgresLedgerRepository
from services.federation.devices.service import DevicesService
from services.federation.devices.servicer import DevicesServicer
from services.federation.devices.signatures import SIGNED_METHODS, DeviceSignatures, device
from services.federation.domain import Device, DeviceIdentity
from services.kit import context
from services.kit.auth import Identity, mint_token
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from services.kit.server import Server
from services.kit.settings import DatabaseSettings, ProcessSettings
from services.kit.status import from_rpc_error
from services.local import LocalSystem
from tests.ingestion.conftest import SECRET, process_settings, serving
from tests.support.federation_devices import FakeDevices, Metadata, SigningDevice

CREDENTIALS = Credentials(["s" * 32])
PARTICIPATION = "/scale.federation.v1.ParticipationService"


@dataclass
class Kept:
    """The two repositories of devices, over the same rows."""

    devices: DevicesRepository
    ledger: LedgerRepository
    bring_back: Callable[[Device], Awaitable[None]]
    """As a restore leaves a device."""


@pytest.fixture
async def database(servers: LocalSystem) -> AsyncIterator[Database]:
    """As the service's role."""
    opened = Database(servers.service_url("federation"), DatabaseSettings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=9))
    await opened.open()
    yield opened
    await opened.close()


class Clock:
    """A clock that tests set."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Probe(ParticipationServiceServicer):
    """Says who asked, as the interceptor told it."""

    def __init__(self) -> None:
        self.asked: list[DeviceIdentity] = []
        self.callers: list[Identity] = []
        self.uploads: list[list[bytes]] = []
        self.news = asyncio.Event()
        """Until then polls wait."""
        self.news.set()

    def _note(self) -> None:
        self.asked.append(device())
        self.callers.append(context.identity())

    async def CheckIn(self, request: Any, call: Any) -> Any:
        self._note()
        return participation_service_pb2.CheckInResponse(wait=participation_service_pb2.Wait(reason="NO_ROUND"))

    async def PollRound(self, request: Any, call: Any) -> Any:
        self._note()
        await self.news.wait()
        return participation_service_pb2.PollRoundResponse()

    async def DownloadModelPart(self, request: Any, call: Any) -> AsyncIterator[Any]:
        self._note()
        for chunk in (b"one", b"two"):
            yield participation_service_pb2.DownloadModelPartResponse(chunk=chunk)

    async def UploadUpdate(self, request: AsyncIterator[Any], call: Any) -> Any:
        self._note()
        self.uploads.append([one.chunk async for one in request if one.WhichOneof("payload") == "chunk"])
        return participation_service_pb2.UploadUpdateResponse(received_bytes=sum(map(len, self.uploads[-1])))


@dataclass
class Wire:
    """Devices and a probe behind a real channel."""

    channel: grpc.aio.Channel
    probe: Probe
    known: KnownDevices
    clock: Clock
    """Of the signatures."""

    async def ask(self, call: Any) -> Any:
        """Raises the ScaleError that the service raised."""
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service="federation") from error

    async def as_user(self, user_id: UUID, method: str, request: Any, *, metadata: Metadata | None = None) -> Any:
        """Of the DevicesService. `metadata` stands in the place of a token."""
        metadata = metadata or (("authorization", f"Bearer {mint_token(SECRET, user_id=user_id)}"),)
        return await self.ask(getattr(DevicesServiceStub(self.channel), method)(request, metadata=metadata, timeout=10))

    async def enrolled(self, user_id: UUID, key: SigningDevice | None = None) -> SigningDevice:
        """A device that may sign."""
        made = key or SigningDevice()
        answer = await self.as_user(user_id, "EnrollDevice", made.enrollment(user_id))
        made.credential = answer.credential
        return made

    async def list_devices(self, user_id: UUID) -> list[Any]:
        """The first page."""
        return list((await self.as_user(user_id, "ListDevices", devices_service_pb2.ListDevicesRequest())).devices)

    async def revoke(self, user_id: UUID, device_id: str) -> Any:
        """One."""
        return await self.as_user(user_id, "RevokeDevice", devices_service_pb2.RevokeDeviceRequest(device_id=device_id))

    async def as_device(self, signer: SigningDevice, method: str, request: Any, **changed: Any) -> Any:
        """Of the ParticipationService, unary. `metadata` stands in the place of a signature; else as `SigningDevice.signed`."""
        metadata = changed.pop("metadata", None)
        if metadata is None:
            metadata = signer.signed(f"{PARTICIPATION}/{method}", request, **{"at": int(self.clock()), **changed})
        return await self.ask(getattr(ParticipationServiceStub(self.channel), method)(request, metadata=metadata, timeout=10))

    async def check_in(self, signer: SigningDevice, **changed: Any) -> Any:
        """Asks for work."""
        return await self.as_device(signer, "CheckIn", participation_service_pb2.CheckInRequest(protocol_version=1), **changed)


@pytest.fixture
def rows() -> FakeDevices:
    """Devices in memory."""
    return FakeDevices()


@asynccontextmanager
async def wire_over(devices: DevicesRepository, *, most_devices: int = 20) -> AsyncIterator[Wire]:
    probe, clock, known = Probe(), Clock(time.time()), KnownDevices(devices)
    service = DevicesService(devices, listeners=[known], most_devices=most_devices)
    servicer = DevicesServicer(service, CREDENTIALS, DeviceBudget(8.0), PageTokens(b"k" * 32))

    def register(server: grpc.aio.Server) -> None:
        add_DevicesServiceServicer_to_server(servicer, server)
        add_ParticipationServiceServicer_to_server(probe, server)

    server = Server(
        ProcessSettings(**process_settings()),
        name="federation",
        services=["scale.federation.v1.DevicesService"],
        register=register,
        open_methods=SIGNED_METHODS,
        interceptors=[DeviceSignatures(known, CREDENTIALS, clock=clock, first_s=2)],
    )
    async with serving(server) as channel:
        yield Wire(channel, probe, known, clock)


@pytest.fixture
async def wire(rows: FakeDevices) -> AsyncIterator[Wire]:
    """With devices in memory."""
    async with wire_over(rows) as made:
        yield made


@pytest.fixture
async def real_wire(database: Database) -> AsyncIterator[Wire]:
    """With devices on the real database."""
    async with wire_over(PostgresDevicesRepository(database)) as made:
        yield made


@pytest.fixture(params=["fake", "real"])
async def kept(request: pytest.FixtureRequest, rows: FakeDevices, database: Database) -> Kept:
    """Both repositories, in memory and on the real database: what holds of one holds of the other."""
    if request.param == "fake":
        return Kept(rows, rows, rows.bring_back)

    async def bring_back(one: Device) -> None:
        async with database.transaction(one.user_id) as connection:
            await connection.execute("UPDATE federation.devices SET enrolled_at = NULL WHERE user_id = $1 AND id = $2", one.user_id, one.id)

    return Kept(PostgresDevicesRepository(database), PostgresLedgerRepository(database), bring_back)
