"""Detectors of the Numenta Anomaly Benchmark's scoreboard that are short enough to be written anew from their descriptions. Their published
scores check the scoring rule, and they are measured beside ours in the same run."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.stats import chi2

from benchmarks.nab import Floats


def null(values: Floats) -> Floats:
    """Says nothing: every point is as likely as any other."""
    return np.full(len(values), 0.5)


def windowed_gaussian(values: Floats, window: int = 6400, step: int = 100) -> Floats:
    """Tail probability of each value under a normal distribution fitted to those before; the window moves on a step at a time."""
    scores = np.zeros(len(values))
    start = 0
    for place in range(1, len(values)):
        end = place
        if place > window:
            start = (place - window) // step * step
            end = start + window
        part = values[start:end]
        if place <= window or (place - window) % step == 0:
            mean, spread = float(part.mean()), float(part.std()) or 1e-6
        scores[place] = 1 - 0.5 * math.erfc(abs(values[place] - mean) / spread / math.sqrt(2))
    # The published scores were written with twelve digits: what is nearly 1 became 1, and shares its threshold.
    return np.array([float(f"{found:.12g}") for found in scores])


def relative_entropy(values: Floats, bins: int = 5, window: int = 52) -> Floats:
    """Wang 2011: 1 where the histogram of the last values is like none that was seen before. Knows the whole series' range beforehand."""
    scores = np.zeros(len(values))
    step = float(values.max() - values.min()) / bins
    if step == 0:
        return scores
    # Bins as numpy.histogram has them: the highest value belongs to the last.
    binned = np.minimum(np.ceil((values - values.min()) / step), bins - 1)[:, None] == np.arange(bins)
    shares = np.lib.stride_tricks.sliding_window_view(binned, window, axis=0).sum(axis=-1) / window
    limit = float(chi2.isf(0.01, bins - 1))
    known, counts, nearest = shares[:1], [1], 0
    for place in range(1, len(shares)):
        found = shares[place]
        if (found != shares[place - 1]).any():  # else it is nearest to what it was nearest to
            with np.errstate(divide="ignore", invalid="ignore"):
                apart = 2 * window * np.where(found > 0, found * np.log(found / known), 0.0).sum(axis=1)
            nearest = int(apart.argmin())
            if apart[nearest] >= limit:
                known, nearest = np.vstack([known, found]), len(known)
                counts.append(0)
        counts[nearest] += 1
        scores[place + window - 1] = float(counts[nearest] <= 1)
    return scores


PUBLISHED: dict[str, Callable[[Floats], Floats]] = {
    "null": null,
    "windowedGaussian": windowed_gaussian,
    "relativeEntropy": relative_entropy,
}
"""Under the names of the scoreboard's own results."""
