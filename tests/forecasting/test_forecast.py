"""Forecasts as callers see them: asked once, nothing left open, answered at once where a fresh one is kept, made from the ledger."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import uuid_utils.compat

from services.forecasting.domain import Forecast, ForecastState, Granularity, Measure, Question, SeriesSpec, Source, period_end
from services.forecasting.history import earliest
from services.forecasting.jobs.domain import JobKind
from services.forecasting.jobs.runs import JobRuns
from services.forecasting.jobs.service import JobsService
from services.forecasting.service import ForecastingService
from services.forecasting.work import ForecastWork
from services.kit.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted, ScaleError, Unavailable
from tests.support.forecasting_fakes import MAIN, FakeForecastsRepository, FakeLedger, FakePredictor
from tests.support.forecasting_job_fakes import FakeJobQueue

NOW = datetime(2026, 5, 14, 9, 30, tzinfo=UTC)
YESTERDAY = date(2026, 5, 13)
ALL = SeriesSpec()
BALANCE = SeriesSpec(Measure.BALANCE, MAIN)


@dataclass
class Bench:
    """The rules with everything else in memory, and a worker that works when it is told to."""

    user_id: UUID
    ledger: FakeLedger = field(default_factory=FakeLedger)
    predictor: FakePredictor = field(default_factory=FakePredictor)
    repository: FakeForecastsRepository = field(default_factory=FakeForecastsRepository)
    queue: FakeJobQueue = field(default_factory=FakeJobQueue)

    def __post_init__(self) -> None:
        self.repository.jobs.now = NOW
        jobs = JobsService(self.repository.jobs, self.queue, max_queued=100, max_open=3, message_lease_s=60)
        self.service = ForecastingService(repository=self.repository, jobs=jobs, ledger=self.ledger, models=self.predictor, fresh_s=300)
        work = ForecastWork(self.repository, self.ledger, self.predictor)
        self.runs = JobRuns(
            repository=self.repository.jobs, queue=self.queue, work={JobKind.FORECAST: work}, lease_s=30, message_lease_s=60, kept_days=30
        )
        for number in range(60):
            self.ledger.add(YESTERDAY - timedelta(days=number), "-20", category="groceries_supermarket", primary="groceries")

    async def ask(self, series: SeriesSpec = ALL, request_id: str = "", wait_s: float = 0, **more: Any) -> Forecast:
        question = Question(series, **{"horizon": 5, "granularity": Granularity.DAY, "labels": {}, **more})
        return await self.service.create_forecast(
            self.user_id, question, request_id=request_id or str(uuid_utils.compat.uuid7()), wait_s=wait_s
        )

    async def work(self) -> None:
        """Carries out all that waits."""
        while self.queue.messages:
            user_id, job_id, _ = self.queue.messages.pop(0)
            await self.runs.run_job(user_id, job_id)

    async def made(self, series: SeriesSpec = ALL, **more: Any) -> Forecast:
        """One that is done."""
        asked = await self.ask(series, **more)
        await self.work()
        return await self.service.get_forecast(self.user_id, asked.asked.id)

    def let_pass(self, seconds: float) -> None:
        self.repository.jobs.now += timedelta(seconds=seconds)


@pytest.fixture
def bench(user_id: UUID) -> Bench:
    return Bench(user_id)


async def test_a_forecast_is_made_in_the_background(bench: Bench) -> None:
    asked = await bench.ask()
    assert (asked.state, asked.outcome, asked.generated_at) == (ForecastState.PENDING, None, None)
    await bench.work()
    found = await bench.service.get_forecast(bench.user_id, asked.asked.id)
    assert found.state is ForecastState.SUCCEEDED
    assert found.outcome is not None
    assert [(one.period_start, one.p10, one.p50, one.p90) for one in found.outcome.points] == [
        (date(2026, 5, 14) + timedelta(days=number), Decimal(10), Decimal(20), Decimal(30)) for number in range(5)
    ]
    assert (found.outcome.history_start, found.outcome.history_end) == (YESTERDAY - timedelta(days=59), YESTERDAY)
    assert (found.outcome.history_period_count, found.outcome.history_transaction_count) == (60, 60)
    assert (found.outcome.model, found.outcome.source) == ("pooled+recent", Source.MODEL)


@pytest.mark.requirement("FCT-06", "REL-19")
async def test_an_answer_says_which_model_made_it_and_when(bench: Bench) -> None:
    found = await bench.made()
    assert found.outcome is not None
    assert found.outcome.model_version == "forecaster-test+1"
    assert found.generated_at == found.outcome.data_cutoff_at == NOW


@pytest.mark.requirement("FCT-09")
async def test_without_models_a_baseline_answers_and_says_so(bench: Bench) -> None:
    bench.predictor.degraded = True
    found = await bench.made()
    assert found.state is ForecastState.SUCCEEDED
    assert found.outcome is not None
    assert (found.outcome.source, found.outcome.degraded, found.outcome.degraded_reason) == (Source.BASELINE, True, "no files")
    assert bench.service.model_info().degraded


async def test_nothing_of_the_series_is_left_open(bench: Bench) -> None:
    assert (await bench.ask()).asked.series == SeriesSpec(currency="EUR")
    for number in range(61):
        bench.ledger.add(YESTERDAY, "-1", currency="GBP", name=str(number))
    assert (await bench.ask()).asked.series.currency == "GBP"
    assert (await bench.ask(SeriesSpec(category="groceries"))).asked.series.currency == "EUR"
    assert bench.predictor.asked == []


async def test_an_account_s_series_is_in_the_account_s_currency(bench: Bench) -> None:
    found = await bench.ask(SeriesSpec(account_id=MAIN))
    assert found.asked.series == SeriesSpec(account_id=MAIN, currency="EUR")
    with pytest.raises(NotFound):
        await bench.ask(SeriesSpec(account_id=UUID(int=99)))


async def test_a_series_has_one_name_per_user(bench: Bench, other_user_id: UUID) -> None:
    name = (await bench.made()).asked.series_id
    assert (await bench.made(anew=True, horizon=9, labels={"a": "b"})).asked.series_id == name
    others = {
        (await bench.made(SeriesSpec(measure=Measure.NET))).asked.series_id,
        (await bench.made(SeriesSpec(category="groceries"))).asked.series_id,
        (await bench.made(SeriesSpec(account_id=MAIN))).asked.series_id,
        (await Bench(other_user_id).ask()).asked.series_id,
    }
    assert len(others | {name}) == 5


async def test_the_same_request_is_the_same_forecast(bench: Bench) -> None:
    first = await bench.ask(request_id="r", labels={"a": "1", "b": "2"})
    again = await bench.ask(request_id="r", labels={"b": "2", "a": "1"}, wait_s=0.01)
    assert again == first
    assert len(bench.queue.messages) == 1
    others: list[dict[str, Any]] = [{"horizon": 6}, {"labels": {"a": "1"}}, {"granularity": Granularity.WEEK}, {"anew": True}]
    for other in others:
        with pytest.raises(AlreadyExists) as caught:
            await bench.ask(request_id="r", **{"labels": {"a": "1", "b": "2"}, **other})
        assert caught.value.reason == "REQUEST_ID_REUSED"


async def test_a_fresh_forecast_answers_at_once_under_a_new_id(bench: Bench) -> None:
    first = await bench.made(labels={"for": "me"})
    bench.let_pass(299)
    second = await bench.ask(labels={"for": "you"})
    assert (second.state, second.generated_at, second.created_at) == (ForecastState.SUCCEEDED, NOW, NOW + timedelta(seconds=299))
    assert (second.asked.labels, second.outcome) == ({"for": "you"}, first.outcome)
    assert second.asked.id != first.asked.id
    assert bench.queue.messages == []
    # And again under its own request id.
    assert await bench.ask(request_id="r") == await bench.ask(request_id="r")


@pytest.mark.parametrize(
    "why", ["old", "other horizon", "other granularity", "other series", "other version", "ledger changed", "asked to"]
)
async def test_what_is_not_fresh_is_made_anew(bench: Bench, why: str) -> None:
    await bench.made()
    series, more = SeriesSpec(), dict[str, Any]()
    match why:
        case "old":
            bench.let_pass(301)
        case "other horizon":
            more["horizon"] = 6
        case "other granularity":
            more["granularity"] = Granularity.WEEK
        case "other series":
            series = SeriesSpec(category="groceries")
        case "other version":
            bench.predictor.version = "forecaster-test+2"
        case "ledger changed":
            bench.repository.changed[bench.user_id] = NOW
        case "asked to":
            more["anew"] = True
    assert (await bench.ask(series, **more)).state is ForecastState.PENDING


async def test_whoever_waits_has_the_answer_as_soon_as_it_is_there(bench: Bench) -> None:
    waiting = asyncio.create_task(bench.ask(wait_s=10))
    while not bench.queue.messages:
        await asyncio.sleep(0.001)
    await bench.work()
    assert (await asyncio.wait_for(waiting, 2)).state is ForecastState.SUCCEEDED
    assert (await bench.ask(horizon=7, wait_s=0.05)).state is ForecastState.PENDING
    with pytest.raises(InvalidArgument, match="wait_s"):
        await bench.ask(wait_s=11)


async def test_what_a_slow_queue_takes_is_taken_off_the_wait(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow() -> int:
        await asyncio.sleep(1)
        return 0

    monkeypatch.setattr(bench.queue, "length", slow)
    started = time.monotonic()
    assert (await bench.ask(wait_s=1)).state is ForecastState.PENDING
    assert time.monotonic() - started < 1.8


async def test_what_cannot_be_asked_is_refused_with_the_field(bench: Bench) -> None:
    refused: list[tuple[SeriesSpec, dict[str, Any], str]] = [
        (SeriesSpec(), {"horizon": 91}, "horizon"),
        (SeriesSpec(), {"horizon": -1}, "horizon"),
        (SeriesSpec(category="groceris"), {}, "series.category"),
        (SeriesSpec(Measure.BALANCE), {}, "series.account_id"),
        (replace(BALANCE, category="groceries"), {}, "series.category"),
        (SeriesSpec(), {"threshold": Decimal(1), "threshold_currency": "EUR"}, "threshold"),
        (BALANCE, {"threshold": Decimal(1), "threshold_currency": "GBP"}, "threshold.currency_code"),
    ]
    for series, more, named in refused:
        with pytest.raises(InvalidArgument) as caught:
            await bench.ask(series, **more)
        assert [one.field for one in caught.value.fields] == [named]
    assert bench.repository.kept == {}


async def test_nothing_to_go_by_is_said_when_it_is_asked(bench: Bench) -> None:
    for series in (SeriesSpec(category="rent"), SeriesSpec(currency="GBP"), SeriesSpec(category="rent", currency="EUR")):
        with pytest.raises(FailedPrecondition) as caught:
            await bench.ask(series)
        assert caught.value.reason == "NO_HISTORY"
        assert str(earliest(YESTERDAY + timedelta(days=1), Granularity.DAY, Measure.SPENT)) in str(caught.value), "how far back was looked"


async def test_what_is_gone_when_the_worker_comes_fails_in_words(bench: Bench) -> None:
    asked = await bench.ask()
    bench.ledger.rows.clear()
    await bench.work()
    found = await bench.service.get_forecast(bench.user_id, asked.asked.id)
    assert (found.state, found.error_reason) == (ForecastState.FAILED, "NO_HISTORY")
    assert "nothing to forecast from" in found.error_message


async def test_a_ledger_that_is_away_costs_no_forecast(bench: Bench) -> None:
    asked = await bench.ask()
    bench.ledger.down = True
    await bench.work()
    assert (await bench.service.get_forecast(bench.user_id, asked.asked.id)).state is ForecastState.PENDING
    with pytest.raises(Unavailable):
        await bench.ask(horizon=8)
    bench.ledger.down = False
    bench.let_pass(60)
    await bench.runs.requeue_stalled_jobs()
    await bench.work()
    assert (await bench.service.get_forecast(bench.user_id, asked.asked.id)).state is ForecastState.SUCCEEDED


async def test_one_user_has_so_many_open(bench: Bench) -> None:
    for number in range(3):
        await bench.ask(horizon=number + 1)
    with pytest.raises(ResourceExhausted):
        await bench.ask(horizon=9)


async def test_an_attempt_that_is_over_stores_nothing(bench: Bench) -> None:
    asked = await bench.ask()
    claimed = await bench.repository.jobs.claim(bench.user_id, asked.asked.id, lease_s=0)
    assert claimed is not None
    bench.let_pass(1)
    await bench.work()
    before = await bench.service.get_forecast(bench.user_id, asked.asked.id)
    with pytest.raises(ScaleError):
        await ForecastWork(bench.repository, bench.ledger, bench.predictor).carry_out(claimed)
    assert await bench.service.get_forecast(bench.user_id, asked.asked.id) == before


async def test_the_user_s_day_and_country_count(bench: Bench) -> None:
    bench.ledger.time_zone, bench.ledger.country = "Pacific/Kiritimati", "KI"
    bench.repository.jobs.now = datetime(2026, 5, 13, 23, 0, tzinfo=UTC)
    found = await bench.made()
    assert found.outcome is not None
    assert found.outcome.history_end == YESTERDAY
    assert bench.predictor.asked[0].country == "KI"


async def test_recurring_payments_are_known_to_the_model(bench: Bench) -> None:
    bench.ledger.add_monthly(date(2026, 4, 10), 2, "-900", "Rent", date(2026, 5, 16))
    bench.ledger.add_monthly(date(2026, 4, 1), 2, "2000", "Employer", date(2026, 5, 15))
    await bench.made()
    (figures,) = bench.predictor.asked
    assert figures.known is not None
    assert len(figures.known) == 65
    assert {int(place): amount for place, amount in enumerate(figures.known) if amount} == {26: 900.0, 56: 900.0, 62: 900.0}
    assert figures.foreseen is not None
    np.testing.assert_array_equal(figures.foreseen(60)[0], figures.known[60:])
    assert not figures.foreseen(30)[1].any()  # it had come once
    await bench.made(SeriesSpec(measure=Measure.NET))
    assert bench.predictor.asked[1].known is not None
    assert sorted(bench.predictor.asked[1].known.tolist())[-1] == 2000
    # Not one of this category.
    await bench.made(SeriesSpec(category="groceries"))
    assert bench.predictor.asked[2].known is None


async def test_a_balance_has_what_is_known_on_its_days_and_the_rest_around_it(bench: Bench) -> None:
    bench.ledger.opening = Decimal("5000.05")
    bench.ledger.add_monthly(date(2026, 4, 16), 1, "-900", "Rent", date(2026, 5, 16))
    bench.ledger.add(YESTERDAY - timedelta(days=10), "-100", transfer=True)
    found = await bench.made(BALANCE, threshold=Decimal(2950), threshold_currency="EUR")
    outcome = found.outcome
    assert outcome is not None
    assert outcome.opening_balance == Decimal("5000.05") - 60 * 20 - 900 - 100
    assert [(one.payment_date, one.amount, one.merchant) for one in outcome.scheduled] == [(date(2026, 5, 16), Decimal(-900), "Rent")]
    # What was asked of the model has no rent in it, but the transfer.
    assert set(bench.predictor.asked[0].values.tolist()) == {-20.0, -120.0}
    middle = [one.p50 for one in outcome.points]
    assert middle[0] > Decimal(2700)
    assert Decimal(-960) < middle[2] - middle[1] < Decimal(-880)
    assert all(one.p10 <= one.p50 <= one.p90 for one in outcome.points)
    assert found.asked.threshold == Decimal(2950)
    assert (found.below_threshold_date, found.below_threshold_risk_date) == (date(2026, 5, 14), date(2026, 5, 14))


async def test_a_fresh_balance_has_the_threshold_of_whoever_asks(bench: Bench) -> None:
    bench.ledger.opening = Decimal(1400)
    first = await bench.made(BALANCE)
    assert (first.asked.threshold, first.below_threshold_date) == (Decimal(0), None)
    second = await bench.ask(BALANCE, threshold=Decimal(150), threshold_currency="EUR")
    assert second.state is ForecastState.SUCCEEDED
    assert second.asked.threshold == Decimal(150)
    assert second.below_threshold_date == date(2026, 5, 16)
    assert second.below_threshold_risk_date is not None
    assert second.below_threshold_risk_date <= second.below_threshold_date


@pytest.mark.parametrize(
    ("granularity", "ends"),
    [(Granularity.WEEK, [date(2026, 5, 17), date(2026, 5, 24)]), (Granularity.MONTH, [date(2026, 5, 31), date(2026, 6, 30)])],
)
async def test_weeks_and_months_of_a_balance(bench: Bench, granularity: Granularity, ends: list[date]) -> None:
    bench.ledger.opening = Decimal(10_000)
    bench.ledger.add_monthly(date(2026, 4, 16), 1, "-900", "Rent", date(2026, 5, 16))
    outcome = (await bench.made(BALANCE, granularity=granularity, horizon=2)).outcome
    assert outcome is not None
    assert [period_end(one.period_start, granularity) for one in outcome.points] == ends
    assert outcome.opening_balance is not None
    assert outcome.points[0].p50 - outcome.opening_balance < -900


async def test_lists_have_the_newest_first_page_by_page(bench: Bench) -> None:
    made = [await bench.made(horizon=number) for number in (1, 2, 3)]
    pending = await bench.ask(horizon=4)
    ids = [one.asked.id for one in await bench.service.list_forecasts(bench.user_id, state=None, before=None, limit=9)]
    assert ids == [pending.asked.id, *(one.asked.id for one in reversed(made))]
    found = await bench.service.list_forecasts(bench.user_id, state=ForecastState.SUCCEEDED, before=made[2].asked.id, limit=1)
    assert [one.asked.id for one in found] == [made[1].asked.id]
    assert found[0].outcome is not None
    assert found[0].outcome.points == ()


async def test_nobody_else_has_it(bench: Bench, other_user_id: UUID) -> None:
    made = await bench.made()
    with pytest.raises(NotFound):
        await bench.service.get_forecast(other_user_id, made.asked.id)
