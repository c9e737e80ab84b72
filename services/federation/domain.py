"""The nouns and errors of federated learning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.kit.errors import AlreadyExists, FailedPrecondition, NotFound, ResourceExhausted, ScaleError, Unavailable

LEAST_CONTRIBUTORS = 10
"""No model is made of fewer, and no sum of fewer is ever opened."""
LEAST_EXAMPLE_NOISE = 0.1
MOST_EXAMPLE_CLIP_NORM = 10.0
"""In rounds that devices take part in: `clients.device.policy` has the same limits."""
MAX_UPDATE_BYTES = 5 * 1024 * 1024
PROTOCOL_VERSION = 1
BUDGET_DELTA = 1e-5


class Algorithm(StrEnum):
    """How updates become a model."""

    FEDAVG = "fedavg"
    FEDPROX = "fedprox"
    FEDMEDIAN = "fedmedian"
    FEDTRIMMED = "fedtrimmed"


class RoundState(StrEnum):
    """Where a round stands."""

    OPEN = "open"
    PUBLISHED = "published"
    FAILED = "failed"
    ABORTED = "aborted"


class RoundStage(StrEnum):
    """What the devices of an open round do, in this order."""

    SELECTING = "selecting"
    ADVERTISING = "advertising"
    SHARING = "sharing"
    UPLOADING = "uploading"
    CONFIRMING = "confirming"
    UNMASKING = "unmasking"
    AGGREGATING = "aggregating"


class Trigger(StrEnum):
    """Who asked for a round."""

    SCHEDULE = "schedule"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class PrivacyPlan:
    """How updates are clipped and noised."""

    clip_norm: float
    noise_multiplier: float
    """Standard deviation of the noise in the sum, in clip norms."""
    noise_contributor_count: int
    """So many devices' shares make up that noise; 1 in a round of silos."""
    delta: float
    example_noise_multiplier: float
    example_clip_norm: float


@dataclass(frozen=True, slots=True)
class SecureAggregationPlan:
    """Numbers of the protocol in docs/secure-aggregation.md."""

    word_bits: int
    quantization_scale: float
    complete_graph_limit: int
    neighbor_count: int
    clip_norm: float
    """Largest norm of an update, its weight not counted."""


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """What the devices of a round do, the same for all of them."""

    algorithm: Algorithm
    epochs: int
    learning_rate: float
    batch_size: int
    proximal_mu: float
    weight_cap: int
    """Most examples that count for a device's weight; 0: every device counts the same."""
    update_length: int
    """Numbers in an update."""
    privacy: PrivacyPlan | None
    secure_aggregation: SecureAggregationPlan | None


@dataclass(frozen=True, slots=True)
class RoundOptions:
    """What of a round somebody chose; None is as the settings say."""

    algorithm: Algorithm | None = None
    target_count: int | None = None
    epochs: int | None = None
    learning_rate: float | None = None
    proximal_mu: float | None = None
    secure_aggregation: bool | None = None
    noise_multiplier: float | None = None
    clip_norm: float | None = None
    example_noise_multiplier: float | None = None
    group_count: int | None = None
    selection_seconds: int | None = None
    training_seconds: int | None = None
    stage_seconds: int | None = None
    server_learning_rate: float | None = None
    promote: bool | None = None
    silos: bool | None = None
    """Organisations with a server of their own instead of devices."""


@dataclass(frozen=True, slots=True)
class Round:
    """One try to make the next version of the model."""

    id: UUID
    number: int
    state: RoundState
    reason: str
    reason_message: str
    base_version: int
    version: int | None
    plan: RoundPlan
    trigger: Trigger
    opened_at: datetime
    selected_count: int = 0
    contributor_count: int = 0
    dropped_count: int = 0
    bytes_up: int = 0
    accuracy: float | None = None
    base_accuracy: float | None = None
    update_norm: float | None = None
    epsilon: float = 0.0
    unamplified_epsilon: float = 0.0
    metrics: Mapping[str, object] = field(default_factory=dict)
    closed_at: datetime | None = None
    paid: bool = True
    """Whether a device may have been charged for it."""
    stage: RoundStage | None = None
    """While it is open; the database does not know it."""


