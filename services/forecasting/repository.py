"""Forecasts in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from services.forecasting.domain import (
    BacktestScore,
    Forecast,
    ForecastState,
    Granularity,
    Measure,
    ModelInfo,
    NewForecast,
    Outcome,
    Point,
    Scheduled,
    SeriesSpec,
    Source,
    below,
)
from services.forecasting.jobs import repository as jobs
from services.forecasting.jobs.domain import Begun, Job, NewJob
from services.kit.postgres import Connection, Database

_ASKED = "user_id, id, series_id, account_id, category, currency, measure, granularity, horizon, labels, threshold"
_OUTCOME = (
    "history_start_date, history_end_date, history_period_count, history_transaction_count, data_cutoff_at, model, model_version, source, "
    "backtest, short_history, degraded, degraded_reason, opening_balance"
)
_MANY = "period_starts, p10, p50, p90, scheduled_payments"
"""What lists leave out."""
_MADE = "below_threshold_date, below_threshold_risk_date, generated_at"
_FROM = """
    forecasting.forecasts AS made JOIN (
        SELECT user_id, id, state, error_message, error_reason FROM forecasting.jobs WHERE user_id = $1
    ) AS job USING (user_id, id)
"""
_ONE = f"SELECT {_ASKED}, {_OUTCOME}, {_MANY}, {_MADE}, made.created_at, state, error_message, error_reason FROM {_FROM}"  # nosec B608
_GET = f"{_ONE} WHERE made.user_id = $1 AND id = $2"
_LIST = f"""
    SELECT {_ASKED}, {_OUTCOME}, {_MADE}, made.created_at, state, error_message, error_reason FROM {_FROM}
     WHERE made.user_id = $1 AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR id < $3)
     ORDER BY id DESC LIMIT $4
"""  # nosec B608
FRESH = f"""
    {_ONE} WHERE made.user_id = $1 AND series_id = $2 AND granularity = $3 AND horizon = $4 AND model_version = $5
       AND generated_at > now() - $6::float8 * interval '1 second' AND (NOT degraded OR $7)
       AND NOT EXISTS (SELECT FROM forecasting.ledgers AS ledger WHERE ledger.user_id = $1 AND ledger.changed_at >= data_cutoff_at)
     ORDER BY generated_at DESC LIMIT 1
"""  # nosec B608
_ADD = f"""
    INSERT INTO forecasting.forecasts ({_ASKED}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb, $11)
"""  # nosec B608
_STORE = """
    UPDATE forecasting.forecasts
       SET history_start_date = $3, history_end_date = $4, history_period_count = $5, history_transaction_count = $6, data_cutoff_at = $7,
           model = $8, model_version = $9, source = $10, backtest = $11::jsonb, short_history = $12, degraded = $13, degraded_reason = $14,
           opening_balance = $15, period_starts = $16, p10 = $17, p50 = $18, p90 = $19, scheduled_payments = $20::jsonb,
           below_threshold_date = $21, below_threshold_risk_date = $22, generated_at = coalesce($23, now())
     WHERE user_id = $1 AND id = $2
"""
_NOBODY = UUID(int=0)


class PostgresForecastsRepository:
    """`ForecastsRepository` on PostgreSQL, schema `forecasting`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, new: NewJob, asked: NewForecast, *, lease_s: float, most_open: int) -> tuple[Job, Begun]:
        """See `ForecastsRepository`."""
        async with self._database.transaction(new.user_id) as connection:
            job, begun = await jobs.begin(connection, new, lease_s=lease_s, most_open=most_open)
            if begun in (Begun.NEW, Begun.NEW_BEHIND):
                await _add(connection, asked)
        return job, begun

    async def find_fresh(self, asked: NewForecast, *, model: ModelInfo, within_s: float) -> Forecast | None:
        """See `ForecastsRepository`."""
        series = (asked.user_id, asked.series_id, asked.granularity.value, asked.horizon)
        async with self._database.transaction(asked.user_id, read_only=True) as connection:
            found = await connection.fetchrow(FRESH, *series, model.version, within_s, model.degraded)
        return _forecast(found) if found is not None else None

    async def answer(self, new: NewJob, asked: NewForecast, fresh: Forecast) -> tuple[Job, Begun]:
        """See `ForecastsRepository`."""
        assert fresh.outcome is not None  # nosec B101  # as one that was found fresh has
        async with self._database.transaction(new.user_id) as connection:
            job, begun = await jobs.record_done(connection, new)
            if begun is Begun.NEW:
                await _add(connection, asked)
                await _store(connection, asked, fresh.outcome, fresh.generated_at)
        return job, begun

    async def store(self, running: Job, asked: NewForecast, outcome: Outcome) -> bool:
        """See `ForecastsRepository`."""
        async with self._database.transaction(running.user_id) as connection:
            if not await jobs.succeed(connection, running):
                return False
            await _store(connection, asked, outcome, None)
        return True

    async def get(self, user_id: UUID, forecast_id: UUID) -> Forecast | None:
        """See `ForecastsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            found = await connection.fetchrow(_GET, user_id, forecast_id)
        return _forecast(found) if found is not None else None

    async def list_forecasts(self, user_id: UUID, *, state: ForecastState | None, before: UUID | None, limit: int) -> Sequence[Forecast]:
        """See `ForecastsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            found = await connection.fetch(_LIST, user_id, state.value if state is not None else None, before, limit)
        return [_forecast(one) for one in found]

    async def now(self) -> datetime:
        """See `ForecastsRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            found: datetime = await connection.fetchval("SELECT clock_timestamp()")
        return found


