"""Training jobs: begun once, carried out once at a time, ended with a word to the user whatever breaks. On the real database."""

from __future__ import annotations

import asyncio
import errno
from uuid import UUID

import asyncpg
import pytest

from services.kit.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ScaleError,
    Unauthenticated,
    Unavailable,
)
from services.training.domain import (
    CATEGORIZER,
    CATEGORIZER_GLOBAL,
    NOBODY,
    AttemptOver,
    Caller,
    Job,
    JobCancelled,
    JobPosition,
    JobStatus,
    Progress,
    Trigger,
)
from services.training.report import JobReport
from tests.conftest import AsRole
from tests.support.training_run_fakes import FakeTrainer
from tests.training.conftest import Bench

COMPLETED, FAILED, CANCELLED = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED
PENDING, PROCESSING = JobStatus.PENDING, JobStatus.PROCESSING
TOO_FEW = FailedPrecondition("Correct at least 20 payments first.", reason="TOO_FEW_EXAMPLES")


NEW_ROWS = {
    "training_jobs": """
        INSERT INTO training.training_jobs (user_id, id, request_id, model_type, trigger, lease_expires_at)
        VALUES ($1, gen_random_uuid(), 'x', 'categorizer', 'user', now())
    """,
    "notifications": """
        INSERT INTO training.notifications (user_id, id, kind, title, subject_id) VALUES ($1, gen_random_uuid(), 'x', 'x', 'x')
    """,
}


@pytest.fixture
async def no_global_job(bench: Bench) -> None:
    """Nobody's jobs of other tests are over."""
    async with bench.database.transaction(NOBODY) as connection:
        await connection.execute("DELETE FROM training.training_jobs WHERE user_id = $1", NOBODY)


async def notifications(bench: Bench) -> list[tuple[str, str]]:
    found, _, _ = await bench.notifications.list_notifications(bench.user_id, unread_only=False, limit=100, after=None)
    return [(one.kind, one.subject_id) for one in found]


# From beginning to end


@pytest.mark.requirement("TRN-01", "TRN-02")
async def test_a_job_is_trained_registered_and_told(bench: Bench) -> None:
    job = await bench.start()
    assert (job.status, job.model_type, job.trigger, job.tries) == (PENDING, CATEGORIZER, Trigger.USER, 0)
    assert bench.queue.messages == [(bench.user_id, job.id)]
    done = await bench.run(job)
    assert (done.status, done.published, done.model_version) == (COMPLETED, True, "1-aaaaaaaa")
    assert done.metrics == {"accuracy": 0.9, "rows": 12}
    assert (done.step, done.total, done.loss, done.tries, done.attempt) == (3, 3, 1 / 3, 1, 1)
    assert done.started_at is not None
    assert done.completed_at is not None
    assert done.created_at <= done.started_at <= done.completed_at
    assert await notifications(bench) == [("training_completed", str(job.id))]
    assert [told.kind for told in bench.told.told] == ["training_completed"]
    # Each step, though only one a second is stored.
    assert [(told.status, told.phase, told.step) for told in bench.events.told] == [
        (PENDING, "", 0),
        (PROCESSING, "", 0),
        (PROCESSING, "collecting", 0),
        (PROCESSING, "training", 1),
        (PROCESSING, "training", 2),
        (PROCESSING, "training", 3),
        (PROCESSING, "publishing", 3),
        (COMPLETED, "", 3),
    ]
    assert bench.statuses.copies[job.id].status is COMPLETED


async def test_a_version_that_is_no_better_is_kept_and_not_published(bench: Bench) -> None:
    bench.trainer.better = False
    done = await bench.run(await bench.start())
    assert (done.status, done.published, done.model_version) == (COMPLETED, False, "1-aaaaaaaa")
    (notification, *_), _, _ = await bench.notifications.list_notifications(bench.user_id, unread_only=True, limit=1, after=None)
    assert "stays" in notification.body


async def test_the_same_request_is_one_job(bench: Bench, other_user_id: UUID) -> None:
    job = await bench.start("1")
    assert await bench.start("1") == job
    assert len(bench.queue.messages) == 1
    await bench.run(job)
    assert (await bench.start("1")).status is COMPLETED
    assert (await bench.service.start_training_job(Caller(other_user_id), CATEGORIZER, request_id="1")).id != job.id
    assert (await bench.start("2")).status is PENDING


