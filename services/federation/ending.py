"""How a round ends: the sum is judged, and becomes the next version or nothing."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from models.federated.privacy import Spending, as_gaussian
from services.federation.domain import BUDGET_DELTA, FederatedVersion, NewVersion, PrivacyPlan, Round, RoundPlan, RoundState
from services.federation.protocols import Gate, HeadCodec
from services.federation.stages import GivenUp

log = structlog.get_logger()

_PLAIN_STEPS = 4096.0
"""A clip norm in steps where nothing is masked, as devices round then."""
_SIGMAS = 8.0
_DRIFT = 3
"""So many tolerances may be lost by chance since the best version of the line: else a little in each round adds up."""
BEST_ACCURACY = "best_accuracy"
"""Of a version's `metrics`: of the best version that it comes from, its own included."""
ROUNDS = "rounds"
"""Of a version's `privacy`: for each round that made it or one before it, what its noise is charged as, and which share of the available
devices was asked."""


class Outcome(NamedTuple):
    """What came of a training."""

    model: NDArray[np.float64]
    """[update_length], after the server's step."""
    contributor_count: int
    asked_count: int
    available_count: int


def charged_noise(plan: RoundPlan) -> float:
    """The noise multiplier that a device's budget is charged with; 0 in a round without privacy."""
    if plan.privacy is None:
        return 0.0
    secure = plan.secure_aggregation
    steps = plan.privacy.clip_norm / secure.quantization_scale if secure else _PLAIN_STEPS
    return as_gaussian(plan.privacy.noise_multiplier, steps, plan.update_length)


def largest_norm(plan: RoundPlan, contributor_count: int, server_learning_rate: float) -> float:
    """What the norm of the mean update can be without anybody lying: the clip norm, and what the noise adds. Infinite where nothing is
    bounded."""
    secure, privacy = plan.secure_aggregation, plan.privacy
    clip_norm = privacy.clip_norm if privacy else secure.clip_norm if secure else math.inf
    return server_learning_rate * (clip_norm + _noise_norm(privacy, plan.update_length, contributor_count))


def _noise_norm(privacy: PrivacyPlan | None, length: int, contributor_count: int) -> float:
    if privacy is None:
        return 0.0
    shares = math.sqrt(contributor_count / privacy.noise_contributor_count)
    deviation = privacy.noise_multiplier * privacy.clip_norm * shares / contributor_count
    return deviation * (math.sqrt(length) + _SIGMAS)


