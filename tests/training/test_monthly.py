"""Everybody's forecaster once a month: begun where enough ledgers are long, once, in nobody's name."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from uuid import UUID

import pytest

from services.kit.errors import AlreadyExists, ScaleError
from services.training.domain import FORECASTER_GLOBAL, NOBODY, Caller, Job, JobStatus, Trigger
from services.training.monthly import MonthlyForecaster
from tests.support.training_fakes import a_job


class Histories:
    """`LongHistories` that counts how far anybody looks."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.looked_at = 0

    async def users(self, *, least_days: int) -> AsyncGenerator[UUID, None]:
        assert least_days == 240
        for number in range(self._count):
            self.looked_at += 1
            yield UUID(int=number + 1)


class Starts:
    """`TrainingService` as far as it is asked."""

    def __init__(self, status: JobStatus = JobStatus.PENDING, error: ScaleError | None = None) -> None:
        self._status = status
        self._error = error
        self.asked: list[tuple[Caller, str, Trigger]] = []
        self.request_ids: set[str] = set()

    async def start_training_job(self, caller: Caller, model: str, *, request_id: str, trigger: Trigger) -> Job:
        self.asked.append((caller, model, trigger))
        self.request_ids.add(request_id)
        if self._error is not None:
            raise self._error
        return a_job(NOBODY, model_type=model, status=self._status)


async def start(histories: Histories, starts: Starts) -> bool:
    acted: list[UUID] = []
    monthly = MonthlyForecaster(histories, starts, least_users=20, least_days=240, act_as=acted.append)
    begun = await monthly.start_when_due()
    assert acted == [NOBODY]
    return begun


async def test_it_is_begun_where_enough_users_have_long_ledgers_whom_nobody_counts_further() -> None:
    histories, starts = Histories(1000), Starts()
    assert await start(histories, starts)
    assert starts.asked == [(Caller(NOBODY, admin=True), FORECASTER_GLOBAL, Trigger.SCHEDULE)]
    assert histories.looked_at == 20
    await start(histories, starts)
    assert len(starts.request_ids) == 1  # the same request: the same job


async def test_a_household_of_its_own_is_asked_for_nothing() -> None:
    starts = Starts()
    assert not await start(Histories(19), starts)
    assert starts.asked == []


@pytest.mark.parametrize(
    "starts", [Starts(JobStatus.COMPLETED), Starts(JobStatus.FAILED), Starts(error=AlreadyExists("open", reason="TRAINING_JOB_OPEN"))]
)
async def test_what_was_done_this_month_or_is_not_its_turn_is_no_failure(starts: Starts) -> None:
    assert not await start(Histories(20), starts)
