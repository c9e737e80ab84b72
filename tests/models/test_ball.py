"""The closed forms against geoopt, and the losses against their definitions."""

from __future__ import annotations

import geoopt
import pytest
import torch

from models.hypcd.ball import clip, expmap0, logmap0, pairwise_distance
from models.hypcd.losses import anchor_loss, distance_share, hybrid_self_supervised_loss, hybrid_supervised_loss


def vectors(rows: int = 40, dimension: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, dimension, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("c", [0.05, 0.5, 1.0])
def test_geoopt_has_the_same_points_and_distances(c: float) -> None:
    manifold = geoopt.PoincareBall(c=c)
    tangents = clip(vectors(), 1.5)
    points = expmap0(tangents, c)
    torch.testing.assert_close(points, manifold.expmap0(tangents), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(logmap0(points, c), tangents, rtol=1e-3, atol=1e-4)
    left, right = points[:25], points[25:]
    torch.testing.assert_close(pairwise_distance(left, right, c), manifold.dist(left[:, None], right[None]), rtol=1e-3, atol=1e-3)


def test_points_stay_inside_whatever_the_vectors() -> None:
    extreme = torch.cat([vectors() * 1e6, torch.zeros(3, 8)])
    points = expmap0(extreme, 1.0)
    assert bool((points.norm(dim=-1) < 1).all())
    assert bool(pairwise_distance(points, points, 1.0).isfinite().all())


def test_clip_shortens_only_what_is_longer() -> None:
    clipped = clip(torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]]), 1.0)
    torch.testing.assert_close(clipped, torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))


def test_equal_points_have_a_gradient() -> None:
    points = torch.full((2, 4), 0.1, requires_grad=True)
    pairwise_distance(points, points, 1.0).sum().backward()
    assert points.grad is not None
    assert bool(points.grad.isfinite().all())


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_losses_fall_when_what_belongs_together_comes_together(share: float) -> None:
    labels = torch.arange(10).repeat(2)
    directions = clip(vectors(10), 1.0)
    together = expmap0(torch.cat([directions, directions + 0.01]), 1.0)
    mixed = expmap0(torch.cat([directions, directions.roll(1, 0)]), 1.0)
    options = {"c": 1.0, "temperature": 0.2, "share": share}
    assert hybrid_supervised_loss(together, labels, **options) < hybrid_supervised_loss(mixed, labels, **options)
    assert hybrid_self_supervised_loss(together, **options) < hybrid_self_supervised_loss(mixed, **options)


def test_with_labels_of_pairs_both_losses_are_one() -> None:
    points = expmap0(clip(vectors(12), 1.0), 1.0)
    options = {"c": 1.0, "temperature": 0.3, "share": 0.4}
    torch.testing.assert_close(
        hybrid_supervised_loss(points, torch.arange(6).repeat(2), **options), hybrid_self_supervised_loss(points, **options)
    )


def test_a_row_without_a_partner_does_not_count() -> None:
    points = expmap0(clip(vectors(5), 1.0), 1.0)
    options = {"c": 1.0, "temperature": 0.3, "share": 0.5}
    alone = hybrid_supervised_loss(points, torch.arange(5), **options)
    assert alone.item() == 0.0


def test_a_label_may_stand_for_several_anchors() -> None:
    points, anchors = expmap0(clip(vectors(4), 1.0), 1.0), expmap0(clip(vectors(3, seed=1), 1.0), 1.0)
    labels = torch.tensor([0, 1, 2, 0])
    alone = anchor_loss(points, anchors, labels, c=1.0, temperature=0.5)
    torch.testing.assert_close(anchor_loss(points, anchors, labels, c=1.0, temperature=0.5, members=torch.eye(3).bool()), alone)
    wide = torch.tensor([[True, True, False], [False, True, False], [False, False, True]])
    assert anchor_loss(points, anchors, labels, c=1.0, temperature=0.5, members=wide) < alone
    anything = anchor_loss(points, anchors, labels, c=1.0, temperature=0.5, members=torch.ones(3, 3).bool())
    torch.testing.assert_close(anything, torch.zeros(()), atol=1e-5, rtol=0)


def test_distance_enters_in_a_straight_line() -> None:
    assert [distance_share(epoch, 2, 6, 0.8) for epoch in (0, 2, 4, 6, 9)] == [0.0, 0.0, 0.4, 0.8, 0.8]
