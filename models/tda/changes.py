"""Where a user's daily or weekly series changes its ways."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.tda.likelihood import MOST_DEVIATIONS, likelihood
from models.tda.persistence import Floats, embed
from models.tda.scores import Settings, checked, score

THRESHOLD = 0.998
_USUAL = Settings()
_SCALE = 0.64
"""Brings distances of levels to deviations, so that one threshold does for both: chosen on made households (docs/anomalies.md)."""
_ROUNDING = 1e-9
"""Means of equal values differ by so much at most: no move."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of regime."""

    index: int
    """Of the value that it was noticed at."""
    score: float
    """How unusual it is, 0..1; at least `threshold`."""
    threshold: float
    before: float
    """The usual value (median) of the window before it began."""
    after: float
    """The usual value of the window from then on, or of as much of it as there is."""


def changes(
    values: Floats, *, window: int = _USUAL.window, dimension: int = _USUAL.dimension, threshold: float = THRESHOLD
) -> list[Change]:
    """Of a series [n], oldest first. What is unlike all before is one (`score`), and what lies elsewhere than just before (`moved`): so is
    the way back. A change is told once, at the first value above the threshold; what begins within a window of it is the same one. For
    weeks, a `window` of 8 is two months. Raises ValueError for what is no series."""
    series = np.asarray(values, np.float64)
    settings = replace(_USUAL, window=window, dimension=dimension)
    scores = np.maximum(score(series, settings=settings), likelihood(moved(series, settings=settings)))
    found: list[Change] = []
    noticed, began = -window, -window
    for index in np.flatnonzero(scores >= threshold).tolist():
        if index < noticed + window:
            continue
        noticed, start = index, _start(series, index, window)
        if not found or abs(start - began) >= window:
            before, after = series[max(start - window, 0) : start], series[start : start + window]
            found.append(Change(index, float(scores[index]), threshold, float(np.median(before)), float(np.median(after))))
            began = start
    return found


def moved(values: Floats, *, settings: Settings = _USUAL) -> Floats:
    """How far the cloud of the newest window lies from that of the window before [n], in deviations. A Rips diagram does not change when
    its cloud is moved as a whole, so where clouds lie is asked beside it: the Wasserstein distance (order 1) of the levels of their delay
    vectors, in units of the spread of values within these windows, or within all so far where that is more. No value counts for both."""
    series, points = checked(values), settings.window
    size = points + settings.dimension - 1
    found = np.zeros(len(series))
    if len(series) < 2 * size:
        return found
    levels = np.sort(embed(embed(series, settings.dimension).mean(axis=1), points), axis=1)
    apart = np.abs(levels[size:] - levels[:-size]).mean(axis=1)
    apart[apart <= _ROUNDING * np.abs(levels).max(axis=1)[size:]] = 0.0
    inside = embed(series, size)
    spread = np.abs(inside - np.median(inside, axis=1, keepdims=True)).mean(axis=1)
    so_far = np.cumsum(spread) / np.arange(1, len(spread) + 1)
    within = np.maximum((spread[size:] + spread[:-size]) / 2, so_far[size:])
    with np.errstate(divide="ignore", invalid="ignore"):
        unusual = np.where(apart == 0, 0.0, apart / within * np.sqrt(points) * _SCALE)
    found[2 * size - 1 :] = np.minimum(unusual, MOST_DEVIATIONS)
    return found


def _start(series: Floats, noticed: int, window: int) -> int:
    """Where it began: the values around are best told apart by their means there."""
    first = max(noticed - 2 * window, 0)
    near = checked(series[first : noticed + window])
    sums = np.cumsum(near - near.mean())[:-1]
    places = np.arange(1, len(near))
    return first + 1 + int((sums**2 / (places * (len(near) - places))).argmax())
