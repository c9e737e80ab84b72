"""Categories that nobody named: what lies far from every known category, and together, is offered as a category of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from models.hypcd.kmeans import UNLABELLED, Assignment, Geometry, Space, semi_supervised_kmeans

__all__ = ["Assignment", "Cluster", "Geometry", "discover", "estimate_cluster_count", "semi_supervised_kmeans"]

_SAMPLE = 4_000
"""Points that the number of clusters is estimated on: ten of each of 400 clusters, and a fraction of a second for each candidate."""
_FIT = 20_000
"""Points that clusters are fitted to; of more, the others join the nearest."""
_MOST_CLUSTERS = 256
_STEP = 1.4
"""From one number of clusters that is tried to the next."""
_BLOCK = 4_000_000
"""Distances that are held at a time."""
_PAIRS = 8
"""Pairs of clusters, the nearest, that are tried as one before it is enough."""
_LEAST_SCORE = 0.25
"""Of its members, and so on their average: by what fraction nearer they are to their own centre than to the next."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Points that belong together and to no known category."""

    members: NDArray[np.int64]  # rows of the points that were given, the most typical first
    centre: NDArray[np.float32]  # [d]
    radius: float  # mean distance of the members to the centre
    score: float  # 0 to 1: how much nearer its members are to its centre than to anything else, as a fraction


