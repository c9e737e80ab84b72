"""The shapes of federated learning: the model that devices train together, rounds, and devices."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from services.gateway.schemas.fields import Input, Output

PART_PATTERN = r"^(encoder|head)$"
MOST_VERSION = 9_223_372_036_854_775_807

Algorithm = Literal["fedavg", "fedprox", "fedmedian", "fedtrimmed"]

_ROUND_ID = "019b76da-a800-7000-8000-0000000000f1"
_INSTANT = "2026-02-01T08:00:00.000000Z"
_VERSION: dict[str, Any] = {
    "version": 43,
    "parent_version": 42,
    "round_id": _ROUND_ID,
    "contributors": 11,
    "encoder_hash": "9f" * 32,
    "encoder_size_bytes": 4200000,
    "head_hash": "1a" * 32,
    "head_size_bytes": 16104,
    "accuracy": 0.83,
    "epsilon": 0.4,
    "epsilon_unamplified": 2.6,
    "metrics": {},
    "registry_version": "7-1a2b3c4d",
    "head_download_url": "/api/v1/federation/models/43/head?expires=1769934631&signature=...",
    "encoder_download_url": "/api/v1/federation/models/43/encoder?expires=1769934631&signature=...",
    "download_expires_at": "2026-02-01T08:15:31.000000Z",
    "created_at": _INSTANT,
}
_UNSIGNED: dict[str, Any] = {"head_download_url": None, "encoder_download_url": None, "download_expires_at": None}
_PRIVACY: dict[str, Any] = {
    "clip_norm": 1.0,
    "noise_multiplier": 4.2,
    "noise_contributors": 10,
    "delta": 1e-5,
    "example_noise_multiplier": 1.0,
    "example_clip_norm": 1.0,
}
_MASKING: dict[str, Any] = {"word_bits": 16, "quantization_scale": 0.002, "complete_graph_limit": 32, "neighbors": 24, "clip_norm": 1.0}
_PLAN: dict[str, Any] = {
    "algorithm": "fedavg",
    "epochs": 1,
    "learning_rate": 0.5,
    "batch_size": 16,
    "proximal_mu": 0.0,
    "weight_cap": 0,
    "update_length": 3168,
    "privacy": _PRIVACY,
    "secure_aggregation": _MASKING,
}
_ROUND: dict[str, Any] = {
    "round_id": _ROUND_ID,
    "number": 57,
    "state": "published",
    "stage": None,
    "reason": None,
    "reason_message": None,
    "base_version": 42,
    "version": 43,
    "plan": _PLAN,
    "selected": 13,
    "contributors": 11,
    "dropped": 2,
    "bytes_up": 69740,
    "accuracy": 0.83,
    "base_accuracy": 0.82,
    "update_norm": 0.21,
    "epsilon": 0.4,
    "epsilon_unamplified": 2.6,
    "trigger": "schedule",
    "opened_at": _INSTANT,
    "closed_at": "2026-02-01T08:00:41.000000Z",
}
_DEVICE: dict[str, Any] = {
    "device_id": "019b76da-a800-7000-8000-0000000000d1",
    "public_key": "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE",
    "display_name": "My phone",
    "platform": "ios 19.1",
    "created_at": _INSTANT,
    "enrolled_at": _INSTANT,
    "last_seen_at": _INSTANT,
    "revoked_at": None,
    "rounds": 3,
    "spent_epsilon": 2.6,
    "budget_epsilon": 8.0,
}
_OPTIONS: dict[str, Any] = {"algorithm": "fedprox", "target": 20, "epochs": 1}


class FederatedModel(Output):
    """One version of the model that devices train together."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_VERSION]})

    version: int = Field(description="1, 2, 3 and so on.")
    parent_version: int | None = Field(description="That it was trained from; null for the first.")
    round_id: UUID | None = Field(description="The round that made it; null for one that no round did.")
    contributors: int = Field(description="Devices in it; 0 for one that no round made.")
    encoder_hash: str = Field(description="SHA-256 of the encoder, in hex.")
    encoder_size_bytes: int = Field(description="Of the encoder.")
    head_hash: str = Field(description="SHA-256 of the head, in hex.")
    head_size_bytes: int = Field(description="Of the head.")
    accuracy: float | None = Field(description="Share of the payments held out that it answers right; null where it was not measured.")
    epsilon: float | None = Field(
        description="What a device has spent that took part in every round up to this one, amplified by sampling; null where a "
        "round had no noise, so that there is no bound."
    )
    epsilon_unamplified: float | None = Field(description="The same without amplification: what budgets are stopped by.")
    metrics: dict[str, Any] = Field(description="Further figures.")
    registry_version: str | None = Field(
        description="Its name among the versions of `categorizer-global` in the registry; null while it is not there."
    )
    head_download_url: str | None = Field(description="Where the head is for some minutes, without a token. Null in lists.")
    encoder_download_url: str | None = Field(description="Where the encoder is for some minutes, without a token. Null in lists.")
    download_expires_at: datetime | None = Field(description="When these addresses stop working, UTC.")
    created_at: datetime = Field(description="When it was made, UTC.")


