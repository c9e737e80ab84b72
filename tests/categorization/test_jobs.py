"""Work in the background: begun once, carried to its end whatever dies, and never against the user's word. On the real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest
import uuid_utils.compat

from services.categorization import tasks
from services.categorization.acceptance import Acceptance
from services.categorization.catching_up import CatchingUp
from services.categorization.domain import Anchor, Classification, Payment
from services.categorization.jobs.domain import Job, JobKind, JobState
from services.categorization.jobs.queue import QUEUE, RedisJobQueue
from services.categorization.jobs.repository import PostgresJobsRepository
from services.categorization.jobs.runs import JobRuns
from services.categorization.jobs.service import JobsService
from services.categorization.jobs.work import ClassificationWork, RecategorizationWork
from services.categorization.learned import LearnedUsers
from services.categorization.repository import PostgresWordsRepository
from services.categorization.repository.words import revise, say
from services.categorization.rules_model import RulesModel
from services.categorization.service import CategorizationService
from services.kit.errors import AlreadyExists, FailedPrecondition, NotFound, ResourceExhausted, Unavailable
from services.kit.job_runs import MAX_TRIES
from services.kit.postgres import Database
from services.kit.queue import TaskQueue
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem
from tests.conftest import AsRole
from tests.support.categorization_fakes import FakeLedger, Silent, StillPredictor, WordModel, load_head, shop
from tests.support.gateway_app import RedisProcess


@dataclass
class FakeQueue:
    """`JobQueue`."""

    messages: list[tuple[UUID, UUID, JobKind]] = field(default_factory=list)
    behind: list[UUID] = field(default_factory=list)
    """Jobs, of those."""
    down: bool = False

    async def enqueue(self, user_id: UUID, job_id: UUID, kind: JobKind, *, behind: bool = False) -> None:
        if self.down:
            raise Unavailable("down", reason="QUEUE_UNAVAILABLE")
        self.messages.append((user_id, job_id, kind))
        self.behind += [job_id] if behind else []

    async def length(self) -> int:
        if self.down:
            raise Unavailable("down", reason="QUEUE_UNAVAILABLE")
        return len(self.messages)

    async def discard(self, user_id: UUID) -> None:
        self.messages = [message for message in self.messages if message[0] != user_id]


class Lists:
    """`CategoryLists` of a FakeLedger."""

    def __init__(self, ledger: FakeLedger) -> None:
        self._ledger = ledger

    async def of(self, user_id: UUID) -> dict[str, object]:
        return dict(self._ledger.categories)


@dataclass
class Bench:
    """Jobs of one user on the real database, with everything else in memory."""

    database: Database
    user_id: UUID
    ledger: FakeLedger = field(default_factory=FakeLedger)
    queue: FakeQueue = field(default_factory=FakeQueue)
    predictor: StillPredictor = field(default_factory=StillPredictor)

    def __post_init__(self) -> None:
        self.repository = PostgresJobsRepository(self.database)
        self.words = PostgresWordsRepository(self.database)
        self.learned = LearnedUsers(self.words, load_head=load_head, most_anchors=1000)
        self.catching_up = CatchingUp(self.words, self.ledger)
        self.classifying = CategorizationService(
            predictor=self.predictor,
            rules=Silent(),
            learned=self.learned,
            categories=Lists(self.ledger),  # type: ignore[arg-type]
            ledger=self.ledger,
            acceptance=Acceptance(),
            catching_up=self.catching_up,
        )
        self.service = JobsService(self.repository, self.queue, max_queued=3, max_open=4, message_lease_s=60)

    def runs(self, *, lease_s: float = 30, slice_s: float = 200, classifies: object = None) -> JobRuns:
        return JobRuns(
            repository=self.repository,
            queue=self.queue,
            work={
                JobKind.CLASSIFICATION: ClassificationWork(self.repository, classifies or self.classifying),  # type: ignore[arg-type]
                JobKind.RECATEGORIZATION: RecategorizationWork(self.repository, self.ledger, self.classifying, self.catching_up),
            },
            lease_s=lease_s,
            message_lease_s=60,
            results_days=7,
            slice_s=slice_s,
        )

    async def job(self, job_id: UUID) -> Job:
        return await self.service.get_job(self.user_id, job_id)

    async def run(self, job: Job, runs: JobRuns | None = None) -> Job:
        await (runs or self.runs()).run_job(self.user_id, job.id)
        return await self.job(job.id)


@pytest.fixture
async def bench(servers: LocalSystem, user_id: UUID) -> AsyncIterator[Bench]:
    database = Database(servers.service_url("categorization"), DatabaseSettings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=4))
    await database.open()
    yield Bench(database, user_id)
    await database.close()


def shops(count: int, text: str = "REWE {}") -> list[Payment]:
    return [shop(text.format(number)) for number in range(count)]


# Classification


async def test_a_classification_is_answered_in_input_order_by_pages(bench: Bench) -> None:
    payments = [*shops(1500), *shops(600, "unknown {}"), *shops(100, "shell {}")]
    job = await bench.service.start_classification(bench.user_id, payments, request_id="1")
    assert (job.state, job.input_count) == (JobState.PENDING, 2200)
    assert bench.queue.messages == [(bench.user_id, job.id, JobKind.CLASSIFICATION)]
    with pytest.raises(FailedPrecondition):
        await bench.service.list_job_results(bench.user_id, job.id, after=0, limit=10)
    done = await bench.run(job)
    assert (done.state, done.done_count, done.changed_count) == (JobState.SUCCEEDED, 2200, 1600)
    assert done.model_version == "hypcd-test+1"
    answers: list[Classification] = []
    more = True
    while more:
        page, more = await bench.service.list_job_results(bench.user_id, job.id, after=len(answers), limit=700)
        answers += page
    assert [answer.category for answer in answers] == (
        ["groceries_supermarket"] * 1500 + ["uncategorized"] * 600 + ["transport_fuel"] * 100
    )
    assert answers[0] == (await bench.classifying.classify(bench.user_id, payments[:1]))[0]


async def test_the_same_request_is_one_job(bench: Bench, other_user_id: UUID) -> None:
    job = await bench.service.start_classification(bench.user_id, shops(3), request_id="1")
    assert await bench.service.start_classification(bench.user_id, shops(3), request_id="1") == job
    with pytest.raises(AlreadyExists):
        await bench.service.start_classification(bench.user_id, shops(4), request_id="1")
    with pytest.raises(AlreadyExists):
        await bench.service.start_recategorization(bench.user_id, request_id="1")
    assert len(bench.queue.messages) == 1
    with pytest.raises(NotFound):
        await bench.service.get_job(other_user_id, job.id)
    with pytest.raises(NotFound):
        await bench.service.list_job_results(other_user_id, job.id, after=0, limit=1)


async def test_too_many_jobs_are_refused_and_a_queue_that_is_away_is_caught_up_with(bench: Bench) -> None:
    for number in range(3):
        await bench.service.start_classification(bench.user_id, shops(1), request_id=str(number))
    with pytest.raises(ResourceExhausted):
        await bench.service.start_classification(bench.user_id, shops(1), request_id="3")
    bench.queue.down = True
    job = await bench.service.start_classification(bench.user_id, shops(1), request_id="3")
    assert job.state is JobState.PENDING
    assert len(bench.queue.messages) == 3


class Dies:
    """Answers one chunk, then the process is gone: nothing is caught, nothing put back."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.calls = 0

    async def classify(self, user_id: UUID, payments: list[Payment]) -> object:
        self.calls += 1
        if self.calls == 2:
            raise asyncio.CancelledError
        return await self._bench.classifying.classify(user_id, payments)


