"""Dimension 0 by minimum spanning trees of all windows at once is what ripser computes for each."""

from __future__ import annotations

import numpy as np
import pytest
from ripser import ripser

from models.tda.persistence import cross_persistence, deaths, embed

SERIES = {
    "noise": np.random.default_rng(0).normal(0, 1, 80),
    "walk": np.cumsum(np.random.default_rng(1).normal(0, 1, 80)) - 50,
    "repeated values": np.random.default_rng(2).integers(0, 3, 80).astype(float),
    "constant": np.full(80, 7.25),
}
every_series = pytest.mark.parametrize("series", SERIES.values(), ids=SERIES.keys())
shapes = pytest.mark.parametrize(("dimension", "points"), [(1, 1), (1, 6), (3, 2), (3, 12), (7, 20)])


def finite_deaths(matrix: np.ndarray) -> np.ndarray:
    diagram = ripser(matrix, maxdim=0, distance_matrix=True)["dgms"][0]
    return np.sort(diagram[np.isfinite(diagram[:, 1]), 1])


def distances(cloud: np.ndarray) -> np.ndarray:
    return np.linalg.norm(cloud[:, None] - cloud[None], axis=2)


def above_zero(found: np.ndarray) -> np.ndarray:
    """ripser leaves out bars of no length."""
    return found[found > 1e-6]


@every_series
@shapes
def test_diagrams_of_dimension_0_are_those_of_ripser(series: np.ndarray, dimension: int, points: int) -> None:
    cloud = embed(series, dimension)
    found = deaths(series, dimension, points)
    assert found.shape == (len(cloud) - points + 1, points - 1)
    for start in range(0, len(found), 7):
        expected = finite_deaths(distances(cloud[start : start + points]))
        np.testing.assert_allclose(above_zero(found[start]), above_zero(expected), rtol=1e-5)


@every_series
@shapes
@pytest.mark.parametrize("history", [30, 1000])
def test_cross_persistence_is_that_of_ripser_with_the_past_contracted(
    series: np.ndarray, dimension: int, points: int, history: int
) -> None:
    cloud = embed(series, dimension)
    found = cross_persistence(series, dimension, points, history)
    assert len(found) == len(cloud) - points + 1
    assert found[0] == np.inf  # nothing came before
    for start in range(1, len(found), 7):
        # Every vector of the window looks back `history` vectors, and no further than to where the window begins.
        matrix = distances(cloud[: start + points])
        reach = np.subtract.outer(np.arange(start + points), np.arange(start))
        matrix[:, :start] = np.where(reach <= history, matrix[:, :start], np.inf)
        matrix[:start] = matrix[:, :start].T[:, : start + points]
        matrix[:start, :start] = 0.0
        np.testing.assert_allclose(found[start], finite_deaths(matrix).sum(), rtol=1e-5, atol=1e-6)


def test_many_windows_are_worked_on_in_parts_without_a_seam() -> None:
    series = np.random.default_rng(5).normal(0, 1, 9_000)
    whole = deaths(series, 2, 4)
    for start in (0, 4_095, 4_096, 8_191, 8_990):
        np.testing.assert_allclose(whole[start], deaths(series[start : start + 5], 2, 4)[0])


def test_a_series_too_short_for_a_window_has_none() -> None:
    assert deaths(np.arange(5.0), 3, 4).shape == (0, 3)
    assert len(cross_persistence(np.arange(5.0), 3, 4, 100)) == 0
