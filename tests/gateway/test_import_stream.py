"""An import as server-sent events: over real sockets, because a stream that is held back somewhere looks right in a process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from scale.ingestion.v1 import ingestion_service_pb2 as pb
from services.gateway.schemas import ingestion as schemas
from services.kit.errors import InvalidArgument, NotFound, Unavailable
from tests.support import event_stream
from tests.support.event_stream import Events, served
from tests.support.gateway_app import Gateway, StartGateway, assert_problem
from tests.support.upstream_fakes import running_import, statement_import

IMPORT_ID = "019b76da-a800-7000-8000-0000000000c0"
PATH = f"/api/v1/imports/{IMPORT_ID}/stream"
NEVER = 60.0


def step(event_id: str, found: pb.Import) -> pb.WatchImportResponse:
    return pb.WatchImportResponse(event_id=event_id, statement_import=found)


@asynccontextmanager
async def stream(gateway: Gateway, url: str, **headers: str) -> AsyncIterator[Events]:
    async with event_stream.stream(gateway, url, PATH, **headers) as events:
        yield events


@pytest.fixture
async def reading(start_gateway: StartGateway) -> Gateway:
    """A gateway before an import that a worker is reading."""
    gateway = await start_gateway(heartbeat_s=0.2, max_streams=2)
    gateway.ingestion.found = running_import(rows=0)
    gateway.ingestion.steps = [
        step("5-0", running_import(rows=1000, fraction=0.25)),
        step("", running_import(rows=2000)),
        0.7,
        step("7-0", statement_import()),
    ]
    return gateway


async def test_every_step_comes_when_it_is_made(reading: Gateway) -> None:
    async with served(reading) as url, stream(reading, url) as events:
        response = events.response
        assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in response.headers
        assert UUID(response.headers["x-request-id"])
        assert response.headers["ratelimit-limit"]
        came: list[tuple[dict[str, Any], float]] = [(event, time.monotonic()) async for event in events]
    assert [(event["event"], event.get("id")) for event, _ in came] == [("progress", "5-0"), ("progress", None), ("finished", "7-0")]
    assert came[2][1] - came[1][1] > 0.5, "the first steps were held back"
    for event, _ in came:
        schemas.Import.model_validate(event["data"])
    assert came[0][0]["data"]["progress"] == {"stage": "reading", "rows": 1000, "fraction": 0.25}
    assert came[1][0]["data"]["progress"]["fraction"] is None
    assert came[2][0]["data"]["progress"] is None
    assert came[2][0]["data"] == (await get_import(reading, statement_import()))
    assert len(events.comments) >= 2, "nothing kept the connection alive"
    assert reading.ingestion.callers[-1] == reading.user_id


async def get_import(gateway: Gateway, found: pb.Import) -> Any:
    gateway.ingestion.found = found
    return (await gateway.get(f"/api/v1/imports/{IMPORT_ID}")).json()


async def test_last_event_id_resumes(reading: Gateway) -> None:
    async with served(reading) as url, stream(reading, url, **{"Last-Event-ID": "5-0"}) as events:
        assert [event["id"] async for event in events] == ["7-0"]
    assert reading.ingestion.requests[-1] == pb.WatchImportRequest(import_id=IMPORT_ID, after_event_id="5-0")


async def test_whoever_has_seen_the_last_event_is_told_not_to_come_back(reading: Gateway) -> None:
    reading.ingestion.found = statement_import()
    reading.ingestion.steps = [step("7-0", statement_import())]
    async with served(reading) as url:
        async with stream(reading, url, **{"Last-Event-ID": "7-0"}) as events:
            assert events.response.status_code == 204
        async with stream(reading, url, **{"Last-Event-ID": "6-0"}) as events:
            assert [(event["event"], event["id"]) async for event in events] == [("finished", "7-0")]
        # A first visit gets it, however old it is.
        async with stream(reading, url) as events:
            assert [event["event"] async for event in events] == ["finished"]


async def test_errors_before_the_first_event_are_problems(gateway: Gateway) -> None:
    gateway.ingestion.error = NotFound("There is no such import.", reason="IMPORT_NOT_FOUND")
    assert_problem(await gateway.get(f"/api/v1/imports/{uuid4()}/stream"), 404, "IMPORT_NOT_FOUND")
    gateway.ingestion.error = None
    assert_problem(await gateway.get("/api/v1/imports/first/stream"), 422)
    body = assert_problem(await gateway.get(PATH, headers={"Last-Event-ID": "yesterday"}), 422)
    assert body["errors"][0]["field"] == "Last-Event-ID"
    gateway.ingestion.steps = [InvalidArgument("no", reason="NO")]
    assert_problem(await gateway.get(PATH, headers={"Last-Event-ID": "1-0"}), 422, "NO")


async def test_a_service_that_dies_on_the_way_ends_the_stream(reading: Gateway) -> None:
    reading.ingestion.steps[2:] = [Unavailable("gone", reason="SERVICE_UNAVAILABLE")]
    async with served(reading) as url, stream(reading, url) as events:
        assert [event["event"] async for event in events] == ["progress", "progress"]


async def test_hanging_up_cancels_the_call(reading: Gateway) -> None:
    reading.ingestion.steps[2] = NEVER
    async with served(reading) as url:
        async with stream(reading, url) as events:
            async for _ in events:
                break
        await asyncio.wait_for(reading.ingestion.cancelled.wait(), 2)
        # Its place is free again, as soon as the server has noticed.
        for _ in range(3):
            async with asyncio.timeout(5):
                while reading.app.state.streams._open:
                    await asyncio.sleep(0.02)
            async with stream(reading, url) as events:
                assert events.response.status_code == 200


async def test_a_process_that_is_about_to_stop_ends_its_streams(reading: Gateway) -> None:
    reading.ingestion.steps[2] = NEVER
    async with served(reading) as url, stream(reading, url) as events:
        came = []
        async for event in events:
            came.append(event["event"])
            if len(came) == 2:
                reading.app.state.streams.end_all()
    # No broken connection: httpx would raise.
    assert came == ["progress", "progress"]
    await asyncio.wait_for(reading.ingestion.cancelled.wait(), 2)


async def test_one_user_has_so_many_streams_and_no_more(reading: Gateway) -> None:
    reading.ingestion.steps[2] = NEVER
    async with served(reading) as url, stream(reading, url) as one, stream(reading, url) as two:
        iterators = [aiter(events) for events in (one, two)]
        for iterator in iterators:
            await anext(iterator)
        assert_problem(await asyncio.wait_for(reading.get(PATH), 2), 429, "TOO_MANY_STREAMS")
        other = Gateway(**{**vars(reading), "user_id": uuid4()})
        async with stream(other, url) as events:
            assert events.response.status_code == 200


async def test_head_opens_no_stream(reading: Gateway) -> None:
    reading.ingestion.steps = [NEVER]
    response = await asyncio.wait_for(reading.request("HEAD", PATH), 2)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert len(reading.ingestion.requests) == 1
