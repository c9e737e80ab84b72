"""Which forecast is served: a mix by what the back-test says, one plain baseline where that is clearly better, and bands as wide as needed.

The best of a few origins is often best by luck, so that a hard choice is worse than a mix (docs/forecasting.md has the figures). Each
series is looked at for itself: what is served for one never depends on what is asked with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.forecaster.windows import ROUNDING, SERVED, Quantiles

POWER = 16.0
"""How fast a weight falls with the error: a tenth more error, a fifth of the weight."""
MARGIN = 0.9
"""A baseline with less than this much of the mix's error is served alone."""
LEAST_WEIGHT = 0.05
"""What weighs less is left out, and not named."""
_PRIOR_POINTS = 40.0
_BLOCKS = (0, 7, 28, 90)
_NARROWEST, _WIDEST = 0.5, 2.5


def weigh(losses: NDArray[np.float64], prior: NDArray[np.float64], offered: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights [series, models], which sum to 1, for mean errors in the same shape. Where there is no back-test, NaN, priors alone count."""
    losses = np.where(offered, losses, np.inf)
    known = ~np.isnan(losses)
    best = np.min(np.where(known, losses, np.inf), axis=1, keepdims=True)
    # A series that some model has without any error leaves nothing to the others.
    best = np.maximum(best, np.finfo(np.float64).tiny)
    relative = np.divide(best, np.maximum(losses, best), out=np.ones_like(losses), where=known & np.isfinite(best))
    weights = prior * np.where(offered, relative**POWER, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    weights[weights < LEAST_WEIGHT] = 0.0
    return weights / weights.sum(axis=1, keepdims=True)


def prefer_alone(weights: NDArray[np.float64], losses: NDArray[np.float64], plain: NDArray[np.bool_], mixed: NDArray[np.float64]) -> None:
    """Gives all the weight of a series to the best of its `plain` candidates where that is clearly better than the mix [series] was."""
    losses = np.where(plain & ~np.isnan(losses), losses, np.inf)
    best = np.argmin(losses, axis=1)
    alone = np.flatnonzero(losses[np.arange(len(losses)), best] < MARGIN * mixed)
    weights[alone] = 0.0
    weights[alone, best[alone]] = 1.0


def mix(weights: NDArray[np.float64], quantiles: NDArray[np.float64]) -> Quantiles:
    """Quantiles [rows, horizon, levels] as the weighted mean [rows, models] of [models, rows, horizon, levels]."""
    return np.einsum("rm,mrhl->rhl", weights, quantiles)


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """How much wider or narrower bands have to be [series, horizon] so that 80 of 100 amounts fall into them."""

    factors: NDArray[np.float64]

    def apply(self, quantiles: Quantiles, stretch: Quantiles | None = None) -> Quantiles:
        """Moves all quantiles from or towards the median, but for the `stretch` in them."""
        middle = quantiles[:, :, SERVED[1], None]
        stays = _from_middle(quantiles, stretch)
        return middle + stays + (quantiles - middle - stays) * self.factors[:, :, None]


def _from_middle(quantiles: Quantiles, stretch: Quantiles | None) -> Quantiles:
    return np.zeros_like(quantiles) if stretch is None else stretch - stretch[:, :, SERVED[1], None]


def bands(
    actual: NDArray[np.float64], quantiles: Quantiles, owner: NDArray[np.int64], series: int, stretch: Quantiles | None = None
) -> Bands:
    """Split conformal: the factor under which 80 % of a series' back-test would have been inside. Few points say little: factors are drawn
    to 1, and those of a part of the horizon to that of the whole. `stretch`, what is in the quantiles because payments vary, is not
    theirs to change: on most days there is none, and they would say that it is too much."""
    horizon = actual.shape[1]
    stays = _from_middle(quantiles, stretch)
    low, middle, high = (quantiles[:, :, place] - stays[:, :, place] for place in SERVED)
    over = actual - middle
    over = over - np.clip(over, stays[:, :, SERVED[0]], stays[:, :, SERVED[2]])
    over = np.where(np.abs(over) <= ROUNDING * np.abs(actual), 0.0, over)
    width = np.where(over > 0, high - middle, middle - low)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.where(over == 0, 0.0, np.abs(over) / width)
    needed = np.where(np.isnan(actual), np.nan, np.minimum(needed, 1e3))
    factors = np.ones((series, horizon))
    for place in np.unique(owner):
        rows = needed[owner == place]
        whole = _drawn(rows, 1.0)
        for first, last in pairwise(_BLOCKS):
            if first < horizon:
                factors[place, first:last] = _drawn(rows[:, first:last], whole)
    return Bands(factors)


def _drawn(needed: NDArray[np.float64], to: float) -> float:
    found = needed[~np.isnan(needed)]
    if not len(found):
        return to
    factor = float(np.quantile(found, 0.8))
    share = len(found) / (len(found) + _PRIOR_POINTS)
    return float(np.clip(max(factor, 1e-3) ** share * to ** (1 - share), _NARROWEST, _WIDEST))
