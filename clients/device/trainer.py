"""Training on the device: the head of the model, from the labelled rows of the local export."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from clients.device.ledger_export import LabelledRow
from clients.device.problem import DeviceProblem, PolicyRefused
from scale.federation.v1 import round_pb2

if TYPE_CHECKING:
    from models.hypcd.network import Encoder

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of the model, checked by their hashes."""

    encoder: bytes
    encoder_hash: str
    head: bytes


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of it. It stays on the device: `Protection` makes of it what may leave."""

    update: Floats
    """[update_length], the new head less the old one."""
    example_count: int
    weight: int
    """What the update counts: 1 with privacy."""
    loss: float
    example_epsilon: float
    """What the training costs a single example (DP-SGD); infinite without privacy."""
    example_steps: tuple[tuple[float, float, int], ...] = ()
    """The accountant's history, for the ledger."""


class Trainer(Protocol):
    """Makes an update. Called off the event loop."""

    def train(self, parts: Parts, rows: Sequence[LabelledRow], plan: round_pb2.RoundPlan) -> Trained:
        """Raises DeviceProblem where there is nothing to learn from, PolicyRefused for a model that does not fit the plan."""


class HeadTrainer:
    """`models.federated.fit` on the points that the encoder makes of the rows."""

    def __init__(self) -> None:
        self._known: tuple[str, Encoder] | None = None
        # Devices of a simulation share the encoder, and may train beside each other.
        self._lock = threading.Lock()

    def train(self, parts: Parts, rows: Sequence[LabelledRow], plan: round_pb2.RoundPlan) -> Trained:
        """See `Trainer`."""
        from models.artifact import ArtifactError
        from models.cores import use_one_core
        from models.federated.fit import ExamplePrivacy, Examples, NothingToLearn, train
        from models.federated.head import Head
        from models.hypcd.classifier import Items

        # A device has better things to do with its other cores.
        use_one_core()
        try:
            head, encoder = Head.load(parts.head), self._encoder(parts)
        except ArtifactError as error:
            raise PolicyRefused("MODEL_MISMATCH", f"the model cannot be read: {error}") from error
        if head.length != plan.update_length:
            raise PolicyRefused("MODEL_MISMATCH", f"a head of {head.length} numbers in a round of {plan.update_length}")
        items = Items(
            [row.description for row in rows],
            [row.merchant for row in rows],
            np.array([row.amount for row in rows], np.float64),
            [row.day.weekday() if row.day is not None else -1 for row in rows],
        )
        private = plan.HasField("privacy")
        hidden = (
            ExamplePrivacy(plan.privacy.example_noise_multiplier, plan.privacy.example_clip_norm, plan.privacy.delta) if private else None
        )
        examples = Examples.of(encoder, head, items, [row.category for row in rows])
        try:
            fitted = train(
                head,
                examples,
                epochs=plan.epochs,
                learning_rate=plan.learning_rate,
                batch_size=plan.batch_size,
                proximal_mu=plan.proximal_mu if plan.algorithm == round_pb2.ALGORITHM_FEDPROX else 0.0,
                privacy=hidden,
            )
        except (NothingToLearn, ValueError) as error:
            raise DeviceProblem(f"Nothing was learned: {error}.") from error
        weight = max(1, min(len(examples), plan.weight_cap)) if plan.weight_cap else 1
        return Trained(fitted.update, len(examples), weight, fitted.loss, fitted.example_epsilon, fitted.example_steps)

    def _encoder(self, parts: Parts) -> Encoder:
        from models.federated.head import load_encoder

        with self._lock:
            if self._known is None or self._known[0] != parts.encoder_hash:
                self._known = parts.encoder_hash, load_encoder(parts.encoder)
            return self._known[1]
