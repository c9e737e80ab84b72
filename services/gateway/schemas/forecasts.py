"""The shapes of forecasts."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from services.gateway.schemas.fields import Amount, Currency, Identifier, Input, Output, PageQuery, Text

MAX_HORIZON = 90
MAX_LABELS = 20

Measure = Literal["spent", "received", "net", "balance"]
Granularity = Literal["day", "week", "month"]
ForecastState = Literal["pending", "running", "succeeded", "failed"]
LabelName = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", min_length=1, max_length=63)]
LabelValue = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=500)]

_ASKED: dict[str, Any] = {
    "series": {"account_id": "019b76da-a800-7000-8000-000000000002", "category": "groceries"},
    "horizon": 30,
    "granularity": "day",
    "labels": {"screen": "home"},
}
_SERIES: dict[str, Any] = {
    "account_id": "019b76da-a800-7000-8000-000000000002",
    "category": "groceries",
    "currency": "EUR",
    "measure": "spent",
}
_POINT: dict[str, Any] = {"date": "2026-02-01", "end_date": "2026-02-01", "p10": "0.00", "p50": "11.40", "p90": "48.90"}
_SCORE: dict[str, Any] = {
    "model": "pooled+recent_weekday",
    "mase": 0.81,
    "pinball": 5.32,
    "coverage": 0.79,
    "origins": 4,
    "served": True,
}
_SCHEDULED: dict[str, Any] = {
    "date": "2026-02-01",
    "amount": "-820.00",
    "merchant": "Hausverwaltung Nord",
    "recurring_payment_id": "019b76da-a800-5000-8000-0000000000b0",
}
_FORECAST: dict[str, Any] = {
    "id": "019b76da-a800-7000-8000-0000000000f0",
    "user_id": "00000000-0000-7000-8000-000000000001",
    "state": "succeeded",
    "series_id": "4f0c6f7b5e0d4a54b7f0b4f53c7a1e11",
    "series": _SERIES,
    "currency": "EUR",
    "category": "groceries",
    "horizon": 1,
    "granularity": "day",
    "labels": {"screen": "home"},
    "history": {"start": "2024-01-01", "end": "2026-01-31", "periods": 762, "transactions": 4123},
    "data_cutoff": "2026-02-01T08:00:00.000000Z",
    "generated_at": "2026-02-01T08:00:01.000000Z",
    "created_at": "2026-02-01T08:00:00.000000Z",
    "model": "pooled+recent_weekday",
    "model_version": "forecaster-1.0.0+1a2b3c4d",
    "source": "model",
    "backtest": [_SCORE],
    "short_history": False,
    "degraded": False,
    "degraded_reason": None,
    "points": [_POINT],
    "scheduled_payments": [],
    "opening_balance": None,
    "threshold": None,
    "below_threshold_on": None,
    "below_threshold_risk_on": None,
    "error": None,
}
_MODEL: dict[str, Any] = {
    "version": "forecaster-1.0.0+1a2b3c4d",
    "degraded": False,
    "reason": None,
    "candidates": ["tft", "pooled", "recent", "seasonal_naive"],
}
_MEASURE = (
    "What is counted: money out (a positive amount, refunds not taken off), money in, in less out, or what the account holds at the end of "
    "the period, which needs an account and no category."
)


class Series(Input):
    """Which figures of the ledger; all of it where nothing is said."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_ASKED["series"]]})

    account_id: Identifier | None = Field(None, description="One account. Absent: all.")
    category: Text | None = Field(
        None, min_length=1, max_length=100, description="A category, a primary one with all below it. Absent: all.", examples=["groceries"]
    )
    currency: Currency | None = Field(
        None, description="ISO 4217. Absent: the account's; without one, the currency that most transactions are in."
    )
    measure: Measure = Field("spent", description=_MEASURE)


class NewForecast(Input):
    """What to forecast."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_ASKED]})

    series: Series = Field(default_factory=Series, description="Which figures. Absent: what you spend in all.")
    horizon: int = Field(30, ge=1, le=MAX_HORIZON, strict=True, description="Periods ahead.")
    granularity: Granularity = Field("day", description="How long a period is; weeks begin on Monday.")
    labels: dict[LabelName, LabelValue] = Field(
        default_factory=dict,
        max_length=MAX_LABELS,
        description=f"Your own, kept and given back as they are: at most {MAX_LABELS}, names of at most 63 and values of at most 500 "
        "characters.",
    )
    threshold: Amount | None = Field(
        None,
        description="For a balance: you are told the day on which it is likely to go below this, in the series' currency. Absent: 0.",
        examples=["0.00"],
    )
    fresh: bool = Field(False, description="Made anew, even where one of the same series was made minutes ago.")


class ForecastSeries(Output):
    """Which figures, nothing left open."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_SERIES]})

    account_id: UUID | None = Field(description="The account; null for all.")
    category: str | None = Field(description="The category; null for all.")
    currency: str = Field(description="ISO 4217.")
    measure: Measure = Field(description=_MEASURE)


