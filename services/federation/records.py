"""Plans and options as the JSON that the database keeps of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from services.federation.domain import Algorithm, PrivacyPlan, RoundOptions, RoundPlan, SecureAggregationPlan


def plan_text(plan: RoundPlan) -> str:
    """A plan."""
    return json.dumps(asdict(plan))


def plan_of(text: str) -> RoundPlan:
    """The plan of its text."""
    found: dict[str, Any] = json.loads(text)
    privacy, aggregation = found.pop("privacy"), found.pop("secure_aggregation")
    return RoundPlan(
        **{**found, "algorithm": Algorithm(found["algorithm"])},
        privacy=PrivacyPlan(**privacy) if privacy is not None else None,
        secure_aggregation=SecureAggregationPlan(**aggregation) if aggregation is not None else None,
    )


def options_text(options: RoundOptions) -> str:
    """What somebody chose, and nothing else."""
    return json.dumps({name: value for name, value in asdict(options).items() if value is not None}, sort_keys=True)


def options_hash(options: RoundOptions) -> bytes:
    """SHA-256 of a request's body."""
    return sha256(options_text(options).encode()).digest()


def metrics_text(metrics: Mapping[str, object]) -> str:
    """Figures. JSON has no word for what is not finite."""
    return json.dumps(metrics, allow_nan=False)
