"""How unusual a value is among those before it: the tail of a normal distribution with the mean and spread of all its past (the anomaly
likelihood of Ahmad et al. 2017). Online: nothing depends on what comes later."""

from __future__ import annotations

import math

import numpy as np

from models.tda.persistence import Floats

LEAST_HISTORY = 20
MOST_DEVIATIONS = 10.0
_LEAST_SPREAD = 1e-3  # of the mean: where hardly anything ever moved, rounding is no event


def deviations(found: Floats) -> Floats:
    """Standard deviations above the mean of what was there before [n], at most `MOST_DEVIATIONS` away; 0 for as long as that is little.
    Values that are not finite stand for none."""
    known = np.isfinite(found)
    values = np.where(known, found, 0.0)
    count = _before(known.astype(np.float64))
    divisor = np.maximum(count, 1.0)
    mean = _before(values) / divisor
    spread = np.sqrt(np.maximum(_before(values * values) / divisor - mean * mean, 0.0))
    above = values - mean
    with np.errstate(divide="ignore", invalid="ignore"):
        unusual = np.where(above == 0, 0.0, above / np.maximum(spread, _LEAST_SPREAD * np.abs(mean)))
    return np.where(known & (count >= LEAST_HISTORY), np.clip(unusual, -MOST_DEVIATIONS, MOST_DEVIATIONS), 0.0)


def likelihood(unusual: Floats) -> Floats:
    """Of so many deviations [n], as the probability 0..1 that less is usual."""
    return 0.5 + 0.5 * np.fromiter(map(math.erf, (unusual / math.sqrt(2)).tolist()), np.float64, len(unusual))


def _before(values: Floats) -> Floats:
    """Sums of all earlier values [n]."""
    return np.concatenate([[0.0], np.cumsum(values)[:-1]])
