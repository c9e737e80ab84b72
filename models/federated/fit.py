"""Trains a head on a device, on that device's own transactions.

The encoder is frozen, so the points of all examples are made once, and an epoch is a handful of small products. With privacy, Opacus'
engine clips what each example says and adds noise to each step (DP-SGD): who saw the update before it was noised as a whole and masked
would learn less about any one transaction. How much less `example_epsilon` says; with the usual noise it is not little.
"""

from __future__ import annotations

import logging
import secrets
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from opacus import PrivacyEngine
from opacus.accountants import RDPAccountant
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from models.federated.head import Floats, Head, anchor_logits
from models.federated.ledger import ExampleSteps
from models.federated.privacy import DELTA
from models.hypcd.classifier import Items
from models.hypcd.features import extract
from models.hypcd.network import Encoder

# It warns of draws without an example, which are nothing to worry about.
logging.getLogger("opacus.data_loader").setLevel(logging.ERROR)

MAX_EPOCHS = 3
_BATCH = 4096


class NothingToLearn(Exception):
    """No example has a category that the model knows."""


@dataclass(frozen=True, slots=True)
class ExamplePrivacy:
    """How DP-SGD hides single examples."""

    noise_multiplier: float
    """Noise of a step, in clip norms. More than 0."""
    clip_norm: float
    """Largest norm of an example's gradient."""
    delta: float = DELTA


@dataclass(frozen=True, slots=True)
class Examples:
    """Transactions that somebody has named, as columns."""

    points: Floats
    """[n, dimension], on the ball."""
    categories: NDArray[np.int64]
    """[n], places in `Head.slugs`."""
    spent: NDArray[np.bool_]
    """[n], money that leaves."""

    def __len__(self) -> int:
        return len(self.categories)

    @classmethod
    @torch.inference_mode()
    def of(cls, encoder: Encoder, head: Head, items: Items, slugs: Sequence[str]) -> Self:
        """Transactions, each with the slug of what it was for; those whose category the model does not know (the user's own, none) are
        left out. Raises ValueError for columns of unequal length."""
        place = {slug: number for number, slug in enumerate(head.slugs)}
        labels = np.array([place.get(slug, -1) for slug in slugs], np.int64)
        amounts, weekdays = np.asarray(items.amounts, np.float64), np.asarray(items.weekdays)
        lengths = {len(items.descriptions), len(items.merchants), len(amounts), len(weekdays), len(labels)}
        if len(lengths) > 1:
            raise ValueError(f"columns of unequal length: {sorted(lengths)}")
        known = np.flatnonzero(labels >= 0)
        points = [np.zeros((0, head.dimension), np.float32)]
        for start in range(0, len(known), _BATCH):
            rows = known[start : start + _BATCH]
            texts, merchants = [items.descriptions[row] for row in rows], [items.merchants[row] for row in rows]
            points.append(encoder.points(extract(texts, merchants, amounts[rows], weekdays[rows])).numpy())
        return cls(np.concatenate(points), labels[known], amounts[known] < 0)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What came of it."""

    vector: Floats
    """[length], of the new head."""
    update: Floats
    """[length], the new head less the old one: neither clipped nor noised yet."""
    loss: float
    """Mean over the examples, of the new head. For the device alone."""
    example_steps: ExampleSteps
    """History of Opacus' accountant, for the ledger; nothing without privacy."""
    delta: float

    @property
    def example_epsilon(self) -> float:
        """What this training costs a single example; infinite without privacy. Takes a twentieth of a second."""
        if not self.example_steps:
            return float("inf")
        accountant = RDPAccountant()
        accountant.history = list(self.example_steps)
        return float(accountant.get_epsilon(self.delta))


