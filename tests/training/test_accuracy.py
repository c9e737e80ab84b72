"""A model is trained anew when users leave too few of its categories as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import grpc.aio
import pytest

from scale.categorization.v1 import learning_service_pb2 as pb
from scale.categorization.v1.learning_service_pb2_grpc import LearningServiceServicer, add_LearningServiceServicer_to_server
from services.kit import context
from services.kit.errors import AlreadyExists, FailedPrecondition, Unauthenticated
from services.kit.server import Server
from services.kit.settings import ProcessSettings
from services.training.accuracy import Acceptance, AccuracyWatch
from services.training.domain import CATEGORIZER, CATEGORIZER_GLOBAL, NOBODY, Caller, Job, JobStatus, Trigger
from services.training.learning import GrpcAcceptance
from tests.ingestion.conftest import WORKER, process_settings, serving
from tests.support.training_fakes import a_job
from tests.training.conftest import Bench

OBJECTIVE = 0.70


class Counts:
    """`AcceptanceSource`."""

    def __init__(self, total: Acceptance | None = None, users: dict[UUID, Acceptance] | None = None) -> None:
        self._total = total or Acceptance(0, 0)
        self._users = users or {}

    async def total(self) -> Acceptance:
        return self._total

    async def low(self, *, maximum_ratio: float, minimum_classified: int) -> AsyncIterator[tuple[UUID, Acceptance]]:
        for user_id, found in self._users.items():
            yield user_id, found


class Starts:
    """What begins jobs: notes them."""

    def __init__(self, *answers: Job | Exception) -> None:
        self.begun: list[tuple[UUID, str, str]] = []
        self._answers = list(answers)

    async def start_training_job(self, caller: Caller, model: str, *, request_id: str, trigger: Trigger) -> Job:
        self.begun.append((caller.owner_of(model), model, trigger.value))
        answer = self._answers.pop(0) if self._answers else a_job(caller.user_id)
        if isinstance(answer, Exception):
            raise answer
        return answer


def watch(counts: Counts, starts: Starts, acted: list[UUID] | None = None) -> AccuracyWatch:
    noted: list[UUID] = acted if acted is not None else []
    return AccuracyWatch(counts, starts, objective=OBJECTIVE, minimum_classified=100, act_as=noted.append)


@pytest.mark.requirement("CAT-17")
@pytest.mark.parametrize(("classified", "corrected", "ratio"), [(100, 31, 0.69), (100, 0, 1), (0, 0, None), (1000, 290, 0.71), (10, 12, 0)])
def test_accuracy_is_accepted_over_classified(classified: int, corrected: int, ratio: float | None) -> None:
    assert Acceptance(classified, corrected).accepted_ratio == (pytest.approx(ratio) if ratio is not None else None)


@pytest.mark.requirement("CAT-17")
@pytest.mark.parametrize(
    ("classified", "corrected", "begins"),
    [(1000, 310, True), (1000, 290, False), (1000, 300, False), (99, 50, False), (100, 50, True), (0, 0, False)],
)
async def test_sixty_nine_percent_has_the_global_model_trained_and_seventy_one_does_not(
    classified: int, corrected: int, begins: bool
) -> None:
    starts = Starts()
    assert await watch(Counts(Acceptance(classified, corrected)), starts).check_accuracy() == int(begins)
    assert starts.begun == [(NOBODY, CATEGORIZER_GLOBAL, "accuracy")] * begins


async def test_each_user_below_is_trained_for_in_their_own_name(user_id: UUID, other_user_id: UUID) -> None:
    fine, starts = uuid4(), Starts()
    acted: list[UUID] = []
    counts = Counts(users={user_id: Acceptance(100, 31), fine: Acceptance(100, 29), other_user_id: Acceptance(200, 100)})
    assert await watch(counts, starts, acted).check_accuracy() == 2
    assert starts.begun == [(user_id, CATEGORIZER, "accuracy"), (other_user_id, CATEGORIZER, "accuracy")]
    assert acted == [NOBODY, user_id, other_user_id]


@pytest.mark.parametrize(
    "answer",
    [
        AlreadyExists("open", reason="TRAINING_JOB_OPEN"),
        Unauthenticated("erased", reason="USER_ERASED"),
        a_job(NOBODY, status=JobStatus.COMPLETED, completed_at=datetime.now(UTC)),  # today's
    ],
)
async def test_who_cannot_be_trained_for_just_now_keeps_nobody_waiting(user_id: UUID, other_user_id: UUID, answer: Job | Exception) -> None:
    starts = Starts(answer)
    counts = Counts(users={user_id: Acceptance(100, 50), other_user_id: Acceptance(100, 50)})
    assert await watch(counts, starts).check_accuracy() == 1
    assert [user for user, *_ in starts.begun] == [user_id, other_user_id]


async def test_what_nobody_expects_is_said(user_id: UUID) -> None:
    starts = Starts(FailedPrecondition("no queue", reason="QUEUE_NOT_CONFIGURED"))
    with pytest.raises(FailedPrecondition):
        await watch(Counts(users={user_id: Acceptance(100, 50)}), starts).check_accuracy()


async def test_a_job_is_begun_once_a_day(bench: Bench) -> None:
    counts = Counts(users={bench.user_id: Acceptance(1000, 310)})
    looking = AccuracyWatch(counts, bench.service, objective=OBJECTIVE, minimum_classified=100, act_as=lambda user_id: None)
    assert await looking.check_accuracy() == 1
    (page, _) = await bench.service.list_training_jobs(bench.caller, status=None, model="", limit=10, after=None)
    assert [(job.trigger, job.model_type) for job in page] == [(Trigger.ACCURACY, CATEGORIZER)]
    assert bench.queue.messages == [(bench.user_id, page[0].id)]
    await bench.run(page[0])
    assert await looking.check_accuracy() == 0
    assert len(bench.queue.messages) == 1


class Learning(LearningServiceServicer):
    """Two users, a page each."""

    def __init__(self, users: list[UUID]) -> None:
        self.users = users
        self.asked: list[pb.ListLowAcceptanceRequest] = []

    async def GetAcceptance(self, request: pb.GetAcceptanceRequest, _: grpc.aio.ServicerContext) -> pb.GetAcceptanceResponse:
        return pb.GetAcceptanceResponse(acceptance=pb.Acceptance(classified_count=1000, corrected_count=310))

    async def ListLowAcceptance(self, request: pb.ListLowAcceptanceRequest, _: grpc.aio.ServicerContext) -> pb.ListLowAcceptanceResponse:
        self.asked.append(request)
        number = int(request.page_token or 0)
        found = pb.UserAcceptance(user_id=str(self.users[number]), acceptance=pb.Acceptance(classified_count=100, corrected_count=40))
        token = str(number + 1) if number + 1 < len(self.users) else ""
        return pb.ListLowAcceptanceResponse(users=[found], next_page_token=token)


async def test_the_counts_are_asked_of_categorization(user_id: UUID, other_user_id: UUID) -> None:
    learning = Learning([user_id, other_user_id])
    methods = frozenset(f"/scale.categorization.v1.LearningService/{name}" for name in ("GetAcceptance", "ListLowAcceptance"))
    server = Server(
        ProcessSettings(**process_settings()),
        name="categorization",
        services=["scale.categorization.v1.LearningService"],
        register=lambda server: add_LearningServiceServicer_to_server(learning, server),
        service_methods=methods,
    )
    async with serving(server):
        context.bind_background(NOBODY, WORKER)
        counts = GrpcAcceptance(f"127.0.0.1:{server.port}")
        assert (await counts.total()).accepted_ratio == pytest.approx(0.69)
        found = [one async for one in counts.low(maximum_ratio=0.7, minimum_classified=100)]
        assert found == [(user_id, Acceptance(100, 40)), (other_user_id, Acceptance(100, 40))]
        assert (learning.asked[0].maximum_ratio, learning.asked[0].minimum_classified_count) == (0.7, 100)
        await counts.close()
        context.bind_identity(None)
