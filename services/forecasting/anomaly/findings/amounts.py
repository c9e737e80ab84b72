"""An amount that is far above what this merchant, or this category, usually takes."""

from __future__ import annotations

import math

import polars as pl

from services.forecasting.anomaly.domain import AnomalyKind
from services.forecasting.anomaly.findings.candidates import Rarity, Row, Rule, Told
from services.forecasting.anomaly.findings.columns import before, rareness, seen
from services.forecasting.anomaly.findings.wording import figure, of_log, short

_USERS = 5.0
"""Payments at a merchant that weigh as much as how amounts spread for the user."""
_NARROWER = 0.5
"""One merchant's amounts spread so much as the user's, until more is known of it."""
_FLOOR = 0.3
"""No amount is so exact that a third more is far off."""
_LEAST_TIMES = math.log(2.0)
_KNOWN_PRICE = 2
"""Paid before so many times, to the cent, it is one of this merchant's prices."""
_STEEP = 2.0
"""Up to seven times the usual each time more says much; beyond, little: weighed by hand, those put in to fit by tell no more."""


def _candidates(paid: pl.DataFrame) -> pl.DataFrame:
    """Payments at merchants that are known, with how far above the usual they are, and how rare amounts that large are."""
    paid = paid.with_columns(
        *(before("log", level).alias(f"middle_{level}") for level in ("payee", "category", "user")),
        seen("payee").alias("count"),
        seen("category").alias("category_count"),
        seen("payee", "size").alias("same_before"),
        pl.col("log").shift(1).rolling_max(64, min_samples=1).over("payee").alias("most"),
        rareness("log", "payee").alias("rare_for_merchant"),
        rareness("log", "user").alias("rare_for_user"),
        rareness("log", "category").alias("rare_in_category"),
    )
    paid = paid.with_columns((pl.col("log") - pl.col(f"middle_{level}")).abs().alias(f"off_{level}") for level in ("payee", "user"))
    known = pl.col("count").clip(upper_bound=64)
    off = before("off_payee", "payee").fill_null(0)
    spread = (known * off + _USERS * _NARROWER * before("off_user", "user")) / (known + _USERS)
    above = pl.col("log") - pl.col("middle_payee")
    categorised = (pl.col("category") != "") & (pl.col("category_count") > 0)
    paid = paid.with_columns(
        above.clip(upper_bound=_STEEP).alias("above"),
        (above - _STEEP).clip(0, 4).alias("beyond"),
        (above / (spread + _FLOOR)).clip(upper_bound=6).alias("far"),
        pl.when(categorised).then("rare_in_category").otherwise("rare_for_user").alias("rare_in_category"),
    )
    return paid.filter(pl.col("count") > 0, pl.col("payee") != "", pl.col("above") >= _LEAST_TIMES, pl.col("same_before") < _KNOWN_PRICE)


def _tell(row: Row) -> Told:
    currency = row["currency"]
    usual, times = of_log(row["middle_payee"], currency), math.exp(row["log"] - row["middle_payee"])
    evidence = {
        "usual_amount": usual,
        "times_usual": f"{times:.2f}",
        "largest_before": of_log(row["most"], currency),
        "payments_before": row["count"],
    }
    if row["category"] and row["category_count"]:
        usual_in_category = of_log(row["middle_category"], currency)
        evidence |= {"usual_in_category": usual_in_category, "payments_in_category_before": row["category_count"]}
    return Told(
        reason=f"{short(row['name'])} took {figure(row['amount'], currency)} {currency}, {times:.1f} times its usual {usual}",
        evidence=evidence,
        transaction_ids=(row["transaction_id"],),
        about=(row["transaction_id"],),
        amount=row["amount"],
        occurred_on=row["date"],
    )


UNUSUAL_AMOUNTS = Rule(
    AnomalyKind.UNUSUAL_AMOUNT,
    _candidates,
    _tell,
    Rarity(
        {"above": 4.09, "beyond": 0.6, "far": 0.361, "rare_for_merchant": 0.454, "rare_in_category": 0.464, "rare_for_user": 0.124},
        level=3.471, slope=0.452, limit=0.34,
    ),
)  # fmt: skip
