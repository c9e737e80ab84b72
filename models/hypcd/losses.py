"""The losses of HypCD (arXiv 2504.06120, section 3): contrastive by distance on the ball and by angle, each with labels and without.

Two views of a batch come as points [2n, d] of the ball, the second view of row i in row n + i. Angle sees where a point lies, distance
also how far out; the paper starts with angle alone and lets distance in as training goes on (`distance_share`).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.hypcd.ball import clip, expmap0, pairwise_distance

__all__ = [
    "anchor_loss",
    "clip",
    "distance_share",
    "expmap0",
    "hybrid_contrastive_loss",
    "hybrid_self_supervised_loss",
    "hybrid_supervised_loss",
    "pairwise_distance",
]


def _contrastive(similarity: Tensor, positive: Tensor) -> Tensor:
    """Mean over rows of -log softmax at their positives [n, n], the row itself left out; rows without a positive do not count."""
    itself = torch.eye(len(similarity), dtype=torch.bool, device=similarity.device)
    positive = positive & ~itself
    log_share = functional.log_softmax(similarity.masked_fill(itself, float("-inf")), dim=1).masked_fill(itself, 0.0)
    count = positive.sum(1)
    per_row = -(log_share * positive).sum(1) / count.clamp_min(1)
    return per_row.sum() / (count > 0).sum().clamp_min(1)


def hybrid_contrastive_loss(points: Tensor, positive: Tensor, *, c: float, temperature: float, share: float) -> Tensor:
    """Points [n, d] attract those marked as their positives [n, n]; `share` of the loss is by distance, the rest by angle."""
    loss = points.new_zeros(())
    if share < 1:
        directions = functional.normalize(points, dim=-1)
        loss = loss + (1 - share) * _contrastive(directions @ directions.T / temperature, positive)
    if share > 0:
        loss = loss + share * _contrastive(-pairwise_distance(points, points, c) / temperature, positive)
    return loss


def hybrid_supervised_loss(points: Tensor, labels: Tensor, *, c: float, temperature: float, share: float) -> Tensor:
    """Points [n, d] with the same label [n] attract each other; `share` of the loss is by distance, the rest by angle."""
    return hybrid_contrastive_loss(points, labels.unsqueeze(0) == labels.unsqueeze(1), c=c, temperature=temperature, share=share)


def hybrid_self_supervised_loss(points: Tensor, *, c: float, temperature: float, share: float) -> Tensor:
    """Of points [2n, d], each attracts only its other view, at n rows from it."""
    row = torch.arange(len(points) // 2, device=points.device).repeat(2)
    return hybrid_contrastive_loss(points, row.unsqueeze(0) == row.unsqueeze(1), c=c, temperature=temperature, share=share)


def anchor_loss(
    points: Tensor, anchors: Tensor, labels: Tensor, *, c: float, temperature: Tensor | float, members: Tensor | None = None
) -> Tensor:
    """Cross entropy of labels [n] under -distance / temperature from points [n, d] to anchors [k, d].

    With `members` [labels, k], a label stands for several anchors, and the probabilities of those are added up: who knows that a row is
    of transport, but not which, teaches that much.
    """
    log_shares = functional.log_softmax(-pairwise_distance(points, anchors, c) / temperature, dim=1)
    if members is None:
        return functional.nll_loss(log_shares, labels)
    return -log_shares.masked_fill(~members[labels], float("-inf")).logsumexp(dim=1).mean()


def distance_share(epoch: int, start: int, end: int, most: float) -> float:
    """The share of distance in an epoch: zero until `start`, from there in a straight line to `most` at `end`."""
    return most * min(max((epoch - start) / max(end - start, 1), 0.0), 1.0)
