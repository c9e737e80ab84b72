"""Streams that the server refuses while they are still being sent: the caller must learn why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import grpc.aio
import pytest
from grpc_status import rpc_status

from services.kit.client import ServiceClient
from services.kit.errors import DeadlineExceeded, FieldError, InvalidArgument, Unavailable
from services.kit.status import to_status

REFUSAL = InvalidArgument("too long", reason="FILE_TOO_LARGE", fields=[FieldError("file", "too long")])


class Refusing(grpc.GenericRpcHandler):
    """Refuses at the first message; when it is watched, after as many answers as it was asked for."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        if handler_call_details.method.endswith("/Many"):
            return grpc.stream_stream_rpc_method_handler(self.many)
        if handler_call_details.method.endswith("/Watch"):
            return grpc.unary_stream_rpc_method_handler(self.watch)
        return grpc.stream_unary_rpc_method_handler(self.one)

    async def many(self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        yield await self.one(requests, context)

    async def watch(self, request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        try:
            for number in range(int(request)):
                yield str(number).encode()
                await asyncio.sleep(0.01)
            await context.abort_with_status(rpc_status.to_status(to_status(REFUSAL, "scale.test")))
        finally:
            self.left.set()

    async def one(self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
        await anext(requests)
        await context.abort_with_status(rpc_status.to_status(to_status(REFUSAL, "scale.test")))
        return b""


def stub(channel: grpc.aio.Channel) -> Any:
    return SimpleNamespace(
        Many=channel.stream_stream("/t/Many"), One=channel.stream_unary("/t/One"), Watch=channel.unary_stream("/t/Watch")
    )


@pytest.fixture
def handler() -> Refusing:
    return Refusing()


@pytest.fixture
async def client(handler: Refusing) -> AsyncIterator[ServiceClient]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    made = ServiceClient(stub, f"127.0.0.1:{port}", service="scale.test.v1.Test")
    # A port that another test's server had may still be backing off in gRPC's process-wide pool of connections.
    async with asyncio.timeout(10):
        await made.channel.raw.channel_ready()
    yield made
    await made.close()
    await server.stop(None)


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(50):
        yield bytes(65536)


# Whether the write or the status comes first is chance: one try would pass by luck.
@pytest.mark.parametrize("attempt", range(20))
async def test_the_servers_status_survives_a_failed_write(client: ServiceClient, attempt: int) -> None:
    with pytest.raises(InvalidArgument) as many:
        [response async for response in client.stream_stream("Many", chunks(), timeout_s=10)]
    with pytest.raises(InvalidArgument) as one:
        await client.stream_unary("One", chunks(), timeout_s=10)
    for caught in (many.value, one.value):
        assert (caught.message, caught.reason, caught.fields) == (REFUSAL.message, REFUSAL.reason, REFUSAL.fields)


async def test_a_server_that_is_away(client: ServiceClient) -> None:
    away = ServiceClient(stub, "127.0.0.1:1", service="scale.test.v1.Test")
    with pytest.raises(Unavailable):
        await away.stream_unary("One", chunks(), timeout_s=10)
    await away.close()


async def test_a_failed_call_asks_for_no_more_requests(client: ServiceClient) -> None:
    """Whatever it waits for, that is over and closed when the caller hears of the failure."""
    closed: list[str] = []

    async def hanging() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.sleep(60)
        finally:
            closed.append("closed")

    before = asyncio.all_tasks()
    with pytest.raises(InvalidArgument):
        [response async for response in client.stream_stream("Many", hanging(), timeout_s=10)]
    assert closed == ["closed"]
    assert [task for task in asyncio.all_tasks() - before if "request_iterator" in repr(task.get_coro())] == []


# One request, many responses


async def test_an_error_after_some_answers(client: ServiceClient) -> None:
    answers = []
    with pytest.raises(InvalidArgument) as caught:
        async for answer in client.unary_stream("Watch", b"3", timeout_s=10):
            answers.append(answer)
    assert answers == [b"0", b"1", b"2"]
    assert (caught.value.reason, caught.value.fields) == (REFUSAL.reason, REFUSAL.fields)


async def test_whoever_stops_watching_ends_the_call(client: ServiceClient, handler: Refusing) -> None:
    async with aclosing(client.unary_stream("Watch", b"100000", timeout_s=60)) as answers:
        async for _ in answers:
            break
    await asyncio.wait_for(handler.left.wait(), 5)


async def test_watching_has_an_end(client: ServiceClient, handler: Refusing) -> None:
    with pytest.raises(DeadlineExceeded):
        _ = [answer async for answer in client.unary_stream("Watch", b"100000", timeout_s=0.2)]
    await asyncio.wait_for(handler.left.wait(), 5)