async def test_a_job_whose_worker_died_goes_on_where_it_was(bench: Bench) -> None:
    job = await bench.service.start_classification(bench.user_id, shops(2500), request_id="1")
    dies = Dies(bench)
    with pytest.raises(asyncio.CancelledError):
        await bench.run(job, bench.runs(lease_s=1, classifies=dies))
    left = await bench.job(job.id)
    assert (left.state, left.done_count) == (JobState.RUNNING, 1000)
    # As long as its lease holds nobody else takes it, and nobody looks for it.
    assert (await bench.run(job)).state is JobState.RUNNING
    await asyncio.sleep(1.1)
    bench.queue.messages.clear()
    await bench.runs().requeue_stalled_jobs()
    assert (bench.user_id, job.id, JobKind.CLASSIFICATION) in bench.queue.messages
    model = bench.predictor.model
    assert isinstance(model, WordModel)
    model.passes.clear()
    done = await bench.run(job)
    assert (done.state, done.done_count, done.changed_count) == (JobState.SUCCEEDED, 2500, 2500)
    assert model.passes == [1000, 500]


async def test_a_worker_that_was_taken_for_dead_changes_nothing_any_more(bench: Bench) -> None:
    job = await bench.service.start_classification(bench.user_id, shops(10), request_id="1")
    slow, going = asyncio.Event(), asyncio.Event()

    class Slow:
        async def classify(self, user_id: UUID, payments: list[Payment]) -> object:
            going.set()
            await slow.wait()
            return await bench.classifying.classify(user_id, payments)

    first = asyncio.create_task(bench.run(job, bench.runs(lease_s=3600, classifies=Slow())))
    await going.wait()
    async with bench.database.transaction(bench.user_id) as connection:
        await connection.execute("UPDATE categorization.jobs SET lease_expires_at = now() - interval '1 second'")
    assert (await bench.run(job)).state is JobState.SUCCEEDED
    slow.set()
    assert (await first).attempt == 2


