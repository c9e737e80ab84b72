"""The Poincare ball in closed form: what inference needs of it, in a handful of tensor operations.

Points are rows of a float tensor [n, d] with c * |x|^2 < 1, where -c is the curvature. geoopt has the same formulas in general form
and is the reference in the tests; these skip its stages, so that a forward pass over 1,000 rows costs a millisecond.
"""

from __future__ import annotations

import math

from torch import Tensor

# Nearer to the rim float32 can no longer tell points apart.
MAX_NORM = 1 - 4e-3
_TINY = 1e-7


def clip(vectors: Tensor, radius: float) -> Tensor:
    """Shortens vectors [n, d] longer than the radius to it: without, gradients vanish near the rim (Guo 2022)."""
    norms = vectors.norm(dim=-1, keepdim=True).clamp_min(_TINY)
    return vectors * (radius / norms).clamp_max(1.0)


def expmap0(vectors: Tensor, c: float) -> Tensor:
    """Tangent vectors [n, d] at the origin to points of the ball."""
    root = math.sqrt(c)
    norms = vectors.norm(dim=-1, keepdim=True).clamp_min(_TINY) * root
    return vectors * (norms.tanh().clamp_max(MAX_NORM) / norms)


def logmap0(points: Tensor, c: float) -> Tensor:
    """Points [n, d] to tangent vectors at the origin; the inverse of `expmap0`."""
    root = math.sqrt(c)
    norms = points.norm(dim=-1, keepdim=True).clamp_min(_TINY) * root
    return points * (norms.clamp_max(MAX_NORM).atanh() / norms)


def pairwise_distance(left: Tensor, right: Tensor, c: float) -> Tensor:
    """Geodesic distances [n, m] between points [n, d] and [m, d]."""
    left_square = left.square().sum(-1, keepdim=True)
    right_square = right.square().sum(-1).unsqueeze(0)
    apart = (left_square + right_square - 2 * left @ right.T).clamp_min(0.0)
    room = ((1 - c * left_square) * (1 - c * right_square)).clamp_min(_TINY)
    # acosh has an infinite slope at 1: two equal points get a distance of nearly, not exactly, zero, and a gradient.
    return (apart / room * (2 * c) + 1).clamp_min(1 + _TINY).acosh() / math.sqrt(c)
