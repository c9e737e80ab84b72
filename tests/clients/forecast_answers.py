"""Forecasts as the gateway answers them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

ACCOUNT = "019b76da-a800-7000-8000-000000000002"
FORECAST = "019b76da-a800-7000-8000-0000000000f0"
FIRST = date(2026, 2, 1)


def points(middles: Sequence[str], low: str = "10", high: str = "20") -> list[dict[str, str]]:
    """One a day; the band is `low` below and `high` above the middle."""
    return [
        {
            "date": (FIRST + timedelta(place)).isoformat(),
            "end_date": (FIRST + timedelta(place)).isoformat(),
            "p10": str(Decimal(middle) - Decimal(low)),
            "p50": middle,
            "p90": str(Decimal(middle) + Decimal(high)),
        }
        for place, middle in enumerate(middles)
    ]


def made(**changes: Any) -> dict[str, Any]:
    """One of what is spent on groceries, made."""
    series = {"account_id": None, "category": "groceries", "currency": "EUR", "measure": "spent"}
    found: dict[str, Any] = {
        "id": FORECAST,
        "user_id": ACCOUNT,
        "state": "succeeded",
        "series_id": "4f0c6f7b5e0d4a54b7f0b4f53c7a1e11",
        "series": series,
        "currency": "EUR",
        "category": "groceries",
        "horizon": 30,
        "granularity": "day",
        "labels": {"app": "[bold]"},
        "history": {"start": "2024-01-01", "end": "2026-01-31", "periods": 762, "transactions": 4123},
        "data_cutoff": "2026-02-01T08:00:00.000000Z",
        "generated_at": "2026-02-01T08:00:01.000000Z",
        "created_at": "2026-02-01T08:00:00.000000Z",
        "model": "pooled+recent_weekday",
        "model_version": "forecaster-1.0.0+1a2b3c4d",
        "source": "model",
        "backtest": [
            {"model": "pooled+recent_weekday", "mase": 0.8, "pinball": 5.0, "coverage": 0.81, "origins": 4, "served": True},
            {"model": "pooled", "mase": 0.8124, "pinball": 5.321, "coverage": 0.79, "origins": 4, "served": True},
            {"model": "seasonal_naive", "mase": 1.2, "pinball": 8.0, "coverage": 0.6, "origins": 4, "served": False},
        ],
        "short_history": False,
        "degraded": False,
        "degraded_reason": None,
        "opening_balance": None,
        "threshold": None,
        "below_threshold_on": None,
        "below_threshold_risk_on": None,
        "error": None,
        "points": points(["30.00"] * 30),
        "scheduled_payments": [],
    }
    return found | changes


def balance(**changes: Any) -> dict[str, Any]:
    """One of what an account holds, which goes below nothing."""
    series = {"account_id": ACCOUNT, "category": None, "currency": "EUR", "measure": "balance"}
    payments = [
        {"date": "2026-02-03", "amount": "-820.00", "merchant": "Rent [north]", "recurring_payment_id": ACCOUNT},
        {"date": "2026-02-27", "amount": "2800.00", "merchant": "Salary $ & Co $", "recurring_payment_id": ACCOUNT},
    ]
    found = made(
        series=series,
        category=None,
        labels={},
        points=points([str(200 - 10 * place) for place in range(30)], "40", "60"),
        scheduled_payments=payments,
        opening_balance="210.00",
        threshold="0.00",
        below_threshold_on="2026-02-22",
        below_threshold_risk_on="2026-02-18",
    )
    return found | changes


def waiting(state: str = "pending") -> dict[str, Any]:
    """One that is not made yet."""
    return made(
        state=state, history=None, data_cutoff=None, generated_at=None, model=None, model_version=None, source=None, backtest=[], points=[]
    )
