"""What one user's history says for and against each category of a payment, as numbers that know no label.

The same numbers mean the same for any category, the user's own included, so that how to weigh them is learned once (personal_fit.py) and
holds for everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NAMES = (
    "global",
    "global_to_best",
    "merchant_share",
    "merchant_share_month",
    "merchant_share_latest",
    "merchant_share_amount",
    "merchant_last",
    "merchant_last_but_one",
    "merchant_same_amount",
    "merchant_count",
    "habit_share",
    "habit_share_latest",
    "habit_share_amount",
    "habit_last",
    "near_share",
    "nearest_share",
    "nearest",
    "global_best",
    "merchant_seen",
    "merchant_corrections",
    "merchant_age",
    "corrections",
)
"""One for each column of `features`."""

_MOST_OF_A_MERCHANT = 128
"""The latest corrections of one merchant that count."""
_MOST_NEAR = 2000
"""The latest corrections whose points are compared."""
_FLOOR = 1e-4
_MONTH_DAYS = 30.0
_SEASON_DAYS = 60.0
_HABIT_DAYS = 120.0
_HALF_YEAR_DAYS = 180.0
_NEVER_DAYS = 3000.0
SAME_AMOUNT = 0.005
_LEAST_CORRECTIONS, _LEAST_MERCHANTS = 20, 4
"""From which on corrections say what the user's payments mostly are; fewer say it of their own merchants."""
_AUDIBLE = 0.02
"""Less nearness than this is none."""
_LIKELIEST = 12
"""Of the global model's categories, as many are candidates beside the user's own."""
_BAND = 0.125
"""Width of an amount band, in powers of ten."""
_LEAST_BAND, _BANDS = -2.0, 80
_NEAR, _NEAREST = 0.6, 0.2
"""Distances on the ball at which similarity has fallen to 1/e."""
_FAR = 2.0
"""Beyond this distance nothing is similar."""


