"""Persistent homology of delay embeddings.

In the Rips filtration of a cloud of points every point is born at 0, and components die at the edges of the cloud's minimum spanning tree.
So dimension 0 needs no general machine: here all windows of a series grow their trees at once, 25 microseconds a point. ripser computes
the same and is the reference in the tests. Dimension 1, the loops, adds nothing here (docs/anomalies.md).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_CHUNK = 4096  # windows whose trees grow side by side


def embed(series: Floats, dimension: int) -> Floats:
    """Delay vectors [n - dimension + 1, dimension] of a series [n]: what was seen so many times in a row."""
    return np.lib.stride_tricks.sliding_window_view(series, dimension)


def deaths(series: Floats, dimension: int, points: int) -> Floats:
    """Diagrams of dimension 0 of all windows of so many delay vectors [windows, points - 1]: when components die, ascending."""
    near = _lagged(series, dimension, points)
    return np.sort(_trees(near, None, points), axis=1)


def cross_persistence(series: Floats, dimension: int, points: int, history: int) -> Floats:
    """How much the newest delay vectors add to all that came before, for every window of so many [windows].

    Past and window make one cloud in which the past is contracted: its points count as one (distance 0 among each other). What is left in
    dimension 0 is the cross-barcode of the window against the past (Barannikov et al. 2021), whose bars tell how far apart from all that
    is known, and from each other, the new vectors lie. Returned is the sum of their lengths; infinite while there is no past. The past
    reaches back `history` vectors.
    """
    near = _lagged(series, dimension, points)
    count = len(near)
    past = np.full((count, points + 1), np.inf)
    past[:, points] = _to_older(series, dimension, points, history)
    for lag in range(points - 1, 0, -1):
        past[:, lag] = past[:, lag + 1]
        past[lag:, lag] = np.minimum(past[lag:, lag], near[: count - lag, lag])
    return _trees(near, past, points).sum(axis=1)


def _lagged(series: Floats, dimension: int, most: int) -> Floats:
    """Distances of each delay vector to those after it [vectors, lags]; infinite past the end."""
    count = len(series) - dimension + 1
    found = np.full((count, most), np.inf)
    found[:, 0] = 0.0
    for lag in range(1, min(most, count)):
        found[: count - lag, lag] = np.sqrt(_squared(series, dimension, lag))
    return found


def _to_older(series: Floats, dimension: int, least: int, most: int) -> Floats:
    """Distance of each delay vector to the nearest that is at least and at most so much older [vectors]; infinite where there is none."""
    count = len(series) - dimension + 1
    nearest = np.full(count, np.inf)
    for lag in range(least, min(count, most + 1)):
        np.minimum(nearest[lag:], _squared(series, dimension, lag), out=nearest[lag:])
    return np.sqrt(nearest)


def _squared(series: Floats, dimension: int, lag: int) -> Floats:
    apart = series[lag:] - series[:-lag]
    apart *= apart
    count = len(apart) - dimension + 1
    found = apart[:count].copy()
    for place in range(1, dimension):
        found += apart[place : place + count]
    return found


def _trees(near: Floats, past: Floats | None, points: int) -> Floats:
    """Edges of the minimum spanning trees of all windows [windows, edges], in the order in which Prim's algorithm finds them. With
    distances to the past of so many vectors ago and older [vectors, lags], the past is a point of each tree."""
    windows = max(len(near) - points + 1, 0)
    edges = points - 1 if past is None else points
    found = np.empty((windows, edges))
    columns = np.arange(points)
    for start in range(0, windows, _CHUNK):
        first = np.arange(start, min(start + _CHUNK, windows))
        rows, outside = np.arange(len(first)), np.ones((len(first), points), np.bool_)
        if past is None:
            nearest = near[first].copy()
            outside[:, 0] = False
        else:
            nearest = past[first[:, None] + columns, columns + 1]
        for edge in range(edges):
            open_edges = np.where(outside, nearest, np.inf)
            at = open_edges.argmin(axis=1)
            found[first, edge] = open_edges[rows, at]
            outside[rows, at] = False
            left = np.minimum(at[:, None], columns)
            nearest = np.minimum(nearest, near[first[:, None] + left, np.abs(at[:, None] - columns)])
    return found
