"""What a caller meets: a job is begun once, no more of them than there is room for, and none is lost while the queue is away."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import pytest

from services.forecasting.jobs.domain import JobKind, JobState
from services.forecasting.jobs.service import JobsService
from services.kit.errors import AlreadyExists, FailedPrecondition, ResourceExhausted
from tests.support.forecasting_job_fakes import FakeJobQueue, FakeJobsRepository, new_job

FORECAST, SCAN = JobKind.FORECAST, JobKind.SCAN


@pytest.fixture
def records() -> FakeJobsRepository:
    return FakeJobsRepository()


@pytest.fixture
def queue() -> FakeJobQueue:
    return FakeJobQueue()


@pytest.fixture
def jobs(records: FakeJobsRepository, queue: FakeJobQueue) -> JobsService:
    return JobsService(records, queue, max_queued=3, max_open=2, message_lease_s=60)


async def test_a_job_is_begun_once_per_request(jobs: JobsService, records: FakeJobsRepository, queue: FakeJobQueue, user_id: UUID) -> None:
    new = new_job(user_id)
    job = await jobs.start(new, records.begin)
    assert (job.id, job.state) == (new.id, JobState.PENDING)
    assert await jobs.start(new_job(user_id), records.begin) == await jobs.find(new_job(user_id)) == job
    assert await jobs.get(user_id, job.id) == job
    assert queue.messages == [(user_id, job.id, FORECAST)]
    assert await jobs.find(new_job(user_id, request_id="2")) is None


@pytest.mark.parametrize(("kind", "body"), [(FORECAST, b"other"), (SCAN, b"b")])
async def test_a_request_id_with_another_body_is_refused(
    jobs: JobsService, records: FakeJobsRepository, user_id: UUID, kind: JobKind, body: bytes
) -> None:
    await jobs.start(new_job(user_id), records.begin)
    with pytest.raises(AlreadyExists) as caught:
        await jobs.start(new_job(user_id, kind, body=body), records.begin)
    assert (caught.value.reason, caught.value.metadata) == ("REQUEST_ID_REUSED", {"subject": "forecast"})


async def test_two_requests_at_once_with_one_id_are_compared_too(
    jobs: JobsService, records: FakeJobsRepository, queue: FakeJobQueue, user_id: UUID
) -> None:
    class ComesBetween(FakeJobsRepository):
        async def find(self, user_id: UUID, request_id: str) -> None:
            return None

    between = JobsService(ComesBetween(), queue, max_queued=3, max_open=2, message_lease_s=60)
    await records.begin(new_job(user_id), lease_s=60, most_open=2)
    assert (await between.start(new_job(user_id), records.begin)).request_id == "1"
    with pytest.raises(AlreadyExists):
        await between.start(new_job(user_id, body=b"other"), records.begin)
    assert queue.messages == []


async def test_one_user_has_so_many_forecasts_at_a_time(
    jobs: JobsService, records: FakeJobsRepository, queue: FakeJobQueue, user_id: UUID, other_user_id: UUID
) -> None:
    first, second = [await jobs.start(new_job(user_id, request_id=str(number)), records.begin) for number in range(2)]
    with pytest.raises(ResourceExhausted) as caught:
        await jobs.start(new_job(user_id, request_id="2"), records.begin)
    assert (caught.value.reason, caught.value.metadata) == ("TOO_MANY_OPEN_FORECASTS", {"forecast_id": str(second.id), "limit": "2"})
    assert caught.value.retry_after_s
    await jobs.start(new_job(other_user_id), records.begin)
    # The first ones of all users come before the second one of any.
    assert queue.behind == [second.id]
    assert [job_id for _, job_id, _ in queue.messages][:2] == [first.id, second.id]


async def test_a_second_scan_is_the_open_one(jobs: JobsService, records: FakeJobsRepository, queue: FakeJobQueue, user_id: UUID) -> None:
    scan = await jobs.start(new_job(user_id, SCAN), records.begin, behind=True)
    assert await jobs.start(new_job(user_id, SCAN, request_id="2"), records.begin) == scan
    assert (queue.messages, queue.behind) == ([(user_id, scan.id, SCAN)], [scan.id])


async def test_a_scan_that_is_put_off_gets_a_message_once_somebody_waits_for_it(
    jobs: JobsService, records: FakeJobsRepository, queue: FakeJobQueue, user_id: UUID
) -> None:
    later = partial(records.begin, delay_s=10)
    scan = await jobs.start(new_job(user_id, SCAN, request_id="1"), later)
    assert await jobs.start(new_job(user_id, SCAN, request_id="2"), later) == scan
    assert queue.messages == []
    for request_id in ("3", "4"):
        assert await jobs.start(new_job(user_id, SCAN, request_id=request_id), records.begin) == scan
    assert queue.messages == [(user_id, scan.id, SCAN)]


async def test_a_full_queue_is_told_and_one_that_is_away_is_caught_up_with(
    jobs: JobsService, records: FakeJobsRepository, queue: FakeJobQueue, user_id: UUID, other_user_id: UUID
) -> None:
    queue.messages = [(user_id, user_id, FORECAST)] * 3
    with pytest.raises(ResourceExhausted) as caught:
        await jobs.start(new_job(user_id), records.begin)
    assert caught.value.reason == "QUEUE_FULL"
    assert records.rows == {}
    queue.down = True
    job = await jobs.start(new_job(user_id), records.begin)
    assert job.state is JobState.PENDING
    assert await records.count_in_queue() == 1, "it is missed as soon as somebody counts"


async def test_without_a_queue_nothing_is_begun(records: FakeJobsRepository, user_id: UUID) -> None:
    jobs = JobsService(records, None, max_queued=3, max_open=2, message_lease_s=60)
    with pytest.raises(FailedPrecondition) as caught:
        await jobs.start(new_job(user_id), records.begin)
    assert caught.value.reason == "QUEUE_NOT_CONFIGURED"
    assert records.rows == {}