@dataclass(frozen=True, slots=True)
class FederatedVersion:
    """One version of the model; its head is asked for apart."""

    version: int
    parent_version: int | None
    round_id: UUID | None
    contributor_count: int
    encoder_hash: str
    encoder_size_bytes: int
    head_hash: str
    head_size_bytes: int
    categorizer_version: str
    """Of the categorizer whose encoder it is."""
    accuracy: float | None
    epsilon: float
    unamplified_epsilon: float
    privacy: Mapping[str, object]
    """What the accountants of all rounds up to this one say."""
    metrics: Mapping[str, object]
    registry_version: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewVersion:
    """What a round has made, to be stored with the round's end."""

    version: int
    parent_version: int | None
    round_id: UUID | None
    contributor_count: int
    encoder_hash: str
    encoder_size_bytes: int
    head_hash: str
    head: bytes
    categorizer_version: str
    accuracy: float | None
    epsilon: float
    unamplified_epsilon: float
    privacy: Mapping[str, object]
    metrics: Mapping[str, object]
    strategy: bytes | None = None
    """What the strategy carries from round to round."""
    registry_version: str = ""
    """Of one that came from the registry."""


@dataclass(frozen=True, slots=True)
class Device:
    """One enrolled device."""

    id: UUID
    user_id: UUID
    public_key: bytes
    display_name: str
    platform: str
    created_at: datetime
    enrolled_at: datetime | None
    """When it last proved that it holds its key; None for one that an export brought back."""
    last_seen_at: datetime | None
    revoked_at: datetime | None
    noise_multipliers: tuple[float, ...] = ()
    """Of the rounds that it has given an update to, oldest first: what its budget is spent by."""


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """A device whose signature was checked."""

    user_id: UUID
    device_id: UUID
    public_key: bytes


@dataclass(frozen=True, slots=True)
class Contribution:
    """An update that was taken."""

    round_id: UUID
    model_version: int
    noise_multiplier: float
    bytes_up: int


def round_over(round_id: UUID | str, why: str = "") -> ScaleError:
    """For one who comes with something of a round that is closed, or was never there."""
    message = f"Round {round_id} is over{': ' + why if why else ''}; check in again."
    return FailedPrecondition(message, reason="ROUND_OVER", metadata={"round_id": str(round_id)})


def stage_over(stage: RoundStage) -> ScaleError:
    """For one who comes too late, or too early."""
    return FailedPrecondition(
        f"The round is not {stage.value} now; ask where it stands.", reason="STAGE_OVER", metadata={"stage": stage.value}
    )


def stage_done(stage: RoundStage) -> ScaleError:
    """For one who has said something else in this stage before."""
    return FailedPrecondition(
        f"This device has done its part of {stage.value}, and said otherwise.", reason="STAGE_DONE", metadata={"stage": stage.value}
    )


def not_selected(round_id: UUID) -> ScaleError:
    """For a device that is not in a round, or is so no longer."""
    return FailedPrecondition(f"This device is not in round {round_id}.", reason="NOT_SELECTED", metadata={"round_id": str(round_id)})


def version_mismatch(got: int, wanted: int) -> ScaleError:
    """For an update of another version of the model (FED-19)."""
    message = f"The update is of version {got} of the model; this round trains version {wanted}. Download that one."
    return FailedPrecondition(message, reason="VERSION_MISMATCH", metadata={"got": str(got), "wanted": str(wanted)})


def budget_spent(spent: float, budget: float) -> ScaleError:
    """For a device that has no privacy left to spend."""
    message = f"One more round would bring this device to an epsilon of {spent:.2f}; it may spend {budget:.2f} in its life."
    return ResourceExhausted(message, reason="BUDGET_SPENT", metadata={"epsilon": f"{spent:.4f}", "budget": f"{budget:.4f}"})


def round_open(round_id: UUID) -> ScaleError:
    """For one who would open a second."""
    return AlreadyExists(f"Round {round_id} is open.", reason="ROUND_OPEN", metadata={"round_id": str(round_id)})


def standby() -> ScaleError:
    """For one who asks the wrong coordinator."""
    return Unavailable("Another coordinator is the active one; try again shortly.", reason="STANDBY", retry_after_s=1)


def round_not_found(round_id: UUID | str) -> ScaleError:
    """Unknown."""
    return NotFound(f"There is no round {round_id}.", reason="ROUND_NOT_FOUND", metadata={"round_id": str(round_id)})


def version_not_found(version: int) -> ScaleError:
    """Unknown."""
    return NotFound(
        f"There is no version {version} of the federated model.", reason="MODEL_VERSION_NOT_FOUND", metadata={"version": str(version)}
    )