@pytest.mark.usefixtures("no_global_job")
async def test_the_same_request_for_another_model_is_refused(bench: Bench) -> None:
    caller = Caller(NOBODY, admin=True)
    request_id = str(bench.user_id)
    job = await bench.service.start_training_job(caller, CATEGORIZER_GLOBAL, request_id=request_id)
    try:
        with pytest.raises(AlreadyExists) as refused:
            await bench.service.start_training_job(caller, CATEGORIZER, request_id=request_id)
        assert refused.value.reason == "REQUEST_ID_REUSED"
    finally:
        await bench.service.cancel_training_job(caller, job.id)


@pytest.mark.requirement("TRN-09")
async def test_one_open_job_for_each_user(bench: Bench, other_user_id: UUID) -> None:
    job = await bench.start()
    with pytest.raises(AlreadyExists) as refused:
        await bench.start()
    assert (refused.value.reason, refused.value.metadata["job_id"]) == ("TRAINING_JOB_OPEN", str(job.id))
    await bench.service.start_training_job(Caller(other_user_id), CATEGORIZER, request_id="1")


@pytest.mark.parametrize("locked", [True, False])
async def test_of_twenty_starts_at_once_one_begins_a_job(bench: Bench, locked: bool) -> None:
    if not locked:
        bench.lock = None
        bench.service = bench.make_service()

    async def start() -> Job | ScaleError:
        try:
            return await bench.start()
        except AlreadyExists as error:
            return error

    answers = await asyncio.gather(*(start() for _ in range(20)))
    (job,) = [answer for answer in answers if isinstance(answer, Job)]
    refusals = [answer for answer in answers if isinstance(answer, ScaleError)]
    assert {(one.reason, one.metadata["job_id"]) for one in refusals} == {("TRAINING_JOB_OPEN", str(job.id))}
    assert len(refusals) == 19
    assert bench.queue.messages == [(bench.user_id, job.id)]


async def test_unknown_models_and_those_of_administrators_are_refused(bench: Bench) -> None:
    with pytest.raises(InvalidArgument, match="categorizer, categorizer-global"):
        await bench.service.start_training_job(bench.caller, "forecaster", request_id="1")
    with pytest.raises(PermissionDenied):
        await bench.service.start_training_job(bench.caller, CATEGORIZER_GLOBAL, request_id="1")
    with pytest.raises(PermissionDenied):
        await bench.service.list_training_jobs(bench.caller, status=None, model=CATEGORIZER_GLOBAL, limit=1, after=None)
    assert bench.queue.messages == []


@pytest.mark.usefixtures("no_global_job")
async def test_a_global_job_belongs_to_nobody_and_is_administrators_to_see(bench: Bench) -> None:
    admin = Caller(bench.user_id, admin=True)
    job = await bench.service.start_training_job(admin, CATEGORIZER_GLOBAL, request_id=str(bench.user_id))
    assert job.user_id == NOBODY
    bench.statuses.copies.clear()
    for _ in ("database", "cache"):
        assert (await bench.service.get_training_job(admin, job.id)).id == job.id
        with pytest.raises(NotFound):
            await bench.service.get_training_job(bench.caller, job.id)
    page, _ = await bench.service.list_training_jobs(admin, status=PENDING, model=CATEGORIZER_GLOBAL, limit=1, after=None)
    assert [one.id for one in page] == [job.id]
    with pytest.raises(NotFound):
        await bench.service.cancel_training_job(bench.caller, job.id)
    assert (await bench.service.cancel_training_job(admin, job.id)).status is CANCELLED


async def test_too_many_jobs_are_refused_and_a_queue_that_is_away_is_caught_up_with(bench: Bench) -> None:
    bench.queue.messages = [(NOBODY, NOBODY)] * 3
    bench.service = bench.make_service(max_queued=3)
    with pytest.raises(ResourceExhausted):
        await bench.start()
    bench.queue.down = True
    job = await bench.start()
    assert job.status is PENDING
    bench.queue.down, bench.queue.messages = False, []
    await bench.end_lease(job)
    await bench.reaper().requeue_stalled_jobs()
    assert (bench.user_id, job.id) in bench.queue.messages


