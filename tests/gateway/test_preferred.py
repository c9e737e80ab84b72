"""Batches and forecasts go to replicas on GPUs while there are any, and to the usual ones at once where there are none."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from scale.categorization.v1 import categorization_service_pb2 as categorization_pb
from scale.forecasting.v1 import forecasting_service_pb2 as forecasting_pb
from services.kit.errors import InvalidArgument, Unavailable
from tests.gateway.test_categorization import PAYMENT, classification
from tests.gateway.test_forecasts import ASKED, made
from tests.support.gateway_app import Gateway, StartGateway, assert_problem
from tests.support.ports import free_port
from tests.support.upstream_fakes import SUBJECTS, FakeSubject, fake_server

pytestmark = pytest.mark.requirement("K8S-06")

BATCH = categorization_pb.ClassifyBatchResponse(classifications=[classification()])


@asynccontextmanager
async def on_gpus(port: int, service: str = "CategorizationService") -> AsyncIterator[FakeSubject]:
    """Replicas on GPUs, as long as it lasts."""
    fake = FakeSubject(SUBJECTS[service])
    fake.answers = {"ClassifyBatch": BATCH, "CreateForecast": forecasting_pb.CreateForecastResponse(forecast=made())}
    server = fake_server(fake, port)
    await server.start()
    try:
        yield fake
    finally:
        await server.stop()


async def classified(gateway: Gateway) -> None:
    answer = await gateway.post("/api/v1/classify/batch", json={"items": [PAYMENT]})
    assert answer.status_code == 200, answer.text


async def test_a_batch_goes_there_and_a_single_payment_does_not(start_gateway: StartGateway) -> None:
    port = free_port()
    gateway = await start_gateway(categorization_batch_address=f"127.0.0.1:{port}")
    gateway.categorization.answers["Classify"] = categorization_pb.ClassifyResponse(classification=classification())
    async with on_gpus(port) as gpus:
        await classified(gateway)
        assert (await gateway.post("/api/v1/classify", json=PAYMENT)).status_code == 200
        assert [type(one) for one in gpus.requests] == [categorization_pb.ClassifyBatchRequest]
    assert [type(one) for one in gateway.categorization.requests] == [categorization_pb.ClassifyRequest]


async def test_a_forecast_goes_there_and_reading_one_does_not(start_gateway: StartGateway) -> None:
    port = free_port()
    gateway = await start_gateway(forecasting_batch_address=f"127.0.0.1:{port}")
    async with on_gpus(port, "ForecastingService") as gpus:
        assert (await gateway.post("/api/v1/forecasts", json=ASKED | {"labels": {}})).status_code == 200
        await gateway.get("/api/v1/forecasts")
        assert len(gpus.requests) == 1
    assert [type(one) for one in gateway.forecasting.requests] == [forecasting_pb.ListForecastsRequest]


async def test_scaled_to_nothing_the_usual_ones_answer_at_once_until_they_are_back(start_gateway: StartGateway) -> None:
    port = free_port()
    gateway = await start_gateway(categorization_batch_address=f"127.0.0.1:{port}")
    gateway.categorization.answers["ClassifyBatch"] = BATCH
    started = time.perf_counter()
    for _ in range(15):
        await classified(gateway)
    assert time.perf_counter() - started < 3.0, "each waited"
    assert len(gateway.categorization.requests) == 15
    async with on_gpus(port) as gpus, asyncio.timeout(5):
        while not gpus.requests:
            await classified(gateway)
            await asyncio.sleep(0.05)
    before = len(gateway.categorization.requests)
    await classified(gateway)
    assert len(gateway.categorization.requests) == before + 1


async def test_an_address_that_swallows_connections_costs_one_request_a_fifth_of_a_second(start_gateway: StartGateway) -> None:
    with socket.socket() as hole:  # accepts, and never says a word
        hole.bind(("127.0.0.1", 0))
        hole.listen(10)
        gateway = await start_gateway(categorization_batch_address=f"127.0.0.1:{hole.getsockname()[1]}")
        gateway.categorization.answers["ClassifyBatch"] = BATCH
        started = time.perf_counter()
        for _ in range(15):
            await classified(gateway)
        assert time.perf_counter() - started < 3.0, "each waited"


async def test_what_is_wrong_with_a_request_is_nobody_elses_to_answer(start_gateway: StartGateway) -> None:
    port = free_port()
    gateway = await start_gateway(categorization_batch_address=f"127.0.0.1:{port}")
    gateway.categorization.answers["ClassifyBatch"] = BATCH
    async with on_gpus(port) as gpus:
        gpus.error = InvalidArgument("no")
        assert_problem(await gateway.post("/api/v1/classify/batch", json={"items": [PAYMENT]}), 422)
        assert not gateway.categorization.requests
        gpus.error = Unavailable("no memory on the device")
        await classified(gateway)
        assert len(gateway.categorization.requests) == 1
