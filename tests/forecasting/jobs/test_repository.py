"""Records of jobs: in memory and on PostgreSQL the same. Others' jobs are in the same database, so each test looks at its own."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg
import pytest

from services.forecasting.jobs.domain import Begun, Job, JobKind, JobState, StalledJob
from tests.conftest import AsRole
from tests.forecasting.jobs.conftest import RealStore, Store
from tests.support.forecasting_job_fakes import new_job

FORECAST, SCAN = JobKind.FORECAST, JobKind.SCAN
ALL = 10_000


async def running(store: Store, user_id: UUID, **more: object) -> Job:
    job, _ = await store.begin(new_job(user_id, **more))  # type: ignore[arg-type]
    claimed = await store.repository.claim(user_id, job.id, lease_s=30)
    assert claimed is not None
    return claimed


async def stalled(store: Store, *jobs: Job) -> list[StalledJob]:
    ids = {job.id for job in jobs}
    return [one for one in await store.repository.stalled(ALL) if one.job_id in ids]


async def test_a_job_is_recorded_once_per_request(store: Store, user_id: UUID) -> None:
    new = new_job(user_id)
    job, begun = await store.begin(new)
    assert begun is Begun.NEW
    assert (job.id, job.user_id, job.kind, job.request_id, job.request_hash) == (new.id, user_id, FORECAST, "1", new.request_hash)
    assert (job.state, job.attempt, job.begun, job.tries, job.completed_at, job.over) == (JobState.PENDING, 0, 0, 0, None, False)
    # Whatever else the request says: that is for the rules to compare.
    assert await store.begin(new_job(user_id, SCAN, body=b"other")) == (job, Begun.REPEATED)
    assert await store.record_done(new_job(user_id)) == (job, Begun.REPEATED)
    assert await store.repository.get(user_id, job.id) == await store.repository.find(user_id, "1") == job


async def test_nobody_else_sees_it(store: Store, user_id: UUID, other_user_id: UUID) -> None:
    job, _ = await store.begin(new_job(user_id))
    assert await store.repository.get(other_user_id, job.id) is None
    assert await store.repository.find(other_user_id, "1") is None
    assert await store.repository.claim(other_user_id, job.id, lease_s=30) is None
    assert (await store.begin(new_job(other_user_id)))[1] is Begun.NEW


async def test_a_user_has_so_many_open_forecasts_and_one_scan_beside(store: Store, user_id: UUID, other_user_id: UUID) -> None:
    jobs = [await store.begin(new_job(user_id, request_id=str(number)), most_open=2) for number in range(3)]
    assert [begun for _, begun in jobs] == [Begun.NEW, Begun.NEW_BEHIND, Begun.TOO_MANY_OPEN]
    assert jobs[2][0] == jobs[1][0]
    scan, begun = await store.begin(new_job(user_id, SCAN, request_id="s"), most_open=2)
    assert begun is Begun.NEW
    assert await store.begin(new_job(user_id, SCAN, request_id="t"), most_open=2) == (scan, Begun.ANOTHER_OPEN)
    assert (await store.begin(new_job(other_user_id), most_open=2))[1] is Begun.NEW
    # What is done is open no more.
    for job in (jobs[0][0], scan):
        claimed = await store.repository.claim(user_id, job.id, lease_s=30)
        assert claimed is not None
        assert await store.succeed(claimed)
    assert (await store.begin(new_job(user_id, request_id="2"), most_open=2))[1] is Begun.NEW_BEHIND
    assert (await store.begin(new_job(user_id, SCAN, request_id="t")))[1] is Begun.NEW


async def test_a_scan_that_is_put_off_is_taken_up_after_a_while_or_when_it_is_asked_for(store: Store, user_id: UUID) -> None:
    delayed, begun = await store.begin(new_job(user_id, SCAN, request_id="1"), delay_s=20)
    assert begun is Begun.NEW_DELAYED
    assert await store.begin(new_job(user_id, SCAN, request_id="2"), delay_s=20) == (delayed, Begun.ANOTHER_OPEN)
    woken, begun = await store.begin(new_job(user_id, SCAN, request_id="3"))
    assert (woken, begun) == (delayed, Begun.WOKEN)
    assert await store.begin(new_job(user_id, SCAN, request_id="4")) == (delayed, Begun.ANOTHER_OPEN)
    running = await store.repository.claim(user_id, delayed.id, lease_s=60)
    assert running is not None
    assert await store.begin(new_job(user_id, SCAN, request_id="5")) == (running, Begun.ANOTHER_OPEN)
    await store.succeed(running)
    again, _ = await store.begin(new_job(user_id, SCAN, request_id="6"), delay_s=20)
    await store.let_lease_run_out(again)
    assert await stalled(store, again) == [StalledJob(user_id, again.id, SCAN, False)]


async def test_what_is_done_from_the_beginning_waits_for_nobody(store: Store, user_id: UUID) -> None:
    job, begun = await store.record_done(new_job(user_id))
    assert (begun, job.state, job.over, job.error_reason) == (Begun.NEW, JobState.SUCCEEDED, True, "")
    assert job.completed_at is not None
    assert await store.repository.claim(user_id, job.id, lease_s=30) is None
    assert (await store.begin(new_job(user_id, request_id="2"), most_open=1))[1] is Begun.NEW


async def test_one_worker_has_it_until_its_lease_is_over(store: Store, user_id: UUID) -> None:
    first = await running(store, user_id)
    assert (first.state, first.attempt, first.begun, first.tries) == (JobState.RUNNING, 1, 1, 1)
    assert await store.repository.claim(user_id, first.id, lease_s=30) is None
    assert await store.repository.renew(first, lease_s=30)
    await store.let_lease_run_out(first)
    second = await store.repository.claim(user_id, first.id, lease_s=30)
    assert second is not None
    assert (second.attempt, second.tries) == (2, 2)
    # The first one changes nothing any more.
    assert not await store.repository.renew(first, lease_s=30)
    assert await store.repository.put_back(first, lease_s=1, counts=True, in_queue=False) is None
    assert await store.repository.fail(first, message="m", reason="R") is None
    assert not await store.succeed(first)
    assert await store.succeed(second)
    assert not await store.succeed(second)


async def test_whoever_has_just_ended_it_well_is_not_told_that_the_attempt_is_over(store: Store, user_id: UUID) -> None:
    done, given_up = await running(store, user_id), await running(store, user_id, request_id="2")
    await store.succeed(done)
    await store.repository.fail(given_up, message="m", reason="R")
    assert await store.repository.renew(done, lease_s=30)
    assert not await store.repository.renew(given_up, lease_s=30)


async def test_what_is_put_back_waits_and_counts_as_told(store: Store, user_id: UUID) -> None:
    job = await running(store, user_id)
    waits = await store.repository.put_back(job, lease_s=30, counts=False, in_queue=False)
    assert waits is not None
    assert (waits.state, waits.begun, waits.tries) == (JobState.PENDING, 1, 0)
    assert await stalled(store, job) == []
    await store.let_lease_run_out(job)
    assert await stalled(store, job) == [StalledJob(user_id, job.id, FORECAST, False)]
    again = await store.repository.claim(user_id, job.id, lease_s=30)
    assert again is not None
    waits = await store.repository.put_back(again, lease_s=30, counts=True, in_queue=True)
    assert waits is not None
    assert (waits.begun, waits.tries) == (2, 1)


async def test_why_it_failed_is_kept(store: Store, user_id: UUID) -> None:
    job = await running(store, user_id)
    failed = await store.repository.fail(job, message="There is no history.", reason="NO_HISTORY")
    assert failed is not None
    assert (failed.state, failed.over, failed.error_message, failed.error_reason) == (
        JobState.FAILED, True, "There is no history.", "NO_HISTORY"
    )  # fmt: skip
    assert failed.completed_at is not None


async def test_stalled_jobs_are_those_without_a_message_first(store: Store, user_id: UUID, other_user_id: UUID) -> None:
    lost, _ = await store.begin(new_job(user_id))
    dead = await running(store, user_id, kind=SCAN, request_id="2")
    later = await running(store, other_user_id)
    fine, _ = await store.begin(new_job(other_user_id, request_id="3"))
    for job in (lost, dead, later):
        await store.let_lease_run_out(job)
    found = await stalled(store, lost, dead, later, fine)
    assert [(one.job_id, one.kind, one.in_queue) for one in found] == [
        (dead.id, SCAN, False), (later.id, FORECAST, False), (lost.id, FORECAST, True),
    ]  # fmt: skip
    before = await store.repository.count_in_queue()
    assert [await store.repository.requeue(found[0], lease_s=60) for _ in range(2)] == [True, False]
    assert await store.repository.count_in_queue() == before + 1
    assert await stalled(store, dead) == []
    assert (await store.repository.get(user_id, dead.id)).state is JobState.PENDING  # type: ignore[union-attr]


async def test_what_ended_weeks_ago_is_removed_and_nothing_else(store: Store, user_id: UUID) -> None:
    old, _ = await store.record_done(new_job(user_id))
    open_one, _ = await store.begin(new_job(user_id, request_id="2"))
    await store.let_days_go_by(old, 29)
    await store.repository.expire(days=30, limit=ALL)
    assert await store.repository.get(user_id, old.id)
    await store.let_days_go_by(old, 2)
    new, _ = await store.record_done(new_job(user_id, request_id="3"))
    assert await store.repository.expire(days=30, limit=ALL) >= 1
    assert await store.repository.get(user_id, old.id) is None
    assert await store.repository.get(user_id, open_one.id)
    assert await store.repository.get(user_id, new.id)


# PostgreSQL alone


async def test_begun_at_once_they_are_no_more_than_allowed(real: RealStore, user_id: UUID) -> None:
    forecasts = await asyncio.gather(*(real.begin(new_job(user_id, request_id=str(number)), most_open=2) for number in range(8)))
    assert sorted(begun.value for _, begun in forecasts) == ["new", "new_behind"] + ["too_many_open"] * 6
    scans = await asyncio.gather(*(real.begin(new_job(user_id, SCAN, request_id=f"s{number}")) for number in range(4)))
    assert sorted(begun.value for _, begun in scans) == ["another_open"] * 3 + ["new"]
    assert len({job.id for job, _ in scans}) == 1
    same = await asyncio.gather(*(real.record_done(new_job(user_id, request_id="same")) for _ in range(4)))
    assert sorted(begun.value for _, begun in same) == ["new"] + ["repeated"] * 3


async def test_two_workers_at_once_claim_it_once(real: RealStore, user_id: UUID) -> None:
    job, _ = await real.begin(new_job(user_id))
    claimed = await asyncio.gather(*(real.repository.claim(user_id, job.id, lease_s=30) for _ in range(4)))
    assert sum(one is not None for one in claimed) == 1


async def test_a_final_state_is_final_whoever_asks(real: RealStore, user_id: UUID, as_role: AsRole) -> None:
    await real.record_done(new_job(user_id))
    async with as_role("forecasting", user_id) as connection:
        with pytest.raises(asyncpg.CheckViolationError, match="stays so"):
            await connection.execute("UPDATE forecasting.jobs SET state = 'pending', completed_at = NULL, lease_expires_at = now()")


async def test_what_hangs_on_a_job_goes_with_it(real: RealStore, user_id: UUID) -> None:
    scan, _ = await real.record_done(new_job(user_id, SCAN))
    forecast, _ = await real.record_done(new_job(user_id, request_id="2"))
    async with real.database.transaction(user_id) as connection:
        await connection.execute("INSERT INTO forecasting.scans VALUES ($1, $2, 1, 1, 0, now())", user_id, scan.id)
        await connection.execute(
            """
            INSERT INTO forecasting.forecasts (user_id, id, series_id, currency, measure, granularity, horizon)
            VALUES ($1, $2, repeat('a', 32), 'EUR', 'spent', 'day', 1)
            """,
            user_id,
            forecast.id,
        )
    for job in (scan, forecast):
        await real.let_days_go_by(job, 31)
    assert await real.repository.expire(days=30, limit=ALL) >= 2
    async with real.database.transaction(user_id, read_only=True) as connection:
        for table in ("scans", "forecasts", "jobs"):
            assert await connection.fetchval(f"SELECT count(*) FROM forecasting.{table}") == 0


async def test_nul_in_a_message_is_no_reason_to_fail_again(real: RealStore, user_id: UUID) -> None:
    job = await running(real, user_id)
    failed = await real.repository.fail(job, message="a\x00b" * 2000, reason="R")
    assert failed is not None
    assert failed.error_message.startswith("abab")
    assert len(failed.error_message) == 2000