async def test_what_fails_is_tried_again_and_given_up_in_words(bench: Bench) -> None:
    job = await bench.service.start_classification(bench.user_id, shops(1), request_id="1")

    class Broken:
        async def classify(self, user_id: UUID, payments: list[Payment]) -> object:
            raise RuntimeError("secret of a cell")

    for tries in range(1, MAX_TRIES + 1):
        found = await bench.run(job, bench.runs(classifies=Broken()))
        if tries < MAX_TRIES:
            assert (found.state, found.tries) == (JobState.PENDING, tries)
    assert (found.state, found.error_reason) == (JobState.FAILED, "JOB_GIVEN_UP")
    assert "secret" not in found.error_message
    assert "Start it again" in found.error_message


async def test_what_is_away_costs_no_try(bench: Bench) -> None:
    job = await bench.service.start_recategorization(bench.user_id, request_id="1")
    bench.ledger.down = Unavailable("the ledger is down")
    for _ in range(MAX_TRIES + 1):
        found = await bench.run(job)
    assert (found.state, found.tries, found.begun) == (JobState.PENDING, 0, MAX_TRIES + 1)
    bench.ledger.down = None
    assert (await bench.run(job)).state is JobState.SUCCEEDED


async def test_a_final_state_is_final(bench: Bench, as_role: AsRole) -> None:
    job = await bench.run(await bench.service.start_classification(bench.user_id, shops(1), request_id="1"))
    assert (await bench.run(job)) == job
    async with as_role("categorization", bench.user_id) as connection:
        with pytest.raises(asyncpg.CheckViolationError, match="stays so"):
            await connection.execute("UPDATE categorization.jobs SET state = 'pending', completed_at = NULL, lease_expires_at = now()")


