"""Jobs of nobody's: who asked for one is told of its end, unless everything of theirs was erased; and jobs of long ago are removed."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest
import uuid_utils.compat

from services.kit import context
from services.kit.errors import FailedPrecondition
from services.training.domain import CATEGORIZER, FORECASTER_GLOBAL, NOBODY, Caller, Job, JobStatus, Trigger
from services.training.user_data.repository import PostgresTrainingUserData
from tests.conftest import AsRole
from tests.support.service_keys import service_tokens
from tests.training.conftest import Bench

_AGE = "UPDATE training.training_jobs SET completed_at = now() - interval '366 days' WHERE user_id = $1"
_VERSION = """
    INSERT INTO training.model_versions (user_id, id, model_type, number, version, content_hash, size_bytes, artifact_key, data_cutoff_at,
        code_version, job_id)
    VALUES ($1, gen_random_uuid(), 'categorizer', 1, '1-aaaaaaaa', repeat('a', 64), 1,
        'models/' || $1::uuid || '/categorizer/1-aaaaaaaa', now(), '1', $2)
"""


@pytest.fixture(autouse=True)
async def no_global_job(bench: Bench) -> None:
    """Nobody's jobs of other tests are over."""
    async with bench.database.transaction(NOBODY) as connection:
        await connection.execute("DELETE FROM training.training_jobs WHERE user_id = $1", NOBODY)


async def asked(bench: Bench, caller: Caller, trigger: Trigger = Trigger.USER) -> Job:
    request_id = str(uuid_utils.compat.uuid7())
    return await bench.service.start_training_job(caller, FORECASTER_GLOBAL, request_id=request_id, trigger=trigger)


async def told(bench: Bench, user_id: UUID) -> list[tuple[str, str, str]]:
    found, _, _ = await bench.notifications.list_notifications(user_id, unread_only=False, limit=100, after=None)
    return [(one.kind, one.title, one.subject_id) for one in found]


@pytest.mark.parametrize(
    ("better", "title"),
    [
        (True, "forecaster-global was trained anew, and answers everybody"),
        (False, "forecaster-global was trained anew; nothing changes"),
    ],
)
async def test_the_administrator_who_asked_is_told_and_no_other(bench: Bench, other_user_id: UUID, better: bool, title: str) -> None:
    bench.trainer.better = better
    job = await asked(bench, Caller(bench.user_id, admin=True))
    assert (job.user_id, job.requested_by) == (NOBODY, bench.user_id)
    assert (await bench.run(job)).status is JobStatus.COMPLETED
    assert await told(bench, bench.user_id) == [("training_completed", title, str(job.id))]
    assert [one.user_id for one in bench.told.told] == [bench.user_id]
    for another in (other_user_id, NOBODY):
        assert await told(bench, another) == []


async def test_a_failure_is_told_likewise(bench: Bench) -> None:
    bench.trainer.raises = [FailedPrecondition("3 users have long ledgers.", reason="TOO_FEW_EXAMPLES")]
    job = await asked(bench, Caller(bench.user_id, admin=True))
    await bench.run(job)
    assert await told(bench, bench.user_id) == [("training_failed", "Training of forecaster-global failed", str(job.id))]


async def test_what_the_clock_asked_for_is_told_to_nobody(bench: Bench) -> None:
    job = await asked(bench, Caller(NOBODY, admin=True), Trigger.SCHEDULE)
    assert job.requested_by is None
    await bench.run(job)
    assert bench.told.told == []
    assert await told(bench, NOBODY) == []


async def test_a_users_own_job_says_nothing_of_who_asked(bench: Bench) -> None:
    job = await bench.start()
    assert job.requested_by is None
    with pytest.raises(asyncpg.CheckViolationError):
        await bench.execute("UPDATE training.training_jobs SET requested_by = $1 WHERE user_id = $1", bench.user_id)


async def test_who_has_erased_everything_is_told_nothing_and_the_job_goes_on(bench: Bench, as_role: AsRole) -> None:
    job = await asked(bench, Caller(bench.user_id, admin=True))
    running = await bench.repository.claim(NOBODY, job.id, lease_s=30)
    assert running is not None
    user_data = PostgresTrainingUserData(bench.database, statement_timeout_s=30)
    context.bind_background(bench.user_id, service_tokens("training"), since=await bench.database.now())
    await user_data.erase_jobs(bench.user_id, forget=bench.statuses.forget)
    done = await bench.endings.completed(running, {}, version="1-aaaaaaaa", published=True, progress=running.progress)
    assert done is not None
    assert (done.status, done.requested_by) == (JobStatus.COMPLETED, None)
    assert bench.told.told == []
    async with as_role("migrator", None) as connection:
        assert not await connection.fetchval("SELECT count(*) FROM training.notifications WHERE user_id = $1", bench.user_id)


async def test_while_everything_is_being_erased_nothing_is_told(bench: Bench) -> None:
    """Neither waits for the other."""
    job = await asked(bench, Caller(bench.user_id, admin=True))
    context.bind_background(bench.user_id, service_tokens("training"), since=await bench.database.now())
    async with bench.database.erasure(bench.user_id, lock_timeout_s=5, statement_timeout_s=5):
        assert (await bench.run(job)).status is JobStatus.COMPLETED
    context.bind_identity(None)
    assert await told(bench, bench.user_id) == []


async def test_jobs_of_long_ago_are_removed_but_those_of_versions_that_are_kept(bench: Bench, other_user_id: UUID) -> None:
    of_version = await bench.run(await bench.start("1"))
    await bench.execute(_VERSION, bench.user_id, of_version.id)
    old = await bench.run(await bench.start("2"))
    await bench.execute(_AGE, bench.user_id)
    recent = await bench.run(await bench.start("3"))
    still_open = await bench.start("4")
    theirs = await bench.service.start_training_job(Caller(other_user_id), CATEGORIZER, request_id="1")
    assert await bench.service.expire_jobs(days=365) >= 1
    for kept in (of_version, recent, still_open, theirs):
        assert await bench.repository.get(kept.user_id, kept.id) is not None
    assert await bench.repository.get(bench.user_id, old.id) is None
    assert await bench.service.expire_jobs(days=365) == 0
