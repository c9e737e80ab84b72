"""Forecasts in REST: JSON to message and back, what is waited for, what is refused, and what happens while the service is down."""

from __future__ import annotations

from typing import Any

import pytest
from google.type.money_pb2 import Money

from scale.forecasting.v1 import forecasting_service_pb2 as pb
from services.gateway.idempotency import HEADER
from services.gateway.schemas import forecasts as schemas
from services.kit.errors import FailedPrecondition, NotFound, Unavailable
from tests.support.gateway_app import Gateway, StartGateway, assert_problem
from tests.support.upstream_fakes import FakeSubject

FORECAST = "019b76da-a800-7000-8000-0000000000f0"
ACCOUNT = "019b76da-a800-7000-8000-00000000000a"
PATH = f"/api/v1/forecasts/{FORECAST}"
_SECONDS = 1_770_000_000
ASKED: dict[str, Any] = {
    "series": {"account_id": ACCOUNT, "currency": "EUR", "measure": "balance"},
    "horizon": 2,
    "granularity": "week",
    "labels": {"screen": "home", "": ""},
}


def money(units: int, nanos: int = 0) -> Money:
    """Euros."""
    return Money(currency_code="EUR", units=units, nanos=nanos)


def pending(**changes: Any) -> pb.Forecast:
    """One that waits."""
    message = pb.Forecast(
        **{
            "forecast_id": FORECAST,
            "series_id": "0" * 32,
            "series": pb.SeriesSpec(account_id=ACCOUNT, currency="EUR", measure=pb.MEASURE_BALANCE),
            "horizon": 2,
            "granularity": pb.FORECAST_GRANULARITY_WEEK,
            "labels": {"screen": "home", "app": "ios"},
            "state": pb.FORECAST_STATE_PENDING,
            "threshold": money(100),
            **changes,
        }
    )
    message.create_time.seconds = _SECONDS
    return message


def made(**changes: Any) -> pb.Forecast:
    """One that is there."""
    message = pending(
        **{
            "state": pb.FORECAST_STATE_SUCCEEDED,
            "model": "tft+auto_ets",
            "model_version": "forecaster-1+abc",
            "source": pb.FORECAST_SOURCE_MODEL,
            "history_period_count": 60,
            "history_transaction_count": 812,
            "opening_balance": money(250, 500_000_000),
            "backtest": [
                pb.BacktestScore(
                    model="tft+auto_ets", mase_score=0.75, pinball_loss=3.5, coverage_fraction=0.8125, origin_count=4, served=True
                )
            ],
            **changes,
        }
    )
    message.generate_time.seconds = message.data_cutoff_time.seconds = _SECONDS
    for field, day in (
        (message.history_start_date, (2025, 1, 6)),
        (message.history_end_date, (2026, 3, 1)),
        (message.below_threshold_date, (2026, 3, 15)),
        (message.below_threshold_risk_date, (2026, 3, 8)),
    ):
        field.year, field.month, field.day = day
    for start, end in (((2026, 3, 2), (2026, 3, 8)), ((2026, 3, 9), (2026, 3, 15))):
        point = message.points.add(p10=money(-5, -10_000_000), p50=money(99), p90=money(1200, 340_000_000))
        point.period_start.year, point.period_start.month, point.period_start.day = start
        point.period_end.year, point.period_end.month, point.period_end.day = end
    payment = message.scheduled_payments.add(amount=money(-820), merchant="Rent", recurring_payment_id=ACCOUNT)
    payment.payment_date.year, payment.payment_date.month, payment.payment_date.day = 2026, 3, 3
    return message


@pytest.fixture
def fake(gateway: Gateway) -> FakeSubject:
    found = gateway.forecasting
    found.answers = {
        "CreateForecast": pb.CreateForecastResponse(forecast=made()),
        "GetForecast": pb.GetForecastResponse(forecast=made()),
        "ListForecasts": pb.ListForecastsResponse(forecasts=[made(), pending()], next_page_token="more"),
        "GetModelInfo": pb.GetModelInfoResponse(degraded=True, degraded_reason="No artefacts.", candidates=["seasonal_naive"]),
    }
    return found


