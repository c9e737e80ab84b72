"""Between the JSON of forecasts and the messages of `scale.forecasting.v1`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from google.type import date_pb2, money_pb2

from scale.forecasting.v1 import forecasting_service_pb2 as pb
from services.gateway.accounts_json import MAX_PAGE_SIZE
from services.gateway.schemas import forecasts as schemas
from services.gateway.wire import day_text, timestamp_text
from services.kit.money import format_money, to_money

OPEN = frozenset({pb.FORECAST_STATE_PENDING, pb.FORECAST_STATE_RUNNING})


def create_request(wanted: schemas.NewForecast, *, request_id: str, wait_s: int) -> pb.CreateForecastRequest:
    """The request for a forecast."""
    series = wanted.series
    threshold = None if wanted.threshold is None else to_money(Decimal(wanted.threshold), series.currency or "")
    return pb.CreateForecastRequest(
        request_id=request_id,
        series=pb.SeriesSpec(
            account_id=str(series.account_id) if series.account_id else "",
            category=series.category or "",
            currency=series.currency or "",
            measure=f"MEASURE_{series.measure.upper()}",
        ),
        horizon=wanted.horizon,
        granularity=f"FORECAST_GRANULARITY_{wanted.granularity.upper()}",
        labels=wanted.labels,
        threshold=threshold,
        wait_s=wait_s,
        fresh=wanted.fresh,
    )


def list_request(query: schemas.ForecastQuery) -> pb.ListForecastsRequest:
    """The request for a page of forecasts."""
    return pb.ListForecastsRequest(
        page_size=min(query.page_size, MAX_PAGE_SIZE),
        page_token=query.page_token,
        state=f"FORECAST_STATE_{query.state.upper()}" if query.state else None,
    )


def forecast_json(forecast: pb.Forecast, user_id: UUID) -> dict[str, Any]:
    """One forecast."""
    return summary_json(forecast, user_id) | {
        "points": list(map(_point_json, forecast.points)),
        "scheduled_payments": list(map(_scheduled_json, forecast.scheduled_payments)),
    }


def summary_json(forecast: pb.Forecast, user_id: UUID) -> dict[str, Any]:
    """The same without its points."""
    series = forecast.series
    made = forecast.HasField("generate_time")
    return {
        "id": forecast.forecast_id,
        "user_id": str(user_id),
        "state": pb.ForecastState.Name(forecast.state).removeprefix("FORECAST_STATE_").lower(),
        "series_id": forecast.series_id,
        "series": {
            "account_id": series.account_id or None,
            "category": series.category or None,
            "currency": series.currency,
            "measure": pb.Measure.Name(series.measure).removeprefix("MEASURE_").lower(),
        },
        "currency": series.currency,
        "category": series.category or None,
        "horizon": forecast.horizon,
        "granularity": pb.ForecastGranularity.Name(forecast.granularity).removeprefix("FORECAST_GRANULARITY_").lower(),
        # On the wire they have no order.
        "labels": dict(sorted(forecast.labels.items())),
        "history": _history_json(forecast) if made else None,
        "data_cutoff": timestamp_text(forecast.data_cutoff_time) if made else None,
        "generated_at": timestamp_text(forecast.generate_time) if made else None,
        "created_at": timestamp_text(forecast.create_time),
        "model": forecast.model or None,
        "model_version": forecast.model_version or None,
        "source": pb.ForecastSource.Name(forecast.source).removeprefix("FORECAST_SOURCE_").lower() if forecast.source else None,
        "backtest": list(map(_score_json, forecast.backtest)),
        "short_history": forecast.short_history,
        "degraded": forecast.degraded,
        "degraded_reason": forecast.degraded_reason or None,
        "opening_balance": _amount(forecast.opening_balance) if forecast.HasField("opening_balance") else None,
        "threshold": _amount(forecast.threshold) if forecast.HasField("threshold") else None,
        "below_threshold_on": _day(forecast.below_threshold_date) if forecast.HasField("below_threshold_date") else None,
        "below_threshold_risk_on": _day(forecast.below_threshold_risk_date) if forecast.HasField("below_threshold_risk_date") else None,
        "error": {"message": forecast.error_message, "reason": forecast.error_reason} if forecast.error_reason else None,
    }


def model_json(model: pb.GetModelInfoResponse) -> dict[str, Any]:
    """What answers."""
    return {
        "version": model.model_version or None,
        "degraded": model.degraded,
        "reason": model.degraded_reason or None,
        "candidates": list(model.candidates),
    }


def _history_json(forecast: pb.Forecast) -> dict[str, Any]:
    return {
        "start": _day(forecast.history_start_date),
        "end": _day(forecast.history_end_date),
        "periods": forecast.history_period_count,
        "transactions": forecast.history_transaction_count,
    }


def _point_json(point: pb.ForecastPoint) -> dict[str, Any]:
    return {
        "date": _day(point.period_start),
        "end_date": _day(point.period_end),
        "p10": _amount(point.p10),
        "p50": _amount(point.p50),
        "p90": _amount(point.p90),
    }


def _score_json(score: pb.BacktestScore) -> dict[str, Any]:
    return {
        "model": score.model,
        "mase": score.mase_score,
        "pinball": score.pinball_loss,
        "coverage": score.coverage_fraction,
        "origins": score.origin_count,
        "served": score.served,
    }


def _scheduled_json(payment: pb.ScheduledPayment) -> dict[str, Any]:
    return {
        "date": _day(payment.payment_date),
        "amount": _amount(payment.amount),
        "merchant": payment.merchant,
        "recurring_payment_id": payment.recurring_payment_id,
    }


def _day(day: date_pb2.Date) -> str:
    return day_text(day.year, day.month, day.day)


def _amount(money: money_pb2.Money) -> str:
    return format_money(money.units, money.nanos, money.currency_code)
