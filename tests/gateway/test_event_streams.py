"""The places that a user has for streams: taken when one is asked for, given back once however it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID, uuid4

import pytest
from fastapi import Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Message, Receive, Scope, Send

from services.gateway.event_streams import Events, EventStreams
from services.gateway.exchange import Exchange, attach
from services.kit import context
from services.kit.auth import Identity
from services.kit.errors import ResourceExhausted, Unavailable


@pytest.fixture
def streams() -> EventStreams:
    return EventStreams(per_user=1, heartbeat_s=15)


@pytest.fixture(autouse=True)
def _caller() -> None:
    sign_in(uuid4())


def sign_in(user_id: UUID) -> None:
    context.bind_identity(Identity(user_id, "user", token="t", expires_at=int(time.time()) + 60))


def request() -> Request:
    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    attach(scope, Exchange("r-1"))
    return Request(scope)


async def two_events() -> Events:
    yield ServerSentEvent("1")
    yield ServerSentEvent("2")


async def service_that_dies() -> Events:
    yield ServerSentEvent("1")
    raise Unavailable("gone", reason="SERVICE_UNAVAILABLE")


async def broken() -> Events:
    yield ServerSentEvent("1")
    raise ZeroDivisionError


async def endless() -> Events:
    yield ServerSentEvent("1")
    await asyncio.sleep(60)


async def stays() -> Message:
    await asyncio.sleep(60)
    raise AssertionError("nobody waits so long")


async def hangs_up() -> Message:
    return {"type": "http.disconnect"}


async def takes(message: Message) -> None:
    await asyncio.sleep(0)


async def takes_nothing(message: Message) -> None:
    raise OSError("the connection is gone")


def assert_taken(streams: EventStreams) -> None:
    with pytest.raises(ResourceExhausted, match="1 streams"):
        streams.answer(request(), endless())


def assert_free(streams: EventStreams) -> None:
    answer = streams.answer(request(), endless())
    assert_taken(streams)
    del answer


async def run(answer: EventSourceResponse, receive: Receive = stays, send: Send = takes) -> None:
    await answer({"type": "http", "method": "GET"}, receive, send)


async def test_a_place_is_taken_before_the_stream_begins(streams: EventStreams) -> None:
    answer = streams.answer(request(), endless())
    assert_taken(streams)
    sign_in(uuid4())
    other = streams.answer(request(), endless())
    assert answer is not other


async def test_an_answer_that_never_begins_gives_its_place_back(streams: EventStreams) -> None:
    answer = streams.answer(request(), endless())
    assert_taken(streams)
    del answer
    assert_free(streams)


@pytest.mark.parametrize(
    ("events", "receive", "send"),
    [
        (two_events, stays, takes),
        (service_that_dies, stays, takes),
        (broken, stays, takes),
        (endless, hangs_up, takes),
        (endless, stays, takes_nothing),
    ],
)
async def test_a_stream_that_ends_gives_its_place_back_once(
    streams: EventStreams, events: Callable[[], Events], receive: Receive, send: Send
) -> None:
    answer = streams.answer(request(), events())
    with suppress(ZeroDivisionError, OSError):
        await asyncio.wait_for(run(answer, receive, send), 5)
    # The answer is still held: its end counts, not its disposal.
    assert_free(streams)
    successor = streams.answer(request(), endless())
    del answer
    assert_taken(streams)
    del successor


async def test_a_cancelled_stream_gives_its_place_back(streams: EventStreams) -> None:
    running = asyncio.create_task(run(streams.answer(request(), endless())))
    await asyncio.sleep(0.05)
    assert_taken(streams)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert_free(streams)


async def test_a_process_that_stops_ends_them(streams: EventStreams) -> None:
    running = asyncio.create_task(run(streams.answer(request(), endless())))
    await asyncio.sleep(0.05)
    streams.end_all()
    await asyncio.wait_for(running, 2)
    assert_free(streams)