async def spent(rounds: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Epsilon of rounds at the delta of budgets: amplified by sampling, and not. The first is for reports only."""
    spending, rates = Spending(tuple(noise for noise, _ in rounds)), [rate for _, rate in rounds]
    # Opacus brings torch along: not on the event loop.
    amplified = await asyncio.to_thread(spending.epsilon, BUDGET_DELTA, rates)
    plain = spending.epsilon(BUDGET_DELTA)
    # Amplified figures come from other orders: where sampling gains nothing they may come out a trifle higher.
    return min(amplified, plain), plain


def rounds_before(base: FederatedVersion, unpublished: Sequence[RoundPlan]) -> list[tuple[float, float]]:
    """What all rounds have cost that devices have paid for: those that made the versions up to this one, and those that made none. How
    many devices there were for these is not on record: they are not amplified."""
    return [*rounds_of(base), *((charged_noise(plan), 1.0) for plan in unpublished)]


def rounds_of(version: FederatedVersion) -> list[tuple[float, float]]:
    """What the rounds have cost that made a version and those before it."""
    found = version.privacy.get(ROUNDS, [])
    assert isinstance(found, list)  # nosec B101  # as it was written below
    return [(float(noise), float(rate)) for noise, rate in found]


def best_of(version: FederatedVersion) -> float:
    """The accuracy of the best version that it comes from; 0 where none is known."""
    found = version.metrics.get(BEST_ACCURACY, 0.0)
    return float(found) if isinstance(found, int | float) else 0.0


class Judge:
    """Lets through what is no worse than what was there before, and little worse than the best of them."""

    def __init__(self, gate: Gate, codec: HeadCodec, *, tolerance: float) -> None:
        self._gate = gate
        self._codec = codec
        self._tolerance = tolerance

    async def prepare(self, base: FederatedVersion, head: bytes) -> float:
        """How good the base is, while devices are at work: what judges and what counts privacy are loaded by then, too."""
        await spent([*rounds_of(base), (1.0, 0.5)])
        return await self._gate.accuracy(self._codec.vector(head))

    async def judge(
        self,
        ended: Round,
        base: FederatedVersion,
        head: bytes,
        outcome: Outcome,
        base_accuracy: float,
        *,
        server_learning_rate: float,
        unpublished: Sequence[RoundPlan] = (),
    ) -> tuple[Round, NewVersion]:
        """The end of the round and the version that came of it, to be stored. `head`: of the base, `base_accuracy`: as `prepare` found it,
        `unpublished`: of the rounds that made no model and have cost something all the same.
        Raises GivenUp with the round's figures for a model that is not published."""
        before = self._codec.vector(head).astype(np.float64)
        model = outcome.model.astype(np.float32)
        norm = float(np.linalg.norm(outcome.model - before)) if np.isfinite(outcome.model).all() else math.nan
        ended = replace(ended, update_norm=norm if math.isfinite(norm) else None)
        if not math.isfinite(norm) or not np.isfinite(model).all():
            raise refused(ended, "NOT_FINITE", "The mean update has numbers that are not finite.")
        most = largest_norm(ended.plan, outcome.contributor_count, server_learning_rate)
        if norm > most:
            raise refused(ended, "UPDATE_TOO_LARGE", f"The mean update has a norm of {norm:.3g}; at most {most:.3g} can be.")
        accuracy = await self._gate.accuracy(model)
        ended = replace(ended, accuracy=accuracy, base_accuracy=base_accuracy)
        best = max(best_of(base), base_accuracy)
        if accuracy < max(base_accuracy - self._tolerance, best - _DRIFT * self._tolerance):
            message = f"The new model answers {accuracy:.1%} of the rows held out right, the one before {base_accuracy:.1%}"
            raise refused(
                ended, "LESS_ACCURATE", f"{message}, the best of those before {best:.1%}." if best > base_accuracy else f"{message}."
            )
        return await self._accepted(ended, base, self._codec.with_vector(head, model), outcome, unpublished)

    async def _accepted(
        self, ended: Round, base: FederatedVersion, head: bytes, outcome: Outcome, unpublished: Sequence[RoundPlan]
    ) -> tuple[Round, NewVersion]:
        own = charged_noise(ended.plan), min(outcome.asked_count / max(outcome.available_count, 1), 1.0)
        epsilon, unamplified = await spent([*rounds_before(base, unpublished), own])
        number = base.version + 1
        new = NewVersion(
            version=number,
            parent_version=base.version,
            round_id=ended.id,
            contributor_count=outcome.contributor_count,
            encoder_hash=base.encoder_hash,
            encoder_size_bytes=base.encoder_size_bytes,
            head_hash=hashlib.sha256(head).hexdigest(),
            head=head,
            categorizer_version=base.categorizer_version,
            accuracy=ended.accuracy,
            epsilon=epsilon,
            unamplified_epsilon=unamplified,
            privacy={ROUNDS: [*rounds_of(base), own], "delta": BUDGET_DELTA},
            metrics={
                "update_norm": ended.update_norm,
                "base_accuracy": ended.base_accuracy,
                BEST_ACCURACY: max(ended.accuracy or 0.0, ended.base_accuracy or 0.0, best_of(base)),
            },
        )
        published = replace(ended, state=RoundState.PUBLISHED, version=number, epsilon=epsilon, unamplified_epsilon=unamplified)
        return published, new


class Refusal(GivenUp):
    """A model that is not published; `ended` holds its figures."""

    def __init__(self, ended: Round, reason: str, message: str) -> None:
        super().__init__(RoundState.FAILED, reason, message)
        self.ended = ended


def refused(ended: Round, reason: str, message: str) -> Refusal:
    """It goes no further."""
    log.warning("a model is refused", round_id=str(ended.id), reason=reason, why=message)
    return Refusal(ended, reason, message)
