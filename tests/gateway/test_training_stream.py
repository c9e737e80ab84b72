"""A training job as server-sent events: over real sockets, because a stream that is held back somewhere looks right in a process."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from scale.training.v1 import training_service_pb2 as pb
from services.kit.errors import InvalidArgument, NotFound, Unavailable
from tests.support.event_stream import served, stream
from tests.support.gateway_app import Gateway, StartGateway, assert_problem
from tests.support.training_messages import INSTANT, JOB, completed, failed, job, processing, step

PATH = f"/api/v1/training/stream/{JOB}"
NEVER = 60.0


def stands(gateway: Gateway, found: pb.TrainingJob, *steps: Any) -> None:
    """How the job stands, and what its watcher is told; a number is a pause in seconds."""
    gateway.training.answers["GetTrainingJob"] = pb.GetTrainingJobResponse(job=found)
    gateway.training.steps["WatchTrainingJob"] = list(steps)


@pytest.fixture
async def training(start_gateway: StartGateway) -> Gateway:
    """A gateway before a job that is at work."""
    gateway = await start_gateway(heartbeat_s=0.2, max_streams=2)
    stands(gateway, processing(0), step("4-0", job()), step("5-0", processing(3)), step("", processing(4)), 0.7, step("7-0", completed()))
    return gateway


@pytest.mark.requirement("GW-20", "TRN-03", "TRN-14", "TRN-26")
async def test_every_step_comes_when_it_is_made(training: Gateway) -> None:
    """TRN-14, GW-20."""
    async with served(training) as url, stream(training, url, PATH) as events:
        response = events.response
        assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-accel-buffering"] == "no"
        came: list[tuple[dict[str, Any], float]] = [(event, time.monotonic()) async for event in events]
    assert [(event["event"], event.get("id")) for event, _ in came] == [
        ("progress", "4-0"),
        ("progress", "5-0"),
        ("progress", None),
        ("complete", "7-0"),
    ]
    assert came[3][1] - came[2][1] > 0.5, "the first steps were held back"
    told = [event["data"] for event, _ in came]
    moving = {"job_id": JOB, "cancel_requested": False, "updated_at": INSTANT}
    assert told[0] == moving | {"status": "pending", "step": 0, "total": 0, "loss": None}
    assert told[1] == moving | {"status": "training", "step": 3, "total": 10, "loss": 0.25}
    assert told[3] == {
        "job_id": JOB,
        "status": "completed",
        "metrics": {"accuracy": 0.875, "examples": 40, "better": True},
        "model_version": "3-1a2b3c4d",
        "published": True,
        "completed_at": INSTANT,
    }
    assert len(events.comments) >= 2, "nothing kept the connection alive"
    assert set(training.training.callers) == {training.user_id}


@pytest.mark.parametrize(
    ("found", "status", "error"),
    [
        (failed(), "failed", {"message": "The disk is full.", "reason": "NO_STORAGE_ROOM"}),
        (failed(pb.TRAINING_JOB_STATUS_CANCELLED), "cancelled", None),
    ],
    ids=["failed", "cancelled"],
)
async def test_a_job_that_makes_nothing_says_so(training: Gateway, found: pb.TrainingJob, status: str, error: Any) -> None:
    """TRN-18."""
    stands(training, processing(1), step("8-0", found))
    async with served(training) as url, stream(training, url, PATH) as events:
        came = [event async for event in events]
    expected = {"job_id": JOB, "status": status, "error": error, "completed_at": INSTANT}
    assert [(event["event"], event["data"]) for event in came] == [("failed", expected)]


@pytest.mark.requirement("GW-20", "TRN-16")
async def test_last_event_id_is_passed_on(training: Gateway) -> None:
    async with served(training) as url, stream(training, url, PATH, **{"Last-Event-ID": "5-0"}) as events:
        assert [event["event"] async for event in events][-1] == "complete"
    assert training.training.requests[-1] == pb.WatchTrainingJobRequest(job_id=JOB, after_event_id="5-0")


async def test_whoever_has_seen_the_last_event_is_told_not_to_come_back(training: Gateway) -> None:
    stands(training, completed(), step("7-0", completed()))
    async with served(training) as url:
        async with stream(training, url, PATH, **{"Last-Event-ID": "7-0"}) as events:
            assert events.response.status_code == 204
        for seen in ({"Last-Event-ID": "6-0"}, {}):
            async with stream(training, url, PATH, **seen) as events:
                assert [(event["event"], event["id"]) async for event in events] == [("complete", "7-0")]


@pytest.mark.requirement("TRN-15")
async def test_two_gateways_stream_the_same_job(training: Gateway, start_gateway: StartGateway) -> None:
    """TRN-15: no gateway knows of the other one."""
    second = await start_gateway(training_address=training.settings.training_address)
    other = Gateway(**{**vars(second), "user_id": training.user_id})

    async def told(gateway: Gateway) -> list[Any]:
        async with served(gateway) as url, stream(gateway, url, PATH) as events:
            return [event.get("id") async for event in events]

    for came in await asyncio.gather(told(training), told(other)):
        assert came == ["4-0", "5-0", None, "7-0"]


@pytest.mark.requirement("TRN-17")
async def test_a_reader_that_is_slow_gets_the_end(training: Gateway) -> None:
    """TRN-17: what waits for it is bounded, and it does not hold up the service."""
    steps = [step(f"{number}-0", processing(number)) for number in range(1, 2000)]
    stands(training, processing(0), *steps, step("2000-0", completed()))
    async with served(training) as url, stream(training, url, PATH) as events:
        await asyncio.sleep(0.5)
        came = [event async for event in events]
    assert came[-1]["event"] == "complete"


async def test_errors_before_the_first_event_are_problems(training: Gateway) -> None:
    body = assert_problem(await training.get(PATH, headers={"Last-Event-ID": "yesterday"}), 422)
    assert body["errors"][0]["field"] == "Last-Event-ID"
    stands(training, completed(), InvalidArgument("no", reason="NO"))
    assert_problem(await training.get(PATH, headers={"Last-Event-ID": "1-0"}), 422, "NO")
    training.training.error = NotFound("There is no such job.", reason="TRAINING_JOB_NOT_FOUND")
    assert_problem(await training.get(PATH), 404, "TRAINING_JOB_NOT_FOUND")


async def test_a_service_that_dies_on_the_way_ends_the_stream(training: Gateway) -> None:
    stands(training, processing(0), step("5-0", processing(1)), Unavailable("gone", reason="SERVICE_UNAVAILABLE"))
    async with served(training) as url, stream(training, url, PATH) as events:
        assert [event["event"] async for event in events] == ["progress"]


async def test_hanging_up_cancels_the_call_and_head_makes_none(training: Gateway) -> None:
    stands(training, processing(0), step("5-0", processing(1)), NEVER)
    response = await asyncio.wait_for(training.request("HEAD", PATH), 2)
    assert (response.status_code, response.content, len(training.training.requests)) == (200, b"", 1)
    async with served(training) as url:
        async with stream(training, url, PATH) as events:
            async for _ in events:
                break
        await asyncio.wait_for(training.training.cancelled.wait(), 2)