async def test_a_forecast_holds_all_that_it_was_asked_with_and_made_from(gateway: Gateway, fake: FakeSubject) -> None:
    answer = await gateway.get(PATH)
    assert answer.status_code == 200
    body = answer.json()
    schemas.Forecast.model_validate(body)
    assert body["user_id"] == str(gateway.user_id)
    assert body["series"] == {"account_id": ACCOUNT, "category": None, "currency": "EUR", "measure": "balance"}
    assert (body["horizon"], body["granularity"], body["labels"]) == (2, "week", {"app": "ios", "screen": "home"})
    assert body["points"][0] == {"date": "2026-03-02", "end_date": "2026-03-08", "p10": "-5.01", "p50": "99.00", "p90": "1200.34"}
    assert (body["model"], body["model_version"], body["source"]) == ("tft+auto_ets", "forecaster-1+abc", "model")
    assert body["backtest"] == [
        {"model": "tft+auto_ets", "mase": 0.75, "pinball": 3.5, "coverage": 0.8125, "origins": 4, "served": True},
    ]
    assert body["history"] == {"start": "2025-01-06", "end": "2026-03-01", "periods": 60, "transactions": 812}
    assert (body["opening_balance"], body["threshold"]) == ("250.50", "100.00")
    assert (body["below_threshold_on"], body["below_threshold_risk_on"]) == ("2026-03-15", "2026-03-08")
    assert body["scheduled_payments"] == [{"date": "2026-03-03", "amount": "-820.00", "merchant": "Rent", "recurring_payment_id": ACCOUNT}]
    assert body["generated_at"] == body["data_cutoff"] == body["created_at"]


@pytest.mark.requirement("ARC-13")
@pytest.mark.parametrize("path", ["/api/v1/forecasts", "/api/v1/forecast"])
async def test_one_that_is_made_is_answered_with_200_and_one_that_waits_with_202(gateway: Gateway, fake: FakeSubject, path: str) -> None:
    done = await gateway.post(path, json=ASKED | {"labels": {"screen": "home"}, "threshold": "100.5"}, headers={HEADER: "once"})
    assert (done.status_code, done.headers["location"]) == (200, PATH)
    assert "retry-after" not in done.headers
    asked = fake.requests[-1]
    assert (asked.series.account_id, asked.series.currency, asked.series.measure) == (ACCOUNT, "EUR", pb.MEASURE_BALANCE)
    assert (asked.horizon, asked.granularity, dict(asked.labels)) == (2, pb.FORECAST_GRANULARITY_WEEK, {"screen": "home"})
    assert asked.threshold == Money(currency_code="EUR", units=100, nanos=500_000_000)
    assert (asked.wait_s, len(asked.request_id)) == (2, 36)
    fake.answers["CreateForecast"] = pb.CreateForecastResponse(forecast=pending())
    waits = await gateway.post(path, json=ASKED | {"labels": {}})
    assert (waits.status_code, waits.headers["location"], waits.headers["retry-after"]) == (202, PATH, "1")
    schemas.Forecast.model_validate(waits.json())
    assert (waits.json()["points"], waits.json()["generated_at"], waits.json()["model"]) == ([], None, None)


async def test_without_a_body_it_is_what_the_user_spends_in_all(gateway: Gateway, fake: FakeSubject) -> None:
    sent: tuple[dict[str, Any], ...] = ({"json": {}}, {})
    for options in sent:
        answer = await gateway.post("/api/v1/forecasts", **options)
        assert answer.status_code == 200, answer.text
        asked = fake.requests[-1]
        assert asked.series == pb.SeriesSpec(measure=pb.MEASURE_SPENT)
        assert (asked.horizon, asked.granularity, asked.HasField("threshold")) == (30, pb.FORECAST_GRANULARITY_DAY, False)