async def test_nothing_is_begun_without_a_queue(bench: Bench) -> None:
    bench.queue = None  # type: ignore[assignment]
    bench.service = bench.make_service()
    with pytest.raises(FailedPrecondition, match="SCALE_REDIS_URL"):
        await bench.start()


# Reading


async def test_a_page_has_the_newest_first_and_a_status_of_its_own(bench: Bench, other_user_id: UUID) -> None:
    jobs = []
    for number in range(5):
        job = await bench.start(str(number))
        bench.trainer.raises = [TOO_FEW] if number % 2 else []
        jobs.append((await bench.run(job)).id)
    newest_first = jobs[::-1]
    seen: list[UUID] = []
    after, more = None, True
    while more:
        page, more = await bench.service.list_training_jobs(bench.caller, status=None, model="", limit=2, after=after)
        seen += [job.id for job in page]
        after = JobPosition(page[-1].created_at, page[-1].id)
    assert seen == newest_first
    failed, more = await bench.service.list_training_jobs(bench.caller, status=FAILED, model=CATEGORIZER, limit=10, after=None)
    assert ([job.id for job in failed], more) == ([newest_first[1], newest_first[3]], False)
    others, _ = await bench.service.list_training_jobs(Caller(other_user_id), status=None, model="", limit=10, after=None)
    assert others == []


@pytest.mark.requirement("TRN-13")
async def test_a_job_is_its_users_alone_in_the_database_and_in_the_cache(bench: Bench, other_user_id: UUID) -> None:
    job = await bench.start()
    other = Caller(other_user_id)
    for cached in (True, False):
        if not cached:
            bench.statuses.copies.clear()
        with pytest.raises(NotFound):
            await bench.service.get_training_job(other, job.id)
        assert (await bench.service.get_training_job(bench.caller, job.id)).id == job.id
    with pytest.raises(NotFound):
        await bench.service.cancel_training_job(other, job.id)
    with pytest.raises(NotFound):
        await anext(bench.service.watch_training_job(other, job.id, after=""))


async def test_who_watches_is_told_the_end(bench: Bench) -> None:
    job = await bench.start()
    await bench.run(job)
    told = [event.job.status async for event in bench.service.watch_training_job(bench.caller, job.id, after="")]
    assert told[-1] is COMPLETED
    assert len(told) == 8


# Giving up


async def test_a_job_that_waits_is_cancelled_at_once(bench: Bench) -> None:
    job = await bench.start()
    cancelled = await bench.service.cancel_training_job(bench.caller, job.id)
    assert (cancelled.status, cancelled.cancel_requested) == (CANCELLED, True)
    assert (await bench.service.cancel_training_job(bench.caller, job.id)).status is CANCELLED
    assert [told.status for told in bench.events.told] == [PENDING, CANCELLED]
    assert (await bench.run(job)).status is CANCELLED
    assert bench.trainer.calls == 0
    assert await notifications(bench) == []
    await bench.start()


async def test_a_job_that_runs_is_cancelled_at_its_next_step(bench: Bench) -> None:
    job = await bench.start()
    asked: list[Job] = []

    async def ask() -> None:
        asked.append(await bench.service.cancel_training_job(bench.caller, job.id))

    tasks: list[asyncio.Task[None]] = []
    bench.trainer = FakeTrainer(
        steps=200, pause_s=0.02, at_step=lambda step: tasks.append(asyncio.create_task(ask())) if step == 3 else None
    )
    done = await bench.run(job)
    assert (done.status, done.published, done.model_version) == (CANCELLED, False, "")
    assert (asked[0].status, asked[0].cancel_requested) == (PROCESSING, True)
    assert isinstance(bench.trainer.stopped_by, JobCancelled)
    assert bench.registry.versions == {}


async def test_a_trainer_that_says_nothing_is_stopped_at_the_next_renewal(bench: Bench) -> None:
    job = await bench.start()
    bench.trainer = FakeTrainer(steps=1, pause_s=30)
    running = asyncio.create_task(bench.run(job, bench.runs(lease_s=0.3)))
    await bench.trainer.collected.wait()
    await bench.service.cancel_training_job(bench.caller, job.id)
    assert (await running).status is CANCELLED
    assert isinstance(bench.trainer.stopped_by, asyncio.CancelledError)


