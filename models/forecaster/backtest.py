"""How good each way to forecast was on the series itself: asked at earlier days, with only what was known on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.forecaster.series import Granularity, Series
from models.forecaster.windows import LEVELS, ROUNDING, SERVED, Quantiles

SHORTEST = {Granularity.DAY: 28, Granularity.WEEK: 13, Granularity.MONTH: 6}
"""Periods of history below which nothing is worth choosing from."""


@dataclass(frozen=True, slots=True)
class Score:
    """Errors of one way to forecast on one series, over all back-test origins and steps."""

    model: str
    mase: float
    """Mean absolute error of the median, in units of the mean absolute change from one period to the next."""
    pinball: float
    """Mean over the quantiles 0.1, 0.5 and 0.9, in the series' own unit."""
    coverage_80: float
    """The share of amounts between the quantiles 0.1 and 0.9."""
    origins: int


@dataclass(frozen=True, slots=True, eq=False)
class Origins:
    """Where the back-test stands: for each row the place of its series and how many of the latest periods are hidden."""

    rows: list[tuple[int, int]]
    owner: NDArray[np.int64]  # [rows]
    count: NDArray[np.int64]  # [series]


def origins(series: Sequence[Series], horizon: int, most: int) -> Origins:
    """Up to `most` for each series, half a horizon apart, the latest with a whole horizon behind it. A history that is too short for that
    is asked less far ahead; one that is shorter still has none."""
    rows: list[tuple[int, int]] = []
    count = np.zeros(len(series), np.int64)
    for place, one in enumerate(series):
        room = len(one.values) - SHORTEST[one.granularity]
        if room <= 0:
            continue
        first = min(horizon, max(room // 2, 1))
        step = max(first // 2, 1)
        hidden = [first + number * step for number in range(most) if first + number * step <= room]
        rows += [(place, one_hidden) for one_hidden in hidden]
        count[place] = len(hidden)
    return Origins(rows, np.array([place for place, _ in rows], np.int64), count)


def pinball(actual: NDArray[np.float64], quantiles: Quantiles, levels: NDArray[np.float64] = LEVELS) -> NDArray[np.float64]:
    """[rows, horizon, levels]; NaN where nothing has come yet."""
    over = actual[:, :, None] - quantiles
    return np.maximum(levels * over, (levels - 1) * over)


def by_series(figures: NDArray[np.float64], asked: Origins) -> NDArray[np.float64]:
    """Means over a series' origins and steps [series] of figures [rows, horizon]; NaN where there are none."""
    known = ~np.isnan(figures)
    total, number = np.zeros(len(asked.count)), np.zeros(len(asked.count))
    np.add.at(total, asked.owner, np.where(known, figures, 0.0).sum(axis=1))
    np.add.at(number, asked.owner, known.sum(axis=1))
    return np.divide(total, number, out=np.full(len(total), np.nan), where=number > 0)


def changes(series: Sequence[Series], asked: Origins) -> NDArray[np.float64]:
    """The mean absolute change from one period to the next before the first origin [series]; 1 for one that never changed."""
    found = np.ones(len(series))
    hidden = dict(asked.rows)  # the last of each series is the earliest
    for place, one in enumerate(series):
        seen = one.values[: len(one.values) - hidden.get(place, 0)]
        if len(seen) > 1:
            found[place] = np.abs(np.diff(seen)).mean()
    found[found == 0] = 1.0
    return found


def scores(
    name: str, series_changes: NDArray[np.float64], actual: NDArray[np.float64], quantiles: Quantiles, asked: Origins
) -> list[Score | None]:
    """The errors of one way to forecast, for each series; None where there is no origin."""
    served = quantiles[:, :, SERVED]
    error = by_series(np.abs(actual - served[:, :, 1]), asked)
    loss = by_series(pinball(actual, served, LEVELS[list(SERVED)]).mean(axis=2), asked)
    crumbs = ROUNDING * np.abs(actual)
    inside = np.where(np.isnan(actual), np.nan, (actual >= served[:, :, 0] - crumbs) & (actual <= served[:, :, 2] + crumbs))
    covered = by_series(inside, asked)
    return [
        Score(name, float(error[place] / series_changes[place]), float(loss[place]), float(covered[place]), int(count)) if count else None
        for place, count in enumerate(asked.count)
    ]
