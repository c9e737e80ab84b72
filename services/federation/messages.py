"""Between the nouns of rounds and the contract's messages, and the checks that need nothing but the request."""

from __future__ import annotations

from typing import Any

from scale.federation.v1 import round_pb2
from scale.federation.v1 import rounds_service_pb2 as pb
from services.federation.domain import Algorithm, Round, RoundOptions, RoundPlan, RoundStage, RoundState
from services.federation.service import Status
from services.kit.dates import to_timestamp
from services.kit.errors import invalid

_ALGORITHMS: dict[Algorithm, Any] = {one: round_pb2.Algorithm.Value(f"ALGORITHM_{one.name}") for one in Algorithm}
_ALGORITHM_NOUNS = {number: one for one, number in _ALGORITHMS.items()}
STATES: dict[RoundState, Any] = {one: round_pb2.RoundState.Value(f"ROUND_STATE_{one.name}") for one in RoundState}
STAGES: dict[RoundStage, Any] = {one: round_pb2.RoundStage.Value(f"ROUND_STAGE_{one.name}") for one in RoundStage}
STAGE_NOUNS = {number: one for one, number in STAGES.items()}
_OPTIONAL = (
    "target_count",
    "epochs",
    "learning_rate",
    "proximal_mu",
    "secure_aggregation",
    "noise_multiplier",
    "clip_norm",
    "example_noise_multiplier",
    "group_count",
    "selection_seconds",
    "training_seconds",
    "stage_seconds",
    "server_learning_rate",
    "promote",
    "silos",
)


def options_of(message: pb.RoundOptions) -> RoundOptions:
    """What somebody chose. Raises InvalidArgument for an algorithm that is none."""
    algorithm = None
    if message.algorithm:
        algorithm = _ALGORITHM_NOUNS.get(message.algorithm)
        if algorithm is None:
            raise invalid("options.algorithm", f"{message.algorithm} is not a value of this enum")
    return RoundOptions(algorithm=algorithm, **{name: getattr(message, name) for name in _OPTIONAL if message.HasField(name)})


def plan_message(plan: RoundPlan) -> round_pb2.RoundPlan:
    """What the devices of a round do."""
    message = round_pb2.RoundPlan(
        algorithm=_ALGORITHMS[plan.algorithm],
        epochs=plan.epochs,
        learning_rate=plan.learning_rate,
        batch_size=plan.batch_size,
        proximal_mu=plan.proximal_mu,
        weight_cap=plan.weight_cap,
        update_length=plan.update_length,
    )
    if (privacy := plan.privacy) is not None:
        message.privacy.CopyFrom(
            round_pb2.PrivacyPlan(
                clip_norm=privacy.clip_norm,
                noise_multiplier=privacy.noise_multiplier,
                noise_contributor_count=privacy.noise_contributor_count,
                delta=privacy.delta,
                example_noise_multiplier=privacy.example_noise_multiplier,
                example_clip_norm=privacy.example_clip_norm,
            )
        )
    if (secure := plan.secure_aggregation) is not None:
        message.secure_aggregation.CopyFrom(
            round_pb2.SecureAggregationPlan(
                word_bits=secure.word_bits,
                quantization_scale=secure.quantization_scale,
                complete_graph_limit=secure.complete_graph_limit,
                neighbor_count=secure.neighbor_count,
                clip_norm=secure.clip_norm,
            )
        )
    return message


def round_message(found: Round) -> round_pb2.Round:
    """A round as it stands."""
    return round_pb2.Round(
        round_id=str(found.id),
        number=found.number,
        state=STATES[found.state],
        stage=STAGES[found.stage] if found.stage is not None else round_pb2.ROUND_STAGE_UNSPECIFIED,
        reason=found.reason,
        reason_message=found.reason_message,
        base_version=found.base_version,
        version=found.version or 0,
        plan=plan_message(found.plan),
        selected_count=found.selected_count,
        contributor_count=found.contributor_count,
        dropped_count=found.dropped_count,
        bytes_up=found.bytes_up,
        accuracy_ratio=found.accuracy or 0.0,
        base_accuracy_ratio=found.base_accuracy or 0.0,
        update_norm=found.update_norm or 0.0,
        epsilon=found.epsilon,
        unamplified_epsilon=found.unamplified_epsilon,
        trigger=found.trigger.value,
        open_time=to_timestamp(found.opened_at),
        close_time=to_timestamp(found.closed_at) if found.closed_at is not None else None,
    )


def status_message(found: Status) -> pb.GetFederationStatusResponse:
    """How the coordinator is."""
    return pb.GetFederationStatusResponse(
        active=found.active,
        open_round=round_message(found.open_round) if found.open_round is not None else None,
        available_count=found.available_count,
        model_version=found.model_version,
        spent_epsilon=found.spent_epsilon,
        budget_epsilon=found.budget_epsilon,
        budget_delta=found.budget_delta,
        next_round_time=to_timestamp(found.next_round) if found.next_round is not None else None,
    )