class ForecastPoint(Output):
    """One period ahead."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_POINT]})

    date: datetime.date = Field(description="First day.")
    end_date: datetime.date = Field(description="Last day.")
    p10: str = Field(description="A decimal: one case of ten is below.")
    p50: str = Field(description="A decimal: as many cases above as below.")
    p90: str = Field(description="A decimal: one case of ten is above.")


class BacktestScore(Output):
    """How one way to forecast did where the outcome is known: on the end of your series, from nothing but what came before."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_SCORE]})

    model: str = Field(description="Its name.")
    mase: float = Field(description="Mean absolute error of p50, divided by that of repeating the period before; lower is better.")
    pinball: float = Field(description="Mean pinball loss of the three quantiles, in units of the currency; lower is better.")
    coverage: float = Field(description="Share of outcomes between p10 and p90; 0.8 is right.")
    origins: int = Field(description="From how many days of the past it was tried.")
    served: bool = Field(description="Whether it is part of what you were given.")


class ForecastHistory(Output):
    """What a forecast goes by."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"start": "2024-01-01", "end": "2026-01-31", "periods": 762, "transactions": 4123}]}
    )

    start: datetime.date = Field(description="First day.")
    end: datetime.date = Field(description="Last day.")
    periods: int = Field(description="Periods, those without a payment included.")
    transactions: int = Field(description="Transactions.")


class Scheduled(Output):
    """A payment, or income, that is known to come."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_SCHEDULED]})

    date: datetime.date = Field(description="The day on which it is expected.")
    amount: str = Field(description="A signed decimal: negative when money leaves.")
    merchant: str = Field(description="Who is paid, or pays.")
    recurring_payment_id: UUID = Field(description="The recurring payment that it is the next of.")


class ForecastFailure(Output):
    """Why a forecast was given up."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"message": "There is no payment to go by.", "reason": "NO_HISTORY"}]}
    )

    message: str = Field(description="In words, with what to do.")
    reason: str = Field(description="Stable, in upper case: programs decide by it.")


class ForecastSummary(Output):
    """A forecast, without its points."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{name: value for name, value in _FORECAST.items() if name not in ("points", "scheduled_payments")}]
        },
    )

    id: UUID = Field(description="The forecast.")
    user_id: UUID = Field(description="You.")
    state: ForecastState = Field(description="Where it stands.")
    series_id: str = Field(description="The same for the same figures of yours.")
    series: ForecastSeries = Field(description="Which figures.")
    currency: str = Field(description="ISO 4217, as in `series`.")
    category: str | None = Field(description="The category, as in `series`.")
    horizon: int = Field(description="Periods ahead.")
    granularity: Granularity = Field(description="How long a period is.")
    labels: dict[str, str] = Field(description="Yours, as they came.")
    history: ForecastHistory | None = Field(description="What it goes by; null before it is made.")
    data_cutoff: datetime.datetime | None = Field(description="What the ledger held then went into it, UTC.")
    generated_at: datetime.datetime | None = Field(
        description="When the figures were made, UTC; before `created_at` where a fresh one answered."
    )
    created_at: datetime.datetime = Field(description="When you asked, UTC.")
    model: str | None = Field(description="What was served: a name, or several with + between them.")
    model_version: str | None = Field(description="The version of the models.")
    source: Literal["model", "baseline"] | None = Field(
        description="Whether a learned model is part of it, or a baseline that was better on your series."
    )
    backtest: list[BacktestScore] = Field(description="Every way to forecast, the best first; empty for a short history.")
    short_history: bool = Field(description="Too little to choose by: the last periods are repeated.")
    degraded: bool = Field(description="Whether learned models were missing.")
    degraded_reason: str | None = Field(description="Why.")
    opening_balance: str | None = Field(description="For a balance: what the account held at the end of the history.")
    threshold: str | None = Field(description="For a balance: below which you are told.")
    below_threshold_on: datetime.date | None = Field(
        description="For a balance: the first day on which it is likely to be below the threshold."
    )
    below_threshold_risk_on: datetime.date | None = Field(description="For a balance: the first day on which one case of ten is.")
    error: ForecastFailure | None = Field(description="Why it was given up; null for one that was not.")


class Forecast(ForecastSummary):
    """A forecast, with all that it was asked with and made from."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_FORECAST]})

    points: list[ForecastPoint] = Field(description="By period; empty before it is made.")
    scheduled_payments: list[Scheduled] = Field(description="For a balance: what is known to come, on its days.")


class ForecastPage(Output):
    """Forecasts, the newest first."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [], "next_page_token": None}]})  # nosec B105

    items: list[ForecastSummary] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")


class ForecastQuery(PageQuery):
    """Which forecasts."""

    state: ForecastState | None = Field(None, description="Only those that stand so.", examples=["succeeded"])


class ForecastModel(Output):
    """What answers."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_MODEL]})

    version: str | None = Field(description="The version of the models; null where none is loaded.")
    degraded: bool = Field(description="Whether baselines alone answer.")
    reason: str | None = Field(description="Why.")
    candidates: list[str] = Field(description="What may be served.")
