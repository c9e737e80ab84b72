"""Rules of forecasts as callers see them: asked once per request id, nothing left open, answered at once where a fresh one is kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Protocol
from uuid import UUID

import uuid_utils.compat

from services.forecasting.domain import (
    MOST_PERIODS,
    UNCATEGORIZED,
    Forecast,
    ForecastState,
    Measure,
    ModelInfo,
    NewForecast,
    Question,
    SeriesSpec,
    no_history,
    request_hash,
    series_id,
    unknown_category,
)
from services.forecasting.history import described, earliest, make_history, of_series, usual_currency
from services.forecasting.jobs.domain import Begun, Job, JobKind, NewJob, job_not_found
from services.forecasting.jobs.protocols import Record
from services.forecasting.jobs.service import check_same_request
from services.forecasting.metrics import FORECASTS
from services.forecasting.protocols import ForecastsRepository, Ledger, Models
from services.kit.errors import invalid

MOST_WAIT_S = 10
_FIRST_LOOK_S = 0.03
_LONGEST_LOOK_S = 0.3


class Jobs(Protocol):
    """What begins work in the background."""

    async def find(self, new: NewJob) -> Job | None:
        """The job that the same request began before. Raises AlreadyExists where the request id came with another body."""

    async def start(self, new: NewJob, record: Record) -> Job:
        """Begins a job, once per request id."""


class ForecastingService:
    """Every call names the user, from the verified token."""

    def __init__(self, *, repository: ForecastsRepository, jobs: Jobs, ledger: Ledger, models: Models, fresh_s: float) -> None:
        """`fresh_s`: how old a forecast of the same series may be to answer at once."""
        self._repository = repository
        self._jobs = jobs
        self._ledger = ledger
        self._models = models
        self._fresh_s = fresh_s

    async def create_forecast(self, user_id: UUID, question: Question, *, request_id: str, wait_s: float = 0) -> Forecast:
        """The forecast, as far as it is after at most `wait_s` seconds.

        Raises InvalidArgument, NotFound for an account that the user does not have, AlreadyExists for a request id with another question,
        FailedPrecondition with reason NO_HISTORY where there is nothing to go by, and what `JobsService.start` raises.
        """
        _check(question)
        if not 0 <= wait_s <= MOST_WAIT_S:
            raise invalid("wait_s", f"is {wait_s:g}; 0 to {MOST_WAIT_S} seconds are possible")
        until = time.monotonic() + wait_s
        new = NewJob(uuid_utils.compat.uuid7(), user_id, JobKind.FORECAST, request_id, request_hash(question))
        if (job := await self._jobs.find(new)) is None:
            job = await self._begin(new, question)
        return await self._wait(user_id, job.id, until)

    async def _begin(self, new: NewJob, question: Question) -> Job:
        known = await self._named(question.series)
        if known.currency and not question.anew and (job := await self._answer(new, _asked(new, question, known))) is not None:
            return job
        series = await self._with_history(known, question)
        asked = _asked(new, question, series)
        if not known.currency and not question.anew and (job := await self._answer(new, asked)) is not None:
            return job
        return await self._jobs.start(new, partial(_begun, self._repository, asked))

    async def _named(self, series: SeriesSpec) -> SeriesSpec:
        """With the account's currency, where there is an account. Raises for an account or a category that the user does not have."""
        if series.category not in ("", UNCATEGORIZED) and series.category not in {one.slug for one in await self._ledger.categories()}:
            raise unknown_category(series.category)
        if series.account_id is None:
            return series
        account = await self._ledger.account(series.account_id)
        return series if series.currency else replace(series, currency=account.currency)

    async def _with_history(self, series: SeriesSpec, question: Question) -> SeriesSpec:
        """With a currency. Raises FailedPrecondition where there is nothing to go by: now, and not when a worker finds out."""
        today = await self._today()
        first = earliest(today, question.granularity, series.measure)
        sums = await self._ledger.daily_sums(date_from=first, include_transfers=series.measure is Measure.BALANCE)
        if not series.currency:
            series = replace(series, currency=usual_currency(of_series(sums, series)))
            if not series.currency:
                raise no_history(f"your ledger has no payment of {described(series)} since {first}")
        make_history(sums, series, question.granularity, today=today)
        return series

    async def _today(self) -> date:
        return (await self._repository.now()).astimezone((await self._ledger.home()).time_zone).date()

    async def _answer(self, new: NewJob, asked: NewForecast) -> Job | None:
        """Recorded with what a fresh forecast of the same says; None where there is none."""
        fresh = await self._repository.find_fresh(asked, model=self._models.info(), within_s=self._fresh_s)
        if fresh is None:
            return None
        job, begun = await self._repository.answer(new, asked, fresh)
        if begun is Begun.REPEATED:
            check_same_request(job, new)
        else:
            FORECASTS.labels("fresh").inc()
        return job

    async def _wait(self, user_id: UUID, forecast_id: UUID, until: float) -> Forecast:
        """Looks again and again: a worker tells nobody but the database."""
        pause = _FIRST_LOOK_S
        while True:
            found = await self.get_forecast(user_id, forecast_id)
            left = until - time.monotonic()
            if left <= 0 or found.state in (ForecastState.SUCCEEDED, ForecastState.FAILED):
                return found
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_LOOK_S)

    async def get_forecast(self, user_id: UUID, forecast_id: UUID) -> Forecast:
        """One forecast. Raises NotFound."""
        found = await self._repository.get(user_id, forecast_id)
        if found is None:
            raise job_not_found(JobKind.FORECAST, forecast_id)
        return found

    async def list_forecasts(self, user_id: UUID, *, state: ForecastState | None, before: UUID | None, limit: int) -> Sequence[Forecast]:
        """The newest first, from the one after `before` on; without points and scheduled payments."""
        return await self._repository.list_forecasts(user_id, state=state, before=before, limit=limit)

    def model_info(self) -> ModelInfo:
        """What answers now."""
        return self._models.info()


async def _begun(repository: ForecastsRepository, asked: NewForecast, new: NewJob, *, lease_s: float, most_open: int) -> tuple[Job, Begun]:
    return await repository.begin(new, asked, lease_s=lease_s, most_open=most_open)


def _asked(new: NewJob, question: Question, series: SeriesSpec) -> NewForecast:
    threshold = question.threshold
    if series.measure is Measure.BALANCE:
        threshold = threshold if threshold is not None else Decimal(0)
        if question.threshold_currency not in ("", series.currency):
            raise invalid("threshold.currency_code", f"is {question.threshold_currency}, but the series is in {series.currency}")
    return NewForecast(
        new.id, new.user_id, series_id(new.user_id, series), series, question.horizon, question.granularity, question.labels, threshold
    )


def _check(question: Question) -> None:
    series = question.series
    if not 1 <= question.horizon <= MOST_PERIODS:
        raise invalid("horizon", f"is {question.horizon}; 1 to {MOST_PERIODS} periods can be forecast")
    if series.measure is Measure.BALANCE:
        if series.account_id is None:
            raise invalid("series.account_id", "is required: a balance is one account's")
        if series.category:
            raise invalid("series.category", "must be empty: an account holds no category")
    elif question.threshold is not None:
        raise invalid("threshold", "is only for a balance")
