"""When what users are told is put right too often, its model is trained anew: the accuracy that they see is accepted over classified."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import structlog

from services.kit.errors import ERASED, AlreadyExists, ResourceExhausted, ScaleError
from services.training.domain import CATEGORIZER, CATEGORIZER_GLOBAL, NOBODY, Caller, Job, Trigger

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Categories that were given in the last days, and how many of them users put right."""

    classified_count: int
    corrected_count: int

    @property
    def accepted_ratio(self) -> float | None:
        """The share that was left as it was; None where none was given."""
        if self.classified_count <= 0:
            return None
        return max(0.0, 1 - self.corrected_count / self.classified_count)


class AcceptanceSource(Protocol):
    """Who counts them. Raises ScaleError."""

    async def total(self) -> Acceptance:
        """Of all users."""

    def low(self, *, maximum_ratio: float, minimum_classified: int) -> AsyncIterator[tuple[UUID, Acceptance]]:
        """Users below the ratio who were given so many."""


class Starts(Protocol):
    """What begins jobs: `TrainingService`."""

    async def start_training_job(self, caller: Caller, model: str, *, request_id: str, trigger: Trigger) -> Job:
        """See there."""


class AccuracyWatch:
    """Looks whether the objective is met, and has models trained where it is not: each at most once a day."""

    def __init__(
        self, source: AcceptanceSource, starts: Starts, *, objective: float, minimum_classified: int, act_as: Callable[[UUID], None]
    ) -> None:
        """`act_as`: for whom what comes next is done."""
        self._source = source
        self._starts = starts
        self._objective = objective
        self._minimum_classified = minimum_classified
        self._act_as = act_as

    async def check_accuracy(self) -> int:
        """Begins what is to be trained anew; returns how many jobs."""
        self._act_as(NOBODY)
        begun = 0
        total = await self._source.total()
        if self._misses(total):
            begun += await self._start(Caller(NOBODY, admin=True), CATEGORIZER_GLOBAL, total)
        # All first: whoever is acted for later asks for nobody else's figures.
        low = [
            found
            async for found in self._source.low(maximum_ratio=self._objective, minimum_classified=self._minimum_classified)
            if self._misses(found[1])
        ]
        for user_id, acceptance in low:
            self._act_as(user_id)
            begun += await self._start(Caller(user_id), CATEGORIZER, acceptance)
        return begun

    def _misses(self, found: Acceptance) -> bool:
        ratio = found.accepted_ratio
        return ratio is not None and found.classified_count >= self._minimum_classified and ratio < self._objective

    async def _start(self, caller: Caller, model: str, acceptance: Acceptance) -> int:
        # One request a day: the same one again is the same job, done or not.
        request_id = f"accuracy-{datetime.now(UTC):%Y-%m-%d}"
        try:
            job = await self._starts.start_training_job(caller, model, request_id=request_id, trigger=Trigger.ACCURACY)
        except (AlreadyExists, ResourceExhausted) as error:
            log.info("not trained anew just now", model=model, reason=error.reason)
            return 0
        except ScaleError as error:
            if error.reason not in ERASED:
                raise
            return 0
        if job.over:
            return 0
        log.info("accuracy is below its objective", model=model, accepted_ratio=acceptance.accepted_ratio, job_id=str(job.id))
        return 1