async def test_what_has_ended_is_not_cancelled(bench: Bench) -> None:
    job = await bench.start()
    await bench.run(job)
    with pytest.raises(FailedPrecondition) as refused:
        await bench.service.cancel_training_job(bench.caller, job.id)
    assert refused.value.reason == "TRAINING_JOB_ENDED"


# Failing


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (TOO_FEW, "TOO_FEW_EXAMPLES", "Correct at least 20 payments first."),
        (OSError(errno.ENOSPC, "No space left on device"), "NO_STORAGE_ROOM", "no room on the disk"),
        (Unavailable("There is no room to store the file; try again later.", reason="NO_STORAGE_ROOM"), "NO_STORAGE_ROOM", "no room"),
    ],
)
async def test_what_another_try_would_not_mend_fails_at_once(bench: Bench, error: Exception, reason: str, words: str) -> None:
    bench.trainer.raises = [error]
    job = await bench.start()
    done = await bench.run(job)
    assert (done.status, done.error_reason, done.tries) == (FAILED, reason, 1)
    assert words in done.error_message
    assert await notifications(bench) == [("training_failed", str(job.id))]
    assert [told.status for told in bench.events.told][-1] is FAILED
    assert bench.registry.versions == {}
    await bench.start()


async def test_a_registry_without_room_fails_the_job(bench: Bench) -> None:
    bench.registry.raises = [Unavailable("There is no room to store the file; try again later.", reason="NO_STORAGE_ROOM")]
    done = await bench.run(await bench.start())
    assert (done.status, done.error_reason, done.published) == (FAILED, "NO_STORAGE_ROOM", False)


async def test_what_breaks_is_tried_once_more_and_then_failed(bench: Bench) -> None:
    bench.trainer.raises = [RuntimeError("secret detail"), RuntimeError("again")]
    job = await bench.start()
    waiting = await bench.run(job)
    assert (waiting.status, waiting.tries) == (PENDING, 1)
    assert await notifications(bench) == []
    # The next try goes on with what this one has kept.
    assert bench.cleared == []
    done = await bench.run(job)
    assert bench.cleared == [job.id]
    assert (done.status, done.tries, done.error_reason) == (FAILED, 2, "TRAINING_BROKEN")
    assert "secret" not in done.error_message
    assert await notifications(bench) == [("training_failed", str(job.id))]


async def test_what_is_away_costs_no_try_and_is_tried_when_its_time_has_come(bench: Bench) -> None:
    bench.trainer.raises = [Unavailable("ledger")] * 3
    job = await bench.start()
    bench.queue.messages = []
    for begun in (1, 2, 3):
        waiting = await bench.run(job)
        assert (waiting.status, waiting.begun, waiting.tries) == (PENDING, begun, 0)
        await bench.reaper().requeue_stalled_jobs()
        assert (bench.user_id, job.id) not in bench.queue.messages  # its time has not come
        await bench.end_lease(job)
        await bench.reaper().requeue_stalled_jobs()
        assert bench.queue.messages.pop() == (bench.user_id, job.id)
    assert (await bench.run(job)).status is COMPLETED


async def test_what_takes_too_long_is_ended(bench: Bench) -> None:
    bench.trainer = FakeTrainer(steps=1, pause_s=60)
    done = await bench.run(await bench.start(), bench.runs(time_limit_s=0.2))
    assert (done.status, done.error_reason) == (FAILED, "TRAINING_TIME_LIMIT")
    assert await notifications(bench) == [("training_failed", str(done.id))]


async def test_a_model_that_this_worker_does_not_know_fails(bench: Bench) -> None:
    runs = bench.runs()
    runs._trainers = {}
    done = await bench.run(await bench.start(), runs)
    assert (done.status, done.error_reason) == (FAILED, "INVALID_ARGUMENT")


# Dying


class _Killed(BaseException):
    """The process is gone: nothing is caught, nothing put back."""


async def killed(bench: Bench, job: Job) -> None:
    """A worker dies in the middle of a job; its lease runs out."""

    def die(step: int) -> None:
        raise _Killed

    bench.trainer.at_step = die
    with pytest.raises(_Killed):
        await bench.run(job)
    bench.trainer.at_step = lambda step: None
    left = await bench.job(job)
    assert left.status is PROCESSING
    await bench.end_lease(job)


