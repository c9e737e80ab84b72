"""Between the JSON of federated learning and the messages of `scale.federation.v1`."""

from __future__ import annotations

import base64
import math
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from scale.federation.v1 import devices_service_pb2, federated_model_service_pb2, round_pb2, rounds_service_pb2
from services.gateway.accounts_json import MAX_PAGE_SIZE
from services.gateway.schemas.federation import NewRound
from services.gateway.schemas.fields import PageQuery
from services.gateway.wire import struct_value, timestamp_text

_ALGORITHMS = {number: name.removeprefix("ALGORITHM_").lower() for name, number in round_pb2.Algorithm.items()}
_ALGORITHM_NUMBERS = {name: number for number, name in _ALGORITHMS.items()}
_STATES = {number: name.removeprefix("ROUND_STATE_").lower() for name, number in round_pb2.RoundState.items()}
_STAGES = {number: name.removeprefix("ROUND_STAGE_").lower() for name, number in round_pb2.RoundStage.items()}
_NO_STAGE = round_pb2.ROUND_STAGE_UNSPECIFIED
# Where the contract has another name for an option.
_OPTION_NAMES = {"target": "target_count", "groups": "group_count"}


def page_of(query: PageQuery) -> dict[str, Any]:
    """The fields of a request for a page."""
    return {"page_size": min(query.page_size, MAX_PAGE_SIZE), "page_token": query.page_token}


def start_round_request(wanted: NewRound, request_id: str) -> rounds_service_pb2.StartRoundRequest:
    """What was said; what was not is as the settings say."""
    options = {_OPTION_NAMES.get(name, name): value for name, value in wanted.model_dump(exclude_none=True).items()}
    if "algorithm" in options:
        options["algorithm"] = _ALGORITHM_NUMBERS[options["algorithm"]]
    return rounds_service_pb2.StartRoundRequest(request_id=request_id, options=rounds_service_pb2.RoundOptions(**options))


def model_json(found: federated_model_service_pb2.FederatedModelVersion) -> dict[str, Any]:
    """One version."""
    return {
        "version": found.version,
        "parent_version": found.parent_version or None,
        "round_id": found.round_id or None,
        "contributors": found.contributor_count,
        "encoder_hash": found.encoder_hash,
        "encoder_size_bytes": found.encoder_size_bytes,
        "head_hash": found.head_hash,
        "head_size_bytes": found.head_size_bytes,
        "accuracy": found.accuracy_ratio or None,
        "epsilon": _bound(found.epsilon),
        "epsilon_unamplified": _bound(found.unamplified_epsilon),
        "metrics": struct_value(found.metrics),
        "registry_version": found.registry_version or None,
        "head_download_url": found.head_download_url or None,
        "encoder_download_url": found.encoder_download_url or None,
        "download_expires_at": _instant(found, "download_expire_time"),
        "created_at": timestamp_text(found.create_time),
    }


def round_json(found: round_pb2.Round) -> dict[str, Any]:
    """One round."""
    return {
        "round_id": found.round_id,
        "number": found.number,
        "state": _STATES[found.state],
        "stage": None if found.stage == _NO_STAGE else _STAGES[found.stage],
        "reason": found.reason or None,
        "reason_message": found.reason_message or None,
        "base_version": found.base_version,
        "version": found.version or None,
        "plan": _plan_json(found.plan),
        "selected": found.selected_count,
        "contributors": found.contributor_count,
        "dropped": found.dropped_count,
        "bytes_up": found.bytes_up,
        "accuracy": found.accuracy_ratio or None,
        "base_accuracy": found.base_accuracy_ratio or None,
        "update_norm": found.update_norm or None,
        "epsilon": _bound(found.epsilon),
        "epsilon_unamplified": _bound(found.unamplified_epsilon),
        "trigger": found.trigger,
        "opened_at": timestamp_text(found.open_time),
        "closed_at": _instant(found, "close_time"),
    }


def status_json(found: rounds_service_pb2.GetFederationStatusResponse) -> dict[str, Any]:
    """How the coordinator is."""
    return {
        "active": found.active,
        "open_round": round_json(found.open_round) if found.HasField("open_round") else None,
        "available_devices": found.available_count,
        "model_version": found.model_version,
        "spent_epsilon": _bound(found.spent_epsilon),
        "budget_epsilon": found.budget_epsilon,
        "budget_delta": found.budget_delta,
        "next_round_at": _instant(found, "next_round_time"),
    }


def device_json(found: devices_service_pb2.Device) -> dict[str, Any]:
    """One device."""
    return {
        "device_id": found.device_id,
        "public_key": base64.urlsafe_b64encode(found.public_key).decode().rstrip("="),
        "display_name": found.display_name,
        "platform": found.platform,
        "created_at": timestamp_text(found.create_time),
        "enrolled_at": _instant(found, "enroll_time"),
        "last_seen_at": _instant(found, "last_seen_time"),
        "revoked_at": _instant(found, "revoke_time"),
        "rounds": found.round_count,
        "spent_epsilon": _bound(found.spent_epsilon),
        "budget_epsilon": found.budget_epsilon,
    }


def _bound(epsilon: float) -> float | None:
    """Rounds without noise, in development, have none, and JSON has no word for that."""
    return epsilon if math.isfinite(epsilon) else None


def _plan_json(plan: round_pb2.RoundPlan) -> dict[str, Any]:
    return {
        "algorithm": _ALGORITHMS[plan.algorithm],
        "epochs": plan.epochs,
        "learning_rate": plan.learning_rate,
        "batch_size": plan.batch_size,
        "proximal_mu": plan.proximal_mu,
        "weight_cap": plan.weight_cap,
        "update_length": plan.update_length,
        "privacy": _privacy_json(plan.privacy) if plan.HasField("privacy") else None,
        "secure_aggregation": _masking_json(plan.secure_aggregation) if plan.HasField("secure_aggregation") else None,
    }


def _privacy_json(plan: round_pb2.PrivacyPlan) -> dict[str, Any]:
    return {
        "clip_norm": plan.clip_norm,
        "noise_multiplier": plan.noise_multiplier,
        "noise_contributors": plan.noise_contributor_count,
        "delta": plan.delta,
        "example_noise_multiplier": plan.example_noise_multiplier,
        "example_clip_norm": plan.example_clip_norm,
    }


def _masking_json(plan: round_pb2.SecureAggregationPlan) -> dict[str, Any]:
    return {
        "word_bits": plan.word_bits,
        "quantization_scale": plan.quantization_scale,
        "complete_graph_limit": plan.complete_graph_limit,
        "neighbors": plan.neighbor_count,
        "clip_norm": plan.clip_norm,
    }


def _instant(message: Any, name: str) -> str | None:
    found: Timestamp = getattr(message, name)
    return timestamp_text(found) if message.HasField(name) else None