async def _add(connection: Connection, asked: NewForecast) -> None:
    series = asked.series
    await connection.execute(
        _ADD,
        asked.user_id,
        asked.id,
        asked.series_id,
        series.account_id,
        series.category,
        series.currency,
        series.measure.value,
        asked.granularity.value,
        asked.horizon,
        json.dumps(dict(asked.labels), ensure_ascii=False),
        asked.threshold,
    )


async def _store(connection: Connection, asked: NewForecast, outcome: Outcome, generated_at: datetime | None) -> None:
    likely, risk = below(outcome.points, asked.granularity, asked.threshold) if asked.threshold is not None else (None, None)
    await connection.execute(
        _STORE,
        asked.user_id,
        asked.id,
        outcome.history_start,
        outcome.history_end,
        outcome.history_period_count,
        outcome.history_transaction_count,
        outcome.data_cutoff_at,
        outcome.model,
        outcome.model_version,
        outcome.source.value,
        json.dumps([_score_record(one) for one in outcome.backtest]),
        outcome.short_history,
        outcome.degraded,
        outcome.degraded_reason,
        outcome.opening_balance,
        [one.period_start for one in outcome.points],
        [one.p10 for one in outcome.points],
        [one.p50 for one in outcome.points],
        [one.p90 for one in outcome.points],
        json.dumps([_scheduled_record(one) for one in outcome.scheduled], ensure_ascii=False),
        likely,
        risk,
        generated_at,
    )


def _forecast(record: asyncpg.Record) -> Forecast:
    series = SeriesSpec(Measure(record["measure"]), record["account_id"], record["category"], record["currency"])
    asked = NewForecast(
        record["id"],
        record["user_id"],
        record["series_id"],
        series,
        record["horizon"],
        Granularity(record["granularity"]),
        json.loads(record["labels"]),
        record["threshold"],
    )
    return Forecast(
        asked,
        ForecastState(record["state"]),
        record["error_message"],
        record["error_reason"],
        record["created_at"],
        _outcome(record) if record["generated_at"] is not None else None,
        record["generated_at"],
        record["below_threshold_date"],
        record["below_threshold_risk_date"],
    )


def _outcome(record: asyncpg.Record) -> Outcome:
    whole = "p50" in record
    points = zip(record["period_starts"], record["p10"], record["p50"], record["p90"], strict=True) if whole else ()
    return Outcome(
        history_start=record["history_start_date"],
        history_end=record["history_end_date"],
        history_period_count=record["history_period_count"],
        history_transaction_count=record["history_transaction_count"],
        data_cutoff_at=record["data_cutoff_at"],
        model=record["model"],
        model_version=record["model_version"],
        source=Source(record["source"]),
        backtest=tuple(map(_score, json.loads(record["backtest"]))),
        short_history=record["short_history"],
        degraded=record["degraded"],
        degraded_reason=record["degraded_reason"],
        points=tuple(Point(*one) for one in points),
        scheduled=tuple(map(_scheduled, json.loads(record["scheduled_payments"]))) if whole else (),
        opening_balance=record["opening_balance"],
    )


def _score_record(score: BacktestScore) -> dict[str, object]:
    return {name: getattr(score, name) for name in ("model", "mase", "pinball", "coverage", "origins", "served")}


def _score(record: Mapping[str, Any]) -> BacktestScore:
    # In jsonb a large float is a number with all its digits, and comes back as an integer.
    mase, pinball, coverage = (float(record[name]) for name in ("mase", "pinball", "coverage"))
    return BacktestScore(record["model"], mase, pinball, coverage, record["origins"], record["served"])


def _scheduled_record(one: Scheduled) -> list[str]:
    return [one.payment_date.isoformat(), f"{one.amount:f}", one.merchant, str(one.recurring_id)]


def _scheduled(record: Sequence[Any]) -> Scheduled:
    day, amount, merchant, recurring_id = record
    return Scheduled(date.fromisoformat(day), Decimal(amount), merchant, UUID(recurring_id))
