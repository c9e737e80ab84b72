"""A service that does not answer in time is left alone for a while; one that is down, or answers with errors, is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import grpc.aio
import pytest
from grpc_status import rpc_status

from services.kit.circuit import CircuitBreaker
from services.kit.client import ServiceClient
from services.kit.errors import DeadlineExceeded, Unavailable
from services.kit.status import to_status
from tests.support.ports import free_port

pytestmark = pytest.mark.requirement("REL-10")

TOO_SLOW = DeadlineExceeded("The database took too long.", reason="DB_STATEMENT_TIMEOUT")
SHORT_S = 0.05


class Clock:
    """A clock to turn by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Moody(grpc.GenericRpcHandler):
    """Answers, hangs, or says that its database was too slow."""

    def __init__(self) -> None:
        self.asked = 0
        self.hangs = False
        self.database_hangs = False

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(self.one)

    async def one(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(60)
        if self.database_hangs:
            await context.abort_with_status(rpc_status.to_status(to_status(TOO_SLOW, "scale.test")))
        return b"here"


def stub(channel: grpc.aio.Channel) -> Any:
    return SimpleNamespace(One=channel.unary_unary("/scale.test.v1.Test/One"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def handler() -> Moody:
    return Moody()


@pytest.fixture
async def client(handler: Moody, clock: Clock) -> AsyncIterator[ServiceClient]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    client = ServiceClient(stub, f"127.0.0.1:{port}", service="scale.test.v1.Test", circuit=CircuitBreaker(clock=clock))
    assert await client.unary("One", b"") == b"here"  # connected: what follows is quick
    yield client
    await client.close()
    await server.stop(None)


async def fails(client: ServiceClient, reason: str) -> float | None:
    with pytest.raises((DeadlineExceeded, Unavailable)) as caught:
        await client.unary("One", b"", timeout_s=SHORT_S)
    assert caught.value.reason == reason
    return caught.value.retry_after_s


async def test_a_service_that_hangs_is_left_alone_until_it_answers(client: ServiceClient, handler: Moody, clock: Clock) -> None:
    handler.hangs = True
    for _ in range(5):
        await fails(client, "DEADLINE_EXCEEDED")
    asked = handler.asked
    assert await fails(client, "CIRCUIT_OPEN") == 30
    assert handler.asked == asked
    clock.now = 30.1
    await fails(client, "DEADLINE_EXCEEDED")  # the one that is let through
    await fails(client, "CIRCUIT_OPEN")
    clock.now = 60.3
    handler.hangs = False
    for _ in range(3):
        assert await client.unary("One", b"") == b"here"


async def test_a_service_that_says_what_is_wrong_is_asked_again(client: ServiceClient, handler: Moody) -> None:
    """It answers: that its database is slow is for the caller to know."""
    handler.database_hangs = True
    for _ in range(10):
        await fails(client, "DB_STATEMENT_TIMEOUT")


async def test_a_service_that_is_down_is_back_at_once() -> None:
    """Nobody waits for it meanwhile; half a minute without it after a restart of two seconds would be the longer outage."""
    port, handler = free_port(), Moody()
    client = ServiceClient(stub, f"127.0.0.1:{port}", service="scale.test.v1.Test")
    for _ in range(10):
        with pytest.raises(Unavailable) as caught:
            await client.unary("One", b"", timeout_s=5)
        assert caught.value.reason == "SERVICE_UNAVAILABLE"
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    async with asyncio.timeout(10):
        while not handler.asked:
            try:
                await client.unary("One", b"", timeout_s=5)
            except Unavailable:
                await asyncio.sleep(0.1)
    await client.close()
    await server.stop(None)
