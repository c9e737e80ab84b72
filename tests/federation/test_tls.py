"""Devices come to the coordinator by TLS alone (FED-15): what comes in plain, or from whom nobody vouches for, hears nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import grpc.aio
import pytest

from scale.federation.v1.devices_service_pb2_grpc import DevicesServiceStub
from scale.federation.v1.participation_service_pb2 import CheckInRequest
from scale.federation.v1.participation_service_pb2_grpc import ParticipationServiceStub
from services.federation.app import FederationApp
from services.federation.settings import FederationSettings
from services.kit.auth import mint_token
from services.kit.credentials import channel_credentials
from services.kit.settings import load_settings
from services.kit.tls import ClientTls, ServerTls
from services.local import LocalSystem
from tests.ingestion.conftest import SECRET, process_settings
from tests.support.certificates import Authority
from tests.support.federation_devices import SigningDevice


class AnyHead:
    """`Gate`: all heads are the same to it."""

    async def accuracy(self, head: object) -> float:
        """See `Gate`."""
        return 0.5


@asynccontextmanager
async def coordinator(servers: LocalSystem, folder: Path, tls: ServerTls) -> AsyncIterator[str]:
    """The address of one that is active, as production has it."""
    production: dict[str, Any] = {
        **process_settings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=4),
        "SCALE_ENVIRONMENT": "production",
        "SCALE_AUTH_ISSUER": "issuer",
        "SCALE_STORAGE_URL": f"file://{folder}",
        "database_url": servers.service_url("federation"),
        "leader_s": 0.05,
        "tls_cert_file": tls.cert_file,
        "tls_key_file": tls.key_file,
        "tls_client_ca_file": tls.client_ca_file,
    }
    app = FederationApp(FederationSettings(**production), gate=AnyHead())
    await app.open()
    await app.server.start()
    try:
        async with asyncio.timeout(10):
            while not app.engine.active:
                await asyncio.sleep(0.01)
        yield f"127.0.0.1:{app.server.port}"
    finally:
        await app.server.stop()
        await app.close()


async def take_part(channel: grpc.aio.Channel, user_id: UUID) -> str:
    """Enrols a device, which asks for work; what it hears."""
    async with channel:
        device, token = SigningDevice(), mint_token(SECRET, user_id=user_id, issuer="issuer")
        bearer = (("authorization", f"Bearer {token}"),)
        enrolled = await DevicesServiceStub(channel).EnrollDevice(device.enrollment(user_id), metadata=bearer, timeout=5)
        device.credential = enrolled.credential
        request = CheckInRequest(protocol_version=1)
        signed = device.signed("/scale.federation.v1.ParticipationService/CheckIn", request)
        found = await ParticipationServiceStub(channel).CheckIn(request, metadata=signed, timeout=5)
        return str(found.wait.reason)


async def hears_nothing(channel: grpc.aio.Channel, user_id: UUID) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await take_part(channel, user_id)
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE


def over(address: str, tls: ClientTls) -> grpc.aio.Channel:
    return grpc.aio.secure_channel(address, channel_credentials(tls))


@pytest.mark.requirement("FED-15")
async def test_devices_come_by_tls_and_by_nothing_else(servers: LocalSystem, tmp_path: Path, user_id: UUID) -> None:
    authority = Authority(tmp_path)
    async with coordinator(servers, tmp_path, authority.server()) as address:
        assert await take_part(over(address, authority.client()), user_id) == "NO_ROUND"
        await hears_nothing(grpc.aio.insecure_channel(address), user_id)
        await hears_nothing(over(address, Authority(tmp_path, "Another").client()), user_id)


async def test_with_mutual_tls_only_who_is_vouched_for_comes_so_far(servers: LocalSystem, tmp_path: Path, user_id: UUID) -> None:
    authority, owner = Authority(tmp_path), Authority(tmp_path, "Owner of devices")
    phone = owner.issue("phone")
    async with coordinator(servers, tmp_path, authority.server(clients=owner)) as address:
        shown = ClientTls(authority.ca_file, phone.cert_file, phone.key_file)
        assert await take_part(over(address, shown), user_id) == "NO_ROUND"
        await hears_nothing(over(address, authority.client()), user_id)
        await hears_nothing(over(address, authority.client("phone of its own")), user_id)


@pytest.mark.requirement("FED-15")
def test_the_coordinator_does_not_start_in_plain_outside_development(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, value in {
        "SCALE_FEDERATION_PORT": "1",
        "SCALE_FEDERATION_DATABASE_URL": "postgresql://",
        "SCALE_STORAGE_URL": f"file://{tmp_path}",
        "SCALE_AUTH_SECRET": SECRET,
        "SCALE_AUTH_ISSUER": "issuer",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match="2"):
        load_settings(FederationSettings)
    assert "SCALE_FEDERATION_TLS_CERT_FILE must be set outside of development" in capsys.readouterr().err
    monkeypatch.setenv("SCALE_ENVIRONMENT", "development")
    assert load_settings(FederationSettings).server_tls is None
