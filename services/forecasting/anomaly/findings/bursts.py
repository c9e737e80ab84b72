"""Many payments in one day, against this user's own days; or many at one merchant."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from services.forecasting.anomaly.domain import AnomalyKind
from services.forecasting.anomaly.findings.candidates import Rarity, Row, Rule, Told
from services.forecasting.anomaly.findings.columns import rareness
from services.forecasting.anomaly.findings.wording import figure, short

LEAST = 4
_TIMES = 1.5
"""Of what nine in ten days have at most."""
_MOST_HELD = Decimal("922337203685477.5807")
"""What the ledger holds as one amount: a sum of such may be more."""
_SHOWN = 200
"""Of its payments, the latest."""
_LATEST = 128
"""Days with payments that are compared."""
_EXACT = 1.0
_ONE_PLACE = 0.6
"""From this share on, a day's payments are told as those of one merchant."""


def _candidates(paid: pl.DataFrame) -> pl.DataFrame:
    """Days with so many payments, with how rare such days are, and how many the user's fuller days have."""
    at = (
        paid.group_by("day", "payee")
        .agg(pl.len().alias("at_one"), pl.col("name").last().alias("at"))
        .sort("at_one", "payee", descending=[True, False])
    )
    at = at.group_by("day", maintain_order=True).agg(pl.col("at_one", "at", "payee").first())
    days = paid.group_by("day", maintain_order=True).agg(
        pl.len().alias("count"),
        pl.col("amount").sum().alias("total"),
        pl.col("transaction_id").reverse().head(_SHOWN).alias("ids"),
        pl.col("transaction_id", "account_id", "category", "currency", "date", "pace", "months", "settled", "usual", "log").last(),
    )
    days = days.join(at, on="day", maintain_order="left").with_columns(pl.lit("").alias("user"))
    one_place = (pl.col("payee") != "") & (pl.col("at_one") >= _ONE_PLACE * pl.col("count"))
    days = days.with_columns(
        pl.when(one_place).then("at").otherwise(pl.lit("")).alias("name"),
        pl.when(one_place).then(pl.col("payee", "category")).otherwise(pl.lit("")),
    )

    earlier = pl.col("count").shift(1).cast(pl.Float64)
    days = days.with_columns(
        rareness("count", "user", steps=_EXACT).alias("rare_day"),
        earlier.rolling_quantile(0.9, window_size=_LATEST, min_samples=1).fill_null(1.0).alias("full_day"),
        earlier.rolling_max(_LATEST, min_samples=1).fill_null(0).cast(pl.Int64).alias("most"),
        pl.col("count").log().alias("many"),
    )
    return days.with_columns((pl.col("many") - pl.col("full_day").log()).alias("above")).filter(
        pl.col("count") >= LEAST, pl.col("count") >= _TIMES * pl.col("full_day")
    )


def _tell(row: Row) -> Told:
    usual = round(row["full_day"])
    many = f"{row['at_one']} payments to {short(row['name'])}" if row["name"] else f"{row['count']} payments"
    return Told(
        reason=f"{many} on {row['date'].isoformat()}; nine in ten of your days with payments have at most {usual}",
        evidence={
            "payments_that_day": row["count"],
            "payments_at_one_merchant": row["at_one"],
            "nine_in_ten_days_at_most": usual,
            "most_on_a_day_before": row["most"],
            "total": figure(row["total"], row["currency"]),
        },
        transaction_ids=row["ids"],
        about=(row["date"].isoformat(), row["currency"]),
        amount=row["total"] if abs(row["total"]) <= _MOST_HELD else None,
        occurred_on=row["date"],
    )


BURSTS = Rule(
    AnomalyKind.BURST,
    _candidates,
    _tell,
    Rarity({"many": 3.294, "above": 1.744, "rare_day": 0.663}, level=1.522, slope=0.362, limit=0.17),
)  # fmt: skip