class History:
    """One user's corrections, laid out once for many questions. Columns are parallel, oldest first."""

    def __init__(self, keys: Sequence[str], codes: Ints, amounts: Doubles, days: npt.NDArray[np.int32], points: Floats | None) -> None:
        """`codes` number the user's categories from 0."""
        self.size = len(codes)
        self.width = int(codes.max()) + 1 if self.size else 0
        self.codes, self.amounts, self.days, self.points = codes, amounts, days.astype(np.float64), points
        self._ids: dict[str, int] = {}
        ids = np.array([self._ids.setdefault(key, len(self._ids)) for key in keys], np.int64)
        self._order = np.argsort(ids, kind="stable")
        self._ends = np.cumsum(np.bincount(ids, minlength=len(self._ids)))
        self._starts = np.r_[0, self._ends[:-1]] if self.size else self._ends
        self.logs = magnitude(amounts)
        age = self.days.max() - self.days if self.size else self.days
        back = np.arange(self.size)[::-1]
        self._habit = self._tally(np.exp2(-age / _HABIT_DAYS))
        self._latest = self._tally(np.exp2(-back / 4.0))
        bands = np.bincount(_band(self.logs) * max(self.width, 1) + codes, np.exp2(-age / _SEASON_DAYS), _BANDS * max(self.width, 1))
        self._by_band = _ALIKE @ bands.reshape(_BANDS, -1)
        self.shows_habits = self.size >= _LEAST_CORRECTIONS and len(self._ids) >= _LEAST_MERCHANTS

    def rows_of(self, keys: Sequence[str]) -> tuple[Ints, Ints, Ints]:
        """Pairs of a payment and a correction of its merchant: payment, correction, and how many later ones the merchant has."""
        ids: Ints = np.array([self._ids.get(key, -1) if key else -1 for key in keys], np.int64)
        known = ids >= 0
        ends = np.where(known, self._ends[ids], 0) if self.size else np.zeros(len(ids), np.int64)
        starts = np.where(known, np.maximum(self._starts[ids], ends - _MOST_OF_A_MERCHANT), 0) if self.size else ends
        counts = ends - starts
        items = np.repeat(np.arange(len(ids), dtype=np.int64), counts)
        back = np.repeat(np.cumsum(counts), counts) - np.arange(len(items)) - 1
        return items, self._order[np.repeat(ends, counts) - 1 - back] if self.size else back, back

    def habits(self, amounts: Doubles) -> tuple[Doubles, Doubles, Doubles]:
        """What the user's payments mostly are: [width], [width] of late, [n, width] at about these amounts; zeros where nobody can tell."""
        at_amounts = self._by_band[_band(magnitude(amounts))]
        return (self._habit, self._latest, at_amounts) if self.shows_habits else (self._habit * 0, self._latest * 0, at_amounts * 0)

    def near(self, points: Floats | None, n: int) -> tuple[Doubles, Doubles, Doubles]:
        """[n, width] each: corrections that lie near, and nearest, and the greatest similarity."""
        if points is None or self.points is None or not self.size:
            nothing = np.zeros((n, self.width))
            return nothing, nothing, nothing
        first = max(self.size - _MOST_NEAR, 0)
        distance = self.distance(points, np.arange(first, self.size))
        late = np.exp2((self.days[first:] - self.days.max()) / _HALF_YEAR_DAYS)
        member = np.zeros((self.size - first, self.width), np.float32)
        member[np.arange(self.size - first), self.codes[first:]] = 1
        weighted = member * late[:, None].astype(np.float32)
        greatest = np.zeros((n, self.width))
        similar = np.exp(-distance / _NEAR) * (distance < _FAR)
        for code in np.unique(self.codes[first:]):
            greatest[:, code] = similar[:, self.codes[first:] == code].max(1)
        return similar @ weighted, np.exp(-distance / _NEAREST) @ weighted, greatest

    def distance(self, points: Floats, rows: Ints) -> Floats:
        """[n, len(rows)] on the ball, of curvature -1."""
        return _distance(points, self.points[rows]) if self.points is not None else np.full((len(points), len(rows)), np.inf, np.float32)

    def _tally(self, weights: Doubles) -> Doubles:
        return np.bincount(self.codes, weights, self.width).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Found:
    """What a history says of n payments and k categories."""

    columns: Floats
    """[n, k, len(NAMES)]"""
    seen: npt.NDArray[np.bool_]
    """[n], the user has corrected this merchant before."""
    speaks: npt.NDArray[np.bool_]
    """[n], the history says anything at all."""
    nearness: Floats
    """[n], 0 to 1: how much alike the most similar merchant of the history is."""


def candidates(likely: Floats, places: Ints) -> npt.NDArray[np.bool_]:
    """[n, k]: the likeliest for the global model, and all of the user's own."""
    chosen = np.zeros(likely.shape, np.bool_)
    count = min(_LIKELIEST, likely.shape[1])
    np.put_along_axis(chosen, np.argpartition(-likely, count - 1, axis=1)[:, :count], True, axis=1)
    chosen &= likely > 0
    chosen[:, places] = True
    return chosen