async def test_a_dead_workers_job_is_taken_over_once_and_then_failed(bench: Bench) -> None:
    job = await bench.start()
    bench.queue.messages = []
    await killed(bench, job)
    await bench.reaper().requeue_stalled_jobs()
    waiting = await bench.job(job)
    assert (waiting.status, waiting.tries) == (PENDING, 1)
    assert bench.queue.messages == [(bench.user_id, job.id)]
    await killed(bench, job)
    await bench.reaper().requeue_stalled_jobs()
    done = await bench.job(job)
    assert (done.status, done.tries, done.error_reason) == (FAILED, 2, "WORKER_DIED")
    assert await notifications(bench) == [("training_failed", str(job.id))]
    assert [told.status for told in bench.events.told][-1] is FAILED
    assert bench.cleared == [job.id]
    assert (await bench.start()).status is PENDING


async def test_a_worker_that_is_told_to_end_puts_its_job_back_and_counts_no_try(bench: Bench) -> None:
    job = await bench.start()
    bench.trainer.pause_s = 60
    working = asyncio.create_task(bench.run(job))
    while bench.trainer.calls == 0:
        await asyncio.sleep(0.01)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    waiting = await bench.job(job)
    assert (waiting.status, waiting.tries, waiting.begun) == (PENDING, 0, 1)


async def test_without_retries_a_dead_workers_job_fails(bench: Bench) -> None:
    job = await bench.start()
    await killed(bench, job)
    await bench.reaper(max_tries=1).requeue_stalled_jobs()
    assert (await bench.job(job)).error_reason == "WORKER_DIED"


async def test_a_dead_workers_job_that_was_to_be_cancelled_is(bench: Bench) -> None:
    job = await bench.start()
    await killed(bench, job)
    await bench.service.cancel_training_job(bench.caller, job.id)
    await bench.reaper().requeue_stalled_jobs()
    assert (await bench.job(job)).status is CANCELLED


async def test_a_job_whose_lease_holds_is_nobody_elses(bench: Bench) -> None:
    job = await bench.start()
    await bench.repository.claim(bench.user_id, job.id, lease_s=30)
    await bench.reaper().requeue_stalled_jobs()
    assert (await bench.run(job)).status is PROCESSING
    assert bench.trainer.calls == 0


async def test_a_worker_that_comes_back_late_changes_nothing(bench: Bench) -> None:
    job = await bench.start()
    late = await bench.repository.claim(bench.user_id, job.id, lease_s=30)
    assert late is not None
    await bench.end_lease(job)
    await bench.reaper().requeue_stalled_jobs()
    done = await bench.run(job)
    assert done.status is COMPLETED
    assert await bench.repository.renew(late, lease_s=30) is None
    assert await bench.endings.failed(late, message="x", reason="X") is None
    assert await bench.endings.put_back(late, wait_s=1, counts=True) is None
    assert await bench.endings.cancelled(late) is None
    assert await bench.job(job) == done


async def test_a_worker_whose_lease_was_lost_stops(bench: Bench) -> None:
    job = await bench.start()

    def lose(step: int) -> None:
        if step == 2:
            losing.append(asyncio.create_task(taken_over()))

    async def taken_over() -> None:
        await bench.end_lease(job)
        await bench.reaper().requeue_stalled_jobs()
        await bench.repository.claim(bench.user_id, job.id, lease_s=30)

    losing: list[asyncio.Task[None]] = []
    bench.trainer = FakeTrainer(steps=1000, pause_s=0.01, at_step=lose)
    left = await bench.run(job)
    assert (left.status, left.attempt) == (PROCESSING, 2)
    assert isinstance(bench.trainer.stopped_by, AttemptOver)
    assert bench.registry.versions == {}


@pytest.mark.requirement("TRN-27")
async def test_a_message_twice_trains_once(bench: Bench) -> None:
    job = await bench.start()
    bench.trainer = FakeTrainer(steps=5, pause_s=0.02)
    runs = bench.runs()
    await asyncio.gather(runs.run_job(bench.user_id, job.id), runs.run_job(bench.user_id, job.id))
    await runs.run_job(bench.user_id, job.id)
    assert bench.trainer.calls == 1
    done = await bench.job(job)
    assert (done.status, done.attempt) == (COMPLETED, 1)
    assert len(bench.registry.versions) == 1
    assert await notifications(bench) == [("training_completed", str(job.id))]


