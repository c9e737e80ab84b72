"""Between forecasting's nouns and the contract's messages, and the checks that need nothing but the request."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from google.type.money_pb2 import Money

from scale.forecasting.v1 import forecasting_service_pb2 as pb
from services.forecasting.domain import (
    BacktestScore,
    Forecast,
    ForecastState,
    Granularity,
    Measure,
    Outcome,
    Point,
    Question,
    Scheduled,
    SeriesSpec,
    Source,
    period_end,
)
from services.kit.dates import to_date_proto, to_timestamp
from services.kit.errors import InvalidArgument, invalid
from services.kit.fields import text_of, uuid_of
from services.kit.money import from_money, is_currency, to_money

MAX_REQUEST_ID_CHARS = 36
_DEFAULT_HORIZON = 30
_MAX_SLUG_CHARS = 100
_MOST_LABELS, _MAX_KEY_CHARS, _MAX_VALUE_CHARS = 20, 63, 500

_MEASURES: dict[Measure, Any] = {one: pb.Measure.Value(f"MEASURE_{one.name}") for one in Measure}
_GRANULARITIES: dict[Granularity, Any] = {one: pb.ForecastGranularity.Value(f"FORECAST_GRANULARITY_{one.name}") for one in Granularity}
_STATES: dict[ForecastState, Any] = {one: pb.ForecastState.Value(f"FORECAST_STATE_{one.name}") for one in ForecastState}
_SOURCES: dict[Source, Any] = {one: pb.ForecastSource.Value(f"FORECAST_SOURCE_{one.name}") for one in Source}
_MEASURE_OF = {number: one for one, number in _MEASURES.items()} | {pb.MEASURE_UNSPECIFIED: Measure.SPENT}
_GRANULARITY_OF = {number: one for one, number in _GRANULARITIES.items()} | {pb.FORECAST_GRANULARITY_UNSPECIFIED: Granularity.DAY}
_STATE_OF = {number: one for one, number in _STATES.items()}


def question_of(request: pb.CreateForecastRequest) -> Question:
    """What is asked. Raises InvalidArgument, which names the field."""
    if request.granularity not in _GRANULARITY_OF:
        raise invalid("granularity", f"{request.granularity} is not one; ask for days, weeks or months")
    threshold, threshold_currency = _threshold(request)
    return Question(
        series_of(request.series),
        request.horizon or _DEFAULT_HORIZON,
        _GRANULARITY_OF[request.granularity],
        labels_of(request.labels),
        threshold,
        threshold_currency,
        anew=request.fresh,
    )


def _threshold(request: pb.CreateForecastRequest) -> tuple[Decimal | None, str]:
    if not request.HasField("threshold"):
        return None, ""
    threshold = request.threshold
    # Without a currency it is in the one of the series, which is not known here.
    stated = Money(currency_code=threshold.currency_code or "EUR", units=threshold.units, nanos=threshold.nanos)
    try:
        return from_money(stated)[0], threshold.currency_code
    except InvalidArgument as error:
        (wrong,) = error.fields
        raise invalid(f"threshold.{wrong.field}", wrong.reason) from error


def series_of(message: pb.SeriesSpec) -> SeriesSpec:
    """Which figures. Raises InvalidArgument."""
    if message.measure not in _MEASURE_OF:
        raise invalid("series.measure", f"{message.measure} is not one")
    if message.currency and not is_currency(message.currency):
        raise invalid("series.currency", f"{message.currency[:10]!r} is not an ISO 4217 code such as EUR")
    return SeriesSpec(
        _MEASURE_OF[message.measure],
        uuid_of("series.account_id", message.account_id) if message.account_id else None,
        text_of("series.category", message.category, _MAX_SLUG_CHARS),
        message.currency,
    )


def labels_of(labels: Mapping[str, str]) -> dict[str, str]:
    """The caller's own. Raises InvalidArgument."""
    if len(labels) > _MOST_LABELS:
        raise invalid("labels", f"has {len(labels)} entries, at most {_MOST_LABELS} are allowed")
    for key, value in labels.items():
        text_of("labels", key, _MAX_KEY_CHARS, required=True)
        text_of(f"labels[{key}]", value, _MAX_VALUE_CHARS)
    return dict(labels)