async def test_answers_are_kept_for_some_days(bench: Bench) -> None:
    job = await bench.run(await bench.service.start_classification(bench.user_id, shops(1), request_id="1"))
    await bench.runs().expire_results()
    assert (await bench.service.list_job_results(bench.user_id, job.id, after=0, limit=1))[0]
    async with bench.database.transaction(bench.user_id) as connection:
        await connection.execute("UPDATE categorization.jobs SET completed_at = now() - interval '8 days'")
    assert await bench.runs().expire_results() >= 1
    with pytest.raises(NotFound) as caught:
        await bench.service.list_job_results(bench.user_id, job.id, after=0, limit=1)
    assert caught.value.reason == "JOB_RESULTS_EXPIRED"
    assert (await bench.job(job.id)).state is JobState.SUCCEEDED


# The ledger anew


@pytest.mark.requirement("CAT-08")
async def test_recategorization_leaves_what_somebody_has_said(bench: Bench) -> None:
    """CAT-08: the user, a rule, the bank's file."""
    said = {source: bench.ledger.add(shop("REWE", in_ledger=True), "housing", source) for source in ("user", "rule", "file")}
    old = bench.ledger.add(shop("REWE", in_ledger=True), "housing", "model", 0.8)
    fallback = bench.ledger.add(shop("shell", in_ledger=True), "transport_fuel", "fallback", 0.6)
    like = bench.ledger.add(shop("cafe", in_ledger=True), "housing", "user", 0.7)
    new = bench.ledger.add(shop("cafe", in_ledger=True))
    unsure = bench.ledger.add(shop("what", in_ledger=True), "housing", "model", 0.6)
    job = await bench.run(await bench.service.start_recategorization(bench.user_id, request_id="1"))
    assert (job.state, job.done_count, job.changed_count, job.input_count) == (JobState.SUCCEEDED, 8, 4, 8)
    found = bench.ledger.transactions
    assert [(found[one].category, found[one].source) for one in said.values()] == [("housing", source) for source in said]
    assert (found[old].category, found[old].source) == ("groceries_supermarket", "model")
    assert (found[fallback].category, found[fallback].source) == ("transport_fuel", "model")
    assert found[like].category == found[new].category == "dining_cafe"
    assert (found[unsure].category, found[unsure].source) == ("", "")


async def test_recategorization_catches_up_with_what_the_user_said_by_another_way(bench: Bench) -> None:
    """As an edit of many says it, or the ledger took it while this service was away."""
    one = bench.ledger.add(shop("HALLE 4", in_ledger=True), "dining", "user")
    like = bench.ledger.add(shop("HALLE 4", in_ledger=True))
    anchor = Anchor(str(one), "halle", "housing", "HALLE 4", "", Decimal("-12.30"), date(2026, 5, 4), datetime.now(UTC))
    async with bench.database.transaction(bench.user_id) as connection:
        await revise(connection, bench.user_id)
        await say(connection, bench.user_id, [anchor])
    await bench.run(await bench.service.start_recategorization(bench.user_id, request_id="1"))
    assert bench.ledger.transactions[like].category == "dining"
    said = await bench.words.words(bench.user_id, [str(one)])
    assert [anchor.category for anchor in said.by_subject.values()] == ["dining"]


async def test_recategorization_goes_through_a_ledger_of_many_pages_and_resumes(bench: Bench) -> None:
    for number in range(2500):
        bench.ledger.add(shop(f"REWE {number}", in_ledger=True))
    job = await bench.service.start_recategorization(bench.user_id, request_id="1")
    # Each slice is over after its first step.
    found = await bench.run(job, bench.runs(slice_s=0))
    assert (found.state, found.done_count, found.cursor, found.tries) == (JobState.PENDING, 1000, "1000", 0)
    assert bench.queue.messages == [(bench.user_id, job.id, JobKind.RECATEGORIZATION)] * 2
    bench.ledger.asked.clear()
    found = await bench.run(job)
    assert (found.state, found.done_count, found.changed_count) == (JobState.SUCCEEDED, 2500, 2500)
    assert bench.ledger.asked.count("list_transactions") == 2
    again = await bench.run(await bench.service.start_recategorization(bench.user_id, request_id="2"))
    assert (again.done_count, again.changed_count) == (2500, 0)
    assert "set_categories" not in bench.ledger.asked[-3:]


