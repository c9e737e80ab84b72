"""What a round is made by: what somebody chose, and for the rest the settings; frozen from then on."""

from __future__ import annotations

import math
from typing import Protocol, TypeVar

from models.federated import defaults
from services.federation.cohort import asked_for
from services.federation.domain import (
    BUDGET_DELTA,
    LEAST_CONTRIBUTORS,
    LEAST_EXAMPLE_NOISE,
    Algorithm,
    PrivacyPlan,
    RoundOptions,
    RoundPlan,
)
from services.federation.protocols import Ordered, RoundTimes
from services.federation.secagg import threshold_of
from services.federation.words import largest_weight, secure_aggregation_plan
from services.kit.errors import FailedPrecondition, ScaleError, invalid

T = TypeVar("T", int, float)

_MOST_TARGET = 10_000
_LEAST_GROUPS = 3
"""The median of two is their mean."""


class Usual(Protocol):
    """What rounds are made by where nobody says otherwise (`RoundSettings`)."""

    @property
    def algorithm(self) -> str:
        """The name of one."""

    target_count: int
    epochs: int
    learning_rate: float
    batch_size: int
    proximal_mu: float
    clip_norm: float | None
    noise_multiplier: float
    example_noise_multiplier: float
    example_clip_norm: float
    server_learning_rate: float
    group_count: int
    weight_cap: int
    complete_graph_limit: int
    neighbor_count: int
    promote: bool
    selection_s: float
    training_s: float
    stage_s: float


