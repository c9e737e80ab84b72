"""Changes of regime: since some day a user, or an account, spends another amount a day than before.

Where the weeks change is what topology says (models/tda). Whether people would agree is asked of the weeks before and after: a change is
told once it has lasted some weeks, is large, and hardly comes about by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from statistics import median
from uuid import UUID

import numpy as np
import polars as pl

from models.tda.changes import changes
from models.tda.persistence import Floats
from services.forecasting.anomaly.domain import AnomalyKind, Finding, Severity
from services.forecasting.anomaly.findings.wording import figure, key_of, rounded

_WEEK = 7
_WINDOW = 8
"""Weeks that are held against those before: two months with their rents and quiet weeks."""
_THRESHOLD = 0.95
"""Lower than for a series of its own: chance is kept out by the weeks before and after."""
LEAST_WEEKS = 26
"""Of a series, to be one: half a year."""
_MOST_WEEKS = 156
"""That are looked at, the latest ones."""
_BEFORE, _AFTER = 12, 6
"""Weeks that say what was usual, and that a change must have lasted."""
_AROUND = 26
"""Weeks on each side that are compared where there are so many."""
_APART = 20
"""Weeks within which two changes are one, and after which one has been noticed."""
_OLDEST_WEEKS = 52
"""What changed longer ago is no news."""
LEAST_RATIO = Decimal("1.4")
LEAST_DEVIATIONS = 3.0
"""Of the rank sum of the weeks after among those before: one in 700 by chance."""
_BUSY = 0.5
"""A series in which fewer weeks have a payment has no usual week."""


@dataclass(frozen=True, slots=True)
class _Spent:
    """What was spent in each week, from a Monday on: whole weeks, which stay the same when the ledger grows."""

    first: date
    weeks: Sequence[Decimal]

    def monday(self, week: int) -> date:
        return self.first + timedelta(days=week * _WEEK)


def find_regime_changes(history: pl.DataFrame, *, today: date) -> list[Finding]:
    """Of `history`, one user's with the columns of `HISTORY`, as of `today`; the newest first. By currency, and by account where there is
    more than one."""
    counts = pl.col("status").eq("posted") & pl.col("amount").lt(0) & pl.col("date").lt(today)
    rows = history.filter(counts).select("account_id", "currency", "date", pl.col("amount").abs())
    found: list[Finding] = []
    for (currency,), spent in sorted(rows.partition_by("currency", as_dict=True).items()):
        total = _changes_of(spent, str(currency), None)
        found += total
        accounts = spent.partition_by("account_id", as_dict=True)
        if len(accounts) > 1:
            for (account_id,), own in sorted(accounts.items()):
                found += [one for one in _changes_of(own, str(currency), UUID(str(account_id))) if not _told(one, total)]
    return sorted(found, key=lambda one: (-one.occurred_on.toordinal(), one.key))


def _told(one: Finding, total: Sequence[Finding]) -> bool:
    """What changes an account so much that it changes everything is said once."""
    return any(abs((one.occurred_on - other.occurred_on).days) <= _AFTER * _WEEK for other in total)


def _changes_of(rows: pl.DataFrame, currency: str, account_id: UUID | None) -> list[Finding]:
    spent = _spent(rows)
    weeks = spent.weeks
    if len(weeks) < LEAST_WEEKS or sum(map(bool, weeks)) < _BUSY * len(weeks):
        return []
    sizes = np.array([float(one) for one in weeks])
    starts = {start: (deviations, score) for week, score in _noticed(sizes) for start, deviations in [_start(sizes, week)]}
    # The clearest first: what is noticed twice began once.
    found: dict[int, Finding] = {}
    for start, (deviations, score) in sorted(starts.items(), key=lambda one: -abs(one[1][0])):
        if abs(deviations) < LEAST_DEVIATIONS or any(abs(start - one) <= _APART for one in found):
            continue
        told = _told_of(spent.monday(start), weeks, start, score, currency, account_id)
        if told is not None:
            found[start] = told
    return [told for start, told in found.items() if len(weeks) - start <= _OLDEST_WEEKS]


def _spent(rows: pl.DataFrame) -> _Spent:
    """Days without a payment count."""
    days = rows.group_by("date").agg(pl.col("amount").sum()).sort("date")
    dates = days["date"].to_list()
    first = dates[0] + timedelta(days=-dates[0].weekday() % _WEEK)
    count = max(((dates[-1] - first).days + 1) // _WEEK, 0)
    first, count = first + timedelta(days=max(count - _MOST_WEEKS, 0) * _WEEK), min(count, _MOST_WEEKS)
    weeks = [Decimal(0)] * count
    for day, amount in zip(dates, days["amount"].to_list(), strict=True):
        if 0 <= (week := (day - first).days // _WEEK) < count:
            weeks[week] += amount
    return _Spent(first, weeks)


def _noticed(sizes: Floats) -> list[tuple[int, float]]:
    """In which weeks a change is noticed, and how unlikely it is. Amounts grow by factors, so their logarithms are compared."""
    usual = max(float(np.median(sizes)), 1.0)
    return [(one.index, float(one.score)) for one in changes(np.log1p(sizes / usual), window=_WINDOW, threshold=_THRESHOLD)]


def _start(sizes: Floats, noticed: int) -> tuple[int, float]:
    """From which week on it is different, and by how many deviations: where the weeks before and after have least in common."""
    first, last = max(noticed - _APART, _BEFORE), min(noticed + 2, len(sizes) - _AFTER)
    splits = [(week, _deviations(sizes[max(week - _AROUND, 0) : week], sizes[week : week + _AROUND])) for week in range(first, last + 1)]
    return max(splits, key=lambda one: abs(one[1]), default=(noticed, 0.0))


def _deviations(before: Floats, after: Floats) -> float:
    """Of the rank sum of `after` among both, from what it would be by chance (Wilcoxon). One week, however dear, counts as one."""
    both = np.concatenate([before, after])
    ranks = (both[:, None] > both[None, :]).sum(axis=1) + ((both[:, None] == both[None, :]).sum(axis=1) + 1) / 2
    count, rest = len(after), len(before)
    off = float(ranks[rest:].sum()) - count * (count + rest + 1) / 2
    return off / math.sqrt(count * rest * (count + rest + 1) / 12)


def _told_of(since: date, weeks: Sequence[Decimal], start: int, score: float, currency: str, account_id: UUID | None) -> Finding | None:
    """None where it is too small to be told."""
    before, after = weeks[max(start - _AROUND, 0) : start], weeks[start : start + _AROUND]
    usual, now = median(before), median(after)
    low, high = sorted((usual, now))
    if not high or high < low * LEAST_RATIO:
        return None
    was, is_now = (one / _WEEK for one in (usual, now))
    percent = int(((now - usual) / usual * 100).to_integral_value(ROUND_HALF_EVEN)) if usual else None
    where = "from this account " if account_id is not None else ""
    evidence: dict[str, str | int | list[str]] = {
        "since": since.isoformat(),
        "before_per_day": figure(rounded(was, currency), currency),
        "after_per_day": figure(rounded(is_now, currency), currency),
        "weeks_before": len(before),
        "weeks_after": len(after),
    }
    if percent is not None:
        evidence["change_percent"] = percent
    return Finding(
        kind=AnomalyKind.REGIME_CHANGE,
        severity=_severity(usual, now),
        score=round(min(max(score, 0.0), 1.0), 4),
        reason=(
            f"Since {since:%-d %B %Y} you spend {where}about {_about(is_now, currency)} {currency} a day, "
            f"before {_about(was, currency)} {currency}"
        ),
        evidence=evidence,
        transaction_ids=(),
        account_id=account_id,
        category="",
        merchant="",
        amount=None,
        currency=currency,
        occurred_on=since,
        key=key_of(AnomalyKind.REGIME_CHANGE, currency, str(account_id or ""), since.isoformat()),
    )


def _severity(usual: Decimal, now: Decimal) -> Severity:
    """Spending more matters more than spending less."""
    if now <= usual:
        return Severity.LOW
    return Severity.HIGH if now >= usual * 3 else Severity.MEDIUM


def _about(amount: Decimal, currency: str) -> str:
    """To whole units; below ten, to the smallest coin."""
    return figure(rounded(amount, currency), currency) if amount < 10 else str(amount.to_integral_value(ROUND_HALF_EVEN))
