"""The same merchant and the same amount twice within days, where this merchant does not usually do so."""

from __future__ import annotations

import polars as pl

from services.forecasting.anomaly.domain import AnomalyKind
from services.forecasting.anomaly.findings.candidates import Rarity, Row, Rule, Told
from services.forecasting.anomaly.findings.columns import seen
from services.forecasting.anomaly.findings.wording import figure, short

WITHIN_DAYS = 3
_SAME = ("account_id", "payee", "size")
_OWN, _USERS = 10.0, 3.0
"""Payments of the user's, and at the merchant, that weigh as much as what is assumed of them."""
_ASSUMED = 0.05
_HABIT = 0.42
"""Where two in five payments repeat another, a daily coffee or two tickets, one more is none."""


def _candidates(paid: pl.DataFrame) -> pl.DataFrame:
    """Second payments, with how usual such a second one is at this merchant, and whether this very amount has been paid before the two."""
    paid = paid.filter(pl.col("payee") != "").with_columns(
        pl.col("date", "transaction_id").shift(1).over(_SAME).name.prefix("earlier_"),
        (pl.col("day") - pl.col("day").shift(1).over(_SAME)).alias("gap"),
        pl.len().over("payee", "day").alias("that_day"),
        seen(*_SAME).alias("same_before"),
        seen("payee").alias("count"),
    )
    again = (pl.col("gap") <= WITHIN_DAYS).fill_null(False)
    paid = paid.with_columns(again.alias("again"), again.cast(pl.Int64).alias("one"))
    before = pl.col("one").cum_sum() - pl.col("one")
    paid = paid.with_columns(before.over("payee").alias("repeats"), before.alias("all_repeats"), pl.int_range(pl.len()).alias("all"))
    usual = ((pl.col("all_repeats") + _ASSUMED * _OWN) / (pl.col("all") + _OWN)).clip(0.01, 0.3)
    likely = (pl.col("repeats") + usual * _USERS) / (pl.col("count") + _USERS)
    whole = pl.col("size") == pl.col("size").floor()
    return paid.with_columns(
        likely.log().alias("habit"),
        whole.cast(pl.Float64).alias("whole"),
        (pl.col("same_before") > 1).cast(pl.Float64).alias("known_amount"),
        pl.col("that_day").log().alias("busy"),
    ).filter("again", likely <= _HABIT)


def _tell(row: Row) -> Told:
    gap = row["gap"]
    when = "on one day" if not gap else "within a day" if gap == 1 else f"within {gap} days"
    evidence = {
        "days_between": gap,
        "earlier_date": row["earlier_date"].isoformat(),
        "payments_before": row["count"] - 1,
        "repeats_before": row["repeats"],
        "other_transaction_ids": [row["earlier_transaction_id"]],
    }
    return Told(
        reason=f"{short(row['name'])} took {figure(row['amount'], row['currency'])} {row['currency']} twice {when}",
        evidence=evidence,
        transaction_ids=(row["transaction_id"], row["earlier_transaction_id"]),
        about=(row["transaction_id"],),
        amount=row["amount"],
        occurred_on=row["date"],
    )


DUPLICATES = Rule(
    AnomalyKind.DUPLICATE_CHARGE,
    _candidates,
    _tell,
    Rarity({"habit": -0.365, "whole": -0.763, "known_amount": -1.453, "busy": -1.653}, level=-2.014, slope=0.311, limit=0.41),
)
