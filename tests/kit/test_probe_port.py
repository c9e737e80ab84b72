"""The second port of a server: what an orchestrator learns there, and that nobody learns anything else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceServicer, AccountsServiceStub, add_AccountsServiceServicer_to_server
from services.kit.client import ServiceClient
from services.kit.server import Server
from services.kit.settings import ServiceSettings, service_config
from services.kit.tls import SCHEME, ServerTls
from tests.support.certificates import Authority
from tests.support.ports import free_port

pytestmark = pytest.mark.requirement("K8S-07", "C-10")

NAME = "scale.accounts.v1.AccountsService"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class Settings(ServiceSettings):
    """Of a service behind a certificate."""

    model_config = service_config("accounts")


class Answering(AccountsServiceServicer):
    """Whoever asks."""

    async def GetProfile(self, request: Any, call: Any) -> Any:
        """An empty one."""
        return pb.GetProfileResponse()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def serving(tls: ServerTls, **options: Any) -> AsyncIterator[tuple[Server, grpc.aio.Channel]]:
    """A server with mutual TLS, and a channel in plain to its second port."""
    settings = Settings(
        port=free_port(),
        health_port=free_port(),
        environment="development",
        auth_secret="s" * 32,
        drain_s=0.3,
        grace_s=0,
        database_url="postgresql://",
        tls_cert_file=tls.cert_file,
        tls_key_file=tls.key_file,
        tls_client_ca_file=tls.client_ca_file,
    )
    server = Server(
        settings,
        name="accounts",
        services=[NAME],
        register=lambda raw: add_AccountsServiceServicer_to_server(Answering(), raw),
        open_methods=frozenset({f"/{NAME}/GetProfile"}),
        **options,
    )
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{settings.health_port}") as channel:
        yield server, channel
    await server.stop()


async def status(channel: grpc.aio.Channel, service: str = "") -> Any:
    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
    return answer.status


async def code(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


async def test_behind_mutual_tls_a_probe_in_plain_learns_that_the_process_serves(authority: Authority) -> None:
    async with serving(authority.server(clients=authority)) as (server, probes):
        assert await status(probes) == SERVING
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as plain:
            assert await code(status(plain)) is grpc.StatusCode.UNAVAILABLE
        client = ServiceClient(AccountsServiceStub, f"{SCHEME}127.0.0.1:{server.port}", service=NAME, tls=authority.client("gateway"))
        assert await client.unary("GetProfile", pb.GetProfileRequest()) == pb.GetProfileResponse()
        await client.close()


async def test_nothing_else_is_answered_there(authority: Authority) -> None:
    async with serving(authority.server()) as (_, probes):
        assert await code(AccountsServiceStub(probes).GetProfile(pb.GetProfileRequest(), timeout=5)) is grpc.StatusCode.UNIMPLEMENTED
        assert await code(status(probes, NAME)) is grpc.StatusCode.NOT_FOUND
        listing = reflection_pb2_grpc.ServerReflectionStub(probes).ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=5
        )
        assert await code(listing.read()) is grpc.StatusCode.UNIMPLEMENTED
        watching = health_pb2_grpc.HealthStub(probes).Watch(health_pb2.HealthCheckRequest(), timeout=5)
        assert await code(watching.read()) is grpc.StatusCode.UNIMPLEMENTED
        assert await status(probes) == SERVING


async def test_a_lost_dependency_drains_nobody_and_an_end_does(authority: Authority) -> None:
    async def lost() -> bool:
        raise ConnectionError("PostgreSQL is gone")

    async with serving(authority.server(), check=lost) as (server, probes):
        async with grpc.aio.secure_channel(
            f"127.0.0.1:{server.port}", grpc.ssl_channel_credentials(authority.ca_file.read_bytes())
        ) as inside:
            assert await status(inside, NAME) == NOT_SERVING
        assert await status(probes) == SERVING
        ending = asyncio.create_task(server.stop())
        await asyncio.sleep(0.1)
        assert await status(probes) == NOT_SERVING
        await ending
        assert await code(status(probes)) is grpc.StatusCode.UNAVAILABLE


async def test_without_the_setting_there_is_no_second_port() -> None:
    settings = Settings(port=free_port(), environment="development", auth_secret="s" * 32, database_url="postgresql://")
    assert Server(settings, name="accounts", services=[NAME], register=lambda raw: None).probes is None