def features(
    history: History,
    keys: Sequence[str],
    amounts: Doubles,
    days: npt.NDArray[np.int32],
    likely: Floats,
    places: Ints,
    points: Floats | None,
) -> Found:
    """What the history says of each payment and category.

    `likely` [n, k] is the global model's opinion, 0 for categories that it does not know; `places` [width] says which of the k each of the
    user's categories is.
    """
    n, k = likely.shape
    width = history.width
    out = np.zeros((n, k, len(NAMES)), np.float32)
    put = dict(zip(NAMES, range(len(NAMES)), strict=True))
    best = likely.max(axis=1, initial=_FLOOR)[:, None]
    out[:, :, put["global"]] = np.log(likely + _FLOOR)
    out[:, :, put["global_to_best"]] = np.log(likely / best + _FLOOR)
    out[:, :, put["global_best"]] = best

    items, rows, back = history.rows_of(keys)
    slots = items * width + history.codes[rows]
    age = np.abs(days[items] - history.days[rows])
    amount_gap = np.abs(magnitude(amounts)[items] - history.logs[rows])

    def tally(weights: Doubles | None = None, chosen: npt.NDArray[np.bool_] | slice = slice(None)) -> Doubles:
        return np.bincount(slots[chosen], None if weights is None else weights[chosen], n * width).reshape(n, width).astype(np.float64)

    def share(name: str, said: Doubles, prior: float) -> None:
        full = np.zeros((n, k))
        full[:, places] = said
        total = said.sum(axis=-1, keepdims=said.ndim > 1)
        out[:, :, put[name]] = np.log((full + prior * likely) / (total + prior) + _FLOOR)

    def mark(name: str, said: Doubles) -> None:
        out[:, places, put[name]] = said

    count = tally()
    share("merchant_share", count, 0.5)
    share("merchant_share_month", tally(np.exp2(-age / _MONTH_DAYS)), 0.3)
    share("merchant_share_latest", tally(np.exp2(-back / 2.0)), 0.2)
    share("merchant_share_amount", tally(np.exp(-3.0 * amount_gap) * np.exp2(-age / _HALF_YEAR_DAYS)), 0.3)
    mark("merchant_last", tally(None, back == 0))
    mark("merchant_last_but_one", tally(None, back == 1))
    exactly = tally(None, np.abs(amounts[items] - history.amounts[rows]) < SAME_AMOUNT)
    mark("merchant_same_amount", exactly / np.maximum(exactly.sum(1, keepdims=True), 1))
    mark("merchant_count", np.log1p(count))
    habit, latest, at_amount = history.habits(amounts)
    share("habit_share", habit, 2.0)
    share("habit_share_latest", latest, 0.5)
    share("habit_share_amount", at_amount, 1.0)
    if history.shows_habits:
        out[:, places[history.codes[-1]], put["habit_last"]] = 1
    near, nearest, greatest = history.near(points, n)
    share("near_share", near, 0.3)
    share("nearest_share", nearest, 0.2)
    mark("nearest", greatest)
    total = count.sum(1)[:, None]
    last_age = np.full(n, _NEVER_DAYS)
    last_age[items[back == 0]] = age[back == 0]
    out[:, :, put["merchant_seen"]] = total > 0
    out[:, :, put["merchant_corrections"]] = np.log1p(total)
    out[:, :, put["merchant_age"]] = np.log1p(last_age)[:, None] / 8
    out[:, :, put["corrections"]] = np.log1p(history.size)
    seen = total[:, 0] > 0
    nearness = greatest.max(axis=1, initial=0.0) ** (_NEAR / _NEAREST)
    return Found(out, seen, seen | history.shows_habits | (near.sum(1) > _AUDIBLE), nearness.astype(np.float32))


def magnitude(amounts: Doubles) -> Doubles:
    """Powers of ten; what is no number counts as nothing."""
    return np.log10(np.abs(np.nan_to_num(amounts, nan=0.0, posinf=1e12, neginf=1e12)) + 0.01)


def _band(logs: Doubles) -> Ints:
    return np.clip((logs - _LEAST_BAND) / _BAND, 0, _BANDS - 1).astype(np.int64)


_ALIKE = np.exp(-4.0 * _BAND * np.abs(np.arange(_BANDS)[:, None] - np.arange(_BANDS)[None, :]))


def _distance(one: Floats, other: Floats) -> Floats:
    """[n, m] on the ball of curvature -1."""
    inside = np.maximum(1 - np.square(one).sum(1)[:, None], 1e-6) * np.maximum(1 - np.square(other).sum(1)[None, :], 1e-6)
    apart = np.maximum(np.square(one).sum(1)[:, None] + np.square(other).sum(1)[None, :] - 2 * one @ other.T, 0)
    return np.arccosh(1 + 2 * apart / inside).astype(np.float32)
