"""How updates become a model: Flower's strategies, one training each, held to what SCALE promises of every sum."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg, FedMedian, FedProx, FedTrimmedAvg
from numpy.typing import NDArray

from services.federation.domain import LEAST_CONTRIBUTORS, Algorithm, RoundPlan
from services.federation.grid import ARRAYS, CONTRIBUTORS, METRICS, CoordinatorGrid, array_of, arrays_of

Vector = NDArray[np.float64]

_TRIMMED = 0.2
"""Of the largest, and of the smallest, updates: the share that the trimmed mean leaves out."""


class _Guarded(FedAvg):
    """What SCALE adds to each strategy: no model of too few, and a step of the size that was asked for. Flower would make a model of one
    reply, however many nodes it had asked."""

    def __init__(self, *, least: int, server_learning_rate: float, **options: Any) -> None:
        super().__init__(
            fraction_train=1.0,
            fraction_evaluate=0.0,
            min_train_nodes=LEAST_CONTRIBUTORS,
            min_evaluate_nodes=0,
            min_available_nodes=LEAST_CONTRIBUTORS,
            **options,
        )
        self._least = least
        self._server_learning_rate = server_learning_rate
        self._base: Vector | None = None

    def configure_train(self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid) -> Iterable[Message]:
        """As the strategy does; remembers what was there before."""
        self._base = array_of(arrays)
        return super().configure_train(server_round, arrays, config, grid)

    def aggregate_train(self, server_round: int, replies: Iterable[Message]) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """As the strategy does, of enough."""
        good = [message for message in replies if message.has_content()]
        if sum(_contributors(message) for message in good) < self._least:
            return None, None
        arrays, metrics = super().aggregate_train(server_round, good)
        if arrays is None or self._base is None:
            return None, None
        return arrays_of(self._base + self._server_learning_rate * (array_of(arrays) - self._base)), metrics


class _Average(_Guarded, FedAvg):
    """The weighted mean."""


class _Proximal(_Guarded, FedProx):
    """The weighted mean of updates that were held near the model that they began with."""


class _Median(_Guarded, FedMedian):
    """The median of each number."""


class _Trimmed(_Guarded, FedTrimmedAvg):
    """The mean without the largest and smallest of each number."""


_STRATEGIES: dict[Algorithm, Callable[..., _Guarded]] = {
    Algorithm.FEDAVG: _Average,
    Algorithm.FEDPROX: _Proximal,
    Algorithm.FEDMEDIAN: _Median,
    Algorithm.FEDTRIMMED: _Trimmed,
}


def train_once(plan: RoundPlan, base: Vector, grid: CoordinatorGrid, *, least: int, server_learning_rate: float) -> Vector | None:
    """The model [update_length] after one training by `plan` from `base`; None where there were too few. Blocks for as long as it takes.

    None of these strategies carries anything from round to round. Raises what the grid's exchange raises.
    """
    own: dict[str, object] = {}
    if plan.algorithm is Algorithm.FEDPROX:
        own = {"proximal_mu": plan.proximal_mu}
    elif plan.algorithm is Algorithm.FEDTRIMMED:
        own = {"beta": _TRIMMED}
    strategy = _STRATEGIES[plan.algorithm](least=least, server_learning_rate=server_learning_rate, **own)
    config = ConfigRecord({"epochs": plan.epochs, "learning-rate": plan.learning_rate, "batch-size": plan.batch_size})
    result = strategy.start(grid=grid, initial_arrays=arrays_of(base), num_rounds=1, train_config=config)
    return array_of(result.arrays) if result.arrays else None


def _contributors(message: Message) -> int:
    metrics = message.content[METRICS]
    assert isinstance(metrics, MetricRecord)  # nosec B101
    assert ARRAYS in message.content  # nosec B101
    count = metrics[CONTRIBUTORS]
    assert isinstance(count, int)  # nosec B101
    return count
