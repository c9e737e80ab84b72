"""What turns a point into an answer for one user: the global model's anchors where this user's payments have moved them, and anchors of the
user's own categories. The encoder is everybody's; `user_head_fit.py` fits a head to what one user has said.

A head is a few kilobytes of tensors and the names of categories. It belongs to the ball on which it was fitted, and goes with each global
model that has it (`Classifier.has_ball`).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from models.artifact import ArtifactError
from models.hypcd.ball import clip, expmap0, logmap0, pairwise_distance
from models.hypcd.classifier import Heads

FORMAT = 1
MAX_BYTES = 256 * 1024
MAX_OWN = 512
"""Own categories that a head knows."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class UserHead:
    """One user's head. Holds no state of a request: many threads may ask at once."""

    base_version: str
    """The ball whose points it reads; of older heads the version of the global model."""
    heads: Heads
    """As the global model's, the anchors moved."""
    own: tuple[str, ...]
    """Slugs of the user's own categories."""
    own_anchors: Tensor
    """[own, d], points of the ball."""
    bias: Tensor
    """[detailed + own], added to -distance / temperature: what the user buys at all."""
    adapter: Tensor
    """[d, d], added to the identity: what it makes of a point's tangent vector at the origin."""
    shift: Tensor
    """[d], added to that vector."""
    curvature: float
    radius: float
    """To which tangent vectors are clipped."""
    share: float
    """What it counts beside the global model: 1 for all, 0 for nothing."""
    last_day: int
    """Of the newest payment that it learned from: days since 1970-01-01."""

    @property
    def base_categories(self) -> tuple[str, ...]:
        """Those of the global model."""
        return self.heads.detailed + self.heads.primaries

    @property
    def categories(self) -> tuple[str, ...]:
        """Those of the global model and, behind them, the user's own."""
        return self.base_categories + self.own

    def logits(self, points: Tensor, spent: Tensor) -> Tensor:
        """[n, detailed + own] of points [n, d]; `spent` [n] marks money that leaves, which is never income."""
        tangent = logmap0(points, self.curvature)
        moved = expmap0(clip(tangent + tangent @ self.adapter + self.shift, self.radius), self.curvature)
        anchors = torch.cat([self.heads.anchors, self.own_anchors])
        logits = -pairwise_distance(moved, anchors, self.curvature) / self.heads.temperature + self.bias
        credit = torch.cat([self.heads.credit, torch.zeros(len(self.own), dtype=torch.bool)])
        return logits.masked_fill(spent.unsqueeze(1) & credit, float("-inf"))

    @torch.inference_mode()
    def probabilities(self, points: Floats, amounts: ArrayLike, likely: Floats) -> Floats:
        """[n, len(categories)], calibrated; rows sum to 1.

        `points` [n, d] and `likely` [n, len(base_categories)] are what the global model says of the payments, with the shipped rules beside
        it; `amounts` [n] are signed, and NaN where none is known. Raises ValueError where these do not fit.
        """
        spent = torch.from_numpy(np.asarray(amounts, dtype=np.float64) < 0)
        if points.shape != (len(spent), len(self.shift)) or likely.shape != (len(spent), len(self.base_categories)):
            raise ValueError(f"points {points.shape} and probabilities {likely.shape} for {len(spent)} amounts are of another model")
        chosen = self.logits(torch.from_numpy(points), spent).softmax(dim=1)
        detailed = len(self.heads.detailed)
        said = torch.cat([self.heads.said(chosen[:, :detailed]), chosen[:, detailed:]], dim=1).numpy() * np.float32(self.share)
        said[:, : likely.shape[1]] += likely * np.float32(1 - self.share)
        return said

    @classmethod
    def load(cls, content: bytes) -> Self:
        """What `to_bytes` wrote. Raises ArtifactError for anything else."""
        if len(content) > MAX_BYTES:
            raise ArtifactError(f"a head of {len(content)} bytes is none of ours: at most {MAX_BYTES}")
        try:
            stored = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            if stored["format"] != FORMAT:
                raise ArtifactError(f"a head of format {stored['format']!r}; this version reads format {FORMAT}")
            found = cls(
                base_version=str(stored["base_version"]),
                heads=Heads.of(stored["heads"]),
                own=tuple(map(str, stored["own"])),
                own_anchors=stored["own_anchors"].float(),
                bias=stored["bias"].float(),
                adapter=stored["adapter"].float(),
                shift=stored["shift"].float(),
                curvature=float(stored["curvature"]),
                radius=float(stored["radius"]),
                share=float(stored["share"]),
                last_day=int(stored["last_day"]),
            )
            found._check()
        except ArtifactError:
            raise
        except Exception as error:  # whatever torch meets in bytes that it did not write
            raise ArtifactError(f"this is no head of a user's model: {type(error).__name__}: {str(error)[:200]}") from error
        return found

    def to_bytes(self) -> bytes:
        """An artefact; the same head makes the same bytes."""
        stored: dict[str, Any] = {
            "format": FORMAT,
            "base_version": self.base_version,
            "heads": self.heads.content(),
            "own": list(map(str, self.own)),
            "own_anchors": self.own_anchors,
            "bias": self.bias,
            "adapter": self.adapter,
            "shift": self.shift,
            # Plain numbers: those of an array are read by nobody who trusts no bytes.
            "curvature": float(self.curvature),
            "radius": float(self.radius),
            "share": float(self.share),
            "last_day": int(self.last_day),
        }
        buffer = io.BytesIO()
        torch.save(stored, buffer)
        return buffer.getvalue()

    def _check(self) -> None:
        """Raises ValueError for parts that do not fit together."""
        dimension, known = len(self.shift), len(self.heads.detailed)
        shapes = {
            "anchors": (self.heads.anchors, (known, dimension)),
            "own anchors": (self.own_anchors, (len(self.own), dimension)),
            "bias": (self.bias, (known + len(self.own),)),
            "adapter": (self.adapter, (dimension, dimension)),
            "parents": (self.heads.parent, (known,)),
            "credit": (self.heads.credit, (known,)),
        }
        for name, (tensor, shape) in shapes.items():
            if tuple(tensor.shape) != shape or not bool(torch.isfinite(tensor).all()):
                raise ValueError(f"{name} {tuple(tensor.shape)} instead of {shape}, or not all of them numbers")
        if not self.base_version or not known or len(self.own) > MAX_OWN or len(set(self.categories)) < len(self.categories):
            raise ValueError(f"{known} categories and {len(self.own)} own ones of {self.base_version!r}")
        if not bool(((self.heads.parent >= 0) & (self.heads.parent < len(self.heads.primaries))).all()):
            raise ValueError("details of unknown categories")
        if not (0 < self.curvature < 100 and 0 < self.radius < 100 and 0 <= self.share <= 1 and self.heads.temperature > 0):
            raise ValueError("figures out of bounds")
        edges = torch.cat([self.heads.anchors, self.own_anchors]).square().sum(dim=1) * self.curvature
        if bool((edges >= 1).any()):
            raise ValueError("anchors beyond the rim of the ball")
