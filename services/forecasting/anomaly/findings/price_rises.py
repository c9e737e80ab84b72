"""A payment that comes again and again takes more than it did."""

from __future__ import annotations

import math

import polars as pl

from services.forecasting.anomaly.domain import AnomalyKind, Severity
from services.forecasting.anomaly.findings.candidates import Candidate, Row, Told, candidate
from services.forecasting.anomaly.findings.wording import figure, short

_LEAST = math.log(1.045)
_MOST = math.log(2.0)
"""Beyond that it is an unusual amount, and not a new price."""
_SWINGS = 3.0
"""A bill that differs every time has risen when it differs by so many times as much."""
_ABOVE_ALL = math.log(1.03)
_CLEAR, _STEEP = 0.15, 0.3


def find_price_rises(due: pl.DataFrame, rows: pl.DataFrame) -> list[Candidate]:
    """Of what `expected` tells: those whose next one came in time and took more."""
    rise = pl.col("next_log") - pl.col("log")
    inside = pl.col("next_day").is_between(pl.col("due") - pl.col("tolerance"), pl.col("late"))
    risen = due.filter(
        pl.col("debit") & inside & (pl.col("way") != "amount") & rise.is_between(_LEAST, _MOST),
        rise >= _SWINGS * pl.col("swing"),
        pl.col("next_log") - pl.col("most") >= _ABOVE_ALL,
    )
    risen = risen.sort("kept", descending=True).unique("next_id", keep="first", maintain_order=True)
    before = risen.select(
        "period", "kept", pl.col("next_id").alias("transaction_id"), pl.col("size").alias("size_before"),
        pl.col("date").alias("date_before"), pl.col("transaction_id").alias("id_before"), pl.col("swing"),
    )  # fmt: skip
    found = rows.join(before, on="transaction_id", maintain_order="left")
    return [_candidate(row) for row in found.iter_rows(named=True)]


def _candidate(row: Row) -> Candidate:
    rise = float(row["size"] / row["size_before"]) - 1
    severity = Severity.HIGH if rise >= _STEEP else Severity.MEDIUM if rise >= _CLEAR else Severity.LOW
    return candidate(AnomalyKind.PRICE_RISE, row, _tell(row), score=1 - 0.5 / (row["kept"] + 1), severity=severity)


def _tell(row: Row) -> Told:
    was, now, currency = row["size_before"], row["size"], row["currency"]
    share = (now / was - 1) * 100
    return Told(
        reason=f"{short(row['name'])} rose from {figure(was, currency)} to {figure(now, currency)} {currency} (+{share:.0f} %)",
        evidence={
            "amount_before": figure(was, currency),
            "rise_percent": f"{share:.1f}",
            "period": row["period"],
            "earlier_date": row["date_before"].isoformat(),
            "payments_in_a_row": row["kept"] + 1,
            "other_transaction_ids": [row["id_before"]],
        },
        transaction_ids=(row["transaction_id"], row["id_before"]),
        about=(row["transaction_id"],),
        amount=row["amount"],
        occurred_on=row["date"],
    )
