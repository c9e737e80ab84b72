"""Rounds in one process, for `benchmarks.federation_utility`: the code of devices and of the coordinator, without what lies between them.

A device trains, clips, rounds and adds its noise as `clients.device` does; words are added up modulo their width, as wide as the
coordinator makes them, and Flower's strategies make the model. Masks cancel out, so there are none.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clients.device.protection import Poison, Protected, Protection
from clients.device.trainer import Trained
from models.federated.fit import ExamplePrivacy, Examples, train
from models.federated.head import Head
from scale.federation.v1 import round_pb2
from services.federation.domain import BUDGET_DELTA, LEAST_CONTRIBUTORS, Algorithm, PrivacyPlan, RoundPlan
from services.federation.grid import CoordinatorGrid, Reply
from services.federation.messages import plan_message
from services.federation.secagg import centred, threshold_of
from services.federation.strategies import train_once
from services.federation.words import largest_weight, secure_aggregation_plan

Judge = Callable[[Head], float]

_NEIGHBORS = 100
"""The most that `SCALE_FEDERATION_NEIGHBOR_COUNT` takes: the more, the smaller the share of the noise that each device must add."""


@dataclass(frozen=True, slots=True)
class Population:
    """Users, what they begin with, and who judges what they make of it."""

    head: Head
    """Of the public pre-training."""
    users: Sequence[Examples]
    accuracy: Judge
    """On rows that nobody trains on."""
    gate: Judge | None = None
    """The coordinator's: on other rows."""

    @property
    def everything(self) -> Examples:
        """All users' rows in one place."""
        return joined(self.users)


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run rounds."""

    rounds: int
    devices: int
    """Of each round, drawn by chance."""
    epochs: int = 1
    learning_rate: float = 0.1
    batch_size: int = 16
    algorithm: Algorithm = Algorithm.FEDAVG
    proximal_mu: float = 0.0
    server_learning_rate: float = 1.0
    clip_norm: float = 10.0
    noise_multiplier: float = 0.0
    """0: without privacy."""
    example_noise_multiplier: float = 0.0
    example_clip_norm: float = 1.0
    weight_cap: int = 0
    masked: bool = True
    groups: int = 1
    """Random ones, each summed for itself; of the masked."""
    poisoned: frozenset[int] = frozenset()
    """Users that send five times the reverse of what they may."""
    gate_tolerance: float | None = None
    """By so much a round's model may be worse than the one before; None lets every model pass."""
    seed: int = 1

    def plan(self, length: int) -> RoundPlan:
        """As the coordinator makes it."""
        privacy, cap = None, min(self.weight_cap, largest_weight(self.devices))
        if self.noise_multiplier:
            privacy = PrivacyPlan(
                self.clip_norm,
                self.noise_multiplier,
                max(LEAST_CONTRIBUTORS, min(2 * self.devices // 3, threshold_of(_NEIGHBORS + 1))),
                BUDGET_DELTA,
                self.example_noise_multiplier,
                self.example_clip_norm,
            )
        secure = secure_aggregation_plan(
            update_length=length,
            clip_norm=self.clip_norm,
            privacy=privacy,
            device_count=-(-self.devices // self.groups),
            weight_cap=cap,
            complete_graph_limit=32,
            neighbor_count=_NEIGHBORS,
        )
        return RoundPlan(
            self.algorithm,
            self.epochs,
            self.learning_rate,
            self.batch_size,
            self.proximal_mu,
            cap,
            length,
            privacy,
            secure if self.masked else None,
        )


@dataclass(slots=True)
class Trace:
    """What came of rounds."""

    head: Head
    accuracies: list[float] = field(default_factory=list)
    """After each round."""
    refused: int = 0
    """Rounds that the gate gave no model."""
    bytes_up: int = 0
    """Of one device and round."""


def run(population: Population, settings: Settings) -> Trace:
    """All rounds. The same seed gives the same figures, but for noise, which is of secrets."""
    chance = np.random.default_rng(settings.seed)
    trace, plan = Trace(population.head), settings.plan(population.head.length)
    for _ in range(settings.rounds):
        cohort = chance.choice(len(population.users), settings.devices, replace=False).tolist()
        seeds = {user: int(chance.integers(1 << 62)) for user in cohort}

        def exchange(config: Mapping[str, object], seeds: Mapping[int, int] = seeds) -> Sequence[Reply]:
            device = _Devices(trace.head, population.users, settings, plan, float(str(config.get("proximal-mu", 0.0))))
            return device.masked(seeds, trace) if settings.masked else device.plain(seeds)

        made = train_once(
            plan,
            trace.head.vector.astype(np.float64),
            CoordinatorGrid(range(settings.devices), exchange),
            least=LEAST_CONTRIBUTORS,
            server_learning_rate=settings.server_learning_rate,
        )
        if made is None:
            raise RuntimeError(f"no model of {settings.devices} devices")
        new = trace.head.with_vector(made.astype(np.float32))
        if population.gate is not None and _refused(population.gate, new, trace.head, settings.gate_tolerance):
            trace.refused += 1
            new = trace.head
        trace.head = new
        trace.accuracies.append(population.accuracy(new))
    return trace


def _refused(gate: Judge, new: Head, before: Head, tolerance: float | None) -> bool:
    return tolerance is not None and gate(new) < gate(before) - tolerance


class _Devices:
    """The devices of one round."""

    def __init__(self, head: Head, users: Sequence[Examples], settings: Settings, plan: RoundPlan, proximal_mu: float) -> None:
        self._head = head
        self._users = users
        self._settings = settings
        self._plan = plan
        self._message: round_pb2.RoundPlan = plan_message(plan)
        self._proximal_mu = proximal_mu

    def masked(self, seeds: Mapping[int, int], trace: Trace) -> Sequence[Reply]:
        """A reply of each group, told by its first node: the mean that the sum of all its words stands for."""
        secure, users = self._plan.secure_aggregation, list(seeds)
        assert secure is not None
        replies = []
        for first in range(self._settings.groups):
            group = users[first :: self._settings.groups]
            total: NDArray[np.int64] = np.zeros(self._plan.update_length + 1, np.int64)
            for user in group:
                total += self._protected(user, seeds[user]).words(secure.word_bits)
            values = centred((total & ((1 << secure.word_bits) - 1)).astype(np.uint32), secure.word_bits)
            mean = values[:-1] * secure.quantization_scale / values[-1]
            replies.append(Reply(first, mean, float(values[-1]), len(group)))
        trace.bytes_up = (self._plan.update_length + 1) * secure.word_bits // 8
        return replies

    def plain(self, seeds: Mapping[int, int]) -> Sequence[Reply]:
        """A reply of each device."""
        replies = []
        for node, (user, seed) in enumerate(seeds.items()):
            protected = self._protected(user, seed)
            body = protected.plain()
            (scale,) = struct.unpack_from("<f", body)
            replies.append(
                Reply(node, np.asarray(np.frombuffer(body, np.int8, offset=4) * float(scale), np.float64), float(protected.weight), 1)
            )
        return replies

    def _protected(self, user: int, seed: int) -> Protected:
        settings, rows = self._settings, self._users[user]
        privacy = None
        if settings.example_noise_multiplier:
            privacy = ExamplePrivacy(settings.example_noise_multiplier, settings.example_clip_norm)
        fitted = train(
            self._head,
            rows,
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            batch_size=settings.batch_size,
            proximal_mu=self._proximal_mu,
            privacy=privacy,
            seed=seed if privacy is None else None,
        )
        weight = min(len(rows), self._plan.weight_cap) if self._plan.weight_cap else 1
        protection = Poison() if user in settings.poisoned else Protection()
        return protection.protect(Trained(fitted.update, len(rows), weight, fitted.loss, 0.0, fitted.example_steps), self._message)


def joined(parts: Sequence[Examples]) -> Examples:
    """One after the other."""
    return Examples(
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.categories for part in parts]),
        np.concatenate([part.spent for part in parts]),
    )
