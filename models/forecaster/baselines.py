"""Forecasts that need no training: what stood a season ago, and what recent periods were like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.forecaster.series import Granularity
from models.forecaster.windows import LEVELS, SEASON, Quantiles, Windows

NORMAL = np.array([-1.2815515655, -0.8416212336, -0.5244005127, -0.2533471031, 0.0, 0.2533471031, 0.5244005127, 0.8416212336, 1.2815515655])
"""Quantiles of the normal distribution at `LEVELS`."""

RECENT = {Granularity.DAY: (28, 91), Granularity.WEEK: (26, 52), Granularity.MONTH: (6, 12)}
_WEEKS = 12


def seasonal_naive(windows: Windows, horizon: int, season: int | None = None) -> Quantiles:
    """What stood a season before, with bands as wide as seasons have differed. A season is a week of days and a year of weeks or months;
    where less than one and a half is known, the last value stands for all."""
    wanted = SEASON[windows.granularity] if season is None else season
    result = np.empty((len(windows), horizon, len(LEVELS)))
    long = windows.lengths >= wanted + max(wanted // 2, 1)
    for length, rows in ((wanted, np.flatnonzero(long)), (1, np.flatnonzero(~long))):
        if len(rows):
            result[rows] = _season_before(windows.values[rows], horizon, length)
    return result


def _season_before(values: NDArray[np.float64], horizon: int, season: int) -> Quantiles:
    steps = np.arange(horizon)
    middle = np.nan_to_num(values[:, values.shape[1] - season + steps % season])
    squares = (values[:, season:] - values[:, :-season]) ** 2
    known = ~np.isnan(squares)
    spread = np.sqrt(np.where(known, squares, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1))
    return middle[:, :, None] + (spread[:, None] * np.sqrt(steps // season + 1))[:, :, None] * NORMAL


def recent(windows: Windows, horizon: int) -> Quantiles:
    """The empirical quantiles of the latest periods, mean of a shorter and a longer stretch: what comes is like what came, in no order."""
    found = np.mean([_quantiles(windows.values[:, -length:]) for length in RECENT[windows.granularity]], axis=0)
    return np.repeat(found[:, None, :], horizon, axis=1)


def recent_weekday(windows: Windows, horizon: int) -> Quantiles:
    """The same of days by weekday: each like the same one of the latest weeks."""
    values = windows.values[:, -7 * _WEEKS :]
    by_weekday = np.stack([_quantiles(values[:, day::7]) for day in range(7)], axis=1)
    return by_weekday[:, np.arange(horizon) % 7]


def _quantiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n, LEVELS] of rows that may begin with NaN; 0 where there is nothing else."""
    ordered, count = np.sort(values, axis=1), (~np.isnan(values)).sum(axis=1)  # NaN last
    at = LEVELS * np.maximum(count - 1, 0)[:, None]
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0)[:, None])
    below, above = np.take_along_axis(ordered, low, axis=1), np.take_along_axis(ordered, high, axis=1)
    return np.nan_to_num(below + (at - low) * (above - below))
