"""Tells the service that answers which version of a user's model does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import structlog

from services.kit.errors import DeadlineExceeded, ScaleError, Unavailable
from services.training.domain import ModelVersion
from services.training.metrics import DELIVERIES
from services.training.registry.artifacts import Artifacts
from services.training.registry.domain import ArtifactGone, Pending, VersionRefused
from services.training.registry.protocols import AnsweringService, VersionsRepository

log = structlog.get_logger()

_BUSY = "DELIVERY_BUSY"
_AT_ONCE = 200
_TRIES = 100
_PAUSE_S = 0.1
"""Between two looks whether somebody else has done."""


class Delivery:
    """In the worker, which acts for users. Whatever fails is done again by the clock."""

    def __init__(self, repository: VersionsRepository, artifacts: Artifacts, answering: AnsweringService) -> None:
        self._repository = repository
        self._artifacts = artifacts
        self._answering = answering

    async def deliver(self, user_id: UUID, model_type: str) -> None:
        """Says what is live now, if that has not been said yet. A version that cannot answer makes way for the one before it.

        Call it as the user. Raises what the service that answers does.
        """
        for _ in range(_TRIES):
            async with self._repository.delivering(user_id, model_type) as pending:
                if pending is not None:
                    if await self._delivered(user_id, model_type, pending):
                        return
                    continue
            await asyncio.sleep(_PAUSE_S)
        raise Unavailable("Others are telling it; try again shortly.", reason=_BUSY, retry_after_s=_PAUSE_S)

    async def _delivered(self, user_id: UUID, model_type: str, pending: Pending) -> bool:
        """Tells it; whether nothing is left to tell."""
        if not pending.ids:
            return True
        try:
            await self._tell(pending.live)
        except (ArtifactGone, VersionRefused) as error:
            if pending.live is None:
                raise
            DELIVERIES.labels("refused").inc()
            log.error("a version cannot answer", user_id=str(user_id), version=pending.live.version, error=str(error))
            await self._repository.roll_back(user_id, model_type, pending.live.version)
            return False
        DELIVERIES.labels("delivered").inc()
        return await self._repository.mark_delivered(user_id, model_type, pending)

    async def try_to_deliver(self, user_id: UUID, model_type: str) -> bool:
        """The same, but what fails waits for the clock; returns whether it worked."""
        try:
            await self.deliver(user_id, model_type)
        except ScaleError as error:
            _waits(user_id, model_type, error)
            return False
        return True

    async def deliver_all(self, act_as: Callable[[UUID], None]) -> None:
        """Says what has not been said yet, of all users, the longest waiting first. `act_as` makes the caller a user. Where the service
        that answers is away, the rest waits for the next time."""
        for user_id, model_type in await self._repository.undelivered(_AT_ONCE):
            act_as(user_id)
            try:
                await self.deliver(user_id, model_type)
            except ScaleError as error:
                _waits(user_id, model_type, error)
                if isinstance(error, Unavailable | DeadlineExceeded) and error.reason != _BUSY:
                    return

    async def _tell(self, live: ModelVersion | None) -> None:
        if live is None:
            await self._answering.set_user_model("", b"", "")
        else:
            await self._answering.set_user_model(live.version, await self._artifacts.read(live), live.content_hash)


def _waits(user_id: UUID, model_type: str, error: ScaleError) -> None:
    DELIVERIES.labels("waiting").inc()
    log.warning("a version waits to be delivered", user_id=str(user_id), model=model_type, reason=error.reason)
