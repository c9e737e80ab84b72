"""The global model as services use it: transactions in, points on the ball and calibrated probabilities of categories out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from models.artifact import ArtifactError, load, read_manifest
from models.hypcd.ball import expmap0, logmap0, pairwise_distance
from models.hypcd.features import extract
from models.hypcd.network import Config, Encoder

MODEL_FILE = "hypcd_model.pt"
ANCHORS_FILE = "anchors.pt"
_BALL_CHARS = 16
_BALLS_BY_VERSION = {"hypcd-1": "8e6594ea88da07ab"}
"""Of models on which heads were fitted that name a model in the place of its ball."""


@dataclass(frozen=True, slots=True)
class Items:
    """Transactions as parallel columns, one entry each."""

    descriptions: Sequence[str]
    merchants: Sequence[str]  # "" where none is known
    amounts: ArrayLike  # signed; only sign and magnitude in bands count, so a float does, NaN where none is known
    weekdays: ArrayLike  # 0 = Monday to 6, -1 where unknown


@dataclass(frozen=True, slots=True)
class Predictions:
    """Of n items, in their order."""

    points: NDArray[np.float32]  # [n, dimension], on the ball
    probabilities: NDArray[np.float32]  # [n, k], calibrated, over Classifier.categories; rows sum to 1


class Classifier:
    """An encoder and the anchors of its categories. Holds no state of a request: many threads may predict at once.

    `categories` are detailed ones and, behind them, their primary ones. Where no detail of a primary category is likely enough to be said,
    its whole probability stands under the primary one: that something was bought in a shop may be certain when the kind of shop is not.

    `ball` names where points lie, and which categories are told apart there. Models of one encoder whose anchors lie elsewhere, as
    federated training makes them, have the same. What was fitted on it, as users' heads are, goes with all of them.
    """

    def __init__(self, version: str, encoder: Encoder, heads: Heads, ball: str = "") -> None:
        """`ball`: that of `load`; without it the model has one of its own."""
        self.version = version
        self.ball = ball or version
        self.categories = heads.detailed + heads.primaries
        self.threshold = heads.threshold  # below it, better no answer
        self.dimension = encoder.config.dimension
        self.curvature = encoder.config.curvature
        self.radius = encoder.config.radius
        if heads.anchors.shape != (len(heads.detailed), self.dimension) or len(heads.parent) != len(heads.detailed):
            raise ValueError(f"anchors {tuple(heads.anchors.shape)} for {len(heads.detailed)} categories in {self.dimension} dimensions")
        if set(heads.parent.tolist()) != set(range(len(heads.primaries))):
            raise ValueError(f"details of {len(set(heads.parent.tolist()))} categories for {len(heads.primaries)} primary ones")
        self._encoder = encoder.eval().requires_grad_(False)
        self.heads = heads
        self._device = torch.device("cpu")
        self._placed = heads
        parents = heads.members.T
        means = (parents @ logmap0(heads.anchors, self.curvature)) / parents.sum(1, keepdim=True)
        self._anchors = torch.cat([heads.anchors, expmap0(means, self.curvature)])

    @classmethod
    def load(cls, folder: Path) -> Classifier:
        """Reads a folder of artefacts. Raises ArtifactError where one is missing, damaged, or does not fit."""
        manifest = read_manifest(folder)
        model, heads = load(manifest, MODEL_FILE), load(manifest, ANCHORS_FILE)
        try:
            encoder = Encoder(Config(**model["config"]))
            encoder.load_state_dict(unpacked(model["state"]))
            known = Heads.of(heads)
            return cls(manifest.version, encoder, known, _ball(manifest.hashes[MODEL_FILE], known))
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
            raise ArtifactError(f"{folder} holds no model that this version knows: {type(error).__name__}: {error}") from error

    def has_ball(self, name: str) -> bool:
        """Whether what was fitted on that ball goes with this model; also where it names the model instead, as was usual before."""
        return name in (self.ball, self.version) or _BALLS_BY_VERSION.get(name) == self.ball

    def to(self, device: torch.device) -> Classifier:
        """Computes there from now on; what it takes and gives stays where it was. Returns itself."""
        self._device, self._placed = device, self.heads.to(device)
        self._encoder.to(device)
        return self

    @property
    def anchors(self) -> NDArray[np.float32]:
        """Points [k, dimension], in the order of `categories`; a primary one lies amid its details."""
        return self._anchors.numpy().copy()

    @torch.inference_mode()
    def predict(self, items: Items) -> Predictions:
        """One forward pass for all items. Raises ValueError for columns of unequal length."""
        points, said = self._computed(items)
        return Predictions(points.cpu().numpy(), said.cpu().numpy())

    def _computed(self, items: Items) -> tuple[Tensor, Tensor]:
        points = self._encoder.points(extract(items.descriptions, items.merchants, items.amounts, items.weekdays))
        logits = -pairwise_distance(points, self._placed.anchors, self.curvature) / self._placed.temperature
        # Nobody earns by paying.
        spent = torch.from_numpy(np.asarray(items.amounts, dtype=np.float64) < 0).unsqueeze(1).to(self._device)
        detailed = logits.masked_fill(spent & self._placed.credit, float("-inf")).softmax(dim=1)
        return points, self._placed.said(detailed)


@dataclass(frozen=True, slots=True)
class Heads:
    """What turns a point into an answer."""

    detailed: tuple[str, ...]
    primaries: tuple[str, ...]
    parent: Tensor  # [detailed], a place in `primaries`
    credit: Tensor  # [detailed], for money that comes in only
    anchors: Tensor  # [detailed, dimension], points of the ball
    temperature: float
    threshold: float

    @property
    def members(self) -> Tensor:
        """[detailed, primaries], 1 for each detail's own."""
        return (self.parent.unsqueeze(1) == torch.arange(len(self.primaries), device=self.parent.device)).float()

    def said(self, detailed: Tensor) -> Tensor:
        """Probabilities [n, detailed + primaries], from those over the detailed ones."""
        certain = ((detailed >= self.threshold).float() @ self.members) > 0  # [n, primaries]
        primaries = (detailed @ self.members).masked_fill(certain, 0.0)
        return torch.cat([detailed * certain[:, self.parent], primaries], dim=1)

    def to(self, device: torch.device) -> Heads:
        """The same on a device."""
        return replace(self, parent=self.parent.to(device), credit=self.credit.to(device), anchors=self.anchors.to(device))

    @classmethod
    def of(cls, content: dict[str, Any]) -> Heads:
        """From what `content` wrote."""
        return cls(
            tuple(content["detailed"]),
            tuple(content["primaries"]),
            content["parent"].long(),
            content["credit"].bool(),
            content["anchors"].float(),
            float(content["temperature"]),
            float(content["threshold"]),
        )

    def content(self) -> dict[str, Any]:
        """Plain values and tensors, for a file."""
        return {
            "detailed": list(self.detailed),
            "primaries": list(self.primaries),
            "parent": self.parent,
            "credit": self.credit,
            "anchors": self.anchors,
            "temperature": float(self.temperature),
            "threshold": float(self.threshold),
        }


def _ball(encoder_hash: str, heads: Heads) -> str:
    names = "\n".join((encoder_hash, *heads.detailed, "", *heads.primaries))
    return hashlib.sha256(names.encode()).hexdigest()[:_BALL_CHARS]


def packed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights for a file: matrices of some size as bytes with a scale for each column, the rest in half precision."""
    small: dict[str, Tensor] = {}
    for name, weight in state.items():
        if weight.ndim == 2 and weight.numel() > 1 << 16:
            scale = weight.abs().amax(dim=0).clamp_min(1e-8) / 127
            small[name] = (weight / scale).round().to(torch.int8)
            small[f"{name}/scale"] = scale
        else:
            small[name] = weight.half()
    return small


def unpacked(small: dict[str, Tensor]) -> dict[str, Tensor]:
    """What `packed` was given, to its precision."""
    return {
        name: weight.float() * small[f"{name}/scale"] if weight.dtype == torch.int8 else weight.float()
        for name, weight in small.items()
        if not name.endswith("/scale")
    }
