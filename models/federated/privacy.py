"""What devices pay with their privacy, and the noise that keeps it low. numpy alone, but for the amplified figure, which is Opacus'.

The unit is a device: one takes part or does not (user level). Its update, clipped to a norm and rounded to whole steps of a scale, moves
the sum by no more than that norm. To the sum comes Skellam noise, the difference of two Poisson numbers: shares of it, one from each
device, add up to Skellam noise of the sum of their variances, and whole numbers stay whole under masks that wrap around.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DELTA = 1e-5
BUDGET_EPSILON = 8.0
_ORDERS = np.array([*range(2, 129), *range(130, 513, 2), *range(520, 2049, 8)], np.float64)
"""Of Renyi divergence. Whole ones: the bound for Skellam noise holds for them (Agarwal et al., arXiv 2110.04995, corollary 4.1)."""
_SEED_BITS = 256
MOST_DEVIATION = 2.0**21
"""Of one share of the noise, in steps. Further out the generator's Poisson numbers have no low bits: what is added to them stands bare."""

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Spending:
    """The rounds that somebody has given an update to."""

    noise_multipliers: tuple[float, ...] = ()
    """Of the noise in each round's sum, in clip norms, as `as_gaussian` says them; 0 for none."""

    def __post_init__(self) -> None:
        """Raises ValueError for what is no noise."""
        if any(not (math.isfinite(one) and one >= 0) for one in self.noise_multipliers):
            raise ValueError(f"noise multipliers must be numbers from 0 on: {self.noise_multipliers}")

    def plus(self, noise_multiplier: float) -> Spending:
        """After one more round."""
        return Spending((*self.noise_multipliers, noise_multiplier))

    def epsilon(self, delta: float = DELTA, sample_rate: float | Sequence[float] | None = None) -> float:
        """What they cost together: infinite where one of them had no noise.

        With `sample_rate`, one for all or one for each, as if each round had drawn its devices by chance and nobody knew which: devices
        that come when they like have not earned that figure, and no budget may be held to it.
        """
        if not 0 < delta < 1:
            raise ValueError(f"delta is a share between 0 and 1, not {delta}")
        if not self.noise_multipliers:
            return 0.0
        if min(self.noise_multipliers) == 0:
            return math.inf
        if sample_rate is None:
            return _converted(_ORDERS * sum(0.5 / one**2 for one in self.noise_multipliers), _ORDERS, delta)
        rates = list(sample_rate) if isinstance(sample_rate, Sequence) else [sample_rate] * len(self.noise_multipliers)
        return _amplified(list(zip(self.noise_multipliers, rates, strict=True)), delta)


def _converted(divergence: NDArray[np.float64], orders: NDArray[np.float64], delta: float) -> float:
    """Epsilon from Renyi divergences at orders (Balle et al., arXiv 1905.09982, theorem 21), as Opacus has it."""
    found = divergence - (math.log(delta) + np.log(orders)) / (orders - 1) + np.log1p(-1 / orders)
    return max(float(found.min()), 0.0)


def _amplified(rounds: Iterable[tuple[float, float]], delta: float) -> float:
    from opacus.accountants import RDPAccountant

    accountant = RDPAccountant()
    for noise_multiplier, sample_rate in rounds:
        accountant.step(noise_multiplier=noise_multiplier, sample_rate=min(max(sample_rate, 0.0), 1.0))
    return max(float(accountant.get_epsilon(delta, alphas=_ORDERS[_ORDERS <= 64].tolist())), 0.0)


def as_gaussian(noise_multiplier: float, steps: float, length: int) -> float:
    """The multiplier of Gaussian noise that hides no more than Skellam noise does: what is charged for a round.

    `steps` is the clip norm in steps of the quantisation, `length` the numbers of an update. With a thousand steps or more the two differ
    by less than a millionth.
    """
    if noise_multiplier == 0:
        return 0.0
    if not (noise_multiplier > 0 and steps > 0 and length > 0):
        raise ValueError(f"noise {noise_multiplier}, {steps} steps, {length} numbers")
    variance, square, norm1 = (noise_multiplier * steps) ** 2, steps**2, steps * min(math.sqrt(length), steps)
    # What the bound for Skellam noise adds to order / (2 * multiplier^2), as a slope that lies above it from order 2 on, where ours begin.
    slope = min((2 * square + max(6 * norm1 - square, 0) / 2) / (4 * variance**2), 3 * norm1 / (4 * variance))
    return 1 / math.sqrt(1 / noise_multiplier**2 + 2 * slope)


def noise_for(budget_epsilon: float, rounds: int, delta: float = DELTA, spent: Spending | None = None) -> float:
    """The least noise multiplier with which so many rounds fit into a budget, after what is `spent`, rounded up to a thousandth.

    Raises ValueError where nothing is left, or where no noise is enough.
    """
    before = spent or Spending()
    if rounds < 1:
        raise ValueError(f"{rounds} rounds need no noise")

    def cost(noise_multiplier: float) -> float:
        return Spending((*before.noise_multipliers, *[noise_multiplier] * rounds)).epsilon(delta)

    low, high = 0.0, 1e6
    if not cost(high) <= budget_epsilon:
        raise ValueError(f"an epsilon of {before.epsilon(delta):.4g} is spent; no round fits into {budget_epsilon:.4g}")
    while high - low > 1e-6 * high:
        middle = math.sqrt(max(low, 1e-3) * high) if high > 1 else (low + high) / 2
        low, high = (low, middle) if cost(middle) <= budget_epsilon else (middle, high)
    return math.ceil(high * 1000) / 1000


def clip(update: Floats, norm: float) -> Floats:
    """The update, shortened to a norm if it is longer. Raises ValueError for one that holds something other than numbers."""
    length = float(np.linalg.norm(update.astype(np.float64)))
    if not math.isfinite(length):
        raise ValueError("not all numbers of the update are finite: train with a lower learning rate")
    return update if length <= norm else (update * (norm / length)).astype(np.float32)


def secret_generator() -> np.random.Generator:
    """Numbers that nobody else can make again: seeded with 256 bits of the system's."""
    return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(secrets.randbits(_SEED_BITS), pool_size=_SEED_BITS // 32)))


def share_deviation(noise_multiplier: float, clip_norm: float, quantization_scale: float, contributors: int) -> float:
    """The standard deviation of one device's share of the noise, in steps, where so many shares make it up."""
    if contributors < 1 or quantization_scale <= 0:
        raise ValueError(f"{contributors} devices at a scale of {quantization_scale}")
    return noise_multiplier * clip_norm / quantization_scale / math.sqrt(contributors)


def noise_share(length: int, deviation: float, generator: np.random.Generator | None = None) -> Integers:
    """One device's share [length] of the noise, in steps: Skellam, of that standard deviation. Without a generator, from a secret one.
    Raises ValueError above MOST_DEVIATION."""
    if not deviation <= MOST_DEVIATION:
        raise ValueError(f"noise of {deviation:.3g} steps cannot be drawn whole; at most {MOST_DEVIATION:.0f}")
    generator = generator or secret_generator()
    half = deviation**2 / 2
    found: Integers = generator.poisson(half, length).astype(np.int64) - generator.poisson(half, length).astype(np.int64)
    return found
