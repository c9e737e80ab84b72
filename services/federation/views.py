"""What the coordinator and a device say to each other in a round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.federation.domain import FederatedVersion, RoundPlan, RoundStage, RoundState
from services.federation.secagg import Advert, EncryptedShare


class WaitReason(StrEnum):
    """Why there is no work; stable names."""

    NO_ROUND = "NO_ROUND"
    NOT_SELECTED = "NOT_SELECTED"
    BUDGET_SPENT = "BUDGET_SPENT"
    PROTOCOL_TOO_OLD = "PROTOCOL_TOO_OLD"


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again later."""

    retry_after_s: float
    reason: WaitReason


@dataclass(frozen=True, slots=True)
class Assignment:
    """A place in a round."""

    round_id: UUID
    base: FederatedVersion
    plan: RoundPlan
    train_deadline: datetime


@dataclass(frozen=True, slots=True)
class RoundView:
    """Where a round stands, and what one device needs for that stage."""

    state: RoundState
    stage: RoundStage | None = None
    deadline: datetime | None = None
    adverts: Sequence[Advert] = ()
    threshold: int = 0
    shares: Sequence[EncryptedShare] = ()
    contributor_ids: Sequence[UUID] = ()
    confirmations: Mapping[UUID, bytes] = field(default_factory=dict)
    reason: str = ""


class UpdateEncoding(StrEnum):
    """What an update looks like."""

    MASKED = "masked"
    INT8 = "int8"
    FLOAT32 = "float32"


@dataclass(frozen=True, slots=True)
class UpdateHeader:
    """What is uploaded."""

    round_id: UUID
    model_version: int
    content_hash: str
    size_bytes: int
    encoding: UpdateEncoding
    example_count: int