def train(
    head: Head,
    examples: Examples,
    *,
    epochs: int,
    learning_rate: float,
    batch_size: int,
    proximal_mu: float = 0.0,
    privacy: ExamplePrivacy | None = None,
    seed: int | None = None,
) -> Fitted:
    """Some epochs of gradient descent from a head, on one device.

    `proximal_mu` draws the head to where it began, as FedProx does: mu / 2 * |new - old|^2 joins the loss. `seed` is for experiments
    without privacy: with it, what is drawn by chance comes from the system's own secrets.
    Raises ValueError for a plan that no device follows (1 to 3 epochs), NothingToLearn without examples.
    """
    if not 1 <= epochs <= MAX_EPOCHS:
        raise ValueError(f"epochs must be 1 to {MAX_EPOCHS}, not {epochs}")
    if not (0 < learning_rate < 1e6 and batch_size >= 1 and 0 <= proximal_mu < 1e6):
        raise ValueError(f"no device learns at a rate of {learning_rate} from {batch_size} examples at a time, with a mu of {proximal_mu}")
    if privacy is not None and not (privacy.noise_multiplier > 0 and privacy.clip_norm > 0 and seed is None):
        raise ValueError("privacy takes noise and a clip norm above 0, and no seed")
    # Nobody earns by paying: of such rows no answer is right.
    earned = np.array([bool(head.credit[details].all()) for details in head.members])
    possible = ~(examples.spent & earned[examples.categories])
    if not possible.any():
        raise NothingToLearn("no transaction has a category that the model knows; put some right first")
    columns = (examples.points, examples.categories, examples.spent)
    rows = TensorDataset(*(torch.from_numpy(column[possible]) for column in columns))
    model, plan = _Anchors(head), _Plan(epochs, learning_rate, min(batch_size, len(rows)), proximal_mu)
    chance = torch.Generator().manual_seed(secrets.randbits(63) if seed is None else seed)
    history = _descend(model, rows, plan, chance) if privacy is None else _descend_privately(model, rows, plan, chance, privacy)
    vector = model.tangent.detach().numpy().astype(np.float32).ravel()
    if not np.isfinite(vector).all():
        raise ValueError(f"a learning rate of {learning_rate} with a mu of {proximal_mu} leaves all numbers behind; take a lower one")
    points, categories, spent = rows.tensors
    with torch.inference_mode():
        loss = float(model.loss(model(points), categories, spent))
    return Fitted(vector, vector - head.vector, loss, history, privacy.delta if privacy is not None else DELTA)


class _Anchors(nn.Module):
    """Points [n, d] to -distance / temperature [n, k]."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.tangent = nn.Parameter(torch.from_numpy(head.vector.copy()).view(len(head.detailed), head.dimension))
        self._curvature, self._temperature = head.curvature, head.temperature
        # Plain attributes, no buffers: Opacus takes no layer with those.
        self._members, self._credit = torch.from_numpy(head.members), torch.from_numpy(head.credit.copy())

    def forward(self, points: Tensor) -> Tensor:
        return anchor_logits(points, self.tangent, self._curvature, self._temperature)

    def loss(self, logits: Tensor, categories: Tensor, spent: Tensor) -> Tensor:
        """Mean cross entropy of categories [n] under logits [n, k]; a primary one stands for its details together."""
        shares = logits.masked_fill(spent.unsqueeze(1) & self._credit, float("-inf")).log_softmax(dim=1)
        return -shares.masked_fill(~self._members[categories], float("-inf")).logsumexp(dim=1).mean()


@dataclass(frozen=True, slots=True)
class _Plan:
    epochs: int
    learning_rate: float
    batch_size: int
    proximal_mu: float


def _descend(model: _Anchors, rows: TensorDataset, plan: _Plan, chance: torch.Generator) -> ExampleSteps:
    """Moves the model's anchors."""
    start = model.tangent.detach().clone()
    for _ in range(plan.epochs):
        for places in torch.randperm(len(rows), generator=chance).split(plan.batch_size):
            points, categories, spent = rows[places]
            (slope,) = torch.autograd.grad(model.loss(model(points), categories, spent), (model.tangent,))
            with torch.no_grad():
                model.tangent.sub_(plan.learning_rate * (slope + plan.proximal_mu * (model.tangent - start)))
    return ()


def _descend_privately(model: _Anchors, rows: TensorDataset, plan: _Plan, chance: torch.Generator, privacy: ExamplePrivacy) -> ExampleSteps:
    """Moves the model's anchors by Opacus' engine; the accountant's history."""
    start = model.tangent.detach().clone()
    with warnings.catch_warnings():
        # It would take its numbers from a package that is no longer made; `chance` is seeded by the system.
        warnings.filterwarnings("ignore", message="Secure RNG turned off")
        engine = PrivacyEngine(accountant="rdp")
    network, optimiser, loader = engine.make_private(
        module=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=plan.learning_rate),
        data_loader=DataLoader(rows, plan.batch_size, generator=chance),
        noise_multiplier=privacy.noise_multiplier,
        max_grad_norm=privacy.clip_norm,
        noise_generator=chance,
    )
    # Opacus cuts it down to a whole number, to none where 1 / 49 * 49 is less than 1.
    optimiser.expected_batch_size = len(rows) / len(loader)
    for _ in range(plan.epochs):
        for points, categories, spent in loader:
            optimiser.zero_grad()
            if len(points):
                torch.autograd.backward(model.loss(network(points.requires_grad_()), categories, spent))
            else:
                # Each example is drawn by itself, so that it may be none of them; that is told by nothing but noise, which is a step, too.
                setattr(model.tangent, "grad_sample", torch.zeros(0, *model.tangent.shape))  # noqa: B010
            # What holds the head where it began says nothing of the examples: it is neither clipped nor noised.
            held = plan.proximal_mu * (model.tangent.detach() - start)
            optimiser.step()
            with torch.no_grad():
                model.tangent.sub_(plan.learning_rate * held)
    return tuple((float(z), float(q), int(n)) for z, q, n in engine.accountant.history)
