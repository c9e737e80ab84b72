"""Real histories for measuring what is odd about payments: Birmingham's purchase cards and the Berka accounts, as accounts streams them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import polars as pl

from services.accounts.analytics.recurring import find_recurring
from services.forecasting.anomaly.findings.columns import HISTORY
from services.forecasting.domain import RecurrencePeriod, RecurrenceStatus, Recurring

LEAST_PURCHASES = 365
"""Of a card, to be a history."""
LEAST_DAYS = 120
"""Between the first and the last row of an account, to be one."""
DAYS_A_MONTH = 30.44
_NOON = datetime(2000, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class History:
    """One user's rows."""

    user: str
    source: str
    """birmingham or berka."""
    rows: pl.DataFrame

    @property
    def last_day(self) -> date:
        """As of which it is looked at."""
        return self.rows.row(-1, named=True)["date"]  # type: ignore[no-any-return]

    @property
    def months(self) -> float:
        """From the first row to the last."""
        first: date = self.rows.row(0, named=True)["date"]
        return ((self.last_day - first).days + 1) / DAYS_A_MONTH


def row_id(number: int) -> str:
    """Ids that sort as the rows stand in the file."""
    return str(UUID(int=(0x0000_0000_0000_7000 << 64) | (0x8 << 60) | number))


def birmingham(data: Path) -> list[History]:
    """Cards with at least `LEAST_PURCHASES` rows. The card's own expense label is the category."""
    rows = pl.read_csv(data / "categorization/birmingham_2014-04_2017-06.csv.gz", infer_schema=False).select(
        pl.col("CARD NUMBER").alias("user"),
        pl.col("TRANS DATE").str.slice(0, 10).str.to_date().alias("date"),
        (pl.lit(0) - pl.col("ORIGINAL GROSS AMT").str.replace_all(",", "").cast(pl.Decimal(19, 4))).alias("amount"),
        pl.lit("GBP").alias("currency"),
        pl.col("MERCHANT NAME").fill_null("").alias("description"),
        pl.col("TRANS CAC DESC 1").fill_null("").str.to_lowercase().alias("category"),
    )
    rows = rows.filter(pl.len().over("user") >= LEAST_PURCHASES)
    return _histories(rows, "birmingham")


def berka(data: Path) -> list[History]:
    """Accounts whose rows span `LEAST_DAYS`. Digits tell no payees apart, so the numbers of their accounts are spelled in letters."""
    text = (data / "accounts/berka/trans_TRUNCATED_3MiB.asc").read_bytes().rpartition(b"\n")[0]
    rows = pl.read_csv(text, separator=";", infer_schema=False, truncate_ragged_lines=True).drop_nulls("amount")
    amount = pl.col("amount").cast(pl.Decimal(19, 4))
    payee = pl.col("account").fill_null("").str.replace_many(list("0123456789"), list("abcdefghij"))
    rows = rows.select(
        pl.col("account_id").alias("user"),
        ("19" + pl.col("date")).str.to_date("%Y%m%d").alias("date"),
        pl.when(pl.col("type") == "PRIJEM").then(amount).otherwise(pl.lit(0) - amount).alias("amount"),
        pl.lit("CZK").alias("currency"),
        pl.concat_str(pl.col("operation", "k_symbol").fill_null(""), payee, separator=" ").str.strip_chars().alias("description"),
        pl.col("k_symbol").fill_null("").str.strip_chars().str.to_lowercase().alias("category"),
    )
    span = (pl.col("date").max() - pl.col("date").min()).dt.total_days().over("user")
    return _histories(rows.filter(span >= LEAST_DAYS), "berka")


def _histories(rows: pl.DataFrame, source: str) -> list[History]:
    rows = rows.filter(pl.col("amount") != 0).with_row_index("place").sort("user", "date", "place")
    ids = pl.Series([row_id(number) for number in range(rows.height)])
    rows = rows.with_columns(
        ids.alias("transaction_id"),
        pl.lit(str(UUID(int=1))).alias("account_id"),
        pl.lit("").alias("merchant"),
        pl.col("category").alias("primary_category"),
        pl.lit("posted").alias("status"),
        pl.lit(_NOON).cast(pl.Datetime("us", "UTC")).alias("create_time"),
    )
    parts = rows.partition_by("user", as_dict=True, maintain_order=True)
    return [
        History(str(user), source, part.select(pl.col(name).cast(dtype) for name, dtype in HISTORY.items()))
        for (user,), part in sorted(parts.items())
    ]


def recurring_of(rows: pl.DataFrame, today: date) -> list[Recurring]:
    """What accounts would tell of these rows."""
    frame = rows.select(
        pl.col("transaction_id").alias("id"),
        "account_id",
        pl.col("date").alias("transaction_date"),
        (pl.col("amount") * 10_000).cast(pl.Int64).alias("steps"),
        "currency",
        "merchant",
        "description",
        "category",
    )
    return [
        Recurring(
            id=one.id,
            merchant=one.merchant,
            credit=not one.is_debit,
            period=RecurrencePeriod(one.period),
            amount_min=one.amount_min,
            amount_max=one.amount_max,
            last_amount=one.last_amount,
            currency=one.currency,
            first_date=one.first_date,
            last_date=one.last_date,
            next_date=one.next_date,
            status=RecurrenceStatus(one.status),
            account_id=one.account_id,
            transaction_ids=one.transaction_ids,
        )
        for one in find_recurring(frame, today=today).payments
    ]


def cents(amount: float) -> Decimal:
    """As banks book it."""
    return Decimal(round(amount * 100)).scaleb(-2)
