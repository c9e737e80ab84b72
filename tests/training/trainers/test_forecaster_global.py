"""Everybody's forecaster, trained on users in memory: the artefact, what it must beat, and too few to learn from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from models.artifact import unpack
from models.forecaster.forecast import BASELINE_VERSION, Forecaster
from models.forecaster.train import VERSION
from services.kit.errors import FailedPrecondition, Unavailable
from services.training.domain import FORECASTER_GLOBAL, NOBODY, Job, LiveArtifact
from services.training.trainers.forecaster_global import GlobalForecasterTrainer
from services.training.trainers.histories import DailySums
from tests.support.long_ledgers import long_ledger
from tests.support.training_fakes import a_job
from tests.training.trainers.test_categorizer import Live, Reports

DAYS = 420
STEPS = 30
EPOCH = date(1970, 1, 1)


class FakeHistories:
    """`Histories`: every user has a ledger of DAYS, but for those who have erased everything since they were named."""

    def __init__(self, count: int, *, erased: Sequence[int] = (), days: int = DAYS) -> None:
        self._count = count
        self._erased = erased
        self._days = days
        self.down = False
        self.read: list[UUID] = []

    async def users(self, *, least_days: int) -> AsyncIterator[UUID]:
        for number in range(self._count):
            yield UUID(int=number + 1)

    async def daily_sums(self, user_id: UUID, *, date_from: date, date_to: date) -> DailySums:
        if self.down:
            raise Unavailable("The ledger is away.")
        self.read.append(user_id)
        if user_id.int - 1 in self._erased:
            return DailySums.none()
        assert date_to == datetime.now(UTC).date() - timedelta(days=1)
        rows = [one for one in long_ledger(user_id.int, date_to, self._days) if one.day >= date_from]
        amounts = np.array([float(one.amount) for one in rows])
        return DailySums(
            days=np.array([(one.day - EPOCH).days for one in rows]),
            accounts=np.array(["giro"] * len(rows), object),
            categories=np.array([one.category.partition("_")[0] for one in rows], object),
            currencies=np.array(["EUR"] * len(rows), object),
            received=np.maximum(amounts, 0),
            spent=np.maximum(-amounts, 0),
            counts=np.ones(len(rows), np.int64),
        )


def trainer(histories: FakeHistories, folder: Path, live: Live | None = None, *, least: int = 4, most: int = 6) -> GlobalForecasterTrainer:
    return GlobalForecasterTrainer(histories, live or Live(), folder, least_users=least, most_users=most, least_days=DAYS, steps=STEPS)


def a_global_job() -> Job:
    return a_job(NOBODY, model_type=FORECASTER_GLOBAL)


async def test_what_is_learned_answers_and_what_is_live_is_what_must_be_beaten(tmp_path: Path) -> None:
    job, reports, histories = a_global_job(), Reports(), FakeHistories(9)
    first = await trainer(histories, tmp_path / "empty").train(job, reports)
    assert list(dict.fromkeys(one.phase for one in reports.told)) == ["collecting", "training", "evaluating"]
    assert len(set(histories.read)) == 6
    unpack(first.artifact, tmp_path / "made")
    made = Forecaster.load(tmp_path / "made")
    assert (made.version, made.degraded, first.parent_version) == (f"{VERSION}+{job.id.hex[-12:]}", False, BASELINE_VERSION)
    assert first.metrics["users"] == 6
    loss, present = (float(first.metrics[name]) for name in ("pinball", "present_pinball"))
    assert first.better is (loss < present)
    # The same job tried again learns the same of the same.
    again = await trainer(histories, tmp_path / "empty").train(job, Reports())
    assert (again.artifact, histories.read[:6]) == (first.artifact, histories.read[6:])

    live = Live(forecaster_global=LiveArtifact("1-abc", first.artifact))
    next_one = await trainer(histories, tmp_path / "empty", live).train(job, Reports())
    assert live.asked == [(NOBODY, FORECASTER_GLOBAL)]
    assert next_one.parent_version == "1-abc"
    assert next_one.metrics["present_pinball"] == pytest.approx(loss, rel=0.02)


async def test_a_live_one_that_cannot_be_read_is_not_what_must_be_beaten(tmp_path: Path) -> None:
    live = Live(forecaster_global=LiveArtifact("1-abc", b"no zip at all"))
    made = await trainer(FakeHistories(4), tmp_path, live).train(a_global_job(), Reports())
    assert made.parent_version == BASELINE_VERSION


@pytest.mark.parametrize("histories", [FakeHistories(3), FakeHistories(5, erased=(0, 1))])
async def test_too_few_users_teach_nothing(histories: FakeHistories, tmp_path: Path) -> None:
    """Also where some have erased everything meanwhile."""
    with pytest.raises(FailedPrecondition, match=r"3 users have ledgers of 420 days or more, and .* from 4 at least") as refused:
        await trainer(histories, tmp_path).train(a_global_job(), Reports())
    assert refused.value.reason == "TOO_FEW_EXAMPLES"


async def test_ledgers_that_are_too_short_are_told(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="The ledgers of 4 users are not enough") as refused:
        await trainer(FakeHistories(4, days=40), tmp_path).train(a_global_job(), Reports())
    assert refused.value.reason == "TOO_FEW_EXAMPLES"


async def test_while_the_ledger_is_away_nothing_is_made_of_half_of_the_users(tmp_path: Path) -> None:
    histories = FakeHistories(4)
    histories.down = True
    with pytest.raises(Unavailable):
        await trainer(histories, tmp_path).train(a_global_job(), Reports())


async def test_a_job_that_is_given_up_stops_at_its_next_step(tmp_path: Path) -> None:
    reports = Reports(stop_at=3)
    with pytest.raises(PermissionError):
        await trainer(FakeHistories(4), tmp_path).train(a_global_job(), reports)
    assert reports.told[-1].phase == "collecting"
