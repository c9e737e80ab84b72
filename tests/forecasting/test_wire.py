"""Forecasts on the wire: who may ask, what is refused, and pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc.aio
import pytest
import uuid_utils.compat
from google.type import money_pb2

from scale.forecasting.v1 import forecasting_service_pb2 as pb
from scale.forecasting.v1.forecasting_service_pb2_grpc import ForecastingServiceStub
from services.forecasting.app import NAME
from services.kit.errors import AlreadyExists, InvalidArgument, NotFound
from services.kit.service_tokens import ServiceTokens
from tests.forecasting.conftest import TODAY, YESTERDAY, Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = {f"label {number}": "" for number in range(21)}


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"request_id": " "}, "request_id"),
        ({"request_id": "x" * 37}, "request_id"),
        ({"horizon": 91}, "horizon"),
        ({"horizon": -1}, "horizon"),
        ({"granularity": 9}, "granularity"),
        ({"wait_s": 11}, "wait_s"),
        ({"wait_s": -1}, "wait_s"),
        ({"series": pb.SeriesSpec(account_id="mine")}, "series.account_id"),
        ({"series": pb.SeriesSpec(currency="eur")}, "series.currency"),
        ({"series": pb.SeriesSpec(category="no_such")}, "series.category"),
        ({"series": pb.SeriesSpec(category="x" * 101)}, "series.category"),
        ({"series": pb.SeriesSpec(measure=7)}, "series.measure"),  # type: ignore[arg-type]
        ({"series": pb.SeriesSpec(measure=pb.MEASURE_BALANCE)}, "series.account_id"),
        ({"threshold": money_pb2.Money(currency_code="EUR", units=5)}, "threshold"),
        ({"threshold": money_pb2.Money(currency_code="XX", units=5)}, "threshold.currency_code"),
        ({"threshold": money_pb2.Money(currency_code="EUR", units=5, nanos=-1)}, "threshold.amount"),
        ({"labels": MANY}, "labels"),
        ({"labels": {"": "x"}}, "labels"),
        ({"labels": {"k" * 64: "x"}}, "labels"),
        ({"labels": {"key": "v" * 501}}, "labels[key]"),
        ({"labels": {"key": "\x00"}}, "labels[key]"),
    ],
)
async def test_what_is_wrong_is_named(stack: Stack, request_: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await stack.ask(**{"request_id": "1", **request_})
    assert [one.field for one in caught.value.fields] == [field]


async def test_no_other_user_sees_or_uses_anything(stack: Stack) -> None:
    account = await stack.new_account()
    await stack.add_year(account)
    mine, other = await stack.made(), stack.other_user()
    with pytest.raises(NotFound) as caught:
        await other.get(mine.forecast_id)
    assert caught.value.reason == "FORECAST_NOT_FOUND"
    with pytest.raises(NotFound):
        await other.ask(series=pb.SeriesSpec(account_id=str(account)))
    assert not (await other.call("ListForecasts", pb.ListForecastsRequest())).forecasts
    # Not even the worker, with an id of another's.
    await other.work(mine)
    assert await stack.get(mine.forecast_id) == mine
    # Nor under the same request id, nor a fresh one of the same series.
    await other.add_year(await other.new_account())
    theirs = await other.ask(request_id="same")
    assert theirs.state == pb.FORECAST_STATE_PENDING
    assert theirs.series_id != mine.series_id


async def test_a_service_may_not_ask_for_a_user(stack: Stack) -> None:
    metadata = (("authorization", f"Bearer {ServiceTokens(NAME, stack.key).mint(stack.user_id, audience=NAME)}"),)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ForecastingServiceStub(stack.channel).ListForecasts(pb.ListForecastsRequest(), metadata=metadata)
    assert caught.value.code() in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED)


async def test_lists_come_in_pages(stack: Stack) -> None:
    await stack.add_year(await stack.new_account())
    made = [(await stack.ask(horizon=number)).forecast_id for number in range(1, 6)]
    found, token = list[str](), ""
    while True:
        page = await stack.call("ListForecasts", pb.ListForecastsRequest(page_size=2, page_token=token))
        assert len(page.forecasts) <= 2
        found += [one.forecast_id for one in page.forecasts]
        if not (token := page.next_page_token):
            break
    assert found == made[::-1]
    first = await stack.call("ListForecasts", pb.ListForecastsRequest(page_size=2))
    refused = [
        pb.ListForecastsRequest(page_size=2, page_token=first.next_page_token, state=pb.FORECAST_STATE_FAILED),
        pb.ListForecastsRequest(page_token="x"),
        pb.ListForecastsRequest(page_size=-1),
        pb.ListForecastsRequest(state=9),  # type: ignore[arg-type]
    ]
    for request in refused:
        with pytest.raises(InvalidArgument):
            await stack.call("ListForecasts", request)
    with pytest.raises(InvalidArgument):
        await stack.other_user().call("ListForecasts", pb.ListForecastsRequest(page_token=first.next_page_token))
    assert not (await stack.call("ListForecasts", pb.ListForecastsRequest(state=pb.FORECAST_STATE_SUCCEEDED))).forecasts


async def test_a_request_id_is_one_forecast_s(stack: Stack) -> None:
    await stack.add_year(await stack.new_account())
    first = await stack.ask(request_id="r", horizon=3)
    await stack.work(first)
    again = await stack.ask(request_id="r", horizon=3, wait_s=1)
    assert (again.forecast_id, again.state) == (first.forecast_id, pb.FORECAST_STATE_SUCCEEDED)
    with pytest.raises(AlreadyExists):
        await stack.ask(request_id="r", horizon=4)
    for bad in (str(uuid_utils.compat.uuid7()), "x"):
        with pytest.raises((NotFound, InvalidArgument)):
            await stack.get(bad)


async def test_an_import_makes_what_was_fresh_stale(stack: Stack) -> None:
    account = await stack.new_account()
    await stack.add_year(account)
    await stack.made()
    async with stack.app.database.transaction(stack.user_id) as connection:
        await connection.execute("INSERT INTO forecasting.ledgers (user_id) VALUES ($1)", stack.user_id)
    assert (await stack.ask()).state == pb.FORECAST_STATE_PENDING


async def test_the_figures_are_the_ledger_s(stack: Stack) -> None:
    """A balance of a ledger in which everything is known: to the cent."""
    account = await stack.new_account("100.10")
    first = (YESTERDAY - timedelta(days=200)).replace(day=1)
    months = [first]
    while (after := (months[-1] + timedelta(days=31)).replace(day=1)) <= YESTERDAY:
        months.append(after)
    await stack.add(account, [(day, "-9.99", "NETFLIX") for day in months])
    await stack.add(account, [(day, "20.00", "TASCHENGELD OMA") for day in months])
    found = await stack.made(series=pb.SeriesSpec(account_id=str(account), measure=pb.MEASURE_BALANCE), horizon=35)
    held = cents(found.opening_balance)
    assert held == 10010 + len(months) * (2000 - 999)
    by_day = {(one.payment_date.month, one.payment_date.day): 0 for one in found.scheduled_payments}
    for one in found.scheduled_payments:
        by_day[one.payment_date.month, one.payment_date.day] += cents(one.amount)
    assert set(by_day.values()) == {1001}
    for point in found.points:
        held += by_day.get((point.period_start.month, point.period_start.day), 0)
        assert {cents(one) for one in (point.p10, point.p50, point.p90)} == {held}
    assert found.points[0].period_start.day == TODAY.day
    assert not found.HasField("below_threshold_risk_date")


def cents(amount: money_pb2.Money) -> int:
    return amount.units * 100 + amount.nanos // 10_000_000