def discover(
    points: NDArray[np.float32],
    anchors: NDArray[np.float32],
    *,
    far_from: float,
    min_size: int,
    c: float = 1.0,
    seed: int = 0,
) -> list[Cluster]:
    """Clusters of at least `min_size` among those points [n, d] that are farther than `far_from` from each of the anchors [m, d].

    The number of clusters is estimated; small and loose ones are dropped, and what lies between. Largest first; the same for the same seed.
    """
    if min_size < 1:
        raise ValueError(f"a cluster has at least one member, not {min_size}")
    space = Space("hyperbolic", c)
    field = _Field(space, torch.from_numpy(points), _nearest(space, points, anchors))
    far = np.flatnonzero(field.elsewhere.numpy() > far_from)
    if len(far) < min_size:
        return []
    fitted = _chosen(far, _FIT, seed)
    sample = field.only(_chosen(fitted, _SAMPLE, seed))
    count = _clearest(sample, _ladder(min(_MOST_CLUSTERS, len(far) // min_size)), seed)
    made = semi_supervised_kmeans(points[fitted], np.full(len(fitted), UNLABELLED), count, c=c, seed=seed)
    found = _judged(field.only(far), _merged(sample, torch.from_numpy(made.centres)), far)
    kept = [cluster for cluster in found if len(cluster.members) >= min_size and cluster.score >= _LEAST_SCORE]
    return sorted(kept, key=lambda cluster: (-len(cluster.members), int(cluster.members[0])))


def estimate_cluster_count(
    points: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    candidates: Sequence[int],
    geometry: Geometry = "hyperbolic",
    c: float = 1.0,
    seed: int = 0,
) -> int:
    """How many clusters points [n, d] fall into, known and new together; the nearest of the candidates.

    With labels (-1 where there is none) it is measured: when each class is cut into several clusters, points of one class share a cluster
    as many times as often as any two points do as there are classes. A class much smaller than others hardly counts. Where no class has
    two labelled points the clearest clusters decide, by silhouette. ValueError: no candidate has room for the classes.
    """
    classes = int(labels.max(initial=UNLABELLED)) + 1
    fitting = sorted({count for count in candidates if count >= max(classes, 1)})
    if not fitting:
        raise ValueError(f"no candidate of {list(candidates)} has room for {classes} labelled classes")
    points, labels = _sample(points, labels, seed)
    unlabelled = np.full(len(points), UNLABELLED)
    sizes = np.bincount(labels[labels >= 0], minlength=1)
    if sizes.max() < 2:
        rows = torch.from_numpy(points)
        return _clearest(_Field(Space(geometry, c), rows, torch.full((len(rows),), float("inf"))), fitting, seed)
    made = semi_supervised_kmeans(points, unlabelled, 2 * fitting[-1], geometry=geometry, c=c, seed=seed)
    together = [_together(made.clusters[labels == label]) for label in np.flatnonzero(sizes >= 2)]
    expected = float(np.mean(together)) / _together(made.clusters)
    return min(fitting, key=lambda count: abs(count - expected))


def _together(clusters: NDArray[np.int64]) -> float:
    """The fraction of pairs that are in one cluster."""
    size = np.bincount(clusters)
    return float((size * (size - 1)).sum() / (len(clusters) * (len(clusters) - 1)))


def matched_share(truth: NDArray[np.int64], clusters: NDArray[np.int64]) -> float:
    """The fraction whose cluster is matched to their class, when clusters and classes are matched one to one, as well as can be."""
    counts = np.zeros((clusters.max(initial=0) + 1, truth.max(initial=0) + 1), np.int64)
    np.add.at(counts, (clusters, truth), 1)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / max(len(truth), 1))


def _ladder(most: int) -> list[int]:
    """1, 2, 3, 4, 6, ... up to `most`: in steps that grow, as what they tell apart shrinks."""
    steps = {1, most}
    step = 2.0
    while step < most:
        steps.add(round(step))
        step *= _STEP
    return sorted(steps)


def _sample(points: NDArray[np.float32], labels: NDArray[np.int64], seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """At most _SAMPLE of the points, and all that have a label."""
    labelled, others = np.flatnonzero(labels >= 0), np.flatnonzero(labels < 0)
    room = max(_SAMPLE - len(labelled), 0)
    if len(others) > room:
        others = np.random.default_rng(seed).choice(others, room, replace=False)
    chosen = np.sort(np.concatenate([labelled, others]))
    return points[chosen], labels[chosen]


def _chosen(rows: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """At most so many of the rows, in their order."""
    return rows if len(rows) <= most else np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


@dataclass(frozen=True)
class _Field:
    """Points [n, d], and how far each is from the nearest known category [n], infinity where there is none."""

    space: Space
    points: Tensor
    elsewhere: Tensor

    def only(self, rows: NDArray[np.int64]) -> _Field:
        chosen = torch.from_numpy(rows)
        return _Field(self.space, self.points[chosen], self.elsewhere[chosen])

    def silhouettes(self, centres: Tensor, clusters: Tensor) -> Tensor:
        """1 - a / b of each point: a to its own centre, b to the nearest other or known one; 0 where that is nearer, or there is none."""
        distances = _distances(self.space, self.points, centres)
        own = clusters.unsqueeze(1)
        mine = distances.gather(1, own).squeeze(1)
        other = torch.minimum(distances.scatter(1, own, float("inf")).min(1).values, self.elsewhere)
        return torch.where(other.isinf(), 0.0, (1 - mine / other.clamp_min(1e-9)).clamp_min(0.0))


def _distances(space: Space, points: Tensor, centres: Tensor) -> Tensor:
    return space.distance(space.divergence(points, centres))


def _nearest(space: Space, points: NDArray[np.float32], anchors: NDArray[np.float32]) -> Tensor:
    """The distance of each point to the anchor nearest to it; in blocks, as either may be many."""
    if not len(anchors) or not len(points):
        return torch.full((len(points),), float("inf"))
    known = torch.from_numpy(anchors)
    blocks = torch.from_numpy(points).split(max(_BLOCK // len(anchors), 1))
    return space.distance(torch.cat([space.divergence(block, known).min(1).values for block in blocks]))


def _clearest(field: _Field, counts: Sequence[int], seed: int) -> int:
    """The number of clusters that are clearest: of highest mean silhouette."""
    if len(counts) == 1:
        return counts[0]
    points, unlabelled = field.points.numpy(), np.full(len(field.points), UNLABELLED)

    def clarity(count: int) -> float:
        made = semi_supervised_kmeans(points, unlabelled, count, geometry=field.space.geometry, c=field.space.c, seed=seed, restarts=2)
        return float(field.silhouettes(torch.from_numpy(made.centres), torch.from_numpy(made.clusters)).mean())

    return max(counts, key=clarity)


def _merged(field: _Field, centres: Tensor) -> Tensor:
    """The centres, those of one cluster that was cut in two made one: where points lie clearer with one centre than with two."""
    clusters = field.space.divergence(field.points, centres).argmin(1)
    clearest = field.silhouettes(centres, clusters).mean()
    for _ in range(len(centres)):
        for first, second in _neighbours(field.space, centres):
            joined = torch.where(clusters == second, first, clusters)
            joined = joined - (joined > second).long()
            means, _ = field.space.means(field.points, joined, len(centres) - 1)
            if (clear := field.silhouettes(means, joined).mean()) > clearest:
                clusters, centres, clearest = joined, means, clear
                break
        else:
            break
    return centres


def _neighbours(space: Space, centres: Tensor) -> list[tuple[int, int]]:
    """Each centre with the one nearest to it, the nearest pairs first."""
    if len(centres) < 2:
        return []
    nearest, other = _distances(space, centres, centres).fill_diagonal_(float("inf")).min(1)
    pairs = [(min(one, int(other[one])), max(one, int(other[one]))) for one in nearest.argsort(stable=True).tolist()]
    return list(dict.fromkeys(pairs))[:_PAIRS]


def _judged(field: _Field, centres: Tensor, rows: NDArray[np.int64]) -> list[Cluster]:
    """The clusters around the centres, of their typical members alone; `rows` [n] number the points as the caller does."""
    nearest, clusters = _distances(field.space, field.points, centres).min(1)
    silhouettes = field.silhouettes(centres, clusters)
    found = []
    for number, centre in enumerate(centres):
        typical = torch.nonzero((clusters == number) & (silhouettes >= _LEAST_SCORE)).squeeze(1)
        if len(typical):
            members = typical[nearest[typical].argsort(stable=True)]
            score, radius = float(silhouettes[members].mean()), float(nearest[members].mean())
            found.append(Cluster(rows[members.numpy()], centre.numpy(), radius, score))
    return found