async def test_a_lost_message_is_sent_again_only_when_one_is_missing(bench: Bench) -> None:
    job = await bench.start()
    await bench.end_lease(job)
    bench.queue.messages = [(NOBODY, NOBODY)] * 10_000
    assert await bench.reaper().requeue_stalled_jobs() == 0
    bench.queue.messages = []
    await bench.reaper().requeue_stalled_jobs()
    assert (bench.user_id, job.id) in bench.queue.messages


async def test_a_worker_that_trains_looks_after_other_jobs_meanwhile(bench: Bench) -> None:
    job = await bench.start()
    bench.queue.messages = []
    await bench.end_lease(job)
    looking = asyncio.create_task(bench.reaper().keep_looking(every_s=0.02))
    bench.queue.down = True
    await asyncio.sleep(0.1)
    bench.queue.down = False
    while (bench.user_id, job.id) not in bench.queue.messages:
        await asyncio.sleep(0.01)
    assert not looking.done()
    looking.cancel()


@pytest.mark.requirement("REL-24", "TRN-21")
async def test_a_job_of_more_than_an_hour_fails_whoever_works_on_it(bench: Bench) -> None:
    job = await bench.start()
    running = await bench.repository.claim(bench.user_id, job.id, lease_s=3000)
    await bench.execute("UPDATE training.training_jobs SET started_at = now() - interval '59 min' WHERE id = $1", job.id)
    await bench.reaper().fail_overdue_jobs()
    assert (await bench.job(job)).status is PROCESSING
    await bench.execute("UPDATE training.training_jobs SET started_at = now() - interval '61 min' WHERE id = $1", job.id)
    assert await bench.reaper().fail_overdue_jobs() >= 1
    done = await bench.job(job)
    assert (done.status, done.error_reason) == (FAILED, "TRAINING_OVERDUE")
    assert await notifications(bench) == [("training_failed", str(job.id))]
    assert running is not None
    assert await bench.repository.renew(running, lease_s=30) is None


async def test_an_end_that_cannot_be_stored_just_now_is_stored_when_it_can(bench: Bench) -> None:
    repository, failures = bench.repository, [Unavailable("down", reason="DB_UNAVAILABLE")] * 2

    class Restarting:
        def __getattr__(self, name: str) -> object:
            if name in ("complete", "advance") and failures:
                raise failures.pop()
            return getattr(repository, name)

    bench.repository = Restarting()  # type: ignore[assignment]
    bench.endings._repository = bench.repository
    job = await bench.start()
    done = await bench.run(job)
    assert (done.status, done.tries, failures) == (COMPLETED, 1, [])


class _Instead:
    """A repository whose `name` raises what is left of `errors`."""

    def __init__(self, repository: object, name: str, errors: list[Exception]) -> None:
        self._repository, self._name, self._errors = repository, name, errors

    def __getattr__(self, name: str) -> object:
        if name == self._name and self._errors:
            raise self._errors.pop()
        return getattr(self._repository, name)


def failing(bench: Bench, name: str, *errors: Exception) -> list[Exception]:
    left = list(errors)
    bench.repository = _Instead(bench.repository, name, left)  # type: ignore[assignment]
    bench.endings._repository = bench.repository
    return left


@pytest.mark.parametrize("name", ["advance", "complete", "fail"])
async def test_for_a_user_who_erases_everything_nothing_more_is_done(bench: Bench, name: str) -> None:
    job = await bench.start()
    if name == "fail":
        bench.trainer.raises = [TOO_FEW]
    failing(bench, name, Unauthenticated("erased", reason="USER_ERASED"))
    assert (await bench.run(job)).status is PROCESSING
    assert await notifications(bench) == []


async def test_how_far_a_job_is_need_not_be_stored(bench: Bench) -> None:
    left = failing(bench, "advance", *[Unavailable("down", reason="DB_UNAVAILABLE")] * 3)
    done = await bench.run(await bench.start())
    assert (done.status, left) == (COMPLETED, [])
    assert [told.phase for told in bench.events.told if told.status is PROCESSING] == ["", "collecting", *["training"] * 3, "publishing"]


