"""K8S-05, C-42: one client, one long-lived channel, two backends behind one name: calls are shared evenly, and go on when one dies."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1 import transaction_pb2
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceServicer, AccountsServiceStub, add_AccountsServiceServicer_to_server
from services.kit.client import ServiceClient
from services.kit.server import Server
from services.kit.settings import ProcessSettings, service_config
from tests.support.ports import free_port

pytestmark = pytest.mark.requirement("K8S-05", "C-42")

NAME = "scale.accounts.v1.AccountsService"


class Settings(ProcessSettings):
    """Of a replica."""

    model_config = service_config("replica")


class Replica(AccountsServiceServicer):
    """Says which one it is."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def GetProfile(self, request: Any, call: Any) -> Any:
        """Its name."""
        return pb.GetProfileResponse(profile=transaction_pb2.Profile(display_name=self.name))

    async def start(self) -> Server:
        """Listens on a port of its own."""
        settings = Settings(port=free_port(), environment="development", auth_secret="s" * 32, drain_s=0, grace_s=0)
        server = Server(
            settings,
            name="accounts",
            services=[NAME],
            register=lambda raw: add_AccountsServiceServicer_to_server(self, raw),
            open_methods=frozenset({f"/{NAME}/GetProfile"}),
        )
        await server.start()
        return server


async def asked(client: ServiceClient, times: int) -> Counter[str]:
    return Counter([(await client.unary("GetProfile", pb.GetProfileRequest())).profile.display_name for _ in range(times)])


async def test_two_backends_share_the_calls_of_one_channel_and_one_alone_takes_all() -> None:
    async with AsyncExitStack() as stack:
        replicas = [await Replica(name).start() for name in ("one", "other")]
        for replica in replicas:
            stack.push_async_callback(replica.stop)
        # What a headless Service's name resolves to.
        target = "ipv4:" + ",".join(f"127.0.0.1:{replica.port}" for replica in replicas)
        client = ServiceClient(AccountsServiceStub, target, service=NAME, idempotent=["GetProfile"])
        stack.push_async_callback(client.close)
        # Until both are connected, the first takes all.
        for _ in range(100):
            if len(await asked(client, 2)) == 2:
                break
        assert await asked(client, 100) == {"one": 50, "other": 50}
        await replicas[0].stop()
        assert await asked(client, 20) == {"other": 20}
