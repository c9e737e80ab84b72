"""Nothing of a forecast is dropped between request, task, storage and answer: what it was asked with, and what it was made from."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from google.type import money_pb2

from scale.forecasting.v1 import forecasting_service_pb2 as pb
from services.forecasting.domain import SeriesSpec, series_id
from services.kit.money import from_money
from services.local import LocalSystem
from tests.forecasting.conftest import YESTERDAY, Stack
from tests.support.worker_process import HANGS_AFTER_S, WorkerProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")

LABELS = {"purpose": "holiday – Übersicht 🏝", "empty": "", "a": 'quote " and \\ and {json}'}
FIELDS_OF_A_BALANCE = {
    "scheduled_payments",
    "opening_balance",
    "threshold",
    "below_threshold_date",
    "below_threshold_risk_date",
}
NOT_ALWAYS = FIELDS_OF_A_BALANCE | {"error_message", "error_reason", "short_history"}


def day(message: object) -> str:
    return f"{message.year}-{message.month:02d}-{message.day:02d}"  # type: ignore[attr-defined]


def names(message: pb.Forecast) -> set[str]:
    return {field.name for field, _ in message.ListFields()}


@pytest.mark.requirement("FCT-02")
async def test_everything_that_was_asked_and_found_is_in_the_answer(stack: Stack) -> None:
    account = await stack.new_account(currency="GBP")
    await stack.add_year(account, currency="GBP", category="groceries_supermarket")
    before = datetime.now(UTC) - timedelta(seconds=1)
    asked = await stack.ask(
        series=pb.SeriesSpec(account_id=str(account), category="groceries", measure=pb.MEASURE_NET),
        horizon=17,
        granularity=pb.FORECAST_GRANULARITY_WEEK,
        labels=LABELS,
    )
    assert asked.state == pb.FORECAST_STATE_PENDING
    await stack.work(asked)
    found = await stack.get(asked.forecast_id)
    # As it was asked; and what the request left open was said at once.
    for name in ("forecast_id", "series_id", "series", "horizon", "granularity", "labels", "create_time"):
        assert getattr(found, name) == getattr(asked, name), name
    series = SeriesSpec(account_id=account, category="groceries", currency="GBP")
    assert (found.series.account_id, found.series.category, found.series.currency) == (str(account), "groceries", "GBP")
    assert (found.series.measure, found.horizon, found.granularity) == (pb.MEASURE_NET, 17, pb.FORECAST_GRANULARITY_WEEK)
    assert dict(found.labels) == LABELS
    assert found.series_id != series_id(stack.user_id, series)  # of what is spent
    # What it was made from.
    assert found.state == pb.FORECAST_STATE_SUCCEEDED
    assert found.history_period_count in (51, 52)
    assert found.history_transaction_count > 360
    assert day(found.history_start_date) < day(found.history_end_date) <= YESTERDAY.isoformat()
    assert before < found.data_cutoff_time.ToDatetime(UTC) <= found.generate_time.ToDatetime(UTC) <= datetime.now(UTC)
    assert found.create_time.ToDatetime(UTC) <= found.data_cutoff_time.ToDatetime(UTC)
    info = await stack.call("GetModelInfo", pb.GetModelInfoRequest())
    assert found.model_version == info.model_version != ""
    assert (found.degraded, found.degraded_reason) == (info.degraded, info.degraded_reason)
    assert found.degraded_reason.startswith("manifest.json is missing")
    assert found.source == pb.FORECAST_SOURCE_BASELINE
    assert {"recent", "seasonal_naive"} <= {one.model for one in found.backtest} & set(info.candidates)
    assert found.model in {one.model for one in found.backtest if one.served}
    assert all(one.origin_count > 0 and one.pinball_loss > 0 and one.mase_score > 0 for one in found.backtest)
    assert [one.p10.currency_code for one in found.points] == ["GBP"] * 17
    # Whatever is added to the contract is filled, too.
    assert names(found) == {field.name for field in pb.Forecast.DESCRIPTOR.fields} - NOT_ALWAYS


@pytest.mark.requirement("FCT-02")
async def test_a_balance_keeps_what_it_was_asked_with_too(stack: Stack) -> None:
    account = await stack.new_account("1000")
    await stack.add_year(account)
    threshold = money_pb2.Money(currency_code="EUR", units=100_000, nanos=120_000_000)
    found = await stack.made(
        series=pb.SeriesSpec(account_id=str(account), measure=pb.MEASURE_BALANCE), horizon=40, labels=LABELS, threshold=threshold
    )
    assert names(found) == {field.name for field in pb.Forecast.DESCRIPTOR.fields} - {"error_message", "error_reason", "short_history"}
    assert found.threshold == threshold
    assert found.below_threshold_date == found.below_threshold_risk_date == found.points[0].period_end
    assert {one.merchant for one in found.scheduled_payments} == {"MIETE WOHNUNG", "GEHALT ACME GMBH"}
    assert {one.amount.units for one in found.scheduled_payments} == {-900, 2500}
    assert all(UUID(one.recurring_payment_id) for one in found.scheduled_payments)
    assert from_money(found.opening_balance) == (1000 + await stack.sum_of(account), "EUR")


async def test_lists_keep_all_but_the_points(stack: Stack) -> None:
    account = await stack.new_account()
    await stack.add_year(account)
    found = await stack.made(series=pb.SeriesSpec(account_id=str(account), measure=pb.MEASURE_BALANCE), labels=LABELS)
    (listed,) = (await stack.call("ListForecasts", pb.ListForecastsRequest())).forecasts
    for field in ("points", "scheduled_payments"):
        found.ClearField(field)
    assert listed == found


async def test_a_fresh_one_has_its_own_labels_and_the_figures_of_the_other(stack: Stack) -> None:
    account = await stack.new_account()
    await stack.add_year(account)
    first = await stack.made(labels={"for": "me"})
    second = await stack.ask(labels=LABELS)
    assert second.state == pb.FORECAST_STATE_SUCCEEDED
    assert dict(second.labels) == LABELS
    assert second.create_time.ToDatetime(UTC) > second.generate_time.ToDatetime(UTC)
    for name in ("forecast_id", "labels", "create_time"):
        assert getattr(first, name) != getattr(second, name)
        first.ClearField(name)
        second.ClearField(name)
    assert first == second


async def test_what_failed_keeps_what_it_was_asked_with(stack: Stack) -> None:
    account = await stack.new_account()
    await stack.add_year(account)
    asked = await stack.ask(labels=LABELS, horizon=3)
    async with stack.rows.transaction(stack.user_id) as connection:
        await connection.execute("DELETE FROM accounts.transactions WHERE user_id = $1", stack.user_id)
    await stack.work(asked)
    found = await stack.get(asked.forecast_id)
    assert (found.state, found.error_reason) == (pb.FORECAST_STATE_FAILED, "NO_HISTORY")
    assert "nothing to forecast from" in found.error_message
    for name in ("state", "error_reason", "error_message"):
        found.ClearField(name)
        asked.ClearField(name)
    assert found == asked


@pytest.mark.requirement("FCT-02")
async def test_a_worker_of_its_own_drops_nothing_either(stack: Stack, servers: LocalSystem, redis_url: str, tmp_path: Path) -> None:
    account = await stack.new_account()
    await stack.add_year(account)
    environment = {
        "SCALE_ENVIRONMENT": "development",
        "SCALE_REDIS_URL": redis_url,
        "SCALE_ACCOUNTS_ADDRESS": f"127.0.0.1:{stack.ledger.port}",
        "SCALE_FORECASTING_DATABASE_URL": servers.service_url("forecasting"),
        "SCALE_FORECASTING_SERVICE_KEY": stack.key,
        "SCALE_FORECASTING_MODELS_DIR": str(tmp_path / "none"),
    }
    worker = WorkerProcess(environment, tmp_path, "services.forecasting.worker")
    worker.start()
    try:
        found = await stack.ask(series=pb.SeriesSpec(currency="EUR"), labels=LABELS, wait_s=10)
        deadline = time.monotonic() + HANGS_AFTER_S
        while found.state != pb.FORECAST_STATE_SUCCEEDED:
            assert time.monotonic() < deadline, worker.log.read_text()
            await asyncio.sleep(0.05)
            found = await stack.get(found.forecast_id)
    finally:
        worker.stop()
    assert names(found) == {field.name for field in pb.Forecast.DESCRIPTOR.fields} - NOT_ALWAYS
    assert (dict(found.labels), found.horizon, found.granularity) == (LABELS, 30, pb.FORECAST_GRANULARITY_DAY)
