"""Which candidates are told: those that come along so seldom, for this very user, that they are news.

How often a candidate of some strength comes along is known for users at large (`Rarity`); of a user with a history it is
known better: how many of at least that strength there were. Both meet weighted by months. So a user whose life is full of odd payments
hears of the oddest alone.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from services.forecasting.anomaly.domain import Severity
from services.forecasting.anomaly.findings.candidates import Rarity
from services.forecasting.anomaly.findings.columns import DAYS_A_MONTH

_OWN_MONTHS = 24.0
"""Of a user's own: so many are looked at."""
_KNOWN_MONTHS = 36.0
"""So many of them weigh as much as what is known of users at large."""
_MOST_A_MONTH = 3
"""Of one kind."""
_MONTH = 31
_CHUNK = 512
_USUAL = 0.25
"""A month: that which has the score 0.5."""
_MEDIUM, _HIGH = 0.15, 0.05


def rare(candidates: pl.DataFrame, rarity: Rarity, *, strictness: float = 1.0) -> pl.DataFrame:
    """Those that are told, with `expected`: how many as strong a month would bring by chance. By day; `strictness` divides the limit."""
    limit = rarity.limit / strictness
    strength = sum((pl.col(name) * weight for name, weight in rarity.weights.items()), pl.lit(0.0))
    a_month = (rarity.level - rarity.slope * pl.col("strength")).exp() * pl.col("pace") ** rarity.volume
    # What is more frequent for users at large than this can never come below the limit.
    possible = limit * (1 + _OWN_MONTHS / _KNOWN_MONTHS)
    found = candidates.with_columns(strength.alias("strength")).with_columns(a_month.alias("a_month"))
    found = found.filter("settled", pl.col("a_month") <= possible)
    if found.is_empty():
        return found.with_columns(pl.lit(0.0).alias("expected"))
    day, strong = found["day"].to_numpy(), found["strength"].to_numpy()
    months = np.minimum(found["months"].to_numpy(), _OWN_MONTHS)
    earlier = _at_least_as_strong(day, strong, round(_OWN_MONTHS * DAYS_A_MONTH))
    expected = (found["a_month"].to_numpy() * _KNOWN_MONTHS + earlier) / (_KNOWN_MONTHS + months)
    found = found.with_columns(pl.Series("expected", expected, pl.Float64)).filter(pl.col("expected") <= limit)
    crowd = _at_least_as_strong(found["day"].to_numpy(), found["strength"].to_numpy(), _MONTH)
    return found.filter(pl.Series(crowd < _MOST_A_MONTH, dtype=pl.Boolean))


def score_of(expected: float) -> float:
    """0 to 1."""
    return 1 / (1 + expected / _USUAL)


def severity_of(expected: float, *, small: bool) -> Severity:
    """In three steps; one less where there is little money in it."""
    step = (expected <= _MEDIUM) + (expected <= _HIGH) - small
    return (Severity.LOW, Severity.MEDIUM, Severity.HIGH)[max(step, 0)]


def _at_least_as_strong(day: np.ndarray, strength: np.ndarray, days: int) -> np.ndarray:
    """Of each candidate, by day: how many earlier ones within so many days are at least as strong."""
    counts = np.zeros(len(day), np.int64)
    first = np.searchsorted(day, day - days)
    for start in range(0, len(day), _CHUNK):
        end = min(start + _CHUNK, len(day))
        others = np.arange(first[start], end)
        mine = np.arange(start, end)[:, None]
        inside = (others >= first[start:end, None]) & (others < mine)
        counts[start:end] = (inside & (strength[others] >= strength[mine])).sum(1)
    return counts