async def test_an_end_that_cannot_be_stored_within_a_lease_leaves_the_job_to_the_next_try(bench: Bench) -> None:
    failing(bench, "complete", *[Unavailable("down", reason="DB_UNAVAILABLE")] * 1000)
    waiting = await bench.run(await bench.start(), bench.runs(lease_s=0.1))
    assert (waiting.status, waiting.begun, waiting.tries) == (PENDING, 1, 0)


async def test_a_trainer_that_times_out_by_itself_has_not_met_the_limit(bench: Bench) -> None:
    bench.trainer.raises = [TimeoutError("a socket")]
    waiting = await bench.run(await bench.start())
    assert (waiting.status, waiting.tries) == (PENDING, 1)


async def test_a_report_after_the_end_stops_whoever_still_works(bench: Bench) -> None:
    job = await bench.start()
    running = await bench.repository.claim(bench.user_id, job.id, lease_s=30)
    assert running is not None
    report = JobReport(running, bench.repository, bench.endings)
    await report(Progress(1, 10, 0.5, "training"))
    report.close()
    with pytest.raises(AttemptOver):
        await report(Progress(2, 10, 0.5, "training"))
    assert (await bench.job(job)).step == 1


async def test_figures_that_no_table_takes_are_made_fit(bench: Bench) -> None:
    job = await bench.start()
    running = await bench.repository.claim(bench.user_id, job.id, lease_s=30)
    assert running is not None
    found = await bench.repository.advance(running, Progress(12, 10, float("nan"), "x" * 100))
    assert found is not None
    assert (found.step, found.total, found.loss, found.phase) == (10, 10, None, "x" * 63)
    metrics: dict[str, float | int | str | bool] = {"fine": 1, "text": "a", "not": float("nan"), "endless": float("inf")}
    done = await bench.endings.completed(running, metrics, version="1-a", published=False, progress=Progress(0, 0))
    assert done is not None
    assert done.metrics == {"fine": 1, "text": "a"}


# The database's own word


@pytest.mark.requirement("TRN-01")
@pytest.mark.parametrize("status", ["pending", "processing"])
@pytest.mark.parametrize("final", ["completed", "failed", "cancelled"])
async def test_what_is_over_stays_over(bench: Bench, status: str, final: str) -> None:
    job = await bench.start()
    await bench.repository.claim(bench.user_id, job.id, lease_s=30)
    await bench.execute(
        "UPDATE training.training_jobs SET status = $2, completed_at = now(), lease_expires_at = NULL, "
        "error_reason = CASE WHEN $2 = 'failed' THEN 'X' ELSE '' END WHERE id = $1",
        job.id,
        final,
    )
    back = "UPDATE training.training_jobs SET status = $2, completed_at = NULL, lease_expires_at = now(), error_reason = '' WHERE id = $1"
    with pytest.raises(asyncpg.CheckViolationError, match=f"is {final} and cannot become {status}"):
        await bench.execute(back, job.id, status)


@pytest.mark.requirement("TRN-01")
async def test_a_job_that_waits_cannot_be_done(bench: Bench) -> None:
    job = await bench.start()
    with pytest.raises(asyncpg.CheckViolationError, match="is pending and cannot become completed"):
        await bench.execute(
            "UPDATE training.training_jobs SET status = 'completed', completed_at = now(), lease_expires_at = NULL WHERE id = $1", job.id
        )
    with pytest.raises(asyncpg.CheckViolationError):
        await bench.execute("UPDATE training.training_jobs SET status = 'lost' WHERE id = $1", job.id)


@pytest.mark.requirement("SEC-12")
async def test_a_second_user_sees_and_changes_nothing(bench: Bench, other_user_id: UUID, as_role: AsRole) -> None:
    job = await bench.start()
    await bench.run(job)
    for table in ("training_jobs", "notifications"):
        async with as_role("training", bench.user_id) as connection:
            assert await connection.fetchval(f"SELECT count(*) FROM training.{table}") == 1
        async with as_role("training", other_user_id) as connection:
            assert await connection.fetchval(f"SELECT count(*) FROM training.{table}") == 0
            assert await connection.execute(f"UPDATE training.{table} SET created_at = now()") == "UPDATE 0"
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await connection.execute(NEW_ROWS[table], bench.user_id)
