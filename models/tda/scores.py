"""How unusual each point of a series is, given those before it.

Three things are measured at every point, each held against how it was until then (`likelihood.py`), and weighed together:

- the window: how much persistence the newest delay vectors add to all that came before. The main one;
- the value: the same for the newest value alone, a window of one vector of one value. Quicker, and blind to shapes;
- the change: how far the diagram of the newest window lies from that of the window before it.

Nothing looks ahead: the score of a point is what it was when the point came in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.tda.likelihood import deviations, likelihood
from models.tda.persistence import Floats, cross_persistence, deaths

ALERT = 0.84
"""From here on a point is worth an alert where missing one costs far more than a false one; `changes` asks for more."""
_LEAST, _LARGEST = 1e-100, 1e100


@dataclass(frozen=True, slots=True)
class Settings:
    """Chosen on half of a public benchmark's series, see docs/anomalies.md."""

    dimension: int = 3
    """Values of a delay vector."""
    window: int = 28
    """Delay vectors of a window; four weeks of days."""
    history: int = 10_000
    """Delay vectors that are looked back on."""
    window_weight: float = 0.5
    value_weight: float = 0.5
    change_weight: float = 0.1

    def __post_init__(self) -> None:
        if self.dimension < 1 or self.window < 2 or self.history <= self.window:
            raise ValueError(f"a window of {self.window} vectors of {self.dimension} values, {self.history} to look back on: too few")


def score(values: Floats, *, rest: int = 0, settings: Settings | None = None) -> Floats:
    """Scores [n] in 0..1 of a series [n]: the probability that a point is less unusual; 0 while there is too little to compare with.
    For `rest` points after an alert nothing is one: they score 0. Raises ValueError for what is no series."""
    settings = settings or Settings()
    series = checked(values)
    unusual = weighed(series, settings)
    return rested(np.where(unusual == 0, 0.0, likelihood(unusual)), rest)


def weighed(series: Floats, settings: Settings) -> Floats:
    """Deviations [n] of the three together."""
    found = settings.window_weight * windows(series, settings) + settings.value_weight * novelty(series, settings)
    return found + settings.change_weight * np.maximum(adjacent(series, settings), 0.0)


def windows(series: Floats, settings: Settings) -> Floats:
    """Deviations [n] of what the newest window adds to the past."""
    return _added(series, settings.dimension, settings.window, settings.history)


def novelty(series: Floats, settings: Settings) -> Floats:
    """Deviations [n] of what the newest value adds to the past."""
    return _added(series, 1, 1, settings.history)


def _added(series: Floats, dimension: int, window: int, history: int) -> Floats:
    found = np.full(len(series), np.nan)
    size = window + dimension - 1
    if len(series) > size:
        found[size - 1 :] = cross_persistence(series, dimension, window, history)
    return deviations(found)


def adjacent(series: Floats, settings: Settings) -> Floats:
    """Deviations [n] of the distance between the diagrams of the newest window and of the one before (order 1, in dimension 0, where the
    ascending order of deaths is the best matching)."""
    size = settings.window + settings.dimension - 1
    found = np.full(len(series), np.nan)
    if len(series) >= size + settings.window:
        diagrams = deaths(series, settings.dimension, settings.window)
        found[size + settings.window - 1 :] = np.abs(diagrams[settings.window :] - diagrams[: -settings.window]).sum(axis=1)
    return deviations(found)


def checked(values: Floats) -> Floats:
    """A series [n] of finite numbers, scaled so that no distance overflows or vanishes: by a power of two, which is exact."""
    series = np.asarray(values, np.float64)
    if series.ndim != 1:
        raise ValueError(f"a series has one dimension, not {series.ndim}")
    bad = np.flatnonzero(~np.isfinite(series))
    if len(bad):
        raise ValueError(f"value {bad[0]} of the series is {series[bad[0]]}: fill or leave out what is missing")
    largest = float(np.abs(series).max(initial=0.0))
    return np.ldexp(series, -math.frexp(largest)[1]) if not _LEAST < largest < _LARGEST else series


def rested(scores: Floats, rest: int) -> Floats:
    """Scores [n] with 0 where an alert came in the `rest` points before. Changes the array it is given."""
    last = -rest - 1
    for place in np.flatnonzero(scores >= ALERT).tolist() if rest else ():
        if place - last <= rest:
            scores[place] = 0.0
        else:
            last = place
    return scores
