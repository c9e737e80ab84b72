"""The network: hashed n-grams to a point on the Poincare ball, and its distances to the anchors of the categories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.hypcd.ball import clip, expmap0
from models.hypcd.features import AMOUNT_BANDS, WEEKDAYS, Features


@dataclass(frozen=True, slots=True)
class Config:
    """Shape of the network and of the ball."""

    bucket_bits: int = 16
    gram_width: int = 64
    hidden: int = 128
    dimension: int = 32
    band_width: int = 16
    weekday_width: int = 4
    curvature: float = 1.0  # c of the ball
    radius: float = 2.3  # to which tangent vectors are clipped


class Encoder(nn.Module):
    """Sums of n-gram vectors, with amount band and weekday through one hidden layer, to points [n, dimension] of the ball."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.grams = nn.EmbeddingBag((1 << config.bucket_bits) + 1, config.gram_width, mode="sum")
        self.bands = nn.Embedding(AMOUNT_BANDS, config.band_width)
        self.weekdays = nn.Embedding(WEEKDAYS, config.weekday_width)
        self.hidden = nn.Linear(config.gram_width + config.band_width + config.weekday_width, config.hidden)
        self.straight = nn.Linear(config.gram_width, config.dimension, bias=False)
        self.out = nn.Linear(config.hidden, config.dimension)

    def forward(self, grams: Tensor, offsets: Tensor, wholes: Tensor, bands: Tensor, weekdays: Tensor) -> Tensor:
        counts = torch.diff(offsets, append=offsets.new_tensor([len(grams)])) + wholes.shape[1]
        # Whole texts share the table with their parts: by them, a merchant of many words is told from its namesakes.
        text = self.grams(grams, offsets) + functional.embedding(wholes, self.grams.weight).sum(dim=1)
        text = text * counts.unsqueeze(1).rsqrt()
        hidden = torch.cat([text, self.bands(bands), self.weekdays(weekdays)], dim=1)
        tangent = self.out(torch.relu(self.hidden(hidden))) + self.straight(text)
        return expmap0(clip(tangent, self.config.radius), self.config.curvature)

    @property
    def absent(self) -> int:
        """The row of the table that stands for a whole text left out."""
        return 1 << self.config.bucket_bits

    def buckets(self, hashes: NDArray[np.uint64]) -> Tensor:
        """Rows of the table of n-gram vectors, from hashes of 64 bits."""
        return self._placed((hashes >> np.uint64(64 - self.config.bucket_bits)).astype(np.int64))

    def points(self, features: Features) -> Tensor:
        """Points [n, dimension] of rows."""
        offsets, bands, weekdays = (self._placed(part) for part in (features.offsets, features.bands, features.weekdays))
        return self(self.buckets(features.hashes), offsets, self.buckets(features.wholes), bands, weekdays)

    def _placed(self, part: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(part).to(self.hidden.weight.device)
