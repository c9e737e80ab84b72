"""Income, or a payment, that comes again and again and this time did not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from services.forecasting.anomaly.domain import AnomalyKind, Severity
from services.forecasting.anomaly.findings.candidates import Candidate, Row, Told, candidate
from services.forecasting.anomaly.findings.wording import of_log, short
from services.forecasting.domain import RecurrenceStatus, Recurring

_ALIKE = math.log(2.2)
"""A payment of the same counterparty that differs by no more is the one that was waited for."""
_WAITED = 0.5
"""What comes within half a period after it was due has come after all."""
_YEARS = 2
"""What came twice, a year apart, is no reason to wait for a third one."""
_LONG = 6
_BY_WEEKS = ("weekly", "biweekly")
_NEAR_DAYS = 4
_OFTEN = 2
_EPOCH = date(1970, 1, 1)


def find_missed(due: pl.DataFrame, rows: pl.DataFrame, recurring: Sequence[Recurring]) -> list[Candidate]:
    """Of what `expected` tells: those for which nothing came, as far as their account is known."""
    known = rows.group_by("account_id").agg(pl.col("day").max().alias("known_until"))
    until = pl.col("due") + (pl.col("period_days") * _WAITED).clip(lower_bound=pl.col("late") - pl.col("due"))
    waiting = due.join(known, on="account_id", maintain_order="left").with_columns(until.alias("until"))
    waiting = waiting.filter(
        pl.col("kept") >= pl.when(pl.col("period") == "yearly").then(_YEARS).otherwise(1),
        pl.col("known_until") >= pl.col("late"),
        pl.col("next_day").is_null() | (pl.col("next_day") > pl.col("until")),
    )
    # Accounts has looked at the whole, and still expects it.
    active = [str(one.transaction_ids[0]) for one in recurring if one.status is RecurrenceStatus.ACTIVE and one.transaction_ids]
    waiting = waiting.filter(~pl.col("transaction_id").is_in(active))
    waiting = waiting.sort("way", "kept", descending=[True, True]).unique("transaction_id", keep="first", maintain_order=True)
    near = waiting.select("transaction_id", "debit", "payee", "level", "until", pl.col("day").alias("since")).join(
        rows.select("debit", "payee", "log", "day"), on=["debit", "payee"]
    )
    came = near.filter(pl.col("day") > pl.col("since"), pl.col("day") <= pl.col("until"), (pl.col("log") - pl.col("level")).abs() <= _ALIKE)
    found = waiting.join(came, on="transaction_id", how="anti", maintain_order="left")
    return [_candidate(row) for row in found.iter_rows(named=True)]


def _candidate(row: Row) -> Candidate:
    if row["debit"]:
        kind, severity = AnomalyKind.MISSED_PAYMENT, Severity.MEDIUM if row["kept"] >= _LONG else Severity.LOW
    else:
        kind, severity = AnomalyKind.MISSED_INCOME, Severity.HIGH
    return candidate(kind, row, _tell(row), score=1 - 0.5 / (row["kept"] + 1), severity=severity)


def _tell(row: Row) -> Told:
    day = _on_its_day(_EPOCH + timedelta(days=row["due"]), row)
    usual = of_log(row["level"], row["currency"])
    return Told(
        reason=(
            f"{short(row['name'])} ({row['period'].replace('_', '-')}, usually {usual} {row['currency']}) "
            f"was expected on {day.isoformat()} and has not come"
        ),
        evidence={
            "usual_amount": usual,
            "period": row["period"],
            "due_date": day.isoformat(),
            "latest_date": row["date"].isoformat(),
            "payments_in_a_row": row["kept"] + 1,
            "earlier_dates": [one.isoformat() for one in row["dates"]],
        },
        transaction_ids=row["ids"],
        about=(row["transaction_id"],),
        amount=row["amount"],
        occurred_on=day,
    )


def _on_its_day(due: date, row: Row) -> date:
    """What comes on one day of the month is due on that day, not on one near to it."""
    number, count = Counter(one.day for one in row["dates"]).most_common(1)[0]
    if row["period"] in _BY_WEEKS or count < _OFTEN:
        return due
    around = [due + timedelta(days=shift) for shift in range(-_NEAR_DAYS, _NEAR_DAYS + 1)]
    return min((day for day in around if day.day == number and day > row["date"]), key=lambda day: abs(day - due), default=due)