class FederatedModelPage(Output):
    """Versions, newest first."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"items": [_VERSION | _UNSIGNED], "next_page_token": None}]},  # nosec B105
    )

    items: list[FederatedModel] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")


class VersionChoice(Input):
    """Which version of the model."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"version": 42}]})

    version: int = Field(ge=1, le=MOST_VERSION, description="The version.")


class NewRound(Input):
    """What of a round shall be other than the settings say."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_OPTIONS]})

    algorithm: Algorithm | None = Field(None, description="How updates become a model.")
    target: int | None = Field(None, ge=10, le=100_000, description="Devices whose updates shall be in the sum; 130 % of it are asked.")
    epochs: int | None = Field(None, ge=1, le=3, description="Of a device's own training.")
    learning_rate: float | None = Field(None, gt=0, le=1000, allow_inf_nan=False, description="Of a device's own training.")
    proximal_mu: float | None = Field(None, ge=0, le=1000, allow_inf_nan=False, description="FedProx's mu.")
    secure_aggregation: bool | None = Field(None, description="False: updates are not masked. In development only.")
    noise_multiplier: float | None = Field(
        None, ge=0, le=1000, allow_inf_nan=False, description="Noise in the sum, in clip norms. 0: no privacy, in development only."
    )
    clip_norm: float | None = Field(None, gt=0, le=1000, allow_inf_nan=False, description="Largest norm of a device's update.")
    example_noise_multiplier: float | None = Field(
        None, ge=0.1, le=1000, allow_inf_nan=False, description="Noise of a device's own training."
    )
    groups: int | None = Field(
        None, ge=3, le=1000, description="Random groups of at least 10 devices, the median of whose means counts. With fedmedian only."
    )
    selection_seconds: int | None = Field(None, ge=1, le=900, description="How long devices are looked for.")
    training_seconds: int | None = Field(None, ge=1, le=900, description="How long they may train.")
    stage_seconds: int | None = Field(None, ge=1, le=900, description="How long each further stage may take.")
    server_learning_rate: float | None = Field(
        None, gt=0, le=10, allow_inf_nan=False, description="Share of the mean update that is added to the model; 1 is all."
    )
    promote: bool | None = Field(None, description="Lets the new version answer at once in categorization, if it is no worse.")
    silos: bool | None = Field(None, description="True: organisations with a server of their own instead of devices, where there are some.")


class PrivacyPlan(Output):
    """How updates are clipped and noised."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_PRIVACY]})

    clip_norm: float = Field(description="Largest Euclidean norm of a device's update.")
    noise_multiplier: float = Field(description="Standard deviation of the noise in the sum, in clip norms.")
    noise_contributors: int = Field(description="So many devices' shares make up that noise.")
    delta: float = Field(description="Of the guarantee.")
    example_noise_multiplier: float = Field(description="Noise of a device's own training.")
    example_clip_norm: float = Field(description="Largest norm of one example's gradient there.")


class SecureAggregationPlan(Output):
    """How updates are masked, so that only their sum can be read."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_MASKING]})

    word_bits: int = Field(description="Bits of a masked number.")
    quantization_scale: float = Field(description="What 1 is in an update's numbers.")
    complete_graph_limit: int = Field(description="Up to so many devices mask with each other all.")
    neighbors: int = Field(description="Above that each masks with so many others.")
    clip_norm: float = Field(description="Largest norm of an update, its weight not counted, that the numbers are wide enough for.")


class RoundPlan(Output):
    """What the devices of a round do, all the same."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_PLAN]})

    algorithm: Algorithm = Field(description="How updates become a model.")
    epochs: int = Field(description="Of a device's own training.")
    learning_rate: float = Field(description="Of a device's own training.")
    batch_size: int = Field(description="Examples in a step of it.")
    proximal_mu: float = Field(description="FedProx's mu; 0 for the others.")
    weight_cap: int = Field(description="Most examples that count for a device's weight; 0 where every device counts the same.")
    update_length: int = Field(description="Numbers in an update.")
    privacy: PrivacyPlan | None = Field(description="Null for a round without, as in development.")
    secure_aggregation: SecureAggregationPlan | None = Field(description="Null for a round without, as in development.")


