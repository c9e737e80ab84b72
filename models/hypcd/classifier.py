"""The global model as services use it: transactions in, points on the ball and calibrated probabilities of categories out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from models.artifact import ArtifactError, load, read_manifest
from models.hypcd.ball import pairwise_distance
from models.hypcd.features import extract
from models.hypcd.network import Config, Encoder

MODEL_FILE = "hypcd_model.pt"
ANCHORS_FILE = "anchors.pt"


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
    probabilities: NDArray[np.float32]  # [n, k], calibrated, over Classifier.categories


class Classifier:
    """An encoder and the anchors of its categories. Holds no state of a request: many threads may predict at once."""

    def __init__(
        self, version: str, encoder: Encoder, anchors: Tensor, categories: Sequence[str], *, temperature: float, threshold: float
    ) -> None:
        if len(anchors) != len(categories) or anchors.shape[1] != encoder.config.dimension:
            raise ValueError(
                f"anchors {tuple(anchors.shape)} fit neither {len(categories)} categories nor points of {encoder.config.dimension}"
            )
        self.version = version
        self.categories = tuple(categories)
        self.threshold = threshold  # below it, better no answer
        self.dimension = encoder.config.dimension
        self.curvature = encoder.config.curvature
        self._encoder = encoder.eval().requires_grad_(False)
        self._anchors = anchors
        self._temperature = temperature

    @classmethod
    def load(cls, folder: Path) -> Classifier:
        """Reads a folder of artefacts. Raises ArtifactError where one is missing, damaged, or does not fit."""
        manifest = read_manifest(folder)
        model, anchors = load(manifest, MODEL_FILE), load(manifest, ANCHORS_FILE)
        try:
            encoder = Encoder(Config(**model["config"]))
            encoder.load_state_dict(unpacked(model["state"]))
            return cls(
                manifest.version,
                encoder,
                anchors["anchors"].float(),
                anchors["categories"],
                temperature=float(anchors["temperature"]),
                threshold=float(anchors["threshold"]),
            )
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise ArtifactError(f"{folder} holds no model that this version knows: {type(error).__name__}: {error}") from error

    @property
    def anchors(self) -> NDArray[np.float32]:
        """Points [k, dimension], in the order of `categories`."""
        return self._anchors.numpy().copy()

    @torch.inference_mode()
    def predict(self, items: Items) -> Predictions:
        """One forward pass for all items. Raises ValueError for columns of unequal length."""
        points = self._encoder.points(extract(items.descriptions, items.merchants, items.amounts, items.weekdays))
        logits = -pairwise_distance(points, self._anchors, self.curvature) / self._temperature
        return Predictions(points.numpy(), logits.softmax(dim=1).numpy())

    @torch.inference_mode()
    def nearest_anchors(self, point: ArrayLike, k: int) -> list[tuple[str, float]]:
        """The k categories nearest to a point [dimension] with their distances, nearest first."""
        row = torch.as_tensor(np.asarray(point, dtype=np.float32)).unsqueeze(0)
        distances, places = pairwise_distance(row, self._anchors, self.curvature)[0].topk(min(k, len(self.categories)), largest=False)
        return [(self.categories[place], distance) for place, distance in zip(places.tolist(), distances.tolist(), strict=True)]


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
