"""The client of categorization, through a real channel to a service that answers what the test says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat

from scale.categorization.v1 import categorization_service_pb2 as pb
from scale.categorization.v1.categorization_service_pb2_grpc import (
    CategorizationServiceServicer,
    add_CategorizationServiceServicer_to_server,
)
from services.ingestion.categorizer import GrpcCategorizer
from services.kit import context
from services.kit.auth import Identity, mint_token
from services.kit.errors import ScaleError, Unavailable
from services.kit.server import Server
from services.kit.settings import ProcessSettings
from tests.ingestion.conftest import SECRET, WORKER, process_settings, serving
from tests.support.ports import free_port

SERVICE = "scale.categorization.v1.CategorizationService"


class Categorization(CategorizationServiceServicer):
    """Answers each question with its own bytes; `broken` from the second on."""

    def __init__(self) -> None:
        self.callers: list[tuple[UUID, str]] = []
        self.asked: list[bytes] = []
        self.ended: list[int] = []
        self.broken: ScaleError | None = None
        self.stops_early = False
        self.gone = asyncio.Event()

    async def ClassifyStream(self, request_iterator: Any, _: Any) -> AsyncIterator[pb.ClassifyStreamResponse]:
        caller = context.identity()
        self.callers.append((caller.user_id, caller.role))
        try:
            async for request in request_iterator:
                if request.HasField("end"):
                    self.ended.append(request.end.input_count)
                    return
                self.asked.append(request.record_batch)
                if self.broken is not None and len(self.asked) > 1:
                    raise self.broken
                yield pb.ClassifyStreamResponse(record_batch=request.record_batch)
                if self.stops_early:
                    return
        finally:
            self.gone.set()


@pytest.fixture
def categorization() -> Categorization:
    return Categorization()


@pytest.fixture
async def categorizer(categorization: Categorization, user_id: UUID) -> AsyncIterator[GrpcCategorizer]:
    server = Server(
        ProcessSettings(**process_settings()),
        name="categorization",
        services=[SERVICE],
        register=lambda server: add_CategorizationServiceServicer_to_server(categorization, server),
        service_methods=frozenset({f"/{SERVICE}/ClassifyStream"}),
    )
    context.bind_identity(Identity(user_id, "user", mint_token(SECRET, user_id=user_id), 0))
    context.bind_request_id(str(uuid_utils.compat.uuid7()))
    categorizer = GrpcCategorizer(f"127.0.0.1:{server.port}", stream_timeout_s=10)
    async with serving(server):
        yield categorizer
        await categorizer.close()


async def test_answers_come_in_order_and_the_end_says_how_many(
    categorizer: GrpcCategorizer, categorization: Categorization, user_id: UUID
) -> None:
    stream = categorizer.open()
    stream.ask(3, b"one")
    stream.ask(4, b"two")
    assert [await stream.answer(), await stream.answer()] == [b"one", b"two"]
    stream.ask(5, b"three")
    assert await stream.answer() == b"three"
    await stream.close(complete=True)
    assert categorization.ended == [12]
    assert categorization.callers == [(user_id, "user")]


async def test_the_service_hears_a_question_before_anybody_waits_for_its_answer(
    categorizer: GrpcCategorizer, categorization: Categorization
) -> None:
    stream = categorizer.open()
    stream.ask(1, b"one")
    async with asyncio.timeout(5):
        while not categorization.asked:
            await asyncio.sleep(0.01)
    await stream.close(complete=False)
    async with asyncio.timeout(5):
        await categorization.gone.wait()
    assert categorization.ended == []


async def test_background_work_brings_a_token_for_this_service(
    categorizer: GrpcCategorizer, categorization: Categorization, user_id: UUID
) -> None:
    context.bind_background(user_id, WORKER)
    stream = categorizer.open()
    stream.ask(1, b"one")
    assert await stream.answer() == b"one"
    await stream.close(complete=True)
    assert categorization.callers == [(user_id, "service")]


async def test_the_error_of_the_service_is_the_answer(categorizer: GrpcCategorizer, categorization: Categorization) -> None:
    categorization.broken = Unavailable("the model is gone")
    stream = categorizer.open()
    stream.ask(1, b"one")
    stream.ask(1, b"two")
    assert await stream.answer() == b"one"
    with pytest.raises(Unavailable):
        await stream.answer()
    await stream.close(complete=False)


async def test_a_stream_that_ends_early_is_an_error(categorizer: GrpcCategorizer, categorization: Categorization) -> None:
    categorization.stops_early = True
    stream = categorizer.open()
    stream.ask(1, b"one")
    stream.ask(1, b"two")
    assert await stream.answer() == b"one"
    with pytest.raises(ScaleError):
        await stream.answer()
    await stream.close(complete=False)


async def test_where_nobody_listens_the_answer_is_an_error_at_once() -> None:
    categorizer = GrpcCategorizer(f"127.0.0.1:{free_port()}", stream_timeout_s=60)
    stream = categorizer.open()
    stream.ask(1, b"one")
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable):
            await stream.answer()
        await stream.close(complete=False)
        await categorizer.close()


async def test_where_nobody_answers_closing_waits_for_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        categorizer = GrpcCategorizer(f"127.0.0.1:{silent.getsockname()[1]}", stream_timeout_s=60)
        stream = categorizer.open()
        stream.ask(1, b"one")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await stream.answer()
        async with asyncio.timeout(5):
            await stream.close(complete=False)
            await categorizer.close()
