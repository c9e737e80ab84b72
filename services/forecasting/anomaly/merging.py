"""What a look through a ledger changes in what is known of it.

What was found before stays as the user was told it, and what was dismissed stays dismissed. Open ones are settled when what they missed
came after all, or when what they rest on has left the ledger: an import that was undone takes its anomalies along.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from statistics import median
from uuid import UUID

import polars as pl

from services.forecasting.anomaly.domain import Anomaly, AnomalyKind, AnomalyState, Dismissed, Finding, Outcome
from services.forecasting.anomaly.findings.columns import prepared

SAME_CHANGE_DAYS = 28
"""Changes of regime of one series within so many days are the same one: a payment that comes late moves its first day."""
_MISSED = frozenset({AnomalyKind.MISSED_INCOME, AnomalyKind.MISSED_PAYMENT})
_LEAST_LIKE, _MOST_LIKE = 1 / 2.2, 2.2
"""Of the usual amount: what was waited for is about as large."""


def dismissed_of(known: Sequence[Anomaly]) -> list[Dismissed]:
    """What the user has said is no news."""
    return [
        Dismissed(one.kind, one.merchant, one.category, one.amount, one.currency, one.key, one.closed_at)
        for one in known
        if one.state is AnomalyState.DISMISSED and one.closed_at is not None
    ]


def merge(known: Sequence[Anomaly], found: Sequence[Finding], history: pl.DataFrame, *, today: date) -> Outcome:
    """`found` is all that is odd in `history` as of `today`."""
    by_key = {one.key: one for one in known}
    changes = [one for one in known if one.kind is AnomalyKind.REGIME_CHANGE]
    kept: set[UUID] = set()
    added: dict[str, Finding] = {}
    for finding in found:
        same = by_key.get(finding.key) or _same_change(changes, finding)
        if same is None:
            added.setdefault(finding.key, finding)
        else:
            kept.add(same.id)
    gone = [one for one in known if one.state is AnomalyState.OPEN and one.id not in kept]
    return Outcome(
        transaction_count=history.height,
        added=tuple(added.values()),
        resolved=tuple(_settled(gone, history, today)) if gone else (),
        reopened=tuple(one.id for one in known if one.state is AnomalyState.RESOLVED and one.id in kept),
    )


def _same_change(changes: Sequence[Anomaly], finding: Finding) -> Anomaly | None:
    if finding.kind is not AnomalyKind.REGIME_CHANGE:
        return None
    near = [
        one
        for one in changes
        if (one.currency, one.account_id) == (finding.currency, finding.account_id) and _apart(one, finding) <= SAME_CHANGE_DAYS
    ]
    return min(near, key=lambda one: _apart(one, finding), default=None)


def _apart(one: Anomaly, finding: Finding) -> int:
    return abs((one.occurred_on - finding.occurred_on).days)


def _settled(gone: Sequence[Anomaly], history: pl.DataFrame, today: date) -> list[UUID]:
    """Of open ones that were not found any more. One that is just less odd than others by now still happened, and stays."""
    there = set(history["transaction_id"].to_list())
    rows = prepared(history, today) if there and any(one.kind in _MISSED for one in gone) else None
    settled = []
    for one in gone:
        left = any(str(transaction_id) not in there for transaction_id in one.transaction_ids)
        came = one.kind in _MISSED and rows is not None and _came(one, rows)
        if left or came or (one.kind is AnomalyKind.REGIME_CHANGE and not _spans(one, history)):
            settled.append(one.id)
    return settled


def _came(missed: Anomaly, rows: pl.DataFrame) -> bool:
    """Whether something like it came nearer to its day than to that of the one before or after."""
    before = rows.filter(pl.col("transaction_id").is_in([str(one) for one in missed.transaction_ids]))
    if before.is_empty() or missed.amount is None:
        return False
    days = before["date"].to_list()
    gaps = [(later - earlier).days for earlier, later in pairwise(days) if later > earlier]
    reach = timedelta(days=max(median(gaps) / 2 if gaps else 15, 3))
    size = abs(float(missed.amount))
    like = (
        pl.col("payee").is_in(before["payee"].unique().to_list())
        & pl.col("payee").ne("")
        & pl.col("debit").eq(missed.amount < 0)
        & pl.col("currency").eq(missed.currency)
        & pl.col("size").cast(pl.Float64).is_between(size * _LEAST_LIKE, size * _MOST_LIKE)
        & pl.col("date").is_between(missed.occurred_on - reach, missed.occurred_on + reach)
        & pl.col("date").gt(max(days))
    )
    return not rows.filter(like).is_empty()


def _spans(change: Anomaly, history: pl.DataFrame) -> bool:
    """Whether there are still payments before and after it."""
    rows = history.filter(pl.col("currency") == change.currency)
    if change.account_id is not None:
        rows = rows.filter(pl.col("account_id") == str(change.account_id))
    days = rows["date"]
    return bool((days < change.occurred_on).any() and (days >= change.occurred_on).any())
