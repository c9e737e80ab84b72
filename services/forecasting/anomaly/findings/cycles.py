"""Payments that come again and again, as of each of them: whether there is a next one to expect, when, and of about what amount. Pure.

accounts tells which payments recur as of the ledger's end, the twelve latest rows of each, and for a pause only the latest one. What was
missed, or rose, in between and earlier would be found today and gone tomorrow; so the rows themselves are looked at here, each with those
before it, and what accounts tells comes in beside as one more way to put rows together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from services.forecasting.domain import Recurring


@dataclass(frozen=True, slots=True)
class Period:
    """How exactly it must be kept for a next payment to be expected."""

    name: str
    days: float
    tolerance: float
    """Days off, either way: weekends, holidays, short months."""
    gaps: int
    """So many of the latest ones must be kept."""
    ratio: float
    """Largest amount to smallest."""

    @property
    def grace(self) -> float:
        """Days after the due one until it counts as missed."""
        return self.tolerance + 3


PERIODS = (
    Period("weekly", 7, 2, 5, 1.05),
    Period("biweekly", 14, 3, 4, 1.15),
    Period("monthly", 30.44, 5, 3, 1.5),
    Period("quarterly", 91.31, 6, 2, 1.35),
    Period("half_yearly", 182.62, 6, 2, 1.35),
    Period("yearly", 365.25, 7, 1, 1.15),
)
_FINER = 1
"""So many more gaps where only rows of one exact amount are looked at: among many purchases some come regularly by chance."""
_BAND = 0.9
"""The logarithm of the width of a band of amounts. There are two rows of bands, so that what differs by half shares one in one of them."""
_BONUS = 2.2
_NOISE = 6
"""Latest steps from one amount to the next that say how amounts swing."""
SHOWN = 6
"""Of the latest rows of a series, in evidence."""


def expected(rows: pl.DataFrame, recurring: Sequence[Recurring]) -> pl.DataFrame:
    """The rows of `prepared`, of one currency, after which another one is due: `period`, `due` and `late` (days since 1970: when, and from
    when on it is missed), `level` and `swing` (logarithms of the usual amount, and by how much one differs from the one before it),
    `kept` (gaps that were kept in a row), `ids` and `dates` (of the latest of them, the newest first), and of the row that follows in
    the same group `next_day`, `next_log` and `next_id`.

    A row may come more than once: it is looked at among all of its counterparty, among those of its exact amount, income among that of
    about its amount (a salary paid in cash among other cash), and among those that accounts puts together; `way` says which.
    """
    named = rows.filter(pl.col("payee") != "")
    ways = [_grouped(named, ("debit", "payee"), "payee", 0), _grouped(named, ("debit", "payee", "size"), "amount", _FINER)]
    income = named.filter(~pl.col("debit"))
    for shift in (0.0, 0.5):
        band = (pl.col("log") / _BAND + shift).floor().cast(pl.Int64)
        ways.append(_grouped(income.with_columns(band.alias("band")), ("payee", "band"), "band", 0))
    if recurring:
        of = pl.DataFrame(
            [(str(row), str(one.id)) for one in recurring for row in one.transaction_ids],
            schema={"transaction_id": pl.String, "series": pl.String},
            orient="row",
        ).unique("transaction_id", keep="first", maintain_order=True)
        ways.append(_grouped(rows.join(of, on="transaction_id", maintain_order="left", how="inner"), ("series",), "accounts", 0))
    return pl.concat(ways, how="diagonal")


def _grouped(rows: pl.DataFrame, group: tuple[str, ...], way: str, finer: int) -> pl.DataFrame:
    rows = rows.unique([*group, "day"], keep="last", maintain_order=True).filter(pl.len().over(group) > 1)
    rows = rows.with_columns(
        pl.col("day").diff().over(group).cast(pl.Float64).alias("gap"),
        pl.col("log").diff().abs().over(group).alias("step"),
        pl.col("day").shift(-1).over(group).alias("next_day"),
        pl.col("log").shift(-1).over(group).alias("next_log"),
        pl.col("transaction_id").shift(-1).over(group).alias("next_id"),
        pl.lit(way).alias("way"),
        pl.concat_list(pl.col("transaction_id").shift(turn).over(group) for turn in range(SHOWN)).alias("ids"),
        pl.concat_list(pl.col("date").shift(turn).over(group) for turn in range(SHOWN)).alias("dates"),
    )
    rows = rows.with_columns(pl.col("step").rolling_median(_NOISE, min_samples=1).over(group).alias("swing"))
    return pl.concat([_due(rows, group, period, finer) for period in PERIODS], how="diagonal")


def _due(rows: pl.DataFrame, group: tuple[str, ...], period: Period, finer: int) -> pl.DataFrame:
    gaps = period.gaps + finer
    low, high = period.days - period.tolerance, period.days + period.tolerance

    def latest(column: str, count: int) -> tuple[pl.Expr, pl.Expr]:
        return pl.col(column).rolling_min(count).over(group), pl.col(column).rolling_max(count).over(group)

    (shortest, longest), (least, most) = latest("gap", gaps), latest("log", gaps + 1)
    fits = pl.col("gap").is_between(low, high)
    level = pl.col("log").rolling_median(gaps + 1).over(group)
    # Half a salary more in December makes it no other income.
    even = (
        pl.when("debit")
        .then(most - least <= math.log(period.ratio))
        .otherwise((level - least <= math.log(period.ratio)) & (most - level <= math.log(max(period.ratio, _BONUS))))
    )
    regular = (shortest >= low) & (longest <= high) & even
    rows = rows.with_columns(
        regular.fill_null(False).alias("regular"),
        fits.fill_null(False).alias("fits"),
        level.alias("level"),
        most.alias("most"),
        pl.when((shortest == longest) & (period.name == "monthly")).then(shortest).otherwise(float(period.days)).alias("turn"),
    )
    rows = rows.with_columns((~pl.col("fits")).cast(pl.Int64).cum_sum().over(group).alias("broken"))
    rows = rows.with_columns(pl.col("fits").cast(pl.Int64).cum_sum().over(*group, "broken").alias("kept"))
    # Each of the latest says when the next is due: one that a weekend moved says it wrongly.
    said = [pl.col("day").shift(turns).over(group) + (turns + 1) * pl.col("turn") for turns in range(gaps + 1)]
    due = pl.concat_list(said).list.median().round().cast(pl.Int32)
    rows = rows.with_columns(due.alias("due")).filter("regular")
    return rows.with_columns(
        pl.lit(period.name).alias("period"),
        pl.lit(float(period.days)).alias("period_days"),
        (pl.col("due") + math.ceil(period.grace)).alias("late"),
        pl.lit(float(period.tolerance)).alias("tolerance"),
        pl.col("ids", "dates").list.head(pl.col("kept") + 1),
    )