class Round(Output):
    """One try to make the next version of the model."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_ROUND]})

    round_id: UUID = Field(description="The round.")
    number: int = Field(description="1, 2, 3 and so on.")
    state: Literal["open", "published", "failed", "aborted"] = Field(description="Where it stands.")
    stage: Literal["selecting", "advertising", "sharing", "uploading", "confirming", "unmasking", "aggregating"] | None = Field(
        description="What the devices of an open round do; null when it is closed."
    )
    reason: str | None = Field(description="Why it made no model, a stable name such as TOO_FEW_CONTRIBUTORS; null otherwise.")
    reason_message: str | None = Field(description="The same for people.")
    base_version: int = Field(description="What was trained.")
    version: int | None = Field(description="What came of it; null for nothing.")
    plan: RoundPlan = Field(description="What its devices did.")
    selected: int = Field(description="Devices that were asked.")
    contributors: int = Field(description="Devices whose updates are in the sum.")
    dropped: int = Field(description="Devices that were asked and did not stay to the end.")
    bytes_up: int = Field(description="Received from all devices.")
    accuracy: float | None = Field(description="Share of the payments held out that the new model answers right; null if not measured.")
    base_accuracy: float | None = Field(description="The same of the model that was trained.")
    update_norm: float | None = Field(description="Euclidean norm of the mean update; null where there is none.")
    epsilon: float | None = Field(
        description="What a device has spent that took part in every round up to this one, amplified by sampling; null where a "
        "round had no noise, so that there is no bound."
    )
    epsilon_unamplified: float | None = Field(description="The same without amplification: what budgets are stopped by.")
    trigger: Literal["schedule", "admin"] = Field(description="Who asked for it.")
    opened_at: datetime = Field(description="When devices could join, UTC.")
    closed_at: datetime | None = Field(description="When it ended, UTC; null while it is open.")


class RoundPage(Output):
    """Rounds, newest first."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_ROUND], "next_page_token": None}]})  # nosec B105

    items: list[Round] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")


class FederationStatus(Output):
    """How the coordinator is."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "active": True,
                    "open_round": None,
                    "available_devices": 14,
                    "model_version": 43,
                    "spent_epsilon": 2.6,
                    "budget_epsilon": 8.0,
                    "budget_delta": 1e-5,
                    "next_round_at": "2026-02-01T12:00:00.000000Z",
                }
            ]
        },
    )

    active: bool = Field(description="False for a coordinator that stands by.")
    open_round: Round | None = Field(description="The round that is open; null for none.")
    available_devices: int = Field(description="Devices that have asked for work lately and may have it.")
    model_version: int = Field(description="What devices train now.")
    spent_epsilon: float | None = Field(
        description="What a device has spent that took part in every round, without amplification; null where a round had no noise."
    )
    budget_epsilon: float = Field(description="What a device may spend in its life.")
    budget_delta: float = Field(description="At which delta.")
    next_round_at: datetime | None = Field(description="When the clock opens the next round, UTC; null where it opens none.")


class Device(Output):
    """One of your devices."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_DEVICE]})

    device_id: UUID = Field(description="The device.")
    public_key: str = Field(description="Its Ed25519 key, base64url.")
    display_name: str = Field(description="For people.")
    platform: str = Field(description="What it runs.")
    created_at: datetime = Field(description="When it was first enrolled, UTC.")
    enrolled_at: datetime | None = Field(
        description="When it last proved that it holds its key, UTC; null for one that an export brought back, until it enrols again."
    )
    last_seen_at: datetime | None = Field(description="When it last asked for work, UTC; null if never.")
    revoked_at: datetime | None = Field(description="When it was revoked, UTC; null while it may take part.")
    rounds: int = Field(description="Rounds that it has given an update to.")
    spent_epsilon: float | None = Field(
        description="What it has spent of its privacy, without amplification; null where a round had no noise."
    )
    budget_epsilon: float = Field(description="What it may spend in its life.")


class DevicePage(Output):
    """Your devices, newest first."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_DEVICE], "next_page_token": None}]})  # nosec B105

    items: list[Device] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")
