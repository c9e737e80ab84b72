"""Fits the network to labelled rows, and to rows without a label, by the losses of HypCD.

Anchors live on the ball and move by geoopt's Riemannian Adam; everything else moves by its Euclidean case, as in one optimiser. The same
rows, options and thread count give the same weights, whether in one go or carried on from a checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import geoopt
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.hypcd.ball import clip, expmap0
from models.hypcd.features import UNKNOWN_AMOUNT, UNKNOWN_WEEKDAY, Features
from models.hypcd.losses import anchor_loss, distance_share, hybrid_self_supervised_loss, hybrid_supervised_loss
from models.hypcd.network import Config, Encoder

UNLABELLED = -1


@dataclass(frozen=True, slots=True)
class Options:
    """How to fit. An epoch draws so many rows, each as often as its weight says."""

    epochs: int = 12
    draws: int = 50_000
    batch: int = 1024
    learning_rate: float = 5e-3
    dropped_grams: float = 0.2  # the share of n-grams that a view leaves out
    dropped_wholes: float = 0.3  # the share of whole texts that it leaves out
    dropped_amounts: float = 0.1  # the share of rows whose amount and weekday a view leaves out
    temperature: float = 0.2  # of the distances to anchors
    contrastive_weight: float = 0.3  # of the contrastive losses beside that of the anchors
    supervised_share: float = 0.5  # of the contrastive losses
    contrastive_rows: int = 192  # of each batch: the losses are quadratic in it
    contrastive_temperature: float = 0.2
    most_distance: float = 1.0
    seed: int = 1


@dataclass(slots=True)
class Rows:
    """Rows to learn from, as columns."""

    features: Features
    labels: NDArray[np.int64]  # [n], UNLABELLED for none
    weights: NDArray[np.float32]  # [n]
    members: NDArray[np.bool_]  # [labels, categories]: what a label stands for
    families: NDArray[np.int64]  # [labels]: labels of one family attract each other

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(slots=True)
class Fitted:
    """A network in evaluation mode and the points [k, dimension] of its anchors."""

    encoder: Encoder
    anchors: Tensor
    temperature: float


class Keeper(Protocol):
    """Keeps how far a fit is, for one who carries it on."""

    def latest(self) -> dict[str, Any] | None:
        """What was saved last; None for a fit that begins."""

    def save(self, epoch: int, loss: float, state: dict[str, Any]) -> None:
        """After an epoch, counted from 1. Raises OSError, where a disk is full."""


Step = Callable[[int, int, float], None]
"""Told of each step: its number, how many there are, and its loss. What it raises ends the fit."""


def fit(rows: Rows, config: Config, options: Options, *, keeper: Keeper | None = None, step: Step | None = None) -> Fitted:
    """Learns the encoder and an anchor for each category, from where `keeper` has it."""
    torch.manual_seed(options.seed)
    chance = np.random.default_rng(options.seed)
    encoder = Encoder(config)
    torch.nn.init.normal_(encoder.grams.weight, std=0.1)
    ball = geoopt.PoincareBall(c=config.curvature)
    start = expmap0(clip(torch.randn(rows.members.shape[1], config.dimension) * 0.3, config.radius), config.curvature)
    anchors = geoopt.ManifoldParameter(start, manifold=ball)
    steps = max(options.draws // options.batch, 1)
    optimiser = geoopt.optim.RiemannianAdam([*encoder.parameters(), anchors], lr=options.learning_rate, stabilize=10)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.learning_rate, total_steps=options.epochs * steps, pct_start=0.1)
    batches = _Batches(rows, encoder, chance, options)
    state = _State(encoder, anchors, optimiser, schedule, chance)
    first = state.restore(keeper)
    for epoch in range(first, options.epochs):
        share = distance_share(epoch, 0, max(options.epochs - 1, 1), options.most_distance)
        total = 0.0
        for number, places in enumerate(np.array_split(chance.permutation(_drawn(rows.weights, options.draws, chance)), steps), 1):
            optimiser.zero_grad()
            loss = _loss(encoder, anchors, batches, places, share, options)
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
            if step is not None:
                step(epoch * steps + number, options.epochs * steps, total / number)
        if keeper is not None:
            keeper.save(epoch + 1, total / steps, state.content(epoch + 1))
    return Fitted(encoder.eval(), anchors.detach().clone(), options.temperature)


@dataclass(frozen=True, slots=True)
class _State:
    """All that changes from one epoch to the next."""

    encoder: Encoder
    anchors: Tensor
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    chance: np.random.Generator

    def content(self, epoch: int) -> dict[str, Any]:
        """Plain values and tensors, for a file."""
        return {
            "epoch": epoch,
            "encoder": self.encoder.state_dict(),
            "anchors": self.anchors.detach(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            # Numbers of 128 bits, which weights-only reading does not know.
            "chance": json.dumps(self.chance.bit_generator.state),
        }

    def restore(self, keeper: Keeper | None) -> int:
        """Takes up what was saved last; the number of epochs that are done."""
        saved = keeper.latest() if keeper is not None else None
        if saved is None:
            return 0
        self.encoder.load_state_dict(saved["encoder"])
        with torch.no_grad():
            self.anchors.copy_(saved["anchors"])
        self.optimiser.load_state_dict(saved["optimiser"])
        # torch makes tensors of them, of half the precision with which geoopt counts.
        for state in self.optimiser.state.values():
            state["step"] = int(state["step"])
        self.schedule.load_state_dict(saved["schedule"])
        self.chance.bit_generator.state = json.loads(saved["chance"])
        return int(saved["epoch"])


def _drawn(weights: NDArray[np.float32], draws: int, chance: np.random.Generator) -> NDArray[np.int64]:
    """Places of rows, each as often as its share of the weight times `draws`, up or down to a whole number by chance."""
    ends = np.cumsum(weights, dtype=np.float64)
    return np.searchsorted(ends, (np.arange(draws) + chance.random()) * (ends[-1] / draws)).clip(max=len(weights) - 1)


def _loss(encoder: Encoder, anchors: Tensor, batches: _Batches, places: NDArray[np.int64], share: float, options: Options) -> Tensor:
    c = encoder.config.curvature
    points, labels = encoder(*batches.view(places)), torch.from_numpy(batches.rows.labels[places])
    known = labels != UNLABELLED
    loss = points.new_zeros(())
    if bool(known.any()):
        loss = anchor_loss(points[known], anchors, labels[known], c=c, temperature=options.temperature, members=batches.members)
    if options.contrastive_weight == 0:
        return loss
    some = places[: options.contrastive_rows]
    both = torch.cat([points[: len(some)], encoder(*batches.view(some))])
    of = {"c": c, "temperature": options.contrastive_temperature, "share": share}
    contrastive = (1 - options.supervised_share) * hybrid_self_supervised_loss(both, **of)
    seen = known[: len(some)].repeat(2)
    if bool(seen.any()):
        families = batches.families[labels[: len(some)].repeat(2)[seen]]
        contrastive = contrastive + options.supervised_share * hybrid_supervised_loss(both[seen], families, **of)
    return loss + options.contrastive_weight * contrastive


class _Batches:
    """Views of rows: each n-gram, whole text, amount and weekday may be left out by chance."""

    def __init__(self, rows: Rows, encoder: Encoder, chance: np.random.Generator, options: Options) -> None:
        self.rows = rows
        self.members, self.families = torch.from_numpy(rows.members), torch.from_numpy(rows.families)
        self._grams = encoder.buckets(rows.features.hashes).numpy()
        self._wholes = encoder.buckets(rows.features.wholes).numpy()
        self._absent = encoder.absent
        self._lengths = np.diff(rows.features.offsets, append=len(self._grams))
        self._chance = chance
        self._options = options

    def view(self, places: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What the encoder takes, of these rows."""
        lengths = self._lengths[places]
        ends = lengths.cumsum()
        grams = self._grams[np.repeat(self.rows.features.offsets[places] - ends + lengths, lengths) + np.arange(lengths.sum())]
        kept = self._chance.random(len(grams), dtype=np.float32) >= self._options.dropped_grams
        offsets = np.append(0, kept.cumsum())[ends - lengths]
        bands, weekdays = self.rows.features.bands[places], self.rows.features.weekdays[places]
        hidden = self._chance.random(len(places)) < self._options.dropped_amounts
        bands, weekdays = np.where(hidden, UNKNOWN_AMOUNT, bands), np.where(hidden, UNKNOWN_WEEKDAY, weekdays)
        wholes = self._wholes[places]
        wholes = np.where(self._chance.random(wholes.shape) < self._options.dropped_wholes, self._absent, wholes)
        return (
            torch.from_numpy(grams[kept]),
            torch.from_numpy(offsets),
            torch.from_numpy(wholes),
            torch.from_numpy(bands),
            torch.from_numpy(weekdays),
        )
