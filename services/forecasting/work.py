"""What a worker does for a forecast: reads the ledger, asks the models, places what is known to come, and stores all of it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta

import numpy as np
import polars as pl
import structlog

from services.forecasting.answers import balance_points, points
from services.forecasting.domain import Home, Measure, NewForecast, Outcome, Recurring, SeriesSpec
from services.forecasting.foresight import Known, place
from services.forecasting.history import BALANCE_DAYS, History, earliest, make_history, of_category, periods_ahead
from services.forecasting.jobs.domain import Job, JobKind, job_not_found
from services.forecasting.metrics import FORECAST_STAGE_SECONDS, FORECASTS
from services.forecasting.projection import cumulated
from services.forecasting.protocols import Figures, ForecastsRepository, Ledger, Predictor
from services.forecasting.recurring import of_series
from services.kit.job_runs import attempt_over

log = structlog.get_logger()


class ForecastWork:
    """`JobWork` of forecasts."""

    def __init__(self, repository: ForecastsRepository, ledger: Ledger, predictor: Predictor) -> None:
        self._repository = repository
        self._ledger = ledger
        self._predictor = predictor

    async def carry_out(self, running: Job) -> None:
        """See `JobWork`."""
        found = await self._repository.get(running.user_id, running.id)
        if found is None:
            raise job_not_found(JobKind.FORECAST, running.id)
        outcome = await self.make(found.asked)
        with _stage("store"):
            if not await self._repository.store(running, found.asked, outcome):
                raise attempt_over(running.id)
        FORECASTS.labels("degraded" if outcome.degraded else outcome.source.value).inc()

    async def make(self, asked: NewForecast) -> Outcome:
        """The forecast. Raises FailedPrecondition with reason NO_HISTORY."""
        series, granularity = asked.series, asked.granularity
        # Before anything is read: what comes into the ledger from now on may be missing.
        cutoff = await self._repository.now()
        is_balance = series.measure is Measure.BALANCE
        with _stage("read"):
            home = await self._ledger.home()
            today = cutoff.astimezone(home.time_zone).date()
            first = earliest(today, granularity, series.measure)
            sums = await self._ledger.daily_sums(date_from=first, include_transfers=is_balance)
        with _stage("series"):
            history = await asyncio.to_thread(make_history, sums, series, granularity, today=today)
        starts = periods_ahead(history.next_start, asked.horizon, granularity)
        known = await self._known(asked, history, starts, sums)
        figures = _figures(history, series, known, home)
        with _stage("model"):
            predicted = await self._predictor.predict(figures, asked.horizon)
        opening = None
        if is_balance and series.account_id is not None:
            with _stage("read"):
                opening = await self._ledger.balance(series.account_id, series.currency, on=history.end)
            with _stage("project"):
                rest = await asyncio.to_thread(cumulated, figures.values, predicted.quantiles, granularity)
            found = balance_points(starts, granularity, opening, known.scheduled, rest, series.currency)
        else:
            found = points(starts, predicted.quantiles, series.currency)
        log.info("forecast made", forecast_id=str(asked.id), model=predicted.model, processor_s=round(predicted.processor_s, 3))
        return Outcome(
            history_start=history.start,
            history_end=history.end,
            history_period_count=len(history.values),
            history_transaction_count=history.transaction_count,
            data_cutoff_at=cutoff,
            model=predicted.model,
            model_version=predicted.model_version,
            source=predicted.source,
            backtest=predicted.backtest,
            short_history=predicted.short_history,
            degraded=predicted.degraded,
            degraded_reason=predicted.reason,
            points=found,
            scheduled=known.scheduled if is_balance else (),
            opening_balance=opening,
        )

    async def _known(self, asked: NewForecast, history: History, starts: Sequence[date], sums: pl.DataFrame) -> Known:
        series, granularity = asked.series, asked.granularity
        nothing = Known(np.zeros(len(history.values)), np.zeros(len(starts)), ())
        with _stage("read"):
            recurring = of_series(await self._ledger.recurring_payments(), series, _primary(sums))
            recurring = [one for one in recurring if _counts(one, series.measure)]
            if not recurring:
                return nothing
            back = max(history.start, history.end - timedelta(days=BALANCE_DAYS[granularity]))
            transactions = await self._ledger.transactions(
                account_id=series.account_id, date_from=back, include_transfers=series.measure is Measure.BALANCE
            )
        with _stage("series"):
            return await asyncio.to_thread(place, recurring, of_category(transactions, series.category), history, starts, series.measure)


@contextmanager
def _stage(name: str) -> Iterator[None]:
    with FORECAST_STAGE_SECONDS.labels(name).time():
        yield


def _counts(one: Recurring, measure: Measure) -> bool:
    if measure is Measure.SPENT:
        return not one.credit
    return one.credit or measure is not Measure.RECEIVED


def _primary(sums: pl.DataFrame) -> dict[str, str]:
    return dict(sums.select("category", "primary_category").unique().iter_rows())


def _figures(history: History, series: SeriesSpec, known: Known, home: Home) -> Figures:
    kind = "account" if series.account_id is not None else "total"
    if series.category:
        kind = "category"
    if series.measure is Measure.BALANCE:
        # What is known is placed on its days afterwards: the model is asked about the rest.
        return Figures(history.values - known.past, history.start, history.granularity, home.country, None, kind)
    if known.nothing:
        return Figures(history.values, history.start, history.granularity, home.country, None, kind)
    every = np.concatenate([known.past, known.ahead])
    return Figures(history.values, history.start, history.granularity, home.country, every, kind, known.foreseen)
