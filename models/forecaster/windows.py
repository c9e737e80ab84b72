"""The latest part of many histories as one array, so that whatever forecasts does all of them in one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.forecaster.series import Granularity, Series, period_number

LEVELS = np.arange(1, 10) / 10
"""Quantiles that everything here has; of them the first, the middle and the last are served."""
SERVED = (0, 4, 8)

ROUNDING = 1e-9
"""An amount and what was said of it are one where they are no farther apart than this much of it: units and weights leave crumbs."""

SEASON = {Granularity.DAY: 7, Granularity.WEEK: 52, Granularity.MONTH: 12}
CONTEXT = {Granularity.DAY: 371, Granularity.WEEK: 160, Granularity.MONTH: 72}
"""How many periods back anything looks."""

Quantiles = NDArray[np.float64]
"""[windows, horizon, LEVELS]"""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Cut histories of one granularity, the latest value at the right. Amounts are in the window's `unit`, the largest it has seen, and
    without what is known to recur where that explains something."""

    values: NDArray[np.float64]  # [n, context], NaN before the beginning
    lengths: NDArray[np.int64]  # [n], how many of them are values
    next_period: NDArray[np.int64]  # [n], the number of the first period to come
    known: NDArray[np.float64]  # [n, context + horizon], in the unit; 0 where nothing is known
    stretch: NDArray[np.float64]  # [n, horizon, LEVELS], in the unit; how far from it what is known to come may be
    explained: NDArray[np.bool_]  # [n], whether `known` was taken out of the values
    unit: NDArray[np.float64]  # [n]
    countries: tuple[str, ...]
    kinds: tuple[str, ...]
    granularity: Granularity
    horizon: int

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def to_come(self) -> NDArray[np.float64]:
        """What has to be put back into forecasts [n, horizon]."""
        return np.where(self.explained[:, None], self.known[:, self.values.shape[1] :], 0.0)

    def take(self, chosen: NDArray[np.int64]) -> Windows:
        """Some of them, in this order."""
        return Windows(
            self.values[chosen],
            self.lengths[chosen],
            self.next_period[chosen],
            self.known[chosen],
            self.stretch[chosen],
            self.explained[chosen],
            self.unit[chosen],
            tuple(self.countries[one] for one in chosen),
            tuple(self.kinds[one] for one in chosen),
            self.granularity,
            self.horizon,
        )


def cut(series: Sequence[Series], held_out: Sequence[tuple[int, int]], horizon: int) -> Windows:
    """A window for each (place of a series, how many of its latest periods are not to be seen). All series have the same granularity, and
    there is one at least."""
    granularity = series[0].granularity
    context, count = CONTEXT[granularity], len(held_out)
    values = np.full((count, context), np.nan)
    known = np.zeros((count, context + horizon))
    stretch = np.zeros((count, horizon, len(LEVELS)))
    next_period = np.zeros(count, np.int64)
    for row, (place, hidden) in enumerate(held_out):
        one = series[place]
        end = len(one.values) - hidden
        first = max(end - context, 0)
        values[row, context - (end - first) :] = one.values[first:end]
        if one.known is not None:
            part = one.known[first : end + horizon]
            known[row, context - (end - first) : context - (end - first) + len(part)] = part
        if one.foreseen is not None:
            # What came is known up to the cut; from there on what was said of it counts.
            known[row, context:], ways = one.foreseen(end)
            stretch[row] = np.quantile(ways, LEVELS, axis=0, method="inverted_cdf").T - known[row, context:, None]
        next_period[row] = period_number(one.start, granularity) + end
    lengths = (~np.isnan(values)).sum(axis=1)
    filled = np.nan_to_num(values)
    unit = np.maximum(np.abs(filled).max(axis=1), np.abs(known).max(axis=1))
    unit[unit == 0] = 1.0
    values, known, stretch = values / unit[:, None], known / unit[:, None], stretch / unit[:, None, None]
    explained = _explains(values, known[:, :context])
    values = np.where(explained[:, None], values - known[:, :context], values)
    of = [series[place] for place, _ in held_out]
    return Windows(
        values,
        lengths,
        next_period,
        known,
        np.where(explained[:, None, None], stretch, 0.0),
        explained,
        unit,
        tuple(one.country for one in of),
        tuple(one.kind for one in of),
        granularity,
        horizon,
    )


def _explains(values: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where a schedule makes a history plainer than it is without: a wrong one would do harm."""
    found = np.zeros(len(values), np.bool_)
    some = np.flatnonzero(np.any(known != 0, axis=1) & ~np.isnan(values).all(axis=1))
    if len(some):
        found[some] = _spread(values[some] - known[some]) < _spread(values[some])
    return found


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.nanmean(np.abs(values - np.nanmedian(values, axis=1, keepdims=True)), axis=1)


def truth(series: Sequence[Series], held_out: Sequence[tuple[int, int]], horizon: int) -> NDArray[np.float64]:
    """What came after each cut [n, horizon], in the series' own unit; NaN where nothing has come yet."""
    found = np.full((len(held_out), horizon), np.nan)
    for row, (place, hidden) in enumerate(held_out):
        values = series[place].values
        part = values[len(values) - hidden :][:horizon]
        found[row, : len(part)] = part
    return found
