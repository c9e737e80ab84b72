"""K-means in which some points keep the cluster that they are known to belong to, on the Poincare ball or in flat space.

On the ball an inertia is a sum of squared Lorentzian distances, cosh(sqrt(c) d) - 1 up to a factor. They grow with the geodesic
distance d, so the nearest centre is the same, and the Einstein midpoint is the point that makes their sum least: each of Lloyd's steps
lowers the inertia, in closed form. The Frechet mean would need a descent of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Geometry = Literal["hyperbolic", "euclidean"]

UNLABELLED = -1
_MOST_STEPS = 60
_TRIALS = 5
"""Points that each new centre is chosen from: the best of a few is much better than one, and a hundred little better than a few."""
_TINY = 1e-7


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which cluster each point is in; labelled points are in the cluster of their label's number."""

    clusters: NDArray[np.int64]  # [n]
    centres: NDArray[np.float32]  # [k, d]
    inertia: float


def semi_supervised_kmeans(
    points: NDArray[np.float32],
    labels: NDArray[np.int64],
    cluster_count: int,
    *,
    geometry: Geometry = "hyperbolic",
    c: float = 1.0,
    seed: int = 0,
    restarts: int = 3,
) -> Assignment:
    """Puts points [n, d] into at most `cluster_count` clusters; the best of `restarts` by inertia, and the same for the same seed.

    `labels` [n] number the known classes from 0 and are -1 elsewhere. Clusters beyond the classes are new. There are fewer of them than
    asked for where the points have fewer different places. ValueError: no room for the classes, or shapes that do not fit.
    """
    _check(points, labels)
    classes = int(labels.max(initial=UNLABELLED)) + 1
    if cluster_count < max(classes, 1):
        raise ValueError(f"{cluster_count} clusters have no room for {classes} labelled classes")
    if not len(points):
        return Assignment(np.zeros(0, np.int64), np.zeros((0, points.shape[1]), np.float32), 0.0)
    space = Space(geometry, c)
    rows, known = torch.from_numpy(points), torch.from_numpy(labels)
    return min(
        (_lloyd(space, rows, known, classes, cluster_count, seed + 1000 * run) for run in range(restarts)), key=lambda made: made.inertia
    )


def _check(points: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    if points.ndim != 2 or labels.shape != points.shape[:1]:
        raise ValueError(f"points must be [n, d] with a label each, not {points.shape} with {labels.shape}")
    missing = set(range(int(labels.max(initial=UNLABELLED)) + 1)) - set(labels.tolist())
    if missing:
        raise ValueError(f"classes are numbered without gaps; no point has the label {min(missing)}")


@dataclass(frozen=True, slots=True)
class Space:
    """Distances and means of one geometry; c, the curvature's size, matters on the ball alone."""

    geometry: Geometry
    c: float

    def divergence(self, points: Tensor, centres: Tensor) -> Tensor:
        """What the inertia sums, [n, k]: squared distances, on the ball Lorentzian ones."""
        square, centre_square = points.square().sum(1, keepdim=True), centres.square().sum(1).unsqueeze(0)
        apart = (square + centre_square - 2 * points @ centres.T).clamp_min(0.0)
        if self.geometry == "euclidean":
            return apart
        return 2 * apart / ((1 - self.c * square) * (1 - self.c * centre_square)).clamp_min(_TINY)

    def distance(self, divergence: Tensor) -> Tensor:
        """The distance that a divergence belongs to."""
        if self.geometry == "euclidean":
            return divergence.sqrt()
        return (1 + self.c * divergence).clamp_min(1.0).acosh() / self.c**0.5

    def means(self, points: Tensor, clusters: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The mean [count, d] of each cluster, zero where it is empty, and how many points are in it [count]."""
        size = torch.bincount(clusters, minlength=count)
        if self.geometry == "euclidean":
            total = points.new_zeros(count, points.shape[1]).index_add_(0, clusters, points)
            return total / size.clamp_min(1).unsqueeze(1), size
        # The Einstein midpoint: Lorentz factors as weights in the Klein model, then back to the ball.
        stretch = 2 / (1 - self.c * points.square().sum(1, keepdim=True)).clamp_min(_TINY)
        total = points.new_zeros(count, points.shape[1]).index_add_(0, clusters, points * stretch)
        weight = points.new_zeros(count, 1).index_add_(0, clusters, stretch - 1)
        klein = total / weight.clamp_min(_TINY)
        return klein / (1 + (1 - self.c * klein.square().sum(1, keepdim=True)).clamp_min(0.0).sqrt()), size


def _lloyd(space: Space, points: Tensor, labels: Tensor, classes: int, count: int, seed: int) -> Assignment:
    labelled = labels >= 0
    centres = _first_centres(space, points, labels, classes, count, torch.Generator().manual_seed(seed))
    clusters = torch.full_like(labels, UNLABELLED)
    for _ in range(_MOST_STEPS):
        nearest = torch.where(labelled, labels, space.divergence(points, centres).argmin(1))
        if torch.equal(nearest, clusters):
            break
        clusters = nearest
        means, size = space.means(points, clusters, len(centres))
        centres = torch.where((size > 0).unsqueeze(1), means, centres)
    used = torch.bincount(clusters, minlength=len(centres)) > 0  # classes always are
    clusters, centres = (used.cumsum(0) - 1)[clusters], centres[used]
    inertia = space.divergence(points, centres).gather(1, clusters.unsqueeze(1)).sum().item()
    return Assignment(clusters.numpy(), centres.numpy(), inertia)


def _first_centres(space: Space, points: Tensor, labels: Tensor, classes: int, count: int, generator: torch.Generator) -> Tensor:
    """The means of the labelled classes, and from there on k-means++ with a few trials for each new centre."""
    labelled = labels >= 0
    if classes:
        centres = list(space.means(points[labelled], labels[labelled], classes)[0])
    else:
        centres = [points[int(torch.randint(len(points), (1,), generator=generator))]]
    left = space.divergence(points, torch.stack(centres)).min(1).values.masked_fill(labelled, 0.0)
    while len(centres) < count and left.max() > _TINY:
        trials = torch.multinomial(left, _TRIALS, replacement=True, generator=generator)
        after = torch.minimum(left, space.divergence(points, points[trials]).T)
        best = int(after.sum(1).argmin())
        centres.append(points[trials[best]])
        left = after[best]
    return torch.stack(centres)
