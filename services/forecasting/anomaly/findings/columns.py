"""A ledger's columns as the rules want them, and what several of them count with. Pure.

Everything that says what is usual looks back only: what is found in a month does not change with what the months after it bring.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from models.hypcd.merchant import merchant_keys

HISTORY: dict[str, pl.DataType | type[pl.DataType]] = {
    "transaction_id": pl.String,
    "account_id": pl.String,
    "date": pl.Date,
    "amount": pl.Decimal(19, 4),
    "currency": pl.String,
    "description": pl.String,
    "merchant": pl.String,
    "category": pl.String,
    "primary_category": pl.String,
    "status": pl.String,
    "create_time": pl.Datetime("us", "UTC"),
}
"""The columns that `find_anomalies` takes; texts are empty where there is none."""
RECENT = 64
"""How many earlier payments say what is usual: habits change."""
COMPARED = 128
"""With how many of the latest payments, its own included, an amount is compared."""
DAYS_A_MONTH = 30.44
USUAL_PACE = 16.0
"""Payments a month, of those histories from which the rules have their figures."""
_FIRST_DAYS = 30
_FIRST_PAYMENTS = 10
"""Of a user's first days and payments nothing is said: nobody knows yet what is usual."""
_LEAST_PACE = 0.6
_STEPS = 4.0
"""Amounts within a quarter of each other count as equally large."""


def prepared(history: pl.DataFrame, today: date) -> pl.DataFrame:
    """The posted rows up to `today`, the oldest first, with what the rules go by:

    `day` since 1970, `name` the counterparty as the row has it, `payee` the name under which payments of one counterparty meet ("" for
    none), `debit`, `size` its amount without the sign, and `log` of that. The only place where money turns into a float: for comparing,
    never for telling.
    """
    kept = pl.col("status").eq("posted") & pl.col("amount").ne(0) & pl.col("date").le(today)
    rows = history.filter(kept).sort("date", "create_time", "transaction_id")
    said = pl.col("merchant").str.strip_chars()
    rows = rows.with_columns(pl.when(said != "").then(said).otherwise(pl.col("description").str.strip_chars()).alias("name"))
    names = rows["name"].unique()
    payees = pl.Series(merchant_keys(names.to_list(), [""] * len(names)), dtype=pl.String)
    size = pl.col("amount").abs()
    return rows.with_columns(
        pl.col("date").dt.epoch("d").alias("day"),
        pl.col("name").replace_strict(names, payees, return_dtype=pl.String).alias("payee"),
        (pl.col("amount") < 0).alias("debit"),
        size.alias("size"),
        size.cast(pl.Float64).log().alias("log"),
    )


def spent(rows: pl.DataFrame) -> pl.DataFrame:
    """The payments among prepared rows of one currency, with `months` since the first of them, how many there are in a month of the year
    up to each (`pace`, as a
    multiple of `USUAL_PACE`), and whether enough is known to say anything (`settled`); `usual` is the logarithm of an
    amount as usual for the user."""
    paid = rows.filter("debit")
    day = paid["day"].to_numpy()
    place = np.arange(len(day))
    months = (day - day[:1]) / DAYS_A_MONTH
    pace = (place + 1 - np.searchsorted(day, day - 365)) / np.clip(months, 1, 12) / USUAL_PACE
    return paid.with_columns(
        pl.lit("").alias("user"),
        pl.col("log").shift(1).rolling_median(RECENT, min_samples=1).alias("usual"),
        pl.Series("months", months, pl.Float64),
        pl.Series("pace", np.maximum(pace, _LEAST_PACE), pl.Float64),
        pl.Series("settled", (months * DAYS_A_MONTH >= _FIRST_DAYS) & (place >= _FIRST_PAYMENTS), pl.Boolean),
    )


def before(column: str, *group: str) -> pl.Expr:
    """The median of the latest earlier values in the group, without the row's own; null for the first."""
    return pl.col(column).shift(1).rolling_median(RECENT, min_samples=1).over(group)


def seen(*group: str) -> pl.Expr:
    """How many came before in the group."""
    return pl.int_range(pl.len()).over(group)


def rareness(column: str, *group: str, steps: float = _STEPS) -> pl.Expr:
    """How rare a value at least as large is among the latest ones in the group, as a negative natural logarithm: 0 for a common one."""
    known = seen(*group).clip(upper_bound=COMPARED - 1)
    rank = (pl.col(column) * steps).round().rolling_rank(COMPARED, min_samples=1, method="min").over(group)
    return -((known + 1 - rank + 0.5) / (known + 1.5)).log()
