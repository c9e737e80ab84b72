"""How much privacy a device may spend in its life."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from models.federated.privacy import Spending
from services.federation.devices.protocols import Accountant
from services.federation.domain import BUDGET_DELTA

_REMEMBERED = 4096


def unamplified_epsilon(noise_multipliers: Sequence[float]) -> float:
    """`Accountant`, at the delta of devices' budgets."""
    return Spending(tuple(noise_multipliers)).epsilon(BUDGET_DELTA)


class DeviceBudget:
    """The limit of epsilon, without amplification, at the delta that `accountant` answers for."""

    def __init__(self, limit: float, accountant: Accountant = unamplified_epsilon) -> None:
        if not limit > 0:
            raise ValueError("a budget is above zero")
        self.limit = limit
        self._accountant = accountant
        self._epsilon = lru_cache(_REMEMBERED)(self._count)

    def spent(self, noise_multipliers: Sequence[float]) -> float:
        """What rounds with that noise have cost, in whatever order: infinite once there was one without noise."""
        return self._epsilon(tuple(sorted(noise_multipliers)))

    def after(self, noise_multipliers: Sequence[float], another: float) -> float:
        """What they and one more would have cost."""
        return self.spent([*noise_multipliers, another])

    def exceeded_by(self, epsilon: float) -> bool:
        """Whether that is more than there is. What is no number is."""
        return not epsilon <= self.limit

    def _count(self, noise_multipliers: tuple[float, ...]) -> float:
        if not noise_multipliers:
            return 0.0
        if noise_multipliers[0] <= 0:
            return math.inf
        try:
            return self._accountant(noise_multipliers)
        except (OverflowError, ZeroDivisionError):
            return math.inf  # next to no noise