class Plans:
    """Makes plans. `development` allows what shows single devices."""

    def __init__(self, usual: Usual, *, development: bool) -> None:
        self._usual = usual
        self._development = development

    def make(self, options: RoundOptions, *, update_length: int) -> tuple[RoundPlan, Ordered]:
        """Raises InvalidArgument for what cannot be, FailedPrecondition with reason DEVELOPMENT_ONLY for what may not."""
        usual = self._usual
        algorithm = options.algorithm or Algorithm(usual.algorithm)
        silos = bool(options.silos)
        masked = not silos and options.secure_aggregation is not False
        self._check_masks(options, masked=masked, silos=silos)
        groups = self._groups(options, algorithm, masked=masked)
        target = self._target(options, groups)
        privacy = self._privacy(options, target_count=target // groups, silos=silos)
        cap = 0 if privacy is not None else min(usual.weight_cap, largest_weight(asked_for(target)))
        clip_norm = privacy.clip_norm if privacy is not None else self._clip_norm(options, target, 0.0, target)
        secure = None
        if masked:
            try:
                secure = secure_aggregation_plan(
                    update_length=update_length,
                    clip_norm=clip_norm,
                    privacy=privacy,
                    device_count=-(-asked_for(target) // groups),
                    weight_cap=cap,
                    complete_graph_limit=usual.complete_graph_limit,
                    neighbor_count=usual.neighbor_count,
                )
            except ValueError as error:
                raise invalid("options.target_count", str(error)) from error
        if options.proximal_mu is not None and algorithm is not Algorithm.FEDPROX:
            raise invalid("options.proximal_mu", "is of FEDPROX alone")
        plan = RoundPlan(
            algorithm=algorithm,
            epochs=_within("epochs", options.epochs, usual.epochs, 1, 3),
            learning_rate=_within("learning_rate", options.learning_rate, usual.learning_rate, 1e-6, 100),
            batch_size=usual.batch_size,
            proximal_mu=_within("proximal_mu", options.proximal_mu, usual.proximal_mu, 0, 100) if algorithm is Algorithm.FEDPROX else 0.0,
            weight_cap=cap,
            update_length=update_length,
            privacy=privacy,
            secure_aggregation=secure,
        )
        return plan, Ordered(
            target_count=target,
            group_count=groups,
            times=RoundTimes(
                _seconds("selection_seconds", options.selection_seconds, usual.selection_s, 3600),
                _seconds("training_seconds", options.training_seconds, usual.training_s, 3600),
                _seconds("stage_seconds", options.stage_seconds, usual.stage_s, 600),
            ),
            server_learning_rate=_within("server_learning_rate", options.server_learning_rate, usual.server_learning_rate, 1e-6, 10),
            promote=usual.promote if options.promote is None else options.promote,
            silos=silos,
        )

    def usual_plan(self, update_length: int) -> RoundPlan:
        """Of a round about which nobody says anything."""
        return self.make(RoundOptions(), update_length=update_length)[0]

    def _check_masks(self, options: RoundOptions, *, masked: bool, silos: bool) -> None:
        if silos and options.secure_aggregation:
            raise invalid("options.secure_aggregation", "organisations send what they have noised themselves, without masks")
        if not masked and not silos and not self._development:
            raise _development_only("secure_aggregation", "The coordinator would see single updates")

    def _groups(self, options: RoundOptions, algorithm: Algorithm, *, masked: bool) -> int:
        if algorithm is Algorithm.FEDTRIMMED and masked:
            raise invalid("options.algorithm", "FEDTRIMMED compares single updates, which are masked; FEDMEDIAN compares groups")
        if algorithm is not Algorithm.FEDMEDIAN or not masked:
            if options.group_count is not None:
                raise invalid("options.group_count", "is of FEDMEDIAN with secure aggregation alone")
            return 1
        return _within("group_count", options.group_count, self._usual.group_count, _LEAST_GROUPS, 100)

    def _target(self, options: RoundOptions, groups: int) -> int:
        least = LEAST_CONTRIBUTORS * groups
        return _within("target_count", options.target_count, max(self._usual.target_count, least), least, _MOST_TARGET)

    def _clip_norm(self, options: RoundOptions, target_count: int, noise: float, noise_contributors: int) -> float:
        usual = self._usual.clip_norm or defaults.clip_norm(target_count, noise, noise_contributors)
        return _within("clip_norm", options.clip_norm, usual, 1e-6, 1000)

    def _privacy(self, options: RoundOptions, *, target_count: int, silos: bool) -> PrivacyPlan | None:
        usual = self._usual
        noise = _within("noise_multiplier", options.noise_multiplier, usual.noise_multiplier, 0, 1000)
        if not noise:
            if not self._development:
                raise _development_only("noise_multiplier", "Nothing would hide what a device has sent")
            return None
        contributors = 1 if silos else self._noise_contributors(target_count)
        return PrivacyPlan(
            clip_norm=self._clip_norm(options, target_count, noise, contributors),
            noise_multiplier=noise,
            noise_contributor_count=contributors,
            delta=BUDGET_DELTA,
            example_noise_multiplier=_within(
                "example_noise_multiplier", options.example_noise_multiplier, usual.example_noise_multiplier, LEAST_EXAMPLE_NOISE, 1000
            ),
            example_clip_norm=usual.example_clip_norm,
        )

    def _noise_contributors(self, target_count: int) -> int:
        """Two thirds of the devices that are wanted: the more shares make up the noise, the smaller each is, but a round with fewer makes
        no model. Never more than open a secret, for no sum of fewer may be opened."""
        return max(LEAST_CONTRIBUTORS, min(2 * target_count // 3, threshold_of(self._usual.neighbor_count + 1)))


def _within(field: str, chosen: T | None, usual: T, least: T, most: T) -> T:
    value = usual if chosen is None else chosen
    if not math.isfinite(value) or not least <= value <= most:
        raise invalid(f"options.{field}", f"{value} is not between {least} and {most}")
    return value


def _seconds(field: str, chosen: int | None, usual: float, most: int) -> float:
    return usual if chosen is None else float(_within(field, chosen, chosen, 1, most))


def _development_only(field: str, why: str) -> ScaleError:
    return FailedPrecondition(
        f"options.{field}: {why}; rounds like that are for development alone.", reason="DEVELOPMENT_ONLY", metadata={"field": field}
    )