async def test_a_page_token_that_holds_no_more_begins_anew(bench: Bench) -> None:
    bench.ledger.add(shop("REWE", in_ledger=True))
    job = await bench.service.start_recategorization(bench.user_id, request_id="1")
    async with bench.database.transaction(bench.user_id) as connection:
        await connection.execute("UPDATE categorization.jobs SET cursor = 'signed by another key'")
    assert (await bench.run(job)).changed_count == 1


async def test_one_walk_through_a_ledger_at_a_time(bench: Bench, other_user_id: UUID) -> None:
    job = await bench.service.start_recategorization(bench.user_id, request_id="1")
    with pytest.raises(FailedPrecondition) as caught:
        await bench.service.start_recategorization(bench.user_id, request_id="2")
    assert (caught.value.reason, caught.value.metadata["job_id"]) == ("JOB_OPEN", str(job.id))
    assert await bench.service.start_recategorization(bench.user_id, request_id="1") == job
    await bench.service.start_recategorization(other_user_id, request_id="2")
    await bench.run(job)
    await bench.service.start_recategorization(bench.user_id, request_id="2")


async def test_rules_in_the_models_place_do_not_undo_what_it_said(bench: Bench) -> None:
    bench.predictor.model = RulesModel()
    model = bench.ledger.add(shop("REWE", in_ledger=True), "dining", "model", 0.9)
    none = bench.ledger.add(shop("REWE", in_ledger=True))
    job = await bench.run(await bench.service.start_recategorization(bench.user_id, request_id="1"))
    assert job.changed_count == 1
    assert bench.ledger.transactions[model].category == "dining"
    assert (bench.ledger.transactions[none].category, bench.ledger.transactions[none].source) == ("groceries_supermarket", "fallback")


# The queue


@pytest.mark.requirement("CAT-06")
async def test_one_message_with_the_options_of_the_queue(own_redis: RedisProcess, user_id: UUID) -> None:
    """CAT-06: one message, high priority; 5 minutes and 2 retries. What waits for other services' models is none of ours."""
    queue, job_id = RedisJobQueue(own_redis.url), uuid_utils.compat.uuid7()
    listening = TaskQueue(own_redis.url, services=["probe"])
    await listening.enqueue("probe.forecast", [str(user_id)], queue="inference-probe")
    await queue.enqueue(user_id, job_id, JobKind.CLASSIFICATION)
    raw = await listening._redis.lrange(QUEUE, 0, -1)  # a priority below the highest has another list
    assert len(raw) == await queue.length() == 1
    await queue.enqueue(user_id, job_id, JobKind.RECATEGORIZATION)
    assert await listening._redis.llen(QUEUE) == 1, "a walk through a ledger waits for those who ask about a few payments"
    await queue.enqueue(user_id, job_id, JobKind.CLASSIFICATION, behind=True)
    assert await listening._redis.llen(f"{QUEUE}:9") == 1, "and what is behind waits for both"
    await queue.discard(user_id)
    assert await queue.length() == 0
    assert await listening.length("inference-probe") == 1
    await queue.close()
    await listening.close()
    task = tasks.classify_payments
    assert (task.time_limit, task.max_retries, task.route) == (300, 2, {"queue": "inference-categorization", "priority": 0})
    assert (tasks.recategorize_ledger.time_limit, tasks.recategorize_ledger.route["priority"]) == (600, 3)


def test_amounts_are_no_floats_in_what_is_stored() -> None:
    from services.categorization.jobs.repository import _payment, _payment_record

    payment = Payment("x", "", Decimal("922337203685477.5807"), "EUR")
    assert _payment(_payment_record(payment)) == payment
