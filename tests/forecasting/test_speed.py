"""A forecast of a history of ten thousand rows, with the models that ship, once they are loaded."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from scale.forecasting.v1 import forecasting_service_pb2 as pb
from services.forecasting.settings import MODELS_DIR
from services.local import LocalSystem
from tests.forecasting.conftest import YESTERDAY, Stack, forecasting

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS = 10_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shipped(servers: LocalSystem, redis_url: str) -> AsyncIterator[Stack]:
    async with forecasting(servers, redis_url, MODELS_DIR) as stack:
        yield stack


@pytest.mark.alone
@pytest.mark.parametrize("measure", [pb.MEASURE_SPENT, pb.MEASURE_BALANCE])
async def test_ten_thousand_rows_take_less_than_two_seconds(shipped: Stack, measure: pb.Measure) -> None:
    stack = shipped.other_user()
    account = await stack.new_account()
    await stack.add_year(account)
    days = [YESTERDAY - timedelta(days=number % 1000) for number in range(ROWS)]
    await stack.add(account, [(day, f"-{number % 90}.10", f"SHOP {number % 200}") for number, day in enumerate(days)])
    series = pb.SeriesSpec(account_id=str(account), measure=measure)
    await stack.made(series=series, horizon=5)  # what is loaded with the first one
    started = time.process_time()
    found = await stack.made(series=series, horizon=90)
    spent = time.process_time() - started
    assert found.state == pb.FORECAST_STATE_SUCCEEDED
    assert found.history_transaction_count > 3000
    # Of the three services, which are one process here; PostgreSQL's own is not in it.
    assert spent < 2, f"{spent:.2f} s of the processor"
