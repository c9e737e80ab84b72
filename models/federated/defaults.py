"""What rounds do unless somebody says otherwise, as chosen by `benchmarks.federation_utility`; MODEL_CARD.md has the figures."""

from __future__ import annotations

import math

EPOCHS = 1
LEARNING_RATE = 0.1
"""Much more, and heads that learn from few categories tear the others apart."""
BATCH_SIZE = 32
PROXIMAL_MU = 0.01
SERVER_LEARNING_RATE = 1.0
"""Of the mean update, how much is taken."""
CLIP_NORM = 1.0
"""Shortens hardly any update; what large rounds can afford."""
EXAMPLE_NOISE_MULTIPLIER = 0.3
EXAMPLE_CLIP_NORM = 1.0
GATE_TOLERANCE = 0.01
"""So much of the accuracy on rows held out may be lost by chance."""

_MOST_NOISE_IN_MEAN = 0.005
"""Standard deviation of each number of a mean update. With it, noise alone costs a thousandth of the accuracy on rows held out and never
more than the gate lets pass; with four times as much, one round in twenty does."""


def clip_norm(device_count: int, noise_multiplier: float, noise_contributor_count: int) -> float:
    """The largest clip norm whose noise a round of so many devices bears, and no more than CLIP_NORM.

    What a device says and what hides it grow alike with it: it only sets how large a step a round takes. `noise_contributor_count` of the
    devices make up the noise; all of them add their share.
    """
    if noise_multiplier <= 0:
        return CLIP_NORM
    return min(CLIP_NORM, _MOST_NOISE_IN_MEAN * math.sqrt(device_count * noise_contributor_count) / noise_multiplier)
