"""A first payment to somebody, of an amount that is rare for this user."""

from __future__ import annotations

import math

import polars as pl

from services.forecasting.anomaly.domain import AnomalyKind
from services.forecasting.anomaly.findings.candidates import Rarity, Row, Rule, Told
from services.forecasting.anomaly.findings.columns import rareness, seen
from services.forecasting.anomaly.findings.wording import figure, of_log, short

_FINE = 20.0
"""Amounts within a twentieth count as equally large: it is the largest ones that are told apart."""


def _candidates(paid: pl.DataFrame) -> pl.DataFrame:
    """First payments, with how rare amounts that large are, and how far above the user's larger ones they are."""
    paid = paid.with_columns(
        seen("payee").alias("count"),
        pl.col("log").shift(1).rolling_quantile(0.9, window_size=64, min_samples=1).alias("large"),
        rareness("log", "user", steps=_FINE).alias("rare_for_user"),
        rareness("log", "category").alias("rare_in_category"),
    )
    paid = paid.with_columns((pl.col("log") - pl.col("large")).clip(-3, 5).alias("above"))
    return paid.filter(pl.col("count") == 0, pl.col("payee") != "", pl.col("above") > 0)


def _tell(row: Row) -> Told:
    currency = row["currency"]
    usual, times = of_log(row["usual"], currency), math.exp(row["log"] - row["usual"])
    return Told(
        reason=(
            f"The first payment to {short(row['name'])}, and a large one: {figure(row['amount'], currency)} {currency}, "
            f"{times:.1f} times your usual {usual}"
        ),
        evidence={"usual_amount": usual, "times_usual": f"{times:.2f}", "nine_in_ten_below": of_log(row["large"], currency)},
        transaction_ids=(row["transaction_id"],),
        about=(row["transaction_id"],),
        amount=row["amount"],
        occurred_on=row["date"],
    )


NEW_MERCHANTS = Rule(
    AnomalyKind.NEW_MERCHANT,
    _candidates,
    _tell,
    Rarity({"rare_for_user": 1.171, "above": 0.842, "rare_in_category": 0.729}, level=0.761, slope=0.376, limit=0.125),
)
