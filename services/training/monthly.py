"""Once a month everybody's forecaster is trained anew, where enough users have long ledgers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import structlog

from services.kit.errors import AlreadyExists, ResourceExhausted
from services.training.domain import FORECASTER_GLOBAL, NOBODY, Caller, Job, Trigger

log = structlog.get_logger()


class LongHistories(Protocol):
    """Who has a long ledger. Raises ScaleError."""

    def users(self, *, least_days: int) -> AsyncGenerator[UUID, None]:
        """Those whose posted transactions span so many days."""


class Starts(Protocol):
    """What begins jobs: `TrainingService`."""

    async def start_training_job(self, caller: Caller, model: str, *, request_id: str, trigger: Trigger) -> Job:
        """See there."""


class MonthlyForecaster:
    """Looks whether this month's training is due."""

    def __init__(
        self, histories: LongHistories, starts: Starts, *, least_users: int, least_days: int, act_as: Callable[[UUID], None]
    ) -> None:
        """`act_as`: for whom what comes next is done."""
        self._histories = histories
        self._starts = starts
        self._least_users = least_users
        self._least_days = least_days
        self._act_as = act_as

    async def start_when_due(self) -> bool:
        """Begins it, unless it was begun this month or would have too little to learn from; returns whether."""
        self._act_as(NOBODY)
        if not await self._enough():
            log.info("too few ledgers are long enough for a forecaster of everybody's", least_users=self._least_users)
            return False
        # One request a month: the same one again is the same job, done or not.
        request_id = f"monthly-{datetime.now(UTC):%Y-%m}"
        try:
            job = await self._starts.start_training_job(
                Caller(NOBODY, admin=True), FORECASTER_GLOBAL, request_id=request_id, trigger=Trigger.SCHEDULE
            )
        except (AlreadyExists, ResourceExhausted) as error:
            # Another job goes on; tomorrow, then.
            log.info("not trained anew just now", model=FORECASTER_GLOBAL, reason=error.reason)
            return False
        return not job.over

    async def _enough(self) -> bool:
        """Looks no further than it has to."""
        found = 0
        async with aclosing(self._histories.users(least_days=self._least_days)) as users:
            async for _ in users:
                found += 1
                if found == self._least_users:
                    return True
        return False
