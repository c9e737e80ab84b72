"""What stands around the registry of models in tests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import uuid_utils.compat

from services.kit import context
from services.kit.errors import ScaleError
from services.training.domain import CATEGORIZER, ModelVersion, Stage, Trained
from services.training.registry.domain import VersionRefused

CUTOFF = datetime(2026, 5, 1, tzinfo=UTC)


def trained(content: bytes = b"a head", *, better: bool = True, **changes: Any) -> Trained:
    """What a trainer made."""
    values: dict[str, Any] = {
        "artifact": content,
        "better": better,
        "metrics": {"accuracy": 0.91, "accuracy_before": 0.88, "rows": 1200},
        "parent_version": "hypcd-1.0.0+1a2b3c4d",
        "data_cutoff_at": CUTOFF,
    }
    return Trained(**{**values, **changes})


def a_version(number: int, stage: Stage = Stage.CANDIDATE, *, promoted: int | None = None, **changes: Any) -> ModelVersion:
    """A version; `promoted`: so many minutes after the first."""
    if promoted is None and stage is not Stage.CANDIDATE:
        promoted = number
    values: dict[str, Any] = {
        "id": uuid_utils.compat.uuid7(),
        "user_id": UUID(int=1),
        "model_type": CATEGORIZER,
        "number": number,
        "version": f"{number}-00000000",
        "stage": stage,
        "metrics": {},
        "content_hash": "0" * 64,
        "size_bytes": 1,
        "artifact_key": f"models/{UUID(int=1)}/{CATEGORIZER}/{number}-00000000",
        "parent_version": "",
        "data_cutoff_at": CUTOFF,
        "code_version": "1",
        "job_id": uuid_utils.compat.uuid7(),
        "created_at": CUTOFF,
        "promoted_at": CUTOFF + timedelta(minutes=promoted) if promoted is not None else None,
        "delivered_at": None,
    }
    return ModelVersion(**{**values, **changes})


class FakeAnswering:
    """`AnsweringService`: what answers for each user, and every word that was said to it."""

    def __init__(self) -> None:
        self.answers: dict[UUID, tuple[str, bytes]] = {}
        self.told: list[str] = []
        self.down: ScaleError | None = None
        self.refused: Sequence[str] = ()
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()

    async def set_user_model(self, version: str, artifact: bytes, content_hash: str) -> None:
        """Takes it, unless it is told otherwise."""
        self.asked.set()
        await self.gate.wait()
        if self.down is not None:
            raise self.down
        if version in self.refused:
            raise VersionRefused("artifact: cannot be read", reason="ARTIFACT_INVALID")
        self.told.append(version)
        self.answers[context.identity().user_id] = (version, artifact)


class FakeDeliveryQueue:
    """`DeliveryQueue`: who was woken for what."""

    def __init__(self) -> None:
        self.woken: list[tuple[UUID, str]] = []
        self.down: ScaleError | None = None

    async def enqueue(self, user_id: UUID, model_type: str) -> None:
        """Notes it."""
        if self.down is not None:
            raise self.down
        self.woken.append((user_id, model_type))