def state_of(number: int) -> ForecastState | None:
    """None for any. Raises InvalidArgument."""
    if number == pb.FORECAST_STATE_UNSPECIFIED:
        return None
    if number not in _STATE_OF:
        raise invalid("state", f"{number} is not one")
    return _STATE_OF[number]


def forecast_message(forecast: Forecast) -> pb.Forecast:
    """A forecast, as far as it is."""
    asked, series = forecast.asked, forecast.asked.series
    message = pb.Forecast(
        forecast_id=str(asked.id),
        series_id=asked.series_id,
        series=pb.SeriesSpec(
            account_id=str(series.account_id) if series.account_id is not None else "",
            category=series.category,
            currency=series.currency,
            measure=_MEASURES[series.measure],
        ),
        horizon=asked.horizon,
        granularity=_GRANULARITIES[asked.granularity],
        labels=asked.labels,
        state=_STATES[forecast.state],
        threshold=to_money(asked.threshold, series.currency) if asked.threshold is not None else None,
        error_message=forecast.error_message,
        error_reason=forecast.error_reason,
        create_time=to_timestamp(forecast.created_at),
    )
    if forecast.below_threshold_date is not None:
        message.below_threshold_date.CopyFrom(to_date_proto(forecast.below_threshold_date))
    if forecast.below_threshold_risk_date is not None:
        message.below_threshold_risk_date.CopyFrom(to_date_proto(forecast.below_threshold_risk_date))
    if forecast.outcome is not None and forecast.generated_at is not None:
        message.MergeFrom(_outcome_message(forecast.outcome, asked.granularity, series.currency))
        message.generate_time.CopyFrom(to_timestamp(forecast.generated_at))
    return message


def _outcome_message(outcome: Outcome, granularity: Granularity, currency: str) -> pb.Forecast:
    return pb.Forecast(
        history_start_date=to_date_proto(outcome.history_start),
        history_end_date=to_date_proto(outcome.history_end),
        history_period_count=outcome.history_period_count,
        history_transaction_count=outcome.history_transaction_count,
        data_cutoff_time=to_timestamp(outcome.data_cutoff_at),
        model=outcome.model,
        model_version=outcome.model_version,
        source=_SOURCES[outcome.source],
        backtest=map(_score_message, outcome.backtest),
        short_history=outcome.short_history,
        degraded=outcome.degraded,
        degraded_reason=outcome.degraded_reason,
        points=[_point_message(one, granularity, currency) for one in outcome.points],
        scheduled_payments=[_scheduled_message(one, currency) for one in outcome.scheduled],
        opening_balance=to_money(outcome.opening_balance, currency) if outcome.opening_balance is not None else None,
    )


def _score_message(score: BacktestScore) -> pb.BacktestScore:
    return pb.BacktestScore(
        model=score.model,
        mase_score=score.mase,
        pinball_loss=score.pinball,
        coverage_fraction=score.coverage,
        origin_count=score.origins,
        served=score.served,
    )


def _point_message(point: Point, granularity: Granularity, currency: str) -> pb.ForecastPoint:
    return pb.ForecastPoint(
        period_start=to_date_proto(point.period_start),
        period_end=to_date_proto(period_end(point.period_start, granularity)),
        p10=to_money(point.p10, currency),
        p50=to_money(point.p50, currency),
        p90=to_money(point.p90, currency),
    )


def _scheduled_message(one: Scheduled, currency: str) -> pb.ScheduledPayment:
    return pb.ScheduledPayment(
        payment_date=to_date_proto(one.payment_date),
        amount=to_money(one.amount, currency),
        merchant=one.merchant,
        recurring_payment_id=str(one.recurring_id),
    )