@pytest.mark.parametrize(
    ("prefer", "wait_s", "applied"),
    [
        ("wait=0", 0, "wait=0"),
        ("respond-async, wait=5", 5, "wait=5"),
        ('Wait = "7"; foo', 7, "wait=7"),
        ("wait=600", 10, "wait=10"),
        ("handling=lenient", 2, None),
        ("wait=-1", 2, None),
        ("await=5", 2, None),
    ],
)
async def test_the_caller_says_how_long_to_wait(gateway: Gateway, fake: FakeSubject, prefer: str, wait_s: int, applied: str | None) -> None:
    answer = await gateway.post("/api/v1/forecasts", json={}, headers={"Prefer": prefer})
    assert answer.status_code == 200
    assert (fake.requests[-1].wait_s, answer.headers.get("preference-applied")) == (wait_s, applied)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"horizon": 0}, "horizon"),
        ({"horizon": 91}, "horizon"),
        ({"horizon": "30"}, "horizon"),
        ({"granularity": "year"}, "granularity"),
        ({"series": {"account_id": "mine"}}, "series.account_id"),
        ({"series": {"measure": "all"}}, "series.measure"),
        ({"series": {"currency": "eur"}}, "series.currency"),
        ({"series": {"category": ""}}, "series.category"),
        ({"series": {"merchant": "REWE"}}, "series.merchant"),
        ({"labels": {str(number): "" for number in range(21)}}, "labels"),
        ({"labels": {"screen": "x" * 501}}, "labels.screen"),
        ({"labels": {"screen": 1}}, "labels.screen"),
        ({"threshold": "1,5"}, "threshold"),
        ({"quantiles": [0.5]}, "quantiles"),
    ],
)
async def test_what_is_wrong_is_named(gateway: Gateway, fake: FakeSubject, body: dict[str, Any], field: str) -> None:
    problem = assert_problem(await gateway.post("/api/v1/forecasts", json=body), 422)
    assert field in {one["field"] for one in problem["errors"]}
    assert fake.requests == []


@pytest.mark.requirement("CACHE-01", "FCT-07")
async def test_nothing_of_it_is_kept_by_clients(gateway: Gateway, fake: FakeSubject) -> None:
    for answer in (await gateway.post("/api/v1/forecasts", json={}), await gateway.get(PATH), await gateway.get("/api/v1/forecasts")):
        assert "no-store" in answer.headers["cache-control"]
        assert "etag" not in answer.headers


async def test_lists_come_in_pages_and_without_points(gateway: Gateway, fake: FakeSubject) -> None:
    answer = await gateway.get("/api/v1/forecasts?page_size=2&state=succeeded")
    body = answer.json()
    schemas.ForecastPage.model_validate(body)
    assert [one["state"] for one in body["items"]] == ["succeeded", "pending"]
    assert "points" not in body["items"][0]
    assert body["next_page_token"] == "more"
    asked = fake.requests[-1]
    assert (asked.page_size, asked.state) == (2, pb.FORECAST_STATE_SUCCEEDED)
    assert_problem(await gateway.get("/api/v1/forecasts?state=done"), 422)


async def test_what_answers_is_told(gateway: Gateway, fake: FakeSubject) -> None:
    body = (await gateway.get("/api/v1/forecasts/model")).json()
    schemas.ForecastModel.model_validate(body)
    assert body == {"version": None, "degraded": True, "reason": "No artefacts.", "candidates": ["seasonal_naive"]}


async def test_one_that_was_given_up_says_why(gateway: Gateway, fake: FakeSubject) -> None:
    failed = pending(state=pb.FORECAST_STATE_FAILED, error_message="There is no payment to go by.", error_reason="NO_HISTORY")
    fake.answers["GetForecast"] = pb.GetForecastResponse(forecast=failed)
    body = (await gateway.get(PATH)).json()
    schemas.Forecast.model_validate(body)
    assert (body["state"], body["error"]["reason"]) == ("failed", "NO_HISTORY")


async def test_errors_of_the_service_are_problems(gateway: Gateway, fake: FakeSubject) -> None:
    for error, status in (
        (NotFound("There is no account.", reason="ACCOUNT_NOT_FOUND"), 404),
        (FailedPrecondition("There is no payment to go by.", reason="NO_HISTORY"), 409),
        (Unavailable("The ledger is away.", reason="LEDGER_UNAVAILABLE"), 503),
    ):
        fake.error = error
        assert_problem(await gateway.post("/api/v1/forecasts", json={}), status, error.reason)


async def test_while_the_service_is_down(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(forecasting_up=False)
    assert_problem(await gateway.get(PATH), 503)
    assert_problem(await gateway.post("/api/v1/forecasts", json={}), 503)
    assert_problem(await gateway.get("/api/v1/anomalies"), 503)
