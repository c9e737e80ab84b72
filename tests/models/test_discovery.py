"""Clusters planted on the ball are found again; what is known, small or loose is not offered."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.hypcd.ball import expmap0
from models.hypcd.discovery import Geometry, discover, estimate_cluster_count, matched_share, semi_supervised_kmeans
from models.hypcd.kmeans import Space

NO_ANCHORS = np.zeros((0, 16), np.float32)
ORIGIN = np.zeros((1, 16), np.float32)


def planted(clusters: int, size: int = 50, *, spread: float = 0.15, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points [clusters * size, 16] around as many places halfway out on the ball, and where each belongs."""
    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(clusters, 16))
    centres *= 1.5 / np.linalg.norm(centres, axis=1, keepdims=True)
    vectors = np.repeat(centres, size, axis=0) + chance.normal(size=(clusters * size, 16)) * spread / 4
    return expmap0(torch.from_numpy(vectors.astype(np.float32)), 1.0).numpy(), np.repeat(np.arange(clusters), size)


def unlabelled(points: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.full(len(points), -1)


class TestKmeans:
    @pytest.mark.parametrize("geometry", ["hyperbolic", "euclidean"])
    def test_finds_planted_clusters(self, geometry: Geometry) -> None:
        points, truth = planted(8)
        made = semi_supervised_kmeans(points, unlabelled(points), 8, geometry=geometry)
        assert matched_share(truth, made.clusters) == 1.0
        assert made.centres.shape == (8, 16)
        assert (np.linalg.norm(made.centres, axis=1) < 1).all()

    @pytest.mark.parametrize("geometry", ["hyperbolic", "euclidean"])
    def test_labelled_points_stay_in_their_class(self, geometry: Geometry) -> None:
        points, truth = planted(6, spread=2.0)
        labels = np.where(np.arange(len(truth)) % 7 == 0, truth // 2, -1)  # wrongly, as pairs
        made = semi_supervised_kmeans(points, labels, 7, geometry=geometry)
        assert (made.clusters[labels >= 0] == labels[labels >= 0]).all()

    def test_labels_show_which_clusters_are_one(self) -> None:
        points, truth = planted(6)
        classes = np.array([0, 0, 1, 1, 2, 3])[truth]
        labels = np.where(classes < 2, classes, -1)
        made = semi_supervised_kmeans(points, labels, 4)
        assert matched_share(classes, made.clusters) == 1.0

    def test_more_restarts_never_do_worse(self) -> None:
        points, _ = planted(20, spread=1.5)
        inertias = [semi_supervised_kmeans(points, unlabelled(points), 20, restarts=restarts).inertia for restarts in (1, 4)]
        assert inertias[1] <= inertias[0]

    def test_same_seed_same_clusters(self) -> None:
        points, _ = planted(10, spread=2.0)
        first, second = (semi_supervised_kmeans(points, unlabelled(points), 10, seed=3) for _ in range(2))
        np.testing.assert_array_equal(first.clusters, second.clusters)
        np.testing.assert_array_equal(first.centres, second.centres)

    def test_no_points(self) -> None:
        made = semi_supervised_kmeans(NO_ANCHORS, np.zeros(0, np.int64), 3)
        assert (len(made.clusters), len(made.centres), made.inertia) == (0, 0, 0.0)

    def test_equal_points_are_one_cluster(self) -> None:
        points = np.repeat(planted(1, 1)[0], 30, axis=0)
        made = semi_supervised_kmeans(points, unlabelled(points), 5)
        assert set(made.clusters) == {0}
        np.testing.assert_allclose(made.centres, points[:1], atol=1e-4)

    @pytest.mark.parametrize(("labels", "count"), [([0, 1, 2, -1], 2), ([0, 2, -1, -1], 4), ([-1, -1], 1), ([-1] * 4, 0)])
    def test_what_cannot_be_is_refused(self, labels: list[int], count: int) -> None:
        with pytest.raises(ValueError, match="label"):
            semi_supervised_kmeans(planted(1, 4)[0], np.array(labels), count)


def test_the_einstein_midpoint_has_the_least_inertia() -> None:
    points = torch.from_numpy(planted(3, 10, spread=1.0)[0])
    space = Space("hyperbolic", 1.0)
    centre, size = space.means(points, torch.zeros(30, dtype=torch.int64), 1)
    assert size.tolist() == [30]
    inertia = space.divergence(points, centre).sum()
    moved = centre + 0.02 * torch.randn(200, 16, generator=torch.Generator().manual_seed(1))
    assert bool((space.divergence(points, moved).sum(0) > inertia).all())


class TestClusterCount:
    @pytest.mark.parametrize("geometry", ["hyperbolic", "euclidean"])
    def test_without_labels(self, geometry: Geometry) -> None:
        points, _ = planted(9)
        assert estimate_cluster_count(points, unlabelled(points), candidates=range(2, 20), geometry=geometry) == 9

    @pytest.mark.parametrize("most", [12, 20, 40])
    def test_with_labels_whatever_is_asked_about(self, most: int) -> None:
        points, truth = planted(12, spread=0.5)
        labels = np.where((truth < 6) & (np.arange(len(truth)) % 5 == 0), truth, -1)
        assert abs(estimate_cluster_count(points, labels, candidates=range(6, most + 1)) - 12) <= 1

    def test_one_label_a_class_says_nothing_of_classes(self) -> None:
        points, _ = planted(9)
        labels = unlabelled(points)
        labels[[0, 60]] = [0, 1]
        assert estimate_cluster_count(points, labels, candidates=range(2, 20)) == 9

    def test_candidates_without_room_are_passed_over(self) -> None:
        points, truth = planted(4)
        assert estimate_cluster_count(points, truth, candidates=[2, 3, 4, 8]) == 4
        with pytest.raises(ValueError, match="no room"):
            semi_supervised_kmeans(points, truth, 3)
        with pytest.raises(ValueError, match="no candidate"):
            estimate_cluster_count(points, truth, candidates=[2, 3])


class TestDiscover:
    def test_finds_planted_clusters_each_pure(self) -> None:
        points, truth = planted(7, seed=2)
        found = discover(points, ORIGIN, far_from=1.0, min_size=20)
        assert sorted(len(cluster.members) for cluster in found) == [50] * 7
        assert all(len(set(truth[cluster.members])) == 1 for cluster in found)
        assert all(0.5 < cluster.score <= 1 and cluster.radius > 0 for cluster in found)

    def test_a_single_cluster_is_not_cut(self) -> None:
        points, _ = planted(1, 200)
        (found,) = discover(points, ORIGIN, far_from=1.0, min_size=10)
        assert len(found.members) == 200

    def test_what_anchors_know_is_not_offered(self) -> None:
        points, truth = planted(5)
        anchors = np.stack([points[truth == known].mean(0) for known in (0, 1, 2)])
        found = discover(points, anchors, far_from=1.5, min_size=10)
        assert {int(truth[cluster.members[0]]) for cluster in found} == {3, 4}
        assert discover(points, points[::5], far_from=1.5, min_size=10) == []

    def test_small_clusters_are_dropped_and_spoil_no_other(self) -> None:
        points, truth = planted(4)
        few = np.concatenate([points[truth < 3], points[truth == 3][:6]])
        found = discover(few, ORIGIN, far_from=1.0, min_size=10)
        assert [len(cluster.members) for cluster in found] == [50] * 3
        assert all(cluster.members.max() < 150 for cluster in found)

    def test_scattered_points_are_no_category(self) -> None:
        vectors = torch.randn(300, 16, generator=torch.Generator().manual_seed(5))
        assert discover(expmap0(vectors / vectors.norm(dim=1, keepdim=True) * 1.5, 1.0).numpy(), ORIGIN, far_from=1.0, min_size=10) == []

    def test_members_are_rows_of_what_was_given_the_most_typical_first(self) -> None:
        points, _ = planted(3)
        shuffled = np.concatenate([np.zeros((40, 16), np.float32), points])  # 40 at the anchor
        for cluster in discover(shuffled, ORIGIN, far_from=1.0, min_size=10):
            assert cluster.members.min() >= 40
            distances = Space("hyperbolic", 1.0).divergence(
                torch.from_numpy(shuffled[cluster.members]), torch.from_numpy(cluster.centre[None])
            )
            assert bool((distances[1:] >= distances[:-1]).all())

    @pytest.mark.parametrize("rows", [0, 1])
    def test_nothing_comes_of_nothing(self, rows: int) -> None:
        assert discover(planted(1)[0][:rows], ORIGIN, far_from=1.0, min_size=2) == []

    def test_anchors_by_the_thousand(self) -> None:
        points, truth = planted(5)
        anchors = np.repeat(points[truth < 3], 40, axis=0)
        found = discover(points, anchors, far_from=1.5, min_size=10)
        assert {int(truth[cluster.members[0]]) for cluster in found} == {3, 4}

    def test_one_cluster_and_nothing_to_tell_it_from_is_none(self) -> None:
        assert discover(np.repeat(planted(1)[0][:1], 30, axis=0), NO_ANCHORS, far_from=1.0, min_size=10) == []

    def test_without_anchors_everything_is_far(self) -> None:
        assert len(discover(planted(5)[0], NO_ANCHORS, far_from=1.0, min_size=10)) == 5

    def test_a_cluster_has_members(self) -> None:
        with pytest.raises(ValueError, match="at least one"):
            discover(planted(1)[0], ORIGIN, far_from=1.0, min_size=0)

    def test_same_seed_same_clusters(self) -> None:
        points, _ = planted(6, spread=0.6)
        first, second = (discover(points, ORIGIN, far_from=1.0, min_size=5, seed=9) for _ in range(2))
        assert [cluster.members.tolist() for cluster in first] == [cluster.members.tolist() for cluster in second]

    def test_another_curvature(self) -> None:
        points, truth = planted(4)
        found = discover(points * 2, ORIGIN, far_from=1.0, min_size=10, c=0.25)
        assert [len(set(truth[cluster.members])) for cluster in found] == [1] * 4

    def test_more_points_than_are_fitted(self) -> None:
        points, _ = planted(10, 2_500)
        found = discover(points, ORIGIN, far_from=1.0, min_size=1_000)
        assert sorted(len(cluster.members) for cluster in found) == [2_500] * 10
